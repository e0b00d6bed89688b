#include "profiler/roofline/csv.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "profiler/roofline/kernels_csv.h"
#include "profiler/roofline/points_csv.h"
#include "profiler/roofline/report.h"
#include "tests/roofline/trace_builder.h"

namespace rooftop {
namespace {

using enum Operator;

TEST(Csv, QuotesAsRfc4180Has) {
  std::ostringstream out;
  CsvWriter row(out);
  row.text("plain").text("a,b").text("say \"x\"").text("two\nlines").empty().text(" ");
  row.end();
  EXPECT_EQ(out.str(), "plain,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",, \n");
}

TEST(Csv, NumbersAreShortAndExactAndAbsentOnesEmpty) {
  std::ostringstream out;
  CsvWriter row(out);
  row.number(0.1)
      .number(1e21)
      .number(std::nullopt)
      .integer(-3)
      .figure({})
      .figure({.value = 0, .source = Provenance::kModelled});
  row.end();
  EXPECT_EQ(out.str(), "0.1,1e+21,,-3,,0\n");
}

TEST(Csv, NumbersReadBackTheSame) {
  for (const double value : {0.1, 1e-9, 123456789.123, 5e-324, 1.7976931348623157e308, 1.0 / 3}) {
    std::ostringstream out;
    CsvWriter row(out);
    row.number(value).end();
    EXPECT_EQ(std::strtod(out.str().c_str(), nullptr), value) << out.str();
  }
}

// One step of every kind of row: a product, an elementwise operator, a copy, a launch of unknown
// purpose; a warm-up step before it, and a launch outside every step.
void add_small_trace(TraceBuilder& trace) {
  const ScopeId warmup = trace.begin_step({.warmup = true}, 100);
  trace.op(warmup, kQkv, 0, 100, 200);
  trace.end_step(warmup, 200);
  const ScopeId step =
      trace.begin_step({.phase = Phase::kInit, .query_tokens = 4, .length = 4}, 1000);
  trace.op(step, kGate, 0, 1000, 1125);
  trace.op(step, kUp, 0, 1125, 1250);
  const KernelId down = trace.op(step, kDown, 0, 1250, 1500);
  trace.counter(down, "dram__bytes_read.sum", 1000);
  trace.counter(down, "dram__bytes_write.sum", 24);
  trace.op(step, kResidual, 0, 1500, 1550);
  trace.memcpy(step, MemcpyKind::kDeviceToHost, 80, 1550, 1600);
  trace.kernel(step, 1600, 1700, 0, "name, with \"comma\"");
  trace.end_step(step, 2000);
  trace.kernel(0, 9000, 9010, 0, "stray");
}

TEST(PointsCsv, Golden) {
  TraceBuilder trace;
  add_small_trace(trace);
  std::ostringstream out;
  write_points_csv(build_report({trace.path()}), out);
  EXPECT_EQ(out.str(), file_text(ROOFTOP_TEST_DATA "/roofline/points.golden.csv"));
}

TEST(KernelsCsv, Golden) {
  TraceBuilder trace;
  add_small_trace(trace);
  std::ostringstream out;
  write_kernels_csv({trace.path()}, {}, out);
  EXPECT_EQ(out.str(), file_text(ROOFTOP_TEST_DATA "/roofline/kernels.golden.csv"));
}

TEST(KernelsCsv, SixteenBitProductsAreTensorWork) {
  Meta meta = tiny_meta();
  meta.dtype = "bf16";
  TraceBuilder trace(meta);
  const ScopeId step = trace.begin_step({}, 1000);
  trace.op(step, kOProj, 0, 1000, 1100);
  trace.op(step, kNorm, 0, 1100, 1200);
  trace.end_step(step, 1200);
  std::ostringstream out;
  write_kernels_csv({trace.path()}, {}, out);
  EXPECT_NE(out.str().find("scope,1000,100,128,,,,"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("scope,1100,100,,32,,,"), std::string::npos) << out.str();
}

}  // namespace
}  // namespace rooftop
