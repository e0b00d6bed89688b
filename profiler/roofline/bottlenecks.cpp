// What holds each series back, and what is to be won where: sentences made of the report's rows.
#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

#include "profiler/roofline/finding_rules.h"
#include "profiler/roofline/units.h"

namespace rooftop {
namespace {

std::string source_of(const std::string& roof) {
  return roof.starts_with("measured") ? "measured" : "datasheet";
}

// Counted over compulsory bytes of a series; 0 where nothing was counted.
double amplification(const Report& report, const std::string& series) {
  double counted = 0;
  double compulsory = 0;
  for (const Point& p : report.points()) {
    const bool is_counted = p.series() == series && p.has_dram_bytes() && p.has_model_bytes() &&
                            p.bytes_source() != "MODELLED" && p.bytes_source() != "PREDICTED";
    if (!is_counted) continue;
    const auto steps = static_cast<double>(p.repeats());
    counted += p.dram_bytes() * steps;
    compulsory += p.model_bytes() * steps;
  }
  return compulsory > 0 ? counted / compulsory : 0;
}

std::string sentence_of(const Report& report, const RowTotal& row) {
  const double kernel_s = row.time_s() / static_cast<double>(row.calls());
  const double fraction = row.roof_fraction();
  const double moved = amplification(report, row.series());
  std::string text;
  if (kernel_s < kShortKernel && fraction < kFarBelowRoof) {
    text = fmt::format("{} is latency-bound: kernels of {:.1f} us reach {} of the roof", row.name(),
                       kernel_s * 1e6, format_percent(fraction));
  } else if (row.bound() == "memory") {
    text = fmt::format("{} is DRAM-bound at {} of {} bandwidth", row.name(),
                       format_percent(fraction), source_of(row.roof()));
  } else {
    text = fmt::format("{} is compute-bound at {} of the {} peak", row.name(),
                       format_percent(fraction), source_of(row.roof()));
  }
  if (moved > kAmplificationWorthTelling) {
    text += fmt::format(", and moves {:.1f} times its compulsory bytes", moved);
  }
  return text + ".";
}

}  // namespace

void add_finding(Report& report, std::string_view kind, std::string text) {
  Finding& finding = *report.add_findings();
  finding.set_kind(std::string(kind));
  finding.set_text(std::move(text));
}

void add_bottlenecks(Report& report) {
  for (const RowTotal& row : report.rows()) {
    if (row.series().empty() || !row.has_roof_fraction() || row.calls() == 0) continue;
    add_finding(report, "bottleneck", sentence_of(report, row));
  }
}

void add_potential(Report& report) {
  struct Gain {
    const RowTotal* row;
    double seconds;
  };
  std::vector<Gain> gains;
  double total = 0;
  for (const RowTotal& row : report.rows()) {
    total += row.time_s();
    if (!row.has_roof_fraction() || row.roof_fraction() >= 1) continue;
    gains.push_back({&row, row.time_s() * (1 - row.roof_fraction())});
  }
  if (gains.empty() || total <= 0) return;
  std::ranges::sort(gains, std::ranges::greater{}, &Gain::seconds);
  constexpr std::size_t kShown = 3;
  std::string list;
  for (std::size_t i = 0; i < std::min(kShown, gains.size()); ++i) {
    list += fmt::format("{}{} ({} of all time)", i == 0 ? "" : ", then ", gains[i].row->name(),
                        format_percent(gains[i].seconds / total));
  }
  add_finding(report, "potential", "Most would be won at the roof in " + list + ".");
}

}  // namespace rooftop
