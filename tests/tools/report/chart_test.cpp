#include "tools/report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <thread>

#include "profiler/core/error.h"
#include "profiler/core/operator.h"
#include "tests/tools/report/sample_report.h"
#include "tools/report/filter_program.h"
#include "tools/report/roofline_chart.h"

namespace rooftop {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

bool has_gnuplot() {
  static const bool found =
      run_filter({"gnuplot", "--version"}, "", std::chrono::seconds(20)).found;
  return found;
}
#define NEEDS_GNUPLOT() \
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed (Debian: gnuplot-nox)"

Roof roof(const char* kind, const char* name, double value, bool drawn) {
  Roof r;
  r.set_device("d");
  r.set_kind(kind);
  r.set_name(name);
  r.set_value(value);
  r.set_drawn(drawn);
  return r;
}

TEST(ChartRange, IsThePapersForPointsWithinIt) {
  const Report report = testing::sample_gpu_sweep();
  const ChartRange range = chart_range(report, roof_pairs(report));
  EXPECT_DOUBLE_EQ(range.x_min, 0.6);
  EXPECT_DOUBLE_EQ(range.x_max, 10e3);
  EXPECT_DOUBLE_EQ(range.y_min, 10e9);
  EXPECT_GE(range.y_max, 181e12);
}

TEST(ChartRange, HoldsEveryPointAndRoof) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> exponent(-6, 6);
  for (int i = 0; i < 300; ++i) {
    Report report;
    *report.add_roofs() = roof("bandwidth", "a:dram", std::pow(10, 9 + exponent(random)), true);
    *report.add_roofs() = roof("compute", "a:f32", std::pow(10, 10 + exponent(random)), true);
    for (int k = 0; k < 5; ++k) {
      Point* p = report.add_points();
      p->set_series("qk/pv ar");
      p->set_intensity(std::pow(10, exponent(random)));
      p->set_flops_per_s(std::pow(10, 9 + exponent(random)));
    }
    const auto pairs = roof_pairs(report);
    const ChartRange range = chart_range(report, pairs);
    ASSERT_LE(range.x_min, 0.6);
    ASSERT_GE(range.x_max, 10e3);
    ASSERT_LE(range.y_min, 10e9);
    for (const Point& p : report.points()) {
      ASSERT_TRUE(p.intensity() > range.x_min && p.intensity() < range.x_max);
      ASSERT_TRUE(p.flops_per_s() > range.y_min && p.flops_per_s() < range.y_max);
    }
    const double ridge = pairs.front().ridge();
    ASSERT_TRUE(ridge > range.x_min && ridge < range.x_max);
    ASSERT_TRUE(pairs.front().compute->value() > range.y_min &&
                pairs.front().compute->value() < range.y_max);
  }
}

TEST(RoofPairs, DrawnFirstThenTheOtherSourceOfTheSameType) {
  Report report;
  *report.add_roofs() = roof("bandwidth", "measured:l2_read", 9e12, false);
  *report.add_roofs() = roof("bandwidth", "measured:dram_copy", 6e11, false);
  *report.add_roofs() = roof("bandwidth", "measured:dram_read", 7e11, false);
  *report.add_roofs() = roof("compute", "measured:f32", 3e13, false);
  *report.add_roofs() = roof("compute", "measured:bf16", 1.2e14, false);
  EXPECT_TRUE(roof_pairs(report).empty()) << "nothing is drawn";
  *report.add_roofs() = roof("bandwidth", "datasheet:dram", 7.68e11, true);
  *report.add_roofs() = roof("compute", "datasheet:bf16", 1.81e14, true);
  const auto pairs = roof_pairs(report);
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].source, "datasheet");
  EXPECT_NEAR(pairs[0].ridge(), 235.68, 0.01);
  EXPECT_EQ(pairs[1].source, "measured");
  EXPECT_EQ(pairs[1].bandwidth->name(), "measured:dram_read");
  EXPECT_EQ(pairs[1].compute->name(), "measured:bf16");
  EXPECT_DOUBLE_EQ(pairs[0].at(1), 7.68e11);
  EXPECT_DOUBLE_EQ(pairs[0].at(1e6), 1.81e14);
}

TEST(Marks, FollowTheWeakestOfBytesAndTime) {
  Point p;
  const auto mark = [&](const char* bytes, const char* time, const char* kind = "model") {
    p.set_bytes_source(bytes);
    p.set_time_source(time);
    return mark_of(p, kind);
  };
  p.set_flops_source("MODELLED");
  EXPECT_EQ(mark("MEASURED", "MEASURED"), Mark::kMeasured);
  EXPECT_EQ(mark("MEASURED", "MEASURED", "hardware"), Mark::kModelled);
  EXPECT_EQ(mark("JOINED", "MEASURED"), Mark::kCounters);
  EXPECT_EQ(mark("SAMPLED", "MEASURED"), Mark::kCounters);
  EXPECT_EQ(mark("MODELLED", "MEASURED"), Mark::kModelled);
  EXPECT_EQ(mark("MEASURED", "PREDICTED"), Mark::kPredicted);
  EXPECT_EQ(mark("", "MEASURED"), Mark::kModelled);
}

