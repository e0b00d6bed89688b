// PM sampling against a table that writes down what is asked of CUPTI.
#include "profiler/capture/cupti/pm_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/capture/cupti/collecting_sink.h"
#include "tests/capture/cupti/fake_profiler.h"

namespace rooftop::capture {
namespace {

using ::testing::AllOf;
using testing::CollectingSink;
using ::testing::ElementsAre;
using testing::FakeProfiler;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kInterval = 20'000;
constexpr double kClocksNs = 1e6;    // two clocks compared on a busy machine
constexpr std::size_t kMetrics = 5;  // of the fake's chip: DRAM twice, tensor, SM cycles, L2

class Sampling : public ::testing::Test {
 protected:
  Sampling() : api_(testing::fake_profiler_api(fake_)), driver_(testing::fake_driver()) {}

  Status start(SamplingOptions options = {}) {
    options.drain_period = std::chrono::milliseconds(1);
    source_ = std::make_unique<PmSampler>(api_, driver_, std::move(options));
    return source_->start();
  }
  // `count` samples, one after the other, from `begin` on.
  void sample(std::uint64_t begin, std::size_t count) {
    const std::lock_guard lock(fake_.mutex);
    for (std::size_t i = 0; i < count; ++i) {
      fake_.pending.push_back({begin + i * kInterval, begin + (i + 1) * kInterval,
                               static_cast<double>(fake_.pending.size())});
    }
  }
  CollectingSink& stopped() {
    source_->stop();
    source_->drain(sink_);
    return sink_;
  }
  std::string notes() const {
    Meta meta;
    source_->describe(meta);
    std::string text;
    for (const Note& note : meta.notes) text += note.text + "\n";
    return text;
  }
  template <class Condition>
  static void wait_for(Condition condition) {
    for (int i = 0; i < 5000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_TRUE(condition());
  }
  static std::uint64_t clock() { return static_cast<std::uint64_t>(now().ns); }

  FakeProfiler fake_;
  CuptiApi api_;
  CudaDriver driver_;
  std::unique_ptr<PmSampler> source_;
  CollectingSink sink_;
};

TEST_F(Sampling, CallsCuptiInTheDocumentedOrder) {
  ASSERT_TRUE(start().ok());
  sample(clock(), 3);
  stopped();
  std::vector<std::string> target;
  for (const std::string& call : fake_.calls) {
    if (call.starts_with("ProfilerHost")) continue;
    if (target.empty() || target.back() != call) target.push_back(call);  // repeats once
  }
  const std::vector<std::string> head(target.begin(), target.begin() + 9);
  EXPECT_THAT(head,
              ElementsAre("ProfilerInitialize", "ProfilerDeviceSupported", "DeviceGetChipName",
                          "PmSamplingGetCounterAvailability", "PmSamplingEnable",
                          "PmSamplingSetConfig", "PmSamplingGetCounterDataSize",
                          "PmSamplingCounterDataImageInitialize", "PmSamplingStart"));
  EXPECT_EQ(fake_.count("PmSamplingGetCounterAvailability"), 2U);
  EXPECT_EQ(fake_.count("PmSamplingGetCounterDataSize"), 1U);
  // After the stop what is left is decoded, then all is given back.
  const auto stop = std::ranges::find(target, "PmSamplingStop");
  ASSERT_NE(stop, target.end());
  const std::vector<std::string> tail(stop, target.end());
  ASSERT_GE(tail.size(), 5U);
  EXPECT_EQ(tail[1], "PmSamplingDecodeData");
  EXPECT_EQ(tail[2], "PmSamplingGetCounterDataInfo");
  EXPECT_EQ(tail[tail.size() - 2], "PmSamplingDisable");
  EXPECT_EQ(tail.back(), "ProfilerDeInitialize");
  EXPECT_EQ(fake_.held(), 0U);
}

TEST_F(Sampling, ConfigurationIsByTime) {
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(fake_.last_pm_config.samplingInterval, kInterval);
  EXPECT_EQ(fake_.last_pm_config.triggerMode, CUPTI_PM_SAMPLING_TRIGGER_MODE_GPU_TIME_INTERVAL);
  EXPECT_EQ(fake_.last_pm_config.hardwareBufferSize, std::size_t{64} << 20);
}

TEST_F(Sampling, ChipsWithoutATimerSampleByTheirClock) {
  for (const char* chip : {"GA100", "TU102"}) {
    fake_.chip = chip;
    ASSERT_TRUE(start().ok());
    EXPECT_EQ(fake_.last_pm_config.triggerMode, CUPTI_PM_SAMPLING_TRIGGER_MODE_GPU_SYSCLK_INTERVAL);
    source_->stop();
    EXPECT_THAT(notes(), HasSubstr("system clock"));
  }
}

TEST_F(Sampling, EverySampleIsARecordOfEachMetric) {
  ASSERT_TRUE(start().ok());
  const std::uint64_t begin = clock();
  sample(begin, 11);
  const CollectingSink& sink = stopped();
  // The first one began before sampling did.
  ASSERT_THAT(sink.samples, SizeIs(10 * kMetrics));
  EXPECT_NEAR(static_cast<double>(sink.samples.front().begin.ns -
                                  static_cast<std::int64_t>(begin + kInterval)),
              0, kClocksNs);
  EXPECT_EQ(sink.samples.front().value, 1);
  EXPECT_EQ(sink.name_of(sink.samples.front().metric), "dram__bytes_read.sum");
  EXPECT_EQ(sink.samples.back().value, 10);
  EXPECT_THAT(sink.drops, IsEmpty());
  EXPECT_THAT(notes(), IsEmpty());
}

TEST_F(Sampling, ReadsWhileTheProgramRuns) {
  ASSERT_TRUE(start().ok());
  std::uint64_t at = clock();
  std::size_t seen = 0;
  for (int i = 0; i < 5; ++i, at += 100 * kInterval) {
    sample(at, 100);
    wait_for([&] {
      source_->drain(sink_);
      return sink_.samples.size() > seen;
    });
    seen = sink_.samples.size();
  }
  EXPECT_THAT(stopped().samples, SizeIs(499 * kMetrics));
  EXPECT_THAT(sink_.drops, IsEmpty());
}

TEST_F(Sampling, AnImageThatIsFullIsReadAgain) {
  ASSERT_TRUE(start().ok());
  sample(clock(), 10'000);
  EXPECT_THAT(stopped().samples, SizeIs(9'999 * kMetrics));
}

TEST_F(Sampling, GapsAreCountedAsLostSamples) {
  ASSERT_TRUE(start().ok());
  const std::uint64_t begin = clock();
  sample(begin, 2);
  sample(begin + 12 * kInterval, 2);
  const CollectingSink& sink = stopped();
  ASSERT_THAT(sink.drops, SizeIs(1));
  EXPECT_EQ(sink.drops[0].count, 10U);
  EXPECT_EQ(sink.name_of(sink.drops[0].source), "PM samples");
}

TEST_F(Sampling, SamplesWithoutTimeAreNone) {
  ASSERT_TRUE(start().ok());
  const std::uint64_t begin = clock();
  sample(begin, 2);
  {
    const std::lock_guard lock(fake_.mutex);
    fake_.pending.push_back({0, 0, 7});
    fake_.pending.push_back({begin, begin, 7});
  }
  EXPECT_THAT(stopped().samples, SizeIs(kMetrics));
}

// Whenever they are read: samples that waited for a second lie where they were taken.
TEST_F(Sampling, TimesAreOfCuptisClock) {
  for (const std::int64_t ahead :
       {std::int64_t{-1'000'000'000'000}, std::int64_t{-5'000}, std::int64_t{0},
        std::int64_t{50'000'000}, std::int64_t{7'000'000'000}}) {
    fake_.clock_ahead = ahead;
    ASSERT_TRUE(start().ok());
    const std::uint64_t taken = clock() - 1'000'000'000;
    sample(taken + static_cast<std::uint64_t>(ahead), 4);
    sink_ = {};
    const CollectingSink& sink = stopped();
    ASSERT_THAT(sink.samples, SizeIs(3 * kMetrics));
    EXPECT_NEAR(static_cast<double>(sink.samples.front().begin.ns -
                                    static_cast<std::int64_t>(taken + kInterval)),
                0, kClocksNs);
    EXPECT_EQ(sink.samples.front().end - sink.samples.front().begin,
              Duration{static_cast<std::int64_t>(kInterval)});
    EXPECT_THAT(notes(), IsEmpty());
  }
}

TEST_F(Sampling, SamplesOfAnotherClockThanCuptisAreLeftOut) {
  ASSERT_TRUE(start().ok());
  sample(clock() - 3'600'000'000'000, 4);  // an hour before anything began
  EXPECT_THAT(stopped().samples, IsEmpty());
  EXPECT_THAT(notes(), HasSubstr("on a clock of their own"));
}

TEST_F(Sampling, ClockThatIsNotToldIsNoted) {
  fake_.clock_told = false;
  ASSERT_TRUE(start().ok());
  sample(clock(), 4);
  EXPECT_THAT(stopped().samples, SizeIs(3 * kMetrics));
  EXPECT_THAT(notes(), HasSubstr("does not tell its clock"));
}

TEST_F(Sampling, OverflowIsCountedAndSamplingBegunAnew) {
  ASSERT_TRUE(start().ok());
  {
    const std::lock_guard lock(fake_.mutex);
    fake_.overflow = true;
  }
  wait_for([&] { return fake_.count("PmSamplingEnable") >= 2; });
  {
    const std::lock_guard lock(fake_.mutex);
    fake_.overflow = false;
  }
  sample(clock(), 5);
  EXPECT_THAT(stopped().samples, ::testing::Not(IsEmpty()));
  EXPECT_THAT(notes(), HasSubstr("buffer overflowed"));
  EXPECT_EQ(fake_.held(), 0U);
}

TEST_F(Sampling, OverflowForEverEndsSampling) {
  fake_.overflow = true;
  ASSERT_TRUE(start().ok());
  wait_for([&] { return fake_.count("PmSamplingEnable") >= 9; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  source_->stop();
  EXPECT_LE(fake_.count("PmSamplingEnable"), 9U);
  EXPECT_THAT(notes(), HasSubstr("sample at a longer interval"));
  EXPECT_EQ(fake_.held(), 0U);
}

TEST_F(Sampling, SeveralPassesAreRefused) {
  fake_.passes = [](const std::vector<std::string>&) { return std::size_t{2}; };
  EXPECT_THAT(start().message(), HasSubstr("one pass"));
  EXPECT_EQ(fake_.count("PmSamplingEnable"), 0U);
  EXPECT_EQ(fake_.held(), 0U);
}

TEST_F(Sampling, NoIntervalIsRefused) {
  SamplingOptions options;
  options.interval = std::chrono::nanoseconds(0);
  EXPECT_FALSE(start(options).ok());
  EXPECT_THAT(fake_.calls, IsEmpty());
}

TEST_F(Sampling, StoppingTwiceIsStoppingOnce) {
  ASSERT_TRUE(start().ok());
  source_->stop();
  source_->stop();
  source_.reset();
  EXPECT_EQ(fake_.count("PmSamplingDisable"), 1U);
  EXPECT_EQ(fake_.held(), 0U);
}

const std::pair<CUptiResult, const char*> kRefusals[] = {
    {CUPTI_ERROR_INSUFFICIENT_PRIVILEGES, "NVreg_RestrictProfilingToAdminUsers"},
    {CUPTI_ERROR_HARDWARE_BUSY, "dcgmi profile --pause"},
    {CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED, "virtual GPU"},
    {CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES, "CAP_SYS_ADMIN"},
    {CUPTI_ERROR_CONFIDENTIAL_COMPUTING_NOT_SUPPORTED, "confidential computing"},
    {CUPTI_ERROR_CMP_DEVICE_NOT_SUPPORTED, "CMP"},
    {CUPTI_ERROR_MIG_DEVICE_NOT_SUPPORTED, "MIG"},
    {CUPTI_ERROR_UNKNOWN, "driver"}};

TEST_F(Sampling, EveryRefusalAtTheStartIsOneSentence) {
  for (const char* call :
       {"ProfilerInitialize", "ProfilerDeviceSupported", "DeviceGetChipName",
        "PmSamplingGetCounterAvailability", "ProfilerHostInitialize", "ProfilerHostGetBaseMetrics",
        "PmSamplingEnable", "PmSamplingSetConfig", "PmSamplingGetCounterDataSize",
        "PmSamplingCounterDataImageInitialize", "PmSamplingStart"}) {
    for (const auto& [code, advice] : kRefusals) {
      fake_.fail = {{call, code}};
      const Status status = start();
      ASSERT_FALSE(status.ok()) << call;
      EXPECT_THAT(status.message(),
                  AllOf(HasSubstr(std::string("cupti") + call + " failed"), HasSubstr(advice)));
      source_->stop();
      EXPECT_EQ(fake_.held(), 0U) << call;
    }
  }
}

TEST_F(Sampling, EveryRefusalLaterEndsSamplingWithANote) {
  for (const char* call : {"PmSamplingDecodeData", "PmSamplingGetCounterDataInfo",
                           "PmSamplingCounterDataGetSampleInfo", "ProfilerHostEvaluateToGpuValues",
                           "PmSamplingStop"}) {
    for (const auto& [code, advice] : kRefusals) {
      fake_.fail.clear();
      fake_.open.clear();
      ASSERT_TRUE(start().ok());
      {
        const std::lock_guard lock(fake_.mutex);
        fake_.fail = {{call, code}};
      }
      sample(clock(), 3);
      source_->stop();
      EXPECT_THAT(notes(),
                  AllOf(HasSubstr(std::string("cupti") + call + " failed"), HasSubstr(advice)));
      // A run that CUPTI refuses to stop is CUPTI's.
      fake_.open.erase("pm run");
      EXPECT_EQ(fake_.held(), 0U) << call;
      fake_.pending.clear();
    }
  }
}

TEST_F(Sampling, RealLibraryWithoutADriverRefusesInWords) {
  const CuptiLookup& real = cupti();
  if (real.api == nullptr) GTEST_SKIP() << real.why.message();
  if (cuda_driver().driver != nullptr) GTEST_SKIP() << "this machine has a driver";
  PmSampler source(*real.api, driver_, {});
  const Status status = source.start();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("failed (CUPTI_ERROR"));
  source.stop();
}

TEST_F(Sampling, LibraryWithoutSamplingIsRefused) {
  api_.cuptiPmSamplingStart = nullptr;
  EXPECT_THAT(start().message(), HasSubstr("12.6 or newer"));
  EXPECT_THAT(fake_.calls, IsEmpty());
}

}  // namespace
}  // namespace rooftop::capture
