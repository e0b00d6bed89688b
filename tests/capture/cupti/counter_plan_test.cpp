// Plans on the real CUPTI, whose scheduler needs no GPU: against a table of what it was found to
// take in one pass, and by properties that every plan has.
#include "profiler/capture/cupti/counter_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "profiler/capture/cupti/chip_names.h"
#include "profiler/capture/cupti/metric_host.h"
#include "profiler/roofline/counters.h"
#include "tests/capture/cupti/fake_cupti.h"

namespace rooftop::capture {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using Names = std::vector<std::string>;

// CUPTI here schedules only where libnvperf_host can be loaded beside it.
const CuptiApi* planning_cupti(std::string& why) {
#ifdef __SANITIZE_ADDRESS__
  // CUPTI loads it with RTLD_DEEPBIND, at which the sanitizer ends the process.
  why = "AddressSanitizer does not let CUPTI load libnvperf_host.so";
  return nullptr;
#endif
  Status found;
  const CuptiApi* api = find_cupti(found);
  if (api == nullptr || !api->has_host()) {
    why = found.ok() ? "this CUPTI has no host side" : found.message();
    return nullptr;
  }
  std::vector<std::string> chips;
  if (const Status listed = known_chips(*api, chips); !listed.ok()) {
    why = listed.message();
    return nullptr;
  }
  return api;
}

class OnRealCupti : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    api_ = planning_cupti(why);
    if (api_ == nullptr) GTEST_SKIP() << why;
  }

  std::size_t passes(const std::string& chip, Names metrics,
                     CUpti_ProfilerType type = CUPTI_PROFILER_TYPE_RANGE_PROFILER) const {
    MetricHost host(*api_);
    EXPECT_TRUE(host.open(type, chip).ok());
    const Status scheduled = host.schedule(std::move(metrics));
    EXPECT_TRUE(scheduled.ok()) << scheduled.message();
    return host.passes();
  }

  CounterPlan plan(const std::string& chip, Names types = {}) const {
    PlanRequest request;
    request.chip = chip;
    request.types = std::move(types);
    CounterPlan out;
    const Status status = plan_counters(*api_, request, out);
    EXPECT_TRUE(status.ok()) << status.message();
    return out;
  }

  const CuptiApi* api_ = nullptr;
};

Names dense(std::initializer_list<const char*> operations) {
  Names out;
  for (const char* operation : operations)
    out.push_back(std::string("sm__ops_path_tensor_") + operation + "_sparsity_off.sum");
  return out;
}

Names base(const std::string& chip) {
  const bool op = chip == "GB202";
  return {op ? "dram__bytes_op_read.sum" : "dram__bytes_read.sum",
          op ? "dram__bytes_op_write.sum" : "dram__bytes_write.sum",
          "gpu__time_duration.sum",
          "lts__t_bytes.sum",
          "lts__t_sectors_op_read.sum",
          "lts__t_sectors_op_write.sum",
          "sm__cycles_active.sum",
          "gpc__cycles_elapsed.max"};
}

struct Row {
  const char* chip;
  Names tensor;  // beside DRAM and L2 bytes, time and cycles
  std::size_t passes;
};

const Names kHopperOnePass = dense({"op_hgmma_src_bf16_dst_fp32", "op_hmma_src_bf16_dst_fp32",
                                    "op_hgmma_src_fp16", "op_hmma_src_fp16_dst_fp32", "src_fp8",
                                    "op_igmma_src_int8", "op_hgmma_src_tf32_dst_fp32"});

