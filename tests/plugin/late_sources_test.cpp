// Sources that start when CUDA does, with sources of the test's own in the place of real ones.
#include "profiler/plugin/late_sources.h"

#include <gtest/gtest.h>

#include <string>

namespace rooftop::plugin {
namespace {

struct Log {
  int started = 0;
  int stopped = 0;
  int drained = 0;
};

class Scripted : public capture::RecordSource {
 public:
  Scripted(Log& log, Status answer) : log_(log), answer_(std::move(answer)) {}
  Status start() noexcept override {
    ++log_.started;
    return answer_;
  }
  void drain(capture::RecordSink& /*sink*/) override { ++log_.drained; }
  void stop() noexcept override { ++log_.stopped; }
  void describe(Meta& meta) const override { meta.capture = "scripted"; }

 private:
  Log& log_;
  Status answer_;
};

class NoSink : public capture::RecordSink {
 public:
  StringId intern(std::string_view /*text*/) override { return 0; }
  KernelId next_kernel() override { return 1; }
  void add(const KernelRecord& /*record*/) override {}
  void add(const CounterRecord& /*record*/) override {}
  void add(const SampleRecord& /*record*/) override {}
  void add(const MemcpyRecord& /*record*/) override {}
  void add(const DropRecord& /*record*/) override {}
};

capture::SourceMaker scripted(Log& log, const std::string& refusal = {}) {
  return [&log, refusal] {
    return std::make_unique<Scripted>(log, refusal.empty() ? Status() : Status::failed(refusal));
  };
}

TEST(LateSources, BeforeCudaThereIsNothing) {
  LateSources sources("/nowhere", 1);
  NoSink sink;
  sources.drain(sink);
  sources.flush();
  sources.pause();
  sources.resume();
  sources.stop();
  Meta meta;
  sources.describe(meta);
  EXPECT_TRUE(meta.capture.empty());
  EXPECT_TRUE(meta.notes.empty());
}

TEST(LateSources, WhatStartsIsDrainedStoppedOnceAndDescribed) {
  LateSources sources("/nowhere", 0);
  Log log;
  LateSources::Plan plan;
  plan.now = {scripted(log)};
  sources.begin(std::move(plan));
  NoSink sink;
  sources.drain(sink);
  sources.stop();
  sources.stop();
  sources.drain(sink);  // what is left after the stop
  EXPECT_EQ(log.started, 1);
  EXPECT_EQ(log.stopped, 1);
  EXPECT_EQ(log.drained, 2);
  Meta meta;
  sources.describe(meta);
  EXPECT_EQ(meta.capture, "scripted");
}

TEST(LateSources, ARefusalIsANoteAndNotASource) {
  LateSources sources("/nowhere", 0);
  Log refused;
  Log works;
  LateSources::Plan plan;
  plan.now = {scripted(refused, "no counters: ask the administrator"), scripted(works)};
  ::testing::internal::CaptureStderr();
  sources.begin(std::move(plan));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "rooftop: no counters: ask the administrator\n");
  NoSink sink;
  sources.drain(sink);
  sources.stop();
  EXPECT_EQ(refused.drained + refused.stopped, 0);
  EXPECT_EQ(works.drained, 1);
  Meta meta;
  sources.describe(meta);
  ASSERT_EQ(meta.notes.size(), 1U);
  EXPECT_EQ(meta.notes[0].text, "no counters: ask the administrator");
}

TEST(LateSources, WhatNeedsADriverWaitsForIt) {
  LateSources sources("/nowhere", 0);
  Log waits;
  LateSources::Plan plan;
  plan.after_init = {scripted(waits)};
  sources.begin(std::move(plan));
  NoSink sink;
  sources.drain(sink);  // libcuda is not loaded in this process
  EXPECT_EQ(waits.started, 0);
  sources.stop();
}

TEST(LateSources, NothingNewStartsOnceTheSessionEnds) {
  LateSources sources("/nowhere", 0);
  sources.ending();
  int made = 0;
  LateSources::Plan plan;
  plan.now = {[&]() -> std::unique_ptr<capture::RecordSource> {
    ++made;
    return nullptr;
  }};
  sources.begin(std::move(plan));
  EXPECT_EQ(made, 0);
}

TEST(LateSources, CanPauseIsAPromiseUntilSourcesAreThere) {
  EXPECT_FALSE(LateSources("/nowhere", 0).can_pause());
  EXPECT_TRUE(LateSources("/nowhere", 0, true).can_pause());
}

}  // namespace
}  // namespace rooftop::plugin
