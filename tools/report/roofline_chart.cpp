#include "tools/report/roofline_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <iterator>
#include <string_view>
#include <utility>

#include "profiler/core/error.h"
#include "profiler/core/operator.h"
#include "profiler/core/provenance.h"
#include "tools/report/chart.h"
#include "tools/report/filter_program.h"
#include "tools/report/folder.h"
#include "tools/report/text.h"
#include "tools/report/units.h"

namespace rooftop {
namespace {

constexpr std::chrono::seconds kTimeLimit{60};
constexpr int kTitleColumns = 72;

// gnuplot's point types.
constexpr int kCross = 2;
constexpr int kCircle = 6;
constexpr int kDisc = 7;
constexpr int kDiamond = 12;
// `predicted`: crosses are predictions, and what a run took must look otherwise.
constexpr int type_of(Mark mark, bool predicted) {
  switch (mark) {
    case Mark::kMeasured:
      return kDisc;
    case Mark::kCounters:
      return kCircle;
    case Mark::kModelled:
      return predicted ? kDiamond : kCross;
    case Mark::kPredicted:
      break;
  }
  return kCross;
}

using Script = fmt::memory_buffer;

template <typename... Args>
void add(Script& script, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(script), format, std::forward<Args>(args)...);
}

// A string that gnuplot takes as it stands: inside single quotes it knows no escapes, no command
// substitution and no macros, only the doubled quote; the terminal's enhanced mode is off.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : clean_text(text)) {
    out.push_back(c);
    if (c == '\'') out.push_back(c);
  }
  return out + "'";
}

// A power of ten as an axis says it: "100", "10k", "1T"; "0.1" below one.
std::string tick_text(int exponent) {
  static constexpr std::array<std::string_view, 7> kPrefixes = {"", "k", "M", "G", "T", "P", "E"};
  if (exponent < 0) return fmt::format("{:.{}f}", std::pow(10.0, exponent), -exponent);
  const std::size_t prefix = std::min<std::size_t>(static_cast<std::size_t>(exponent) / 3, 6);
  const int rest = exponent - 3 * static_cast<int>(prefix);
  return fmt::format("{:.0f}{}", std::pow(10.0, rest), kPrefixes[prefix]);
}

void add_ticks(Script& script, char axis, double low, double high) {
  add(script, "set {}tics nomirror (", axis);
  const char* separator = "";
  for (int e = static_cast<int>(std::floor(std::log10(low))); std::pow(10.0, e) <= high; ++e) {
    for (int step = 1; step <= 9; ++step) {
      const double at = step * std::pow(10.0, e);
      if (at < low * (1 - 1e-9) || at > high * (1 + 1e-9)) continue;
      add(script, "{}'{}' {:.6g} {}", separator, step == 1 ? tick_text(e) : "", at,
          step == 1 ? 0 : 1);
      separator = ", ";
    }
  }
  add(script, ")\n");
}

void add_frame(Script& script, const Report& report, const ChartRange& range,
               PictureFormat format) {
  // The bitmap has twice the vector picture's size, for dense screens and for print.
  add(script, "set encoding utf8\n");
  if (format == PictureFormat::kSvg) {
    add(script,
        "set terminal svg noenhanced size 960,640 font 'DejaVu Sans,13' "
        "background '#ffffff'\n");
  } else {
    add(script,
        "set terminal pngcairo noenhanced size 1920,1280 font 'DejaVu Sans,13' "
        "fontscale 2 linewidth 2 pointscale 2 background '#ffffff'\n");
  }
  add(script, "set title {} font ',15'\n",
      quoted(fit_text(clean_text(chart_title(report)), kTitleColumns)));
  add(script, "set xlabel 'Operational Intensity (FLOP/Byte)'\n");
  add(script, "set ylabel 'Performance (FLOP/s)'\n");
  // A hair wider than the limits: rounding in logarithms must not lose the outermost ticks.
  constexpr double kHair = 1e-6;
  add(script, "set logscale xy\nset xrange [{:.9g}:{:.9g}]\nset yrange [{:.9g}:{:.9g}]\n",
      range.x_min * (1 - kHair), range.x_max * (1 + kHair), range.y_min * (1 - kHair),
      range.y_max * (1 + kHair));
  add_ticks(script, 'x', range.x_min, range.x_max);
  add_ticks(script, 'y', range.y_min, range.y_max);
  add(script,
      "set grid back xtics ytics lt 1 lc rgb '#e4e4e4' lw 0.6\n"
      "set border 3 lc rgb '#444444'\nset tics tc rgb '#222222'\n"
      "set bmargin 6\nset rmargin 3\n"
      "set key bottom right Left reverse opaque fc rgb '#ffffff' box lc rgb '#cccccc' "
      "samplen 2.5 spacing 1.15 width -1 height 0.4 font ',11'\n");
}