Names plus(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

TEST_F(OnRealCupti, PassesAreThoseOfTheTable) {
  const Names half_four =
      dense({"src_bf16_dst_fp32", "src_fp16_dst_fp32", "src_fp16_dst_fp16", "src_tf32_dst_fp32"});
  const Row rows[] = {
      {"GH100", kHopperOnePass, 1},
      {"GH100",
       plus(kHopperOnePass,
            dense({"op_hmma_src_fp16_dst_fp16", "op_hmma_src_tf32_dst_fp32", "op_imma_src_int8"})),
       3},
      {"GA100", dense({"src_bf16_dst_fp32", "src_fp16_dst_fp32"}), 1},
      {"GA100", dense({"src_bf16_dst_fp32", "src_tf32_dst_fp32"}), 1},
      {"GA100", half_four, 2},
      {"GA100", plus(half_four, dense({"src_int8"})), 3},
      {"GA102", dense({"src_fp16_dst_fp16", "src_tf32_dst_fp32"}), 1},
      {"GA102", half_four, 2},
      {"GA102", plus(half_four, dense({"src_int8"})), 3},
      {"AD102", dense({"src_bf16_dst_fp32", "src_fp16_dst_fp32"}), 1},
      {"AD102", plus(half_four, dense({"src_int8", "src_fp8"})), 4},
      {"GB100",
       dense({"op_utchmma_src_bf16_dst_fp32", "op_utcqmma_src_fp4_fp6_fp8_dst_fp32",
              "op_utcomma_src_fp4_dst_fp32", "op_hmma_src_bf16_dst_fp32",
              "op_hmma_src_fp16_dst_fp32"}),
       1},
      {"GB202", dense({"op_hmma_src_bf16_dst_fp32", "op_hmma_src_fp16_dst_fp32"}), 1},
      {"GB202", dense({"src_fp8_dst_fp32", "src_fp4_dst_fp32"}), 1},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(passes(row.chip, plus(base(row.chip), row.tensor)), row.passes)
        << row.chip << " " << ::testing::PrintToString(row.tensor);
  }
}

TEST_F(OnRealCupti, SumsOverInstructionsCostPasses) {
  const Names bytes = {"dram__bytes_read.sum", "dram__bytes_write.sum", "gpu__time_duration.sum"};
  EXPECT_EQ(passes("GH100", plus(bytes, {"sm__ops_path_tensor_src_bf16_dst_fp32.sum",
                                         "sm__ops_path_tensor_src_fp16.sum"})),
            3U);
}

TEST_F(OnRealCupti, SassCountersShareAPassWithNothing) {
  Names sass;
  for (const char* op : {"fadd", "fmul", "ffma", "hadd", "hmul", "hfma", "dadd", "dmul", "dfma"})
    sass.push_back(std::string("smsp__sass_thread_inst_executed_op_") + op + "_pred_on.sum");
  for (const char* chip : {"GA100", "GA102", "AD102", "GH100", "GB100", "GB202"}) {
    EXPECT_EQ(passes(chip, sass), 1U) << chip;
    EXPECT_EQ(passes(chip, plus(sass, {"gpu__time_duration.sum"})), 2U) << chip;
  }
}

TEST_F(OnRealCupti, OneUnknownMetricFailsItsSet) {
  MetricHost host(*api_);
  ASSERT_TRUE(host.open(CUPTI_PROFILER_TYPE_RANGE_PROFILER, "GH100").ok());
  const Status status = host.schedule({"dram__bytes_read.sum", "dram__bytes_op_read.sum"});
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("cuptiProfilerHostConfigAddMetrics failed"));
}

// What the chips are held to; `first` is what the first configuration must count.
struct Chip {
  const char* name;
  Names types;
  Names first;
};
void PrintTo(const Chip& chip, std::ostream* out) { *out << chip.name; }

class PlanOfChip : public OnRealCupti, public ::testing::WithParamInterface<Chip> {};

TEST_P(PlanOfChip, EveryConfigurationIsOnePassOfKnownFigures) {
  const CounterPlan p = plan(GetParam().name, GetParam().types);
  ASSERT_FALSE(p.configurations.empty());
  Names all;
  for (const CounterConfiguration& c : p.configurations) {
    EXPECT_EQ(c.passes, 1U);
    const auto type = c.kind == CounterKind::kPm ? CUPTI_PROFILER_TYPE_PM_SAMPLING
                                                 : CUPTI_PROFILER_TYPE_RANGE_PROFILER;
    EXPECT_EQ(passes(p.chip, c.metrics, type), 1U);
    for (const std::string& metric : c.metrics) {
      EXPECT_THAT(metric, ::testing::EndsWith(".sum"));
      // Cycles and the time of a counted run feed no figure.
      if (metric.find("cycles") == std::string::npos && metric != "gpu__time_duration.sum") {
        EXPECT_TRUE(meaning_of(metric).has_value()) << metric;
      }
    }
    all.insert(all.end(), c.metrics.begin(), c.metrics.end());
  }
  EXPECT_THAT(p.left_out, IsEmpty());
}

