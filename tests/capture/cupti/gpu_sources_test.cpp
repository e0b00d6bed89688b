// Which sources a way of recording has, and what they say where there is nothing to record.
#include "profiler/capture/gpu_sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "profiler/capture/cupti/cuda_driver.h"
#include "tests/capture/cupti/collecting_sink.h"

namespace rooftop::capture {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

TEST(GpuSources, EachWayHasItsOwn) {
  const auto count = [](GpuCapture capture) {
    GpuSourceOptions options;
    options.capture = capture;
    return gpu_sources(options).size();
  };
  EXPECT_EQ(count(GpuCapture::kScopes), 0U);
  EXPECT_EQ(count(GpuCapture::kTimeline), 1U);
  EXPECT_EQ(count(GpuCapture::kCounters), 1U);
  EXPECT_EQ(count(GpuCapture::kSampling), 2U);
}

TEST(GpuSources, WithoutADriverEachSaysSoAndRecordsNothing) {
  if (cuda_driver().driver != nullptr) GTEST_SKIP() << "this machine has a driver";
  for (const GpuCapture capture :
       {GpuCapture::kTimeline, GpuCapture::kCounters, GpuCapture::kSampling}) {
    GpuSourceOptions options;
    options.capture = capture;
    for (const SourceMaker& make : gpu_sources(options)) {
      const auto source = make();
      ASSERT_NE(source, nullptr);
      const Status started = source->start();
      ASSERT_FALSE(started.ok());
      EXPECT_THAT(started.message(), AnyOf(HasSubstr("driver"), HasSubstr("CUPTI")));
      testing::CollectingSink sink;
      source->flush();
      source->drain(sink);
      source->stop();
      source->drain(sink);
      Meta meta;
      source->describe(meta);
      EXPECT_TRUE(sink.kernels.empty());
      EXPECT_TRUE(sink.samples.empty());
    }
  }
  EXPECT_EQ(counter_repeats({}), 1);
}

}  // namespace
}  // namespace rooftop::capture