// Points of the six series by series and mark, and the modelled twins of counted ones.
struct Blocks {
  std::array<std::array<std::string, kMarks>, 6> marks;
  std::array<std::string, 6> twins;
  std::array<std::string, 6> unfit;   // cells that the device's memory cannot hold
  std::array<std::string, 6> errors;  // of predictions: intensity, FLOP/s, its low and high end
  bool predicted = false;
};

// FLOP/s at a time that is longer and shorter by its error.
std::string error_row(const Point& point) {
  const double longest = point.time_s() + point.time_spread_s();
  const double shortest = std::max(point.time_s() - point.time_spread_s(), 0.05 * point.time_s());
  return fmt::format("{:.9g} {:.9g} {:.9g} {:.9g}\n", point.intensity(), point.flops_per_s(),
                     point.flops_per_s() * point.time_s() / longest,
                     point.flops_per_s() * point.time_s() / shortest);
}

Blocks blocks_of(const Report& report) {
  Blocks blocks;
  blocks.predicted = has_predictions(report);
  for (const Point& point : report.points()) {
    if (!is_plotted(point)) continue;
    const auto series = static_cast<std::size_t>(series_index(point.series()));
    const auto mark = static_cast<std::size_t>(mark_of(point, report.flops_kind()));
    auto& rows = point.does_not_fit() ? blocks.unfit[series] : blocks.marks[series][mark];
    rows += fmt::format("{:.9g} {:.9g}\n", point.intensity(), point.flops_per_s());
    if (point.time_source() == name_of(Provenance::kPredicted) && point.time_spread_s() > 0) {
      blocks.errors[series] += error_row(point);
    }
    if (const auto twin = twin_intensity(point)) {
      blocks.twins[series] += fmt::format("{:.9g} {:.9g}\n", *twin, point.flops_per_s());
    }
  }
  return blocks;
}

void add_block(Script& script, const std::string& name, const std::string& rows) {
  add(script, "${} << END\n{}END\n", name, rows);
}

// The plot command's parts, joined by commas: what is drawn, in order, with its legend entry.
using Plots = std::vector<std::string>;

