// The measured roofs as a whole: which there are and what they are called. No timing is judged
// beyond what no machine can fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "profiler/core/error.h"
#include "profiler/core/machine.h"
#include "profiler/roofs/cpu.h"
#include "profiler/roofs/cpu_isa.h"

namespace rooftop {
namespace {

TEST(CpuRoofs, AreCompletePositiveAndNamed) {
  CpuRoofOptions options;
  options.seconds = 0.2;
  double last = -1;
  options.progress = [&](std::string_view what, double done) {
    EXPECT_FALSE(what.empty());
    EXPECT_GE(done, last);
    EXPECT_LE(done, 1);
    last = done;
  };
  const std::vector<RoofMeasurement> measured = measure_cpu_roofs(options);
  EXPECT_GT(last, 0.5);
  std::map<std::string, double> value;
  for (const auto& [roof, method, waited] : measured) {
    SCOPED_TRACE(roof.kind + roof.dtype);
    EXPECT_GT(roof.value, 1e8) << "no machine that runs this is below 0.1 GB/s or GFLOP/s";
    EXPECT_LT(roof.value, 1e16);
    EXPECT_GE(roof.clock_hz, 0);
    EXPECT_GE(waited, 0);
    EXPECT_LE(waited, 1);
    EXPECT_EQ(method.find("waited") != std::string::npos, waited > kBusyShare);
    EXPECT_THAT(method, ::testing::HasSubstr("thread"));
    EXPECT_TRUE(value.emplace(roof.kind + roof.dtype, roof.value).second) << "twice";
  }
  for (const char* name : {"dram_read", "dram_write", "dram_copy", "computef32", "computebf16"}) {
    EXPECT_TRUE(value.contains(name)) << name;
  }
  if (best_vector_isa() < VectorIsa::kAvx512Bf16 && !amx_bf16_granted()) {
    EXPECT_EQ(value["computebf16"], value["computef32"]);
  }
}

TEST(CpuRoofs, RoofsOfSetsTheDevice) {
  const std::vector<RoofMeasurement> measured = {{{0, "dram_read", "", 1e9, 2e9}, "method", 0}};
  const std::vector<MeasuredRoof> roofs = roofs_of(measured, 3);
  ASSERT_EQ(roofs.size(), 1U);
  EXPECT_EQ(roofs[0].device, 3U);
  EXPECT_EQ(roofs[0].kind, "dram_read");
  EXPECT_EQ(roofs[0].value, 1e9);
}

CpuRoofOptions with(int threads, double seconds) {
  CpuRoofOptions options;
  options.threads = threads;
  options.seconds = seconds;
  return options;
}

TEST(CpuRoofs, RefuseImpossibleOptions) {
  EXPECT_THROW(measure_cpu_roofs(with(-1, 1)), InputError);
  EXPECT_THROW(measure_cpu_roofs(with(100'000, 1)), InputError);
  EXPECT_THROW(measure_cpu_roofs(with(1, -1)), InputError);
  EXPECT_THROW(measure_cpu_roofs(with(1, std::numeric_limits<double>::quiet_NaN())), InputError);
  EXPECT_EQ(thread_count(with(3, 1)), 3);
  EXPECT_EQ(thread_count({}), static_cast<int>(usable_cores()));
}

}  // namespace
}  // namespace rooftop
