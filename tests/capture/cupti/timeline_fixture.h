// What tests of the timeline share: one that records from a table in CUPTI's place into memory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "profiler/capture/cupti/timeline.h"
#include "tests/capture/cupti/timeline_replay.h"
#include "tests/capture/cupti/timeline_sink.h"

namespace rooftop::capture::testing {

inline thread_local ScopeId scope_here = 0;
inline ScopeId test_scope() noexcept { return scope_here; }

inline TimelineOptions options() {
  TimelineOptions o;
  o.current_scope = test_scope;
  o.buffer_bytes = 1 << 16;
  o.total_buffer_bytes = 4 << 16;
  return o;
}

// Times that pass for ones of this run.
inline std::uint64_t at(std::int64_t ns) {
  static const Timestamp base = now();
  return static_cast<std::uint64_t>(base.ns + ns);
}

inline CUpti_ActivityKernel10 kernel(std::uint32_t correlation, std::uint64_t node = 0) {
  auto k = testing::make_kernel("k", correlation, at(0), at(1000));
  k.graphNodeId = node;
  return k;
}

inline std::vector<std::string> notes_of(const Timeline& timeline) {
  Meta meta;
  timeline.describe(meta);
  std::vector<std::string> out;
  for (const Note& note : meta.notes) out.push_back(note.text);
  return out;
}

class TimelineTest : public ::testing::Test {
 protected:
  void start(const TimelineOptions& o = options()) {
    timeline = make_timeline(cupti.api, o);
    const Status status = timeline->start();
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void deliver(BufferBuilder& b) {
    ASSERT_TRUE(cupti.deliver(b));
    timeline->drain(sink);
  }
  template <class... Records>
  void deliver_records(const Records&... records) {
    BufferBuilder b;
    (b.add(records), ...);
    deliver(b);
  }
  void TearDown() override { scope_here = 0; }

  ReplayCupti cupti;
  MemorySink sink;
  std::unique_ptr<Timeline> timeline;
};

}  // namespace rooftop::capture::testing