void add_series(Script& script, Plots& plots, const Blocks& blocks) {
  for (std::size_t s = 0; s < blocks.marks.size(); ++s) {
    if (blocks.twins[s].empty()) continue;
    add_block(script, fmt::format("twins{}", s), blocks.twins[s]);
    plots.push_back(fmt::format("$twins{} with points pt {} ps 0.5 lw 0.8 lc rgb '#a0{}' notitle",
                                s, kCross, kSeriesColours[s].substr(1)));
  }
  for (std::size_t s = 0; s < blocks.marks.size(); ++s) {
    if (!blocks.errors[s].empty()) {
      add_block(script, fmt::format("errors{}", s), blocks.errors[s]);
      plots.push_back(
          fmt::format("$errors{} using 1:2:3:4 with yerrorbars pt -1 lw 0.8 lc rgb '#70{}' notitle",
                      s, kSeriesColours[s].substr(1)));
    }
    if (blocks.unfit[s].empty()) continue;
    add_block(script, fmt::format("unfit{}", s), blocks.unfit[s]);
    plots.push_back(fmt::format("$unfit{} with points pt {} ps 0.9 lw 1.2 lc rgb '#a8{}' notitle",
                                s, kCross, kSeriesColours[s].substr(1)));
  }
  for (std::size_t s = 0; s < blocks.marks.size(); ++s) {
    int legend = kCross;
    for (const Mark mark : {Mark::kModelled, Mark::kPredicted, Mark::kCounters, Mark::kMeasured}) {
      const std::string& rows = blocks.marks[s][static_cast<std::size_t>(mark)];
      if (rows.empty()) continue;
      const int type = type_of(mark, blocks.predicted);
      if (type != kDiamond) legend = type;
      const std::string name = fmt::format("series{}_{}", s, name_of(mark));
      add_block(script, name, rows);
      plots.push_back(fmt::format("${} with points pt {} ps 0.9 lw 1.5 lc rgb '{}' notitle", name,
                                  type, kSeriesColours[s]));
    }
    plots.push_back(fmt::format("keyentry with points pt {} ps 0.9 lw 1.5 lc rgb '{}' title {}",
                                legend, kSeriesColours[s], quoted(series_names()[s])));
  }
}

void add_roofs(Script& script, Plots& plots, const std::vector<RoofPair>& pairs,
               const ChartRange& range) {
  if (pairs.empty()) return;
  const RoofPair& roofs = pairs.front();
  const double ridge = roofs.ridge();
  const double peak = roofs.compute->value();
  const auto line = [&](const char* name, std::array<double, 4> ends, std::string_view colour,
                        const std::string& title) {
    add_block(script, name,
              fmt::format("{:.9g} {:.9g}\n{:.9g} {:.9g}\n", ends[0], ends[1], ends[2], ends[3]));
    plots.push_back(fmt::format("${} with lines dt (9,5) lw 1.6 lc rgb '{}' title {}", name, colour,
                                quoted(fit_text(clean_text(title), 40))));
  };
  line("bandwidth", {range.x_min, roofs.at(range.x_min), ridge, peak}, kBandwidthColour,
       roofs.bandwidth->label());
  line("compute", {ridge, peak, range.x_max, peak}, kComputeColour, roofs.compute->label());
  line("ridge", {ridge, range.y_min, ridge, peak}, kRidgeColour,
       "ridge " + human_ratio(ridge) + " FLOP/byte");
}

// "× predicted, transferred from a40".
std::string prediction_text(const Report& report) {
  for (const Run& run : report.runs()) {
    if (run.prediction() == "ideal") return "× on the roof";
    if (!run.prediction().empty()) return "× predicted, " + run.prediction();
  }
  return {};
}

// What the marks mean, which roofs these are, and where a chart has no points that it has none.
std::string caption(const Report& report, const Blocks& blocks,
                    const std::vector<RoofPair>& pairs) {
  const auto any = [](const auto& texts, auto has) {
    return std::any_of(texts.begin(), texts.end(), has);
  };
  const auto uses = [&](Mark mark) {
    return any(blocks.marks,
               [&](const auto& marks) { return !marks[static_cast<std::size_t>(mark)].empty(); });
  };
  std::string text;
  const auto say = [&](bool condition, std::string_view sentence) {
    if (condition) text.append(text.empty() ? "" : "   ").append(sentence);
  };
  say(uses(Mark::kMeasured), "● bytes and time measured");
  say(uses(Mark::kCounters), "○ bytes joined, memoised or sampled");
  say(uses(Mark::kModelled),
      blocks.predicted ? "◇ measured time, modelled bytes" : "× bytes modelled");
  const bool unfit = any(blocks.unfit, [](const std::string& rows) { return !rows.empty(); });
  say(uses(Mark::kPredicted) || unfit, prediction_text(report));
  say(unfit, "pale: does not fit");
  say(any(blocks.twins, [](const std::string& rows) { return !rows.empty(); }),
      "small ×: with modelled bytes");
  say(text.empty(), "no points of the six series were recorded");
  say(report.flops_kind() == "hardware", "hardware FLOPs");
  say(pairs.empty(), "no roof is known for this device");
  if (!pairs.empty()) say(true, "roofs: " + pairs.front().compute->name());
  return text;
}

