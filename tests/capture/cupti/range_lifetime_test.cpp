// Counters beside what the program does with its context: it is captured into graphs, destroyed, or
// recording ends in the midst of a step.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/capture/cupti/counters_fixture.h"

namespace rooftop::capture {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using testing::Counters;
using testing::fake_call;
using testing::fake_context_end;
using testing::fake_launch;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kBf16;
using testing::kDecode;
using testing::kFp16;
using testing::kTwo;
using ::testing::Not;
using ::testing::SizeIs;

constexpr auto kBegin = CUPTI_DRIVER_TRACE_CBID_cuStreamBeginCapture_v2;
constexpr auto kEnd = CUPTI_DRIVER_TRACE_CBID_cuStreamEndCapture;

TEST_F(Counters, ContextIsLeftBeforeItIsDestroyed) {
  ASSERT_TRUE(start().ok());
  step(kDecode, kTwo);
  fake_context_end(reinterpret_cast<CUcontext>(0x99));
  EXPECT_EQ(fake_.count("RangeProfilerDisable"), 0U) << "another context is no matter";
  fake_context_end(fake_.context);
  EXPECT_EQ(fake_.count("RangeProfilerDisable"), 1U);
  EXPECT_EQ(fake_.count("Unsubscribe"), 0U) << "not within a callback";
  // A new context at the old address is another one.
  step(kDecode, kTwo);
  EXPECT_EQ(fake_.count("RangeProfilerStart"), 1U);
  driver_.cuCtxPushCurrent = [](CUcontext) {
    ADD_FAILURE() << "a dead context is made current";
    return CUDA_ERROR_INVALID_CONTEXT;
  };
  fake_.context = nullptr;
  source_->stop();
  EXPECT_EQ(fake_.count("RangeProfilerDisable"), 1U);
  EXPECT_EQ(fake_.held(), 0U);
  EXPECT_THAT(drained().kernels, SizeIs(2));
  EXPECT_THAT(notes(), HasSubstr("the program destroyed it"));
}

TEST_F(Counters, ContextThatEndsWithinAStepTakesTheStepAlong) {
  ASSERT_TRUE(start().ok());
  source_->begin_step(1, kDecode);
  fake_launch({"k"});
  fake_context_end(fake_.context);
  EXPECT_EQ(fake_.count("RangeProfilerStop"), 1U);
  EXPECT_EQ(fake_.count("RangeProfilerDisable"), 1U);
  source_->end_step(1);
  source_->stop();
  EXPECT_THAT(drained().kernels, IsEmpty());
  EXPECT_EQ(fake_.held(), 0U);
}

TEST_F(Counters, StepThatIsOpenAtTheEndIsWaitedForInItsContext) {
  static CUcontext current;
  driver_.cuCtxPushCurrent = [](CUcontext context) {
    testing::fake_profiler()->note("CtxPush");
    current = context;
    return CUDA_SUCCESS;
  };
  driver_.cuCtxPopCurrent = [](CUcontext*) {
    testing::fake_profiler()->note("CtxPop");
    return CUDA_SUCCESS;
  };
  ASSERT_TRUE(start().ok());
  const CUcontext context = fake_.context;
  source_->begin_step(1, kDecode);
  fake_launch({"k"});
  fake_.calls.clear();
  fake_.context = nullptr;  // the session's thread has none
  source_->stop();
  EXPECT_EQ(current, context);
  ASSERT_GE(fake_.calls.size(), 5U);
  EXPECT_THAT(std::vector<std::string>(fake_.calls.begin(), fake_.calls.begin() + 5),
              ::testing::ElementsAre("CtxPush", "CtxSynchronize", "RangeProfilerStop",
                                     "RangeProfilerDisable", "CtxPop"));
  EXPECT_EQ(fake_.held(), 0U);
}

TEST_F(Counters, NothingWaitsForAContextThatIsBeingCaptured) {
  ASSERT_TRUE(start().ok());
  // Open before the step: not even begun.
  fake_call(kBegin);
  step(kDecode, kTwo);
  EXPECT_EQ(fake_.count("RangeProfilerStart"), 0U);
  fake_call(kEnd);
  // Opened within it, and still open as it ends.
  source_->begin_step(100, kDecode);
  fake_call(kBegin);
  source_->end_step(100);
  EXPECT_EQ(fake_.count("CtxSynchronize"), 0U);
  EXPECT_EQ(fake_.count("RangeProfilerStop"), 1U);
  fake_call(kEnd, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);  // it ended all the same
  // Opened and closed within it: what was launched did not run.
  source_->begin_step(101, kDecode);
  fake_call(kBegin);
  fake_call(kEnd);
  source_->end_step(101);
  EXPECT_THAT(drained().kernels, IsEmpty());
  fake_call(kBegin, CUDA_ERROR_INVALID_VALUE);  // none was begun
  step(kDecode, kTwo);
  EXPECT_THAT(drained().kernels, SizeIs(2));
  EXPECT_THAT(notes(), HasSubstr("3 of 4 steps do not fit"));
  EXPECT_THAT(notes(), HasSubstr("being captured into a CUDA graph"));
}

TEST_F(Counters, PlansBeforeThereIsAContext) {
  fake_.context = nullptr;
  ASSERT_TRUE(start().ok());
  EXPECT_GT(fake_.count("ProfilerHostGetNumOfPasses"), 3U);
  fake_.calls.clear();
  fake_.context = reinterpret_cast<CUcontext>(0x10);
  step(kDecode, kTwo);
  EXPECT_EQ(fake_.count("ProfilerHostGetNumOfPasses"), 3U) << "each configuration once";
  EXPECT_EQ(fake_.count("ProfilerHostGetBaseMetrics"), 0U);
  EXPECT_THAT(drained().kernels, SizeIs(2));
}

TEST_F(Counters, PlanThatTheDeviceDoesNotAllowIsMadeAnew) {
  fake_.passes = [](const std::vector<std::string>& metrics) {
    const auto sass = std::ranges::count_if(
        metrics, [](const std::string& m) { return m.starts_with("smsp__sass"); });
    return sass == 0 || sass == std::ssize(metrics) ? std::size_t{1} : std::size_t{2};
  };
  fake_.context = nullptr;
  ASSERT_TRUE(start().ok());
  // The device itself has less to offer than its chip.
  fake_.passes = testing::default_passes;
  fake_.context = reinterpret_cast<CUcontext>(0x10);
  step(kDecode, kTwo);
  EXPECT_THAT(drained().kernels, SizeIs(2));
  EXPECT_THAT(metrics(1, Provenance::kMeasured), AllOf(Contains(kBf16), Not(Contains(kFp16))));
  EXPECT_THAT(notes(), IsEmpty());
  // Of another chip than the one that was planned for.
  source_.reset();
  fake_.passes = testing::default_passes;
  fake_.context = nullptr;
  ASSERT_TRUE(start().ok());
  fake_.chip = "GB100";
  fake_.context = reinterpret_cast<CUcontext>(0x10);
  step(kDecode, kTwo);
  EXPECT_THAT(drained().kernels, SizeIs(4));
  EXPECT_THAT(notes(), IsEmpty());
}

TEST_F(Counters, RefusalOfTheOnlyDeviceIsToldAtTheStart) {
  fake_.context = nullptr;
  fake_.fail = {{"ProfilerDeviceSupported", CUPTI_ERROR_INSUFFICIENT_PRIVILEGES}};
  EXPECT_THAT(start().message(), HasSubstr("NVreg_RestrictProfilingToAdminUsers"));
  EXPECT_EQ(fake_.held(), 0U);
  fake_.devices = 2;  // the program may use the other one
  EXPECT_TRUE(start().ok());
}

// A capture that was begun before we listened.
TEST_F(Counters, ErrorsOfCaptureLeaveTheStepOut) {
  ASSERT_TRUE(start().ok());
  for (int code = 900; code <= 908; ++code) {
    fake_.synchronized = static_cast<CUresult>(code);
    step(kDecode, kTwo);
  }
  fake_.synchronized = CUDA_SUCCESS;
  step(kDecode, kTwo);
  EXPECT_THAT(drained().kernels, SizeIs(2));
  EXPECT_THAT(notes(), HasSubstr("9 of 10 steps do not fit"));
  EXPECT_THAT(notes(), Not(HasSubstr("own work")));
}

}  // namespace
}  // namespace rooftop::capture