TEST(Script, KeepsThePapersConventions) {
  const std::string script = roofline_script(testing::sample_gpu_sweep(), PictureFormat::kSvg);
  EXPECT_THAT(script, HasSubstr("set logscale xy"));
  EXPECT_THAT(script, HasSubstr("set title 'Roofline Model (Llama 7B, A6000)'"));
  EXPECT_THAT(script, HasSubstr("set key bottom right"));
  for (std::size_t s = 0; s < 6; ++s) {
    // A cross in the series' colour, under its name.
    EXPECT_THAT(script, ::testing::ContainsRegex("keyentry with points pt 2 [^\n]*lc rgb '" +
                                                 std::string(kSeriesColours[s]) + "' title '" +
                                                 std::string(series_names()[s]) + "'"));
  }
  EXPECT_THAT(script,
              ::testing::ContainsRegex("bandwidth with lines dt [^\n]*#0000ff' title '768GB/s'"));
  EXPECT_THAT(script,
              ::testing::ContainsRegex("compute with lines dt [^\n]*#ff0000' title '181 TFLOP/s'"));
  EXPECT_THAT(script, ::testing::ContainsRegex(
                          "ridge with lines dt [^\n]*#008000' title 'ridge 236 FLOP/byte'"));
}

TEST(Script, HasEveryPlottablePointOnceInItsSeries) {
  const Report report = testing::sample_many_points(600);
  const std::string script = roofline_script(report, PictureFormat::kPng);
  for (int s = 0; s < 6; ++s) {
    const std::string open = "$series" + std::to_string(s) + "_modelled << END\n";
    const std::size_t begin = script.find(open);
    ASSERT_NE(begin, std::string::npos);
    const std::string block = script.substr(
        begin + open.size(), script.find("END\n", begin + open.size()) - begin - open.size());
    EXPECT_EQ(std::count(block.begin(), block.end(), '\n'), 100);
  }
}

TEST(Script, LeavesOutWhatHasNoPlaceOnLogarithmicAxes) {
  Report report = testing::sample_cpu_run();
  int left = 0;
  for (Point& p : *report.mutable_points()) {
    if (p.series().empty()) continue;
    switch (left++ % 4) {
      case 0:
        p.set_intensity(0);
        break;
      case 1:
        p.set_flops_per_s(std::nan(""));
        break;
      case 2:
        p.clear_intensity();
        break;
      default:
        p.set_flops_per_s(1.0 / 0.0);
    }
  }
  const std::string script = roofline_script(report, PictureFormat::kSvg);
  EXPECT_THAT(script, Not(HasSubstr("$series")));
  EXPECT_THAT(script, HasSubstr("no points"));
}

TEST(Script, MarksCountedPointsAndTheirModelledTwins) {
  const std::string script =
      roofline_script(testing::sample_gpu_sweep(testing::Bytes::kCounted), PictureFormat::kSvg);
  EXPECT_THAT(script, HasSubstr("$series0_measured with points pt 7"));
  EXPECT_THAT(script, HasSubstr("$series2_counters with points pt 6"));
  EXPECT_THAT(script, HasSubstr("$series4_modelled with points pt 2"));
  EXPECT_THAT(script, HasSubstr("$twins0 with points"));
  EXPECT_THAT(script, Not(HasSubstr("$twins4")));
  EXPECT_THAT(script, HasSubstr("● bytes and time measured"));
}

// The script with every single-quoted string emptied; a doubled quote does not end one.
std::string skeleton(const std::string& script) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < script.size(); ++i) {
    if (quoted && script.compare(i, 2, "''") == 0) {
      ++i;
    } else if (script[i] == '\'' || script[i] == '\n') {
      quoted = script[i] == '\'' && !quoted;
      out.push_back(script[i]);
    } else if (!quoted) {
      out.push_back(script[i]);
    }
  }
  return out;
}

