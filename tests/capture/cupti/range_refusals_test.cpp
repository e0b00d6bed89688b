// What becomes of counters where CUPTI, the device or the process does not allow them: one
// sentence, nothing left open, and a program that goes on.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/capture/cupti/counters_fixture.h"

namespace rooftop::capture {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using testing::Counters;
using testing::fake_launch;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kBf16;
using testing::kDecode;
using testing::kFp16;
using testing::kTwo;
using ::testing::Not;
using ::testing::SizeIs;

// Drained and stopped by one thread while another goes on with its steps.
TEST_F(Counters, MayBeStoppedAtAnyMoment) {
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(start().ok());
    std::atomic<bool> done{false};
    std::thread engine([&] {
      for (ScopeId id = 1; !done; ++id) {
        source_->begin_step(id, kDecode);
        for (int i = 0; i < 5; ++i) fake_launch({"k"});
        source_->end_step(id);
      }
    });
    for (int i = 0; i < 5; ++i) source_->drain(sink_);
    source_->stop();
    done = true;
    engine.join();
    source_->drain(sink_);
    EXPECT_EQ(fake_.held(), 0U);
  }
  for (const KernelRecord& kernel : sink_.kernels) EXPECT_EQ(sink_.name_of(kernel.name), "k");
}

TEST_F(Counters, RealLibraryWithoutADriverRefusesInWords) {
  const CuptiLookup& real = cupti();
  if (real.api == nullptr) GTEST_SKIP() << real.why.message();
  if (cuda_driver().driver != nullptr) GTEST_SKIP() << "this machine has a driver";
  RangeCounters source(*real.api, driver_, {});
  const Status status = source.start();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("failed (CUPTI_ERROR"));
  source.stop();
}

TEST_F(Counters, GivesUpAfterManyStepsThatDoNotFit) {
  ASSERT_TRUE(start().ok());
  fake_.extra_ranges = 1;
  for (int i = 0; i < 40; ++i) step(kDecode, kTwo);
  EXPECT_EQ(fake_.count("RangeProfilerStart"), 16U);
  EXPECT_EQ(fake_.held(), 0U);
  EXPECT_THAT(notes(), HasSubstr("counters ended after 16 steps"));
}

TEST_F(Counters, StopsAfterAsManyStepsAsAskedFor) {
  CounterOptions options;
  options.max_steps = 3;
  ASSERT_TRUE(start(options).ok());
  for (int i = 0; i < 10; ++i) step(kDecode, kTwo);
  EXPECT_EQ(fake_.count("RangeProfilerStart"), 3U);
  EXPECT_THAT(notes(), HasSubstr("read on 3 steps"));
}

TEST_F(Counters, ProgramWithoutStepsIsToldSo) {
  ASSERT_TRUE(start().ok());
  fake_launch({"k"});
  source_->stop();
  EXPECT_THAT(notes(), HasSubstr("opened none, so that nothing was counted"));
  ASSERT_TRUE(start().ok());
  step(kDecode, kTwo);
  EXPECT_THAT(notes(), Not(HasSubstr("opened none")));
  fake_.fail = {{"Subscribe", CUPTI_ERROR_UNKNOWN}};
  source_.reset();
  ASSERT_FALSE(start().ok());
  EXPECT_THAT(notes(), Not(HasSubstr("opened none"))) << "the refusal has its own sentence";
}

TEST_F(Counters, SeveralPassesAreRefusedUnlessAskedFor) {
  fake_.passes = [](const std::vector<std::string>&) { return std::size_t{2}; };
  const Status refused = start();
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.message(), HasSubstr("--replay"));
  EXPECT_EQ(fake_.count("RangeProfilerStart"), 0U);
  EXPECT_EQ(fake_.held(), 0U);
}

