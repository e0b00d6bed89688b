#include "tools/report/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "profiler/core/operator.h"
#include "tests/tools/report/sample_report.h"
#include "tools/report/rows.h"
#include "tools/report/text.h"

namespace rooftop {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The lines between the two rules (the rows), and the line after them (the total).
struct Body {
  std::string head;
  std::vector<std::string> rows;
  std::string total;
};
Body body_of(const std::string& table) {
  Body body;
  int rules = 0;
  std::string before;
  for (const std::string& line : lines_of(table)) {
    const bool rule = line.size() > 20 && line.find_first_not_of('-') == std::string::npos;
    if (rule) {
      if (++rules == 1) body.head = before;
    } else if (rules == 1) {
      body.rows.push_back(line);
    } else if (rules == 2) {
      body.total = line;
      break;
    }
    before = line;
  }
  return body;
}

TableOptions ascii(int width) { return {false, width, false}; }

// The first percentage of a line; what is below a tenth of a percent counts as that.
double percent_in(const std::string& line) {
  const std::size_t sign = line.find(" %");
  const std::size_t begin = line.find_last_not_of("0123456789.", sign - 1) + 1;
  return std::stod(line.substr(begin, sign - begin));
}

std::string without_colours(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = text.find('m', i);
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

TEST(Table, RowsStandInTheirOrderAndSharesSumToAHundred) {
  Report report = testing::sample_gpu_sweep();
  // The report's own order does not matter for series, unclassified and idle.
  std::reverse(report.mutable_rows()->begin(), report.mutable_rows()->end());
  const Body body = body_of(render_table(report, ascii(120)));
  ASSERT_EQ(body.rows.size(), static_cast<std::size_t>(report.rows_size()));
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(body.rows[i].rfind(series_names()[i], 0), 0U) << body.rows[i];
  }
  EXPECT_EQ(body.rows[body.rows.size() - 2].rfind("unclassified", 0), 0U);
  EXPECT_EQ(body.rows.back().rfind("idle", 0), 0U);
  EXPECT_EQ(body.total.rfind("total", 0), 0U);
  EXPECT_THAT(body.total, HasSubstr(" 100 %"));
  double sum = 0;
  for (const std::string& row : body.rows) sum += percent_in(row);
  EXPECT_NEAR(sum, 100, 0.05 * static_cast<double>(body.rows.size()) + 0.1);
}

TEST(Table, TotalSaysWhenSharesDoNotSumToOne) {
  Report report = testing::sample_cpu_run();
  report.mutable_rows(0)->set_share(report.rows(0).share() + 0.05);
  EXPECT_THAT(body_of(render_table(report, ascii(120))).total, HasSubstr("105.0 %"));
}

TEST(Table, FiguresAreThoseOfTheReport) {
  Report report = testing::sample_cpu_run();
  RowTotal& row = *report.mutable_rows(0);
  row.set_time_s(0.0123);
  row.set_flops(1.61e9);
  row.set_bytes(101e6);
  row.set_intensity(15.94);
  row.set_flops_per_s(131e9);
  row.set_roof_fraction(0.4321);
  row.set_bound("memory");
  const std::string wide = body_of(render_table(report, ascii(120))).rows.front();
  for (const char* cell : {"12.3 ms", "1.61 GFLOP", "101 MB", "15.9", "131 GFLOP/s", "43.2 %"}) {
    EXPECT_THAT(wide, HasSubstr(cell));
  }
  const std::string narrow = body_of(render_table(report, ascii(76))).rows.front();
  for (const char* cell : {"12.3ms", "1.61G", "101MB", "15.9", "131G", "43.2%", "memory"}) {
    EXPECT_THAT(narrow, HasSubstr(cell));
  }
}

TEST(Table, AbsentIsBlankAndMakesTheTotalALowerBound) {
  Report report = testing::sample_cpu_run();
  const Totals before = totals_of(report);
  EXPECT_FALSE(before.flops.complete) << "unclassified time has no FLOPs";
  const double flops = report.rows(0).flops();
  report.mutable_rows(0)->clear_flops();
  const Totals after = totals_of(report);
  EXPECT_DOUBLE_EQ(*after.flops.value, *before.flops.value - flops);
  const Body body = body_of(render_table(report, ascii(120)));
  EXPECT_THAT(body.total, HasSubstr(">="));
  EXPECT_THAT(body.rows.front(), Not(HasSubstr(" 0 FLOP")));
  for (RowTotal& row : *report.mutable_rows()) {
    row.set_flops(1);
    row.set_bytes(1);
  }
  EXPECT_THAT(body_of(render_table(report, ascii(120))).total, Not(HasSubstr(">=")));
}

TEST(Table, EveryColumnIsThereAtEightyAndAHundredAndTwenty) {
  for (const auto& report : {testing::sample_cpu_run(), testing::sample_gpu_sweep(),
                             testing::sample_gpu_sweep(testing::Bytes::kCounted)}) {
    for (const int width : {80, 120}) {
      const std::string head = body_of(render_table(report, ascii(width))).head;
      for (const char* column :
           {"Series", "time", "share", "FLOPs", "bytes", "FLOP/B", "FLOP/s", "roof", "bound"}) {
        EXPECT_THAT(head, HasSubstr(column)) << width;
      }
    }
  }
}

TEST(Table, NoLineIsWiderThanTheTerminal) {
  for (const auto& report :
       {testing::sample_cpu_run(), testing::sample_gpu_sweep(testing::Bytes::kCounted),
        testing::sample_empty(), testing::sample_hostile(), Report{}}) {
    for (int width = 40; width <= 160; width += 3) {
      for (const bool unicode : {false, true}) {
        for (const std::string& line : lines_of(render_table(report, {false, width, unicode}))) {
          ASSERT_LE(display_width(line), width) << line;
        }
      }
    }
  }
}

TEST(Table, ColumnsAreAligned) {
  const Body body = body_of(render_table(testing::sample_cpu_run(), ascii(120)));
  const std::size_t end_of_time = body.head.find("time") + 4;
  for (const std::string& row : body.rows) {
    ASSERT_GT(row.size(), end_of_time);
    EXPECT_EQ(row[end_of_time], ' ') << row;
    EXPECT_EQ(row[end_of_time - 1], 's') << row;
  }
}

TEST(Table, ColoursAreOnlyAddedToTheSameText) {
  for (const auto& report : {testing::sample_gpu_sweep(), testing::sample_hostile()}) {
    const std::string plain = render_table(report, {false, 100, true});
    const std::string coloured = render_table(report, {true, 100, true});
    EXPECT_EQ(plain.find('\x1b'), std::string::npos);
    EXPECT_EQ(without_colours(coloured), plain);
    EXPECT_NE(plain, coloured);
  }
}

TEST(Table, AsciiIsAscii) {
  const std::string table = render_table(testing::sample_hostile(), ascii(100));
  for (const char c : table) ASSERT_TRUE(c == '\n' || (c >= ' ' && c < 127)) << int{c};
}

TEST(Table, SaysSourcesOnceWhereTheyAgreeElsePerRow) {
  const std::string same = render_table(testing::sample_cpu_run(), ascii(100));
  EXPECT_THAT(same, HasSubstr("time MEASURED, FLOPs MODELLED, bytes MODELLED"));
  EXPECT_THAT(body_of(same).head, Not(HasSubstr("src")));
  const std::string mixed =
      render_table(testing::sample_gpu_sweep(testing::Bytes::kCounted), ascii(80));
  const Body body = body_of(mixed);
  EXPECT_THAT(body.head, HasSubstr("src"));
  EXPECT_THAT(body.rows[0], ::testing::EndsWith("MCM"));
  EXPECT_THAT(body.rows[2], ::testing::EndsWith("MCJ"));
  EXPECT_THAT(body.rows[4], ::testing::EndsWith("MCC"));
}

TEST(Table, SaysWhatWasRunAndWhatWasLost) {
  Report report = testing::sample_gpu_sweep();
  report.set_overlap_seconds(0.5);
  report.mutable_runs(0)->set_dropped_records(1234);
  report.mutable_runs(0)->set_truncated(true);
  const std::string table = render_table(report, ascii(160));
  for (const char* text :
       {"llama-7b (random weights, 32 layers)", "NVIDIA RTX A6000", "bf16", "flash attention",
        "258 steps", "768GB/s bandwidth", "181 TFLOP/s compute", "ridge at 236 FLOP/B",
        "also known, measured: 672GB/s, 128 TFLOP/s", "0.3 % of the profiled time",
        "1,234 records lost", "truncated", "several kernels at once", "12 cells: the KV cache",
        "qk/pv ar moved 1.08 times"}) {
    EXPECT_THAT(table, HasSubstr(text));
  }
}

TEST(Table, ShowsTheSpreadOverTheCellsOfASweep) {
  Report report = testing::sample_gpu_sweep();
  for (Point& p : *report.mutable_points()) {
    if (p.series() != "qk/pv ar") continue;
    p.set_roof_fraction(0.0123);
    p.set_query_tokens(16);
    break;
  }
  const std::string table = render_table(report, ascii(120));
  EXPECT_THAT(table, ::testing::ContainsRegex("qk/pv ar +43 +1.2 % +b=1 L=128 q=16 "));
  EXPECT_THAT(table, HasSubstr("points.csv has every cell"));
}

TEST(Table, ManyRunsAndSkipsStayShort) {
  Report report = testing::sample_cpu_run();
  for (int i = 0; i < 500; ++i) {
    auto run = report.runs(0);
    auto* skipped = run.add_skipped();
    skipped->set_phase("ar");
    skipped->set_reason("reason " + std::to_string(i));
    *report.add_runs() = run;
  }
  const std::string table = render_table(report, ascii(80));
  EXPECT_THAT(table, HasSubstr("and 498 more runs"));
  EXPECT_THAT(table, HasSubstr("and 496 more, each with its reason in report.json"));
  EXPECT_LT(lines_of(table).size(), 90U);
}

TEST(Table, AnEmptyReportIsStillAReport) {
  const std::string table = render_table(Report{}, ascii(80));
  EXPECT_THAT(table, HasSubstr("No run was recorded."));
  EXPECT_THAT(table, HasSubstr("total"));
}

TEST(Table, CountersHaveColumnsOfTheirOwn) {
  const std::string table =
      render_table(testing::sample_gpu_sweep(testing::Bytes::kCounted), ascii(200));
  const Body body = body_of(table);
  EXPECT_THAT(body.head, HasSubstr("traffic"));
  EXPECT_THAT(body.head, HasSubstr("padding"));
  EXPECT_THAT(body.head, HasSubstr("tensor"));
  EXPECT_THAT(body.rows[1], HasSubstr("1.09x"));
  EXPECT_THAT(body.rows[1], HasSubstr("6.40x"));
  EXPECT_THAT(table, HasSubstr("timeline + counters"));
  EXPECT_THAT(table, HasSubstr("traffic: counted bytes over compulsory ones"));
  EXPECT_THAT(table, HasSubstr("of the launches that were counted: 94.0 % of up/gate/down init"));
  const std::string narrow =
      render_table(testing::sample_gpu_sweep(testing::Bytes::kCounted), ascii(80));
  EXPECT_THAT(narrow, HasSubstr("qkv mlp ar: traffic 1.09x, padding 6.40x, tensor cores 2.1 %\n"));
  const std::string plain = render_table(testing::sample_gpu_sweep(), ascii(200));
  for (const char* head : {"traffic", "padding", "tensor", "Counters"}) {
    EXPECT_THAT(plain, Not(HasSubstr(head)));
  }
}

TEST(Table, WithoutTimesThereAreNoColumnsForThem) {
  const std::string table = render_table(testing::sample_counters_only(), ascii(200));
  const Body body = body_of(table);
  for (const char* head : {"time", "share", "FLOP/s", "roof", "bound"}) {
    EXPECT_THAT(body.head, Not(HasSubstr(head)));
  }
  EXPECT_THAT(body.head, HasSubstr("traffic"));
  for (const char* nonsense : {"inf", "nan", "0 s", " 0 %"}) {
    EXPECT_THAT(body.total, Not(HasSubstr(nonsense)));
    EXPECT_THAT(body.rows[0], Not(HasSubstr(nonsense)));
  }
}

}  // namespace
}  // namespace rooftop