// Outside of single quotes no character of a name may appear: with the quoted parts taken out, the
// script of a hostile report is that of a harmless one.
TEST(Script, TextOfTheReportNeverLeavesItsQuotes) {
  const Report harmless = testing::sample_cpu_run();
  const std::string expected = skeleton(roofline_script(harmless, PictureFormat::kSvg));
  EXPECT_EQ(skeleton(roofline_script(testing::sample_hostile(), PictureFormat::kSvg)), expected);
  static const std::string kAlphabet = "'\"`\\\n\r@^_{}$~&%#!|;ab<>\xff\xc3";
  std::mt19937 random(5);
  std::uniform_int_distribution<std::size_t> pick(0, kAlphabet.size() - 1), length(1, 30);
  for (int i = 0; i < 500; ++i) {
    std::string name;
    for (std::size_t n = length(random); n > 0; --n) name.push_back(kAlphabet[pick(random)]);
    Report report = harmless;
    report.set_title(name);
    report.mutable_roofs(0)->set_label(name);
    ASSERT_EQ(skeleton(roofline_script(report, PictureFormat::kSvg)), expected) << name;
  }
}

TEST(Picture, SvgKeepsNamesAsText) {
  NEEDS_GNUPLOT();
  const std::string svg = render_roofline(testing::sample_gpu_sweep(), PictureFormat::kSvg);
  EXPECT_EQ(svg.rfind("<?xml", 0), 0U);
  for (const auto name : series_names()) EXPECT_THAT(svg, HasSubstr(">" + std::string(name) + "<"));
  for (const char* text :
       {"768GB/s", "181 TFLOP/s", "ridge 236 FLOP/byte", "Roofline Model (Llama 7B, A6000)",
        "Operational Intensity (FLOP/Byte)", "Performance (FLOP/s)", "10G", "10k"}) {
    EXPECT_THAT(svg, HasSubstr(std::string(">") + text + "<"));
  }
}

TEST(Picture, SvgHasItsTitleAndNoNamesOfGnuplots) {
  NEEDS_GNUPLOT();
  Report report = testing::sample_cpu_run();
  report.set_title("A ]]> title & <b>");
  const std::string svg = render_roofline(report, PictureFormat::kSvg);
  EXPECT_THAT(svg, HasSubstr("<title>A ]]&gt; title &amp; &lt;b&gt;</title>"));
  EXPECT_EQ(svg.find("<title>", svg.find("<title>") + 1), std::string::npos);
  EXPECT_EQ(svg.find("]]>"), std::string::npos) << "not allowed in XML text";
}

TEST(Picture, PngIsOne) {
  NEEDS_GNUPLOT();
  const std::string png = render_roofline(testing::sample_cpu_run(), PictureFormat::kPng);
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_THAT(png, HasSubstr("IEND"));
}

TEST(Picture, HostileAndEmptyReportsAreDrawnAndRunNothing) {
  NEEDS_GNUPLOT();
  const auto before = std::filesystem::current_path();
  const auto dir =
      std::filesystem::temp_directory_path() /
      ("rooftop-chart-" + std::to_string(std::hash<std::thread::id>{}(std::this_thread::get_id())));
  std::filesystem::create_directories(dir);
  std::filesystem::current_path(dir);
  const std::string svg = render_roofline(testing::sample_hostile(), PictureFormat::kSvg);
  for (const Report& report : {testing::sample_empty(), Report{}}) {
    EXPECT_THAT(render_roofline(report, PictureFormat::kSvg), HasSubstr("</svg>"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir)) << "a name was run as a command";
  std::filesystem::current_path(before);
  std::filesystem::remove_all(dir);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_NE(svg.find("&lt;/script>"), std::string::npos) << "the title is text";
}

TEST(Picture, MissingGnuplotIsOneClearSentence) {
  const std::string path = std::getenv("PATH") == nullptr ? "" : std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  try {
    render_roofline(testing::sample_cpu_run(), PictureFormat::kSvg);
    ADD_FAILURE() << "drawn without gnuplot";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("gnuplot-nox"));
  }
  setenv("PATH", path.c_str(), 1);
}

TEST(FilterProgram, PassesBytesBothWays) {
  std::string bytes(3 << 20, 'x');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  const ProgramResult result = run_filter({"cat"}, bytes, std::chrono::seconds(30));
  EXPECT_TRUE(result.found);
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_EQ(result.output, bytes);
}

TEST(FilterProgram, ReportsFailureSignalAndTimeLimit) {
  const auto limit = std::chrono::seconds(30);
  const ProgramResult failed = run_filter({"sh", "-c", "echo no >&2; exit 3"}, "", limit);
  EXPECT_EQ(failed.exit_status, 3);
  EXPECT_EQ(failed.errors, "no\n");
  EXPECT_EQ(run_filter({"sh", "-c", "kill -9 $$"}, "", limit).exit_status, 128 + 9);
  const auto begin = std::chrono::steady_clock::now();
  const ProgramResult slow = run_filter({"sleep", "60"}, "", std::chrono::milliseconds(100));
  EXPECT_TRUE(slow.timed_out);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  // Arguments reach the program as they are: no shell reads them.
  EXPECT_EQ(run_filter({"printf", "%s", "$(id) `id` *"}, "", limit).output, "$(id) `id` *");
}

}  // namespace
}  // namespace rooftop
