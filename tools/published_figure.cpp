#include "tools/published_figure.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "tools/report/units.h"

namespace rooftop::tools {
namespace {

struct Reading {
  std::string_view series;
  double intensity_low, intensity_high;  // FLOP/byte
  double rate_low, rate_high;            // FLOP/s
};

// arXiv 2401.10774, the chart of Llama 13B on the A6000, read by eye.
constexpr std::array<Reading, 6> kReadings = {{
    {"qkv mlp init", 800, 3000, 150e12, 181e12},
    {"qkv mlp ar", 2, 40, 1e12, 20e12},
    {"up/gate/down init", 200, 4000, 100e12, 181e12},
    {"up/gate/down ar", 1, 10, 0.1e12, 5e12},
    {"qk/pv init", 40, 150, 10e12, 80e12},
    {"qk/pv ar", 1, 1, 40e9, 800e9},
}};

// A figure on logarithmic axes is read to a quarter at best.
constexpr double kReadable = 1.25;

std::string verdict_of(const SeriesRange& ours, const Reading& read) {
  std::string text;
  const auto say = [&](const std::string& sentence) {
    text += (text.empty() ? "" : " ") + sentence;
  };
  if (read.intensity_low > ours.intensity_low * kReadable) {
    say(fmt::format("The low end was mis-read: the smallest cell has {} FLOP/byte, not {}.",
                    human_ratio(ours.intensity_low), human_ratio(read.intensity_low)));
  }
  if (read.intensity_high * kReadable < ours.intensity_high) {
    say(fmt::format("The high end was mis-read: the largest batch has {} FLOP/byte, not {}.",
                    human_ratio(ours.intensity_high), human_ratio(read.intensity_high)));
  }
  if (text.empty()) say("Agrees within what can be read.");
  return text;
}

std::string text_of(const Reading& read) {
  const std::string intensity =
      read.intensity_low == read.intensity_high
          ? fmt::format("about {:g}", read.intensity_low)
          : fmt::format("{:g} to {:g}", read.intensity_low, read.intensity_high);
  return fmt::format("{} FLOP/byte, {} to {}", intensity, human_number(read.rate_low, "FLOP/s"),
                     human_number(read.rate_high, "FLOP/s"));
}

}  // namespace

void add_published(AtlasChart& chart) {
  if (chart.name != "llama-13b_a6000-paper") return;
  for (SeriesRange& range : chart.ranges) {
    for (const Reading& reading : kReadings) {
      if (reading.series != range.series) continue;
      range.published = text_of(reading);
      range.verdict = verdict_of(range, reading);
    }
  }
}

}  // namespace rooftop::tools