TEST_P(PlanOfChip, RangeConfigurationsHoldBytesAndShareOutTheTensorOperations) {
  const CounterPlan p = plan(GetParam().name, GetParam().types);
  std::set<std::string> counted;
  for (const CounterConfiguration& c : p.configurations) {
    if (c.kind != CounterKind::kRange) continue;
    EXPECT_THAT(c.metrics, Contains(AllOf(StartsWith("dram__bytes"), HasSubstr("read"))));
    EXPECT_THAT(c.metrics, Contains(AllOf(StartsWith("dram__bytes"), HasSubstr("write"))));
    EXPECT_THAT(c.metrics, Contains("lts__t_bytes.sum"));
    std::size_t tensor = 0;
    for (const std::string& metric : c.metrics) {
      if (operand_types(metric).empty()) continue;
      ++tensor;
      EXPECT_TRUE(counted.insert(metric).second) << metric << " is counted twice";
    }
    EXPECT_GT(tensor, 0U);
  }
  EXPECT_EQ(p.configurations.front().kind, CounterKind::kRange);
  for (const std::string& metric : GetParam().first)
    EXPECT_THAT(p.configurations.front().metrics, Contains(metric));
}

TEST_P(PlanOfChip, NoDenseOperationIsForgotten) {
  const CounterPlan p = plan(GetParam().name);
  Names all;
  for (const CounterConfiguration& c : p.configurations)
    all.insert(all.end(), c.metrics.begin(), c.metrics.end());
  MetricHost host(*api_);
  ASSERT_TRUE(host.open(CUPTI_PROFILER_TYPE_RANGE_PROFILER, p.chip).ok());
  Names names;
  ASSERT_TRUE(host.base_metrics(names).ok());
  for (const std::string& name : names) {
    if (name.starts_with("sm__ops_path_tensor_") && name.ends_with("_sparsity_off")) {
      EXPECT_THAT(all, Contains(name + ".sum"));
    }
  }
}

TEST_P(PlanOfChip, SassHoldsAllNineAndSamplingTheTensorCores) {
  const CounterPlan p = plan(GetParam().name);
  Names sass;
  Names pm;
  for (const CounterConfiguration& c : p.configurations) {
    if (c.kind == CounterKind::kSass) sass.insert(sass.end(), c.metrics.begin(), c.metrics.end());
    if (c.kind == CounterKind::kPm) pm = c.metrics;
  }
  for (const char* op : {"fadd", "fmul", "ffma", "hadd", "hmul", "hfma", "dadd", "dmul", "dfma"}) {
    EXPECT_THAT(sass,
                Contains(std::string("smsp__sass_thread_inst_executed_op_") + op + "_pred_on.sum"));
  }
  EXPECT_THAT(sass, Each(StartsWith("smsp__sass_")));
  EXPECT_THAT(pm, Contains(StartsWith("dram__bytes")));
  EXPECT_THAT(pm, Contains("sm__pipe_tensor_cycles_active.sum"));
  EXPECT_THAT(pm, Contains("sm__cycles_elapsed.sum"));
}

TEST_P(PlanOfChip, TakesLessThanTwoSeconds) {
  plan(GetParam().name);  // the library's own first use
  const auto begin = std::chrono::steady_clock::now();
  plan(GetParam().name);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  RecordProperty("seconds", std::to_string(taken.count()));
  EXPECT_LT(taken.count(), 2.0);
}

const Chip kChips[] = {
    {"GA102", {"bf16"}, dense({"src_bf16_dst_fp32"})},
    {"GA100", {"fp16"}, dense({"src_fp16_dst_fp32", "src_fp16_dst_fp16"})},
    {"GH100", {}, kHopperOnePass},
    {"AD102", {"fp8"}, dense({"src_fp8"})},
    {"GB100",
     {"bf16", "fp8"},
     dense({"op_utchmma_src_bf16_dst_fp32", "op_utcqmma_src_fp4_fp6_fp8_dst_fp32"})},
    {"GB202", {"fp4", "fp8"}, dense({"src_fp4_dst_fp32", "src_fp8_dst_fp32"})},
};
INSTANTIATE_TEST_SUITE_P(Chips, PlanOfChip, ::testing::ValuesIn(kChips),
                         [](const auto& chip) { return std::string(chip.param.name); });

