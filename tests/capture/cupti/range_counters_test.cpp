// Counters per kernel against a table that writes down what is asked of CUPTI: the order of calls,
// and which steps and launches are kept, with which values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/capture/cupti/counters_fixture.h"

namespace rooftop::capture {
namespace {

using ::testing::AllOf;
using testing::CollectingSink;
using ::testing::Contains;
using testing::Counters;
using ::testing::ElementsAre;
using testing::fake_launch;
using testing::FakeLaunch;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kBf16;
using testing::kDecode;
using testing::kFfma;
using testing::kFp16;
using testing::kTwo;
using ::testing::Not;
using ::testing::SizeIs;

TEST_F(Counters, CallsCuptiInTheDocumentedOrder) {
  ASSERT_TRUE(start().ok());
  step(kDecode, kTwo);
  source_->stop();
  // Planning asks the host side many times; what the target side hears is this, and no more.
  std::vector<std::string> target;
  for (const std::string& call : fake_.calls) {
    if (call.starts_with("ProfilerHost") || call == "EnableCallback") continue;
    if (target.empty() || target.back() != call) target.push_back(call);  // repeats once
  }
  EXPECT_THAT(
      target,
      ElementsAre("Subscribe", "ProfilerInitialize", "ProfilerDeviceSupported", "DeviceGetChipName",
                  "ProfilerGetCounterAvailability", "RangeProfilerEnable",
                  "RangeProfilerGetCounterDataSize", "RangeProfilerCounterDataImageInitialize",
                  "RangeProfilerSetConfig", "RangeProfilerStart", "CtxSynchronize",
                  "RangeProfilerStop", "RangeProfilerDecodeData", "RangeProfilerGetCounterDataInfo",
                  "RangeProfilerCounterDataGetRangeInfo", "RangeProfilerDisable", "Unsubscribe",
                  "ProfilerDeInitialize"));
  // Hosts: availability before any, values after the data, all gone before the profiler.
  const auto at = [&](const char* call) {
    return std::ranges::find(fake_.calls, call) - fake_.calls.begin();
  };
  EXPECT_GT(at("ProfilerHostInitialize"), at("ProfilerGetCounterAvailability"));
  EXPECT_LT(at("ProfilerHostGetNumOfPasses"), at("RangeProfilerEnable"));
  EXPECT_GT(at("ProfilerHostEvaluateToGpuValues"), at("RangeProfilerGetCounterDataInfo"));
  EXPECT_EQ(fake_.calls.back(), "ProfilerDeInitialize");
  EXPECT_EQ(fake_.held(), 0U);
}

TEST_F(Counters, EachKernelIsARangeRunOnce) {
  ASSERT_TRUE(start().ok());
  step(kDecode, kTwo);
  EXPECT_EQ(fake_.last_config.range, CUPTI_AutoRange);
  EXPECT_EQ(fake_.last_config.replayMode, CUPTI_KernelReplay);
  EXPECT_EQ(fake_.last_config.numNestingLevels, 1);
  EXPECT_EQ(fake_.last_config.minNestingLevel, 1);
  EXPECT_EQ(fake_.last_config.passIndex, 0U);
  EXPECT_GE(fake_.last_config.maxRangesPerPass, 2U);
}

TEST_F(Counters, LaunchesGetTheValuesOfTheirRanges) {
  fake_.value = [](const std::string& metric, std::size_t i) {
    return metric == "dram__bytes_read.sum" ? 1000.0 + static_cast<double>(i) : 7.0;
  };
  ASSERT_TRUE(start().ok());
  step(kDecode, {{"_Z4gemmPf", 32, 128}, {"norm", 4, 256}});
  const CollectingSink& sink = drained();
  ASSERT_THAT(sink.kernels, SizeIs(2));
  EXPECT_EQ(sink.name_of(sink.kernels[0].name), "gemm(float*)");
  EXPECT_EQ(sink.kernels[0].grid, (std::array<std::uint32_t, 3>{32, 1, 1}));
  EXPECT_EQ(sink.kernels[1].block, (std::array<std::uint32_t, 3>{256, 1, 1}));
  EXPECT_EQ(sink.kernels[0].begin, sink.kernels[0].end) << "a counted run has no time";
  EXPECT_EQ(sink.kernels[0].correlation, 1U);
  for (const CounterRecord& c : sink.counters) {
    const std::string& metric = sink.name_of(c.metric);
    EXPECT_NE(metric, "gpu__time_duration.sum");
    EXPECT_EQ(c.source, Provenance::kMeasured);
    if (metric == "dram__bytes_read.sum") {
      EXPECT_EQ(c.value, c.kernel == 1 ? 1000 : 1001);
    }
  }
}

// The image is in the order of the names as text, as in a sorted list: "0", "1", "10", "11", "2".
TEST_F(Counters, RangesAreKnownByTheirNameWhereverTheyLie) {
  constexpr std::size_t kLaunches = 120;
  std::vector<std::string> names;
  std::vector<FakeLaunch> launches;
  for (std::size_t i = 0; i < kLaunches; ++i) {
    names.push_back(std::to_string(i));
    launches.push_back({"k" + std::to_string(i)});
  }
  std::ranges::sort(names);
  ASSERT_EQ(names[2], "10");
  fake_.range_name = [&](std::size_t i) { return names.at(i); };
  // What the range at a place counted: the number of its launch.
  fake_.value = [&](const std::string&, std::size_t i) { return std::stod(names.at(i)); };
  ASSERT_TRUE(start().ok());
  step(kDecode, launches);
  drained();
  ASSERT_THAT(sink_.kernels, SizeIs(kLaunches));
  ASSERT_THAT(sink_.counters, Not(IsEmpty()));
  for (const CounterRecord& c : sink_.counters) {
    const KernelRecord& kernel = sink_.kernels.at(c.kernel - 1);
    EXPECT_EQ(sink_.name_of(kernel.name), "k" + std::to_string(static_cast<int>(c.value)));
  }
}

TEST_F(Counters, StepsThatNobodyDrainsAreBounded) {
  ASSERT_TRUE(start().ok());
  for (int i = 0; i < 260; ++i) step(kDecode, kTwo);
  EXPECT_THAT(drained().kernels, SizeIs(2 * 256));
  EXPECT_THAT(notes(), HasSubstr("the disk is too slow"));
}

TEST_F(Counters, NumbersMayGoOnFromAnEarlierStep) {
  const std::vector<std::string> names = {"9", "11", "10"};
  fake_.range_name = [&](std::size_t i) { return names.at(i); };
  fake_.value = [&](const std::string&, std::size_t i) { return std::stod(names.at(i)); };
  ASSERT_TRUE(start().ok());
  step(kDecode, {{"k9"}, {"k10"}, {"k11"}});
  drained();
  ASSERT_THAT(sink_.kernels, SizeIs(3));
  ASSERT_THAT(sink_.counters, Not(IsEmpty()));
  for (const CounterRecord& c : sink_.counters) {
    const KernelRecord& kernel = sink_.kernels.at(c.kernel - 1);
    EXPECT_EQ(sink_.name_of(kernel.name), "k" + std::to_string(static_cast<int>(c.value)));
  }
}

TEST_F(Counters, NamesThatAreNoNumbersOfLaunchesDoNotFit) {
  const std::vector<std::vector<std::string>> names = {{"0", "0"},
                                                       {"1", "3"},
                                                       {"0", ""},
                                                       {"0", "x"},
                                                       {"0", "1x"},
                                                       {"-1", "0"},
                                                       {"0", "18446744073709551615"}};
  ASSERT_TRUE(start().ok());
  for (const auto& two : names) {
    fake_.range_name = [&](std::size_t i) { return two.at(i); };
    step(kDecode, kTwo);
    EXPECT_THAT(drained().kernels, IsEmpty());
  }
  EXPECT_THAT(notes(),
              AllOf(HasSubstr("7 of 7 steps do not fit"), HasSubstr("CUPTI names a range \"0\"")));
}

TEST_F(Counters, EqualStepsRotateAndTypesInUseComeFirst) {
  ASSERT_TRUE(start({.known_devices = {}, .types = {"fp16"}, .save_counters = {}}).ok());
  // Two hardware configurations and one of instructions, which two steps settle.
  for (int i = 0; i < 5; ++i) step(kDecode, {{"gemm"}});
  drained();
  ASSERT_THAT(sink_.kernels, SizeIs(5));
  EXPECT_THAT(metrics(1, Provenance::kMeasured),
              AllOf(Contains(kFp16), Contains("dram__bytes_read.sum")));
  EXPECT_THAT(metrics(2, Provenance::kMeasured), ElementsAre(kFfma));
  EXPECT_THAT(metrics(3, Provenance::kMeasured), AllOf(Contains(kBf16), Not(Contains(kFp16))));
  EXPECT_THAT(metrics(4, Provenance::kMeasured), Contains(kFp16));
  EXPECT_THAT(metrics(5, Provenance::kMeasured), ElementsAre(kFfma));
}

TEST_F(Counters, InstructionsThatAreKnownAreRememberedAndNoLongerCounted) {
  fake_.value = [](const std::string&, std::size_t) { return 42.0; };
  ASSERT_TRUE(start().ok());
  for (int i = 0; i < 9; ++i) step(kDecode, {{"gemm"}});
  drained();
  ASSERT_THAT(sink_.kernels, SizeIs(9));
  std::size_t measured = 0;
  for (KernelId k = 1; k <= 9; ++k) {
    measured += metrics(k, Provenance::kMeasured) == std::vector<std::string>{kFfma} ? 1 : 0;
  }
  EXPECT_EQ(measured, 2U);
  EXPECT_THAT(metrics(1, Provenance::kMemoised), IsEmpty());
  EXPECT_THAT(metrics(9, Provenance::kMemoised), ElementsAre(kFfma));
  EXPECT_THAT(metrics(9, Provenance::kMeasured), Contains("dram__bytes_read.sum"));
}

TEST_F(Counters, AKernelThatVariesIsNeverRemembered) {
  double next = 0;
  fake_.value = [&](const std::string&, std::size_t) { return next++; };
  ASSERT_TRUE(start().ok());
  for (int i = 0; i < 20; ++i) step(kDecode, {{"router"}});
  for (const CounterRecord& c : drained().counters) EXPECT_EQ(c.source, Provenance::kMeasured);
}

TEST_F(Counters, BytesAreNeverRemembered) {
  fake_.value = [](const std::string&, std::size_t) { return 42.0; };
  ASSERT_TRUE(start().ok());
  for (int i = 0; i < 9; ++i) step(kDecode, {{"gemm"}});
  for (const CounterRecord& c : drained().counters) {
    if (c.source == Provenance::kMemoised) {
      EXPECT_EQ(sink_.name_of(c.metric), kFfma);
    }
  }
}

TEST_F(Counters, WarmUpsAreNotCounted) {
  ASSERT_TRUE(start().ok());
  nvtx::StepPayload warm_up = kDecode;
  warm_up.flags = nvtx::kWarmup;
  step(warm_up, kTwo);
  EXPECT_EQ(fake_.count("RangeProfilerStart"), 0U);
  EXPECT_THAT(drained().kernels, IsEmpty());
}

TEST_F(Counters, StepsThatDoNotFitAreLeftOutAndSaid) {
  ASSERT_TRUE(start().ok());
  fake_.extra_ranges = 1;
  step(kDecode, kTwo);
  fake_.extra_ranges = 0;
  step(kDecode, kTwo);
  EXPECT_THAT(drained().kernels, SizeIs(2));
  EXPECT_THAT(notes(), AllOf(HasSubstr("1 of 2 steps do not fit"),
                             HasSubstr("CUPTI counted 3 kernels where 2 were launched")));
}

TEST_F(Counters, ALaunchThatFailedHasNoRange) {
  ASSERT_TRUE(start().ok());
  source_->begin_step(1, kDecode);
  fake_launch({"bad"}, CUDA_ERROR_INVALID_VALUE);
  fake_launch({"good"});
  source_->end_step(1);
  ASSERT_THAT(drained().kernels, SizeIs(1));
  EXPECT_EQ(sink_.name_of(sink_.kernels[0].name), "good");
}

TEST_F(Counters, EveryWayToLaunchTellsItsShape) {
  ASSERT_TRUE(start().ok());
  CUresult result = CUDA_SUCCESS;
  CUpti_CallbackData data{};
  data.callbackSite = CUPTI_API_EXIT;
  data.functionReturnValue = &result;
  data.symbolName = "k";
  const auto launch = [&](CUpti_CallbackId id, const void* parameters) {
    ++fake_.ranges;
    data.functionParams = parameters;
    fake_.callback(fake_.callback_context, CUPTI_CB_DOMAIN_DRIVER_API, id, &data);
  };
  source_->begin_step(1, kDecode);
  CUlaunchConfig config{};
  config.gridDimX = 7;
  config.blockDimY = 8;
  config.sharedMemBytes = 9;
  cuLaunchKernelEx_params extended{};
  extended.config = &config;
  launch(CUPTI_DRIVER_TRACE_CBID_cuLaunchKernelEx, &extended);
  cuLaunchCooperativeKernel_params cooperative{};
  cooperative.gridDimX = 10;
  launch(CUPTI_DRIVER_TRACE_CBID_cuLaunchCooperativeKernel, &cooperative);
  data.callbackSite = CUPTI_API_ENTER;  // told twice, counted once
  fake_.callback(fake_.callback_context, CUPTI_CB_DOMAIN_DRIVER_API,
                 CUPTI_DRIVER_TRACE_CBID_cuLaunchCooperativeKernel, &data);
  source_->end_step(1);
  ASSERT_THAT(drained().kernels, SizeIs(2));
  EXPECT_EQ(sink_.kernels[0].grid[0], 7U);
  EXPECT_EQ(sink_.kernels[0].block[1], 8U);
  EXPECT_EQ(sink_.kernels[0].dynamic_shared_bytes, 9U);
  EXPECT_EQ(sink_.kernels[1].grid[0], 10U);
}

TEST_F(Counters, StepsThatSeveralThreadsLaunchAreLeftOut) {
  ASSERT_TRUE(start().ok());
  source_->begin_step(1, kDecode);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 100; ++i) fake_launch({"k"});
    });
  }
  for (std::thread& thread : threads) thread.join();
  source_->end_step(1);
  EXPECT_THAT(drained().kernels, IsEmpty());
  EXPECT_THAT(notes(), HasSubstr("several threads launched kernels"));
  // A step of one thread, whichever it is, fits.
  std::thread([&] { step(kDecode, kTwo); }).join();
  EXPECT_THAT(drained().kernels, SizeIs(2));
}