// gnuplot titles the picture "Gnuplot" and every part of it "gnuplot_plot_3", which browsers show
// as tooltips; and it leaves a "]]>" of a name as it is, which XML text must not hold.
std::string finished_svg(std::string_view svg, const std::string& title) {
  static constexpr std::string_view kOpen = "<title>", kClose = "</title>", kEnd = "]]>";
  std::string out;
  out.reserve(svg.size());
  bool titled = false;
  while (!svg.empty()) {
    const std::size_t at = std::min(svg.find(kOpen), svg.find(kEnd));
    out += svg.substr(0, at);
    if (at == std::string_view::npos) break;
    svg.remove_prefix(at);
    if (svg.substr(0, kEnd.size()) == kEnd) {
      out += "]]&gt;";
      svg.remove_prefix(kEnd.size());
      continue;
    }
    if (!std::exchange(titled, true)) out.append(kOpen).append(escape_html(title)).append(kClose);
    const std::size_t end = svg.find(kClose);
    svg.remove_prefix(end == std::string_view::npos ? svg.size() : end + kClose.size());
  }
  return out;
}

}  // namespace

std::string roofline_script(const Report& report, PictureFormat format) {
  const std::vector<RoofPair> pairs = roof_pairs(report);
  const ChartRange range = chart_range(report, pairs);
  const Blocks blocks = blocks_of(report);
  Script script;
  // Something to plot even where there are neither points nor roofs: gnuplot needs it for the axes.
  Plots plots = {"NaN with lines notitle"};
  add_frame(script, report, range, format);
  add_series(script, plots, blocks);
  add_roofs(script, plots, pairs, range);
  add(script, "set label 1 {} at screen 0.985, screen 0.03 right font ',10' tc rgb '#666666'\n",
      quoted(fit_text(caption(report, blocks, pairs), 116)));
  add(script, "plot {}\n", fmt::join(plots, ", \\\n     "));
  return fmt::to_string(script);
}

std::string render_roofline(const Report& report, PictureFormat format) {
  // -d: no start-up files, which could change what is drawn.
  const ProgramResult result =
      run_filter({"gnuplot", "-d", "-"}, roofline_script(report, format), kTimeLimit);
  if (!result.found) {
    throw InputError(
        "The charts need gnuplot, which was not found: install it (Debian: apt-get install "
        "gnuplot-nox).");
  }
  if (result.timed_out) {
    throw InputError(
        "gnuplot did not finish the chart within a minute: see whether `gnuplot "
        "--version` works on this machine.");
  }
  if (result.exit_status != 0 || result.output.empty()) {
    throw InputError("gnuplot could not draw the chart (" +
                     fit_text(clean_text(result.errors), 200) +
                     "): gnuplot 5.4 or newer with the svg and pngcairo terminals is needed "
                     "(Debian: gnuplot-nox).");
  }
  if (format == PictureFormat::kPng) return result.output;
  return finished_svg(result.output, clean_text(chart_title(report)));
}

void draw_roofline(const Report& report, const std::string& path_without_extension,
                   const std::vector<PictureFormat>& formats) {
  for (const PictureFormat format : formats) {
    const char* const extension = format == PictureFormat::kSvg ? ".svg" : ".png";
    write_file_atomically(path_without_extension + extension, render_roofline(report, format));
  }
}

}  // namespace rooftop