TEST_F(OnRealCupti, EveryChipIsPlannedForOrSaysWhyNot) {
  std::vector<ChipSupport> chips;
  ASSERT_TRUE(list_chips(*api_, chips).ok());
  ASSERT_FALSE(chips.empty());
  for (const ChipSupport& c : chips) {
    CounterPlan p;
    PlanRequest request;
    request.chip = c.chip;
    const Status status = plan_counters(*api_, request, p);
    EXPECT_EQ(status.ok(), c.obstacle.empty()) << c.chip << ": " << status.message();
    EXPECT_EQ(status.message(), c.obstacle);
  }
}

TEST_F(OnRealCupti, ChipsWithoutDramCountersSayWhy) {
  std::vector<ChipSupport> chips;
  ASSERT_TRUE(list_chips(*api_, chips).ok());
  for (const ChipSupport& c : chips) {
    if (c.chip == "GA10B" || c.chip == "GB10B" || c.chip == "GB20B") {
      EXPECT_THAT(c.obstacle, HasSubstr(c.chip + " has no counters of DRAM bytes"));
    }
  }
}

TEST_F(OnRealCupti, WithReplayAllCountersAreOneConfigurationOfSeveralPasses) {
  PlanRequest request;
  request.chip = "GH100";
  request.replay = true;
  CounterPlan p;
  ASSERT_TRUE(plan_counters(*api_, request, p).ok());
  ASSERT_GE(p.configurations.size(), 2U);
  EXPECT_EQ(p.configurations[0].kind, CounterKind::kRange);
  EXPECT_GE(p.configurations[0].passes, 3U);
  for (const std::string& metric : kHopperOnePass)
    EXPECT_THAT(p.configurations[0].metrics, Contains(metric));
  EXPECT_EQ(p.configurations[1].kind, CounterKind::kSass);
}

TEST_F(OnRealCupti, UnknownChipIsRefusedInWords) {
  CounterPlan p;
  PlanRequest request;
  request.chip = "GX999";
  const Status status = plan_counters(*api_, request, p);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("cuptiProfilerHostInitialize failed"));
}

TEST(CounterPlan, TypesComeFromTheMetricsName) {
  EXPECT_EQ(operand_types("sm__ops_path_tensor_op_hgmma_src_bf16_dst_fp32_sparsity_off.sum"),
            Names{"bf16"});
  EXPECT_EQ(operand_types("sm__ops_path_tensor_op_utcqmma_src_fp4_fp6_fp8_dst_fp32_sparsity_off"),
            (Names{"fp4", "fp6", "fp8"}));
  EXPECT_EQ(operand_types("sm__ops_path_tensor_src_fp8.sum"), Names{"fp8"});
  EXPECT_THAT(operand_types("dram__bytes_read.sum"), IsEmpty());
}

TEST(CounterPlan, TypeNamesOfEnginesAreUnderstood) {
  EXPECT_EQ(tensor_type("f16"), "fp16");
  EXPECT_EQ(tensor_type("f32"), "tf32");
  EXPECT_EQ(tensor_type("int8"), "int8");
  EXPECT_EQ(tensor_type("q4"), "");
}

TEST(CounterPlan, LibraryWithoutAHostSideIsRefused) {
  CuptiApi api = testing::refusing_cupti();
  api.cuptiProfilerHostConfigAddMetrics = nullptr;
  CounterPlan p;
  EXPECT_THAT(
      plan_counters(
          api, {.chip = "GH100", .types = {}, .range_availability = {}, .pm_availability = {}}, p)
          .message(),
      HasSubstr("12.6 or newer"));
}

TEST(ChipNames, AreAskedForOnlyAfterTheProfilerStarted) {
  static int asked;
  asked = 0;
  CuptiApi api = testing::refusing_cupti();
  api.cuptiDeviceGetChipName = [](CUpti_Device_GetChipName_Params*) {
    ++asked;
    return CUPTI_SUCCESS;
  };
  EXPECT_THAT(initialize_profiler(api).message(), HasSubstr("cuptiProfilerInitialize failed"));
  std::vector<MachineChip> chips;
  EXPECT_FALSE(machine_chips(api, chips).ok());
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace rooftop::capture