TEST_F(Counters, GraphsAreNotGuessedAt) {
  ASSERT_TRUE(start().ok());
  source_->begin_step(1, kDecode);
  testing::fake_graph_launch();
  source_->end_step(1);
  EXPECT_THAT(drained().kernels, IsEmpty());
  EXPECT_THAT(notes(), HasSubstr("CUDA graph"));
}

TEST_F(Counters, RoomGrowsUntilAStepFits) {
  ASSERT_TRUE(start().ok());
  const std::vector<FakeLaunch> many(3000, {"k", 1, 32});
  step(kDecode, many);
  EXPECT_THAT(drained().kernels, IsEmpty());
  ASSERT_THAT(sink_.drops, SizeIs(1));
  EXPECT_EQ(sink_.drops[0].count, 3000U - 1024U);
  step(kDecode, many);
  EXPECT_THAT(drained().kernels, SizeIs(3000));
  EXPECT_THAT(sink_.drops, SizeIs(1));
}

TEST_F(Counters, ContextMayComeWithTheFirstStep) {
  fake_.context = nullptr;
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(fake_.count("RangeProfilerEnable"), 0U);
  step(kDecode, kTwo);
  fake_.context = reinterpret_cast<CUcontext>(0x10);
  step(kDecode, kTwo);
  EXPECT_THAT(drained().kernels, SizeIs(2));
  EXPECT_THAT(notes(), HasSubstr("1 steps were opened on a thread without a CUDA context"));
}