TEST_F(Counters, ReplayTakesThem) {
  // Here DRAM bytes alone take two passes.
  fake_.passes = [](const std::vector<std::string>& metrics) {
    return testing::default_passes(metrics) + (metrics.front().starts_with("dram") ? 1 : 0);
  };
  CounterOptions options;
  options.replay = true;
  ASSERT_TRUE(start(options).ok());
  step(kDecode, kTwo);
  ASSERT_THAT(drained().kernels, SizeIs(2));
  EXPECT_THAT(metrics(1, Provenance::kMeasured), AllOf(Contains(kBf16), Contains(kFp16)));
  EXPECT_EQ(std::ranges::count(metrics(1, Provenance::kMeasured), "dram__bytes_read.sum"), 1);
}

TEST_F(Counters, SeveralDevicesAreRefusedUnlessAllowed) {
  fake_.devices = 8;
  ASSERT_TRUE(start().ok()) << "devices that the process does not use are no matter";
  source_.reset();
  fake_.active_devices = 2;
  EXPECT_THAT(start().message(), AllOf(HasSubstr("uses 2 devices"), HasSubstr("serialised")));
  EXPECT_EQ(fake_.held(), 0U);
  CounterOptions options;
  options.allow_communication = true;
  EXPECT_TRUE(start(options).ok());
}

