#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "profiler/roofline/finding_rules.h"
#include "profiler/roofline/report_parts.h"
#include "profiler/roofline/units.h"

namespace rooftop {
namespace {

// Below these nobody needs to be told.
constexpr double kIdleWorthTelling = 0.05;
constexpr double kOverlapWorthTelling = 0.01;
constexpr double kCachedWorthTelling = 0.8;
constexpr double kPaddingWorthTelling = 1.25;
constexpr double kMissedWorkWorthTelling = 0.98;

void add_largest(Report& report) {
  const RowTotal* largest = nullptr;
  for (const RowTotal& row : report.rows()) {
    if (row.operator_().empty()) continue;  // idle
    if (largest == nullptr || row.share() > largest->share()) largest = &row;
  }
  if (largest == nullptr || largest->share() <= 0) return;
  std::string text = fmt::format("{} takes the largest share of device time, {}", largest->name(),
                                 format_percent(largest->share()));
  if (largest->has_roof_fraction()) {
    text += fmt::format(", at {} of its roof ({}-bound)", format_percent(largest->roof_fraction()),
                        largest->bound());
  }
  add_finding(report, "largest_share", text + ".");
}

void add_idle(Report& report) {
  const auto idle = report.shares().find("idle");
  if (idle == report.shares().end() || idle->second < kIdleWorthTelling) return;
  add_finding(report, "idle",
              fmt::format("The devices are idle {} of the time of the steps.",
                          format_percent(idle->second)));
}

void add_overlap(Report& report) {
  double wall = 0;
  for (const Run& run : report.runs()) wall += run.wall_seconds();
  if (wall <= 0 || report.overlap_seconds() < kOverlapWorthTelling * wall) return;
  add_finding(
      report, "overlap",
      fmt::format("Launches overlap during {:.3g} s: their own times sum to more than the time "
                  "that passed.",
                  report.overlap_seconds()));
}

// The point whose measured bytes exceed the compulsory ones by the most.
void add_amplification(Report& report) {
  const Point* worst = nullptr;
  double ratio = kAmplificationWorthTelling;
  for (const Point& point : report.points()) {
    if (point.amplification() < ratio) continue;
    ratio = point.amplification();
    worst = &point;
  }
  if (worst == nullptr) return;
  add_finding(
      report, "amplification",
      fmt::format("{} {} at batch {}, length {} moves {:.2f} times its compulsory bytes.",
                  worst->operator_(), worst->phase(), worst->batch(), worst->length(), ratio));
}

bool is_product(const Point& point) {
  return !point.series().empty() || point.operator_() == name_of(Operator::kOProj) ||
         point.operator_() == name_of(Operator::kLmHead);
}

// The product that moved the smallest part of what must move at least once, had it not been near.
// What an elementwise operator reads was written just before, and is often near: that is no news.
void add_cached(Report& report) {
  const Point* least = nullptr;
  for (const Point& point : report.points()) {
    if (!point.has_amplification() || point.amplification() >= kCachedWorthTelling) continue;
    if (!is_product(point)) continue;
    if (least == nullptr || point.amplification() < least->amplification()) least = &point;
  }
  if (least == nullptr) return;
  add_finding(report, "cached",
              fmt::format("{} {} at batch {}, length {} moves only {:.2f} of its compulsory bytes: "
                          "caches held the rest.",
                          least->operator_(), least->phase(), least->batch(), least->length(),
                          least->amplification()));
}

// Products whose hardware executes more operations than their shapes need, or, if the counters are
// to be believed, fewer.
void add_padding(Report& report) {
  const Point* most = nullptr;
  const Point* least = nullptr;
  for (const Point& point : report.points()) {
    if (!point.has_padding() || !is_product(point)) continue;
    if (most == nullptr || point.padding() > most->padding()) most = &point;
    if (least == nullptr || point.padding() < least->padding()) least = &point;
  }
  if (most != nullptr && most->padding() >= kPaddingWorthTelling) {
    add_finding(report, "padding",
                fmt::format("{} {} at batch {}, length {} executes {:.3g} times the FLOPs that its "
                            "shapes need: the rest fills tiles up.",
                            most->operator_(), most->phase(), most->batch(), most->length(),
                            most->padding()));
  }
  if (least != nullptr && least->padding() < kMissedWorkWorthTelling) {
    add_finding(
        report, "missed_work",
        fmt::format("Counters saw {:.3g} of the FLOPs that the shapes of {} {} at batch {}, "
                    "length {} need: a type of instruction was not counted.",
                    least->padding(), least->operator_(), least->phase(), least->batch(),
                    least->length()));
  }
}

}  // namespace

void add_findings(Report& report, const DeviceTable& devices) {
  add_largest(report);
  add_idle(report);
  add_overlap(report);
  add_amplification(report);
  add_cached(report);
  add_padding(report);
  add_bottlenecks(report);
  add_potential(report);
  add_what_ifs(report, devices);
  add_speculation(report);
}

}  // namespace rooftop