TEST_F(Counters, MetaSaysHowAndWhere) {
  ASSERT_TRUE(start().ok());
  Meta meta;
  source_->describe(meta);
  EXPECT_EQ(meta.capture, "counters");
  ASSERT_THAT(meta.devices, SizeIs(1));
  EXPECT_EQ(meta.devices[0].name, "Fake GPU");
}

TEST_F(Counters, DeviceKeepsItsPlaceInMeta) {
  CounterOptions options;
  options.known_devices.resize(2);
  options.known_devices[0].kind = DeviceKind::kCpu;
  options.known_devices[1].kind = DeviceKind::kCuda;
  ASSERT_TRUE(start(options).ok());
  step(kDecode, kTwo);
  EXPECT_EQ(drained().kernels.at(0).device, 1U);
  Meta meta;
  source_->describe(meta);
  EXPECT_THAT(meta.devices, IsEmpty());
}

TEST_F(Counters, StepsToCountFollowThePlan) {
  // Two hardware configurations, and one of instructions that must agree with itself.
  EXPECT_EQ(steps_to_count(api_, driver_, 0, {}), 4);
  // What planning started is the session's.
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(steps_to_count(api_, driver_, 0, {}), 4);
  EXPECT_EQ(fake_.count("ProfilerInitialize"), 1U);
  EXPECT_EQ(fake_.count("ProfilerDeInitialize"), 0U);
  source_->stop();
  EXPECT_EQ(fake_.count("ProfilerDeInitialize"), 1U);
  EXPECT_EQ(fake_.held(), 0U);
}

}  // namespace
}  // namespace rooftop::capture