TEST_F(Counters, LoadedCommunicationLibraryIsOnlyNoted) {
  void* library = dlopen(ROOFTOP_TEST_NCCL, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  ASSERT_TRUE(start().ok());
  step(kDecode, kTwo);
  EXPECT_THAT(drained().kernels, SizeIs(2));
  EXPECT_THAT(notes(), HasSubstr("a communication library is loaded (libnccl.so)"));
  step(kDecode, {{"ncclDevKernel_AllReduce_Sum_bf16_RING_LL"}});
  EXPECT_THAT(notes(), HasSubstr("communication kernels run in this process"));
  EXPECT_EQ(fake_.held(), 0U);
  CounterOptions options;
  options.allow_communication = true;
  ASSERT_TRUE(start(options).ok());
  EXPECT_THAT(notes(), Not(HasSubstr("communication")));
  dlclose(library);
}

TEST_F(Counters, CommunicationKernelsEndCounting) {
  ASSERT_TRUE(start().ok());
  step(kDecode, {{"gemm"}, {"ncclDevKernel_AllReduce_Sum_bf16_RING_LL"}});
  step(kDecode, kTwo);
  EXPECT_THAT(drained().kernels, IsEmpty());
  EXPECT_EQ(fake_.count("RangeProfilerStart"), 1U);
  EXPECT_THAT(notes(), HasSubstr("communication kernels"));
}

TEST_F(Counters, KernelsOfOtherContextsEndCounting) {
  ASSERT_TRUE(start().ok());
  source_->begin_step(1, kDecode);
  fake_launch({"k"}, CUDA_SUCCESS, reinterpret_cast<CUcontext>(0x99));
  source_->end_step(1);
  EXPECT_THAT(notes(), HasSubstr("several CUDA contexts"));
  EXPECT_EQ(fake_.held(), 0U);
}

TEST_F(Counters, FailureOfTheProgramsOwnWorkIsNotOurs) {
  ASSERT_TRUE(start().ok());
  fake_.synchronized = CUDA_ERROR_ILLEGAL_ADDRESS;
  step(kDecode, kTwo);
  EXPECT_THAT(notes(), HasSubstr("the program's own work on the device failed (CUDA error 700)"));
  EXPECT_EQ(fake_.held(), 0U);
}

TEST_F(Counters, StoppingWithinAStepLeavesNothingOpen) {
  ASSERT_TRUE(start().ok());
  source_->begin_step(1, kDecode);
  fake_launch({"k"});
  source_->stop();
  source_->end_step(1);
  EXPECT_EQ(fake_.held(), 0U);
  EXPECT_THAT(drained().kernels, IsEmpty());
}

// Every call, every code that CUPTI's pitfalls name: one sentence that names the call, nothing left
// open, the program goes on.
constexpr const char* kStartCalls[] = {"Subscribe",
                                       "EnableCallback",
                                       "ProfilerInitialize",
                                       "ProfilerDeviceSupported",
                                       "DeviceGetChipName",
                                       "ProfilerGetCounterAvailability",
                                       "ProfilerHostInitialize",
                                       "ProfilerHostGetBaseMetrics",
                                       "RangeProfilerEnable"};
constexpr const char* kStepCalls[] = {"RangeProfilerGetCounterDataSize",
                                      "RangeProfilerCounterDataImageInitialize",
                                      "RangeProfilerSetConfig",
                                      "RangeProfilerStart",
                                      "RangeProfilerStop",
                                      "RangeProfilerDecodeData",
                                      "RangeProfilerGetCounterDataInfo",
                                      "RangeProfilerCounterDataGetRangeInfo",
                                      "ProfilerHostEvaluateToGpuValues"};
const std::pair<CUptiResult, const char*> kRefusals[] = {
    {CUPTI_ERROR_INSUFFICIENT_PRIVILEGES, "NVreg_RestrictProfilingToAdminUsers"},
    {CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED, "another profiler"},
    {CUPTI_ERROR_HARDWARE_BUSY, "dcgmi profile --pause"},
    {CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED, "virtual GPU"},
    {CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES, "CAP_SYS_ADMIN"},
    {CUPTI_ERROR_CONFIDENTIAL_COMPUTING_NOT_SUPPORTED, "confidential computing"},
    {CUPTI_ERROR_CMP_DEVICE_NOT_SUPPORTED, "CMP"},
    {CUPTI_ERROR_MIG_DEVICE_NOT_SUPPORTED, "MIG"},
    {CUPTI_ERROR_OUT_OF_MEMORY, "memory"},
    {CUPTI_ERROR_UNKNOWN, "driver"}};

TEST_F(Counters, EveryRefusalAtTheStartIsOneSentence) {
  for (const char* call : kStartCalls) {
    for (const auto& [code, advice] : kRefusals) {
      fake_.fail = {{call, code}};
      const Status status = start();
      ASSERT_FALSE(status.ok()) << call;
      EXPECT_THAT(status.message(),
                  AllOf(HasSubstr(std::string("cupti") + call + " failed"), HasSubstr(advice)));
      step(kDecode, kTwo);
      source_->stop();
      EXPECT_EQ(fake_.count("RangeProfilerStart"), 0U) << call;
      EXPECT_EQ(fake_.held(), 0U) << call;
    }
  }
}

TEST_F(Counters, EveryRefusalWithinAStepEndsCountingWithANote) {
  for (const char* call : kStepCalls) {
    for (const auto& [code, advice] : kRefusals) {
      fake_.fail.clear();
      ASSERT_TRUE(start().ok());
      fake_.fail = {{call, code}};
      step(kDecode, kTwo);
      fake_.calls.clear();
      step(kDecode, kTwo);
      EXPECT_EQ(fake_.count("RangeProfilerStart"), 0U) << call;
      EXPECT_THAT(notes(),
                  AllOf(HasSubstr(std::string("cupti") + call + " failed"), HasSubstr(advice)));
      EXPECT_THAT(drained().kernels, IsEmpty());
      source_->stop();
      // A handle that CUPTI refuses to stop is CUPTI's.
      fake_.open.erase("range pass");
      EXPECT_EQ(fake_.held(), 0U) << call;
    }
  }
}

TEST_F(Counters, NothingThatCrashesWithoutADriverIsCalledWithoutOne) {
  fake_.fail = {{"ProfilerInitialize", CUPTI_ERROR_UNKNOWN}};
  EXPECT_THAT(start().message(),
              AllOf(HasSubstr("driver is missing"), HasSubstr("libnvperf_host")));
  for (const char* call :
       {"DeviceGetChipName", "ProfilerGetCounterAvailability", "RangeProfilerEnable"})
    EXPECT_EQ(fake_.count(call), 0U) << call;
}

TEST_F(Counters, LibraryWithoutRangesIsRefused) {
  api_.cuptiRangeProfilerStart = nullptr;
  EXPECT_THAT(start().message(), HasSubstr("12.6 or newer"));
  EXPECT_THAT(fake_.calls, IsEmpty());
}

}  // namespace
}  // namespace rooftop::capture
