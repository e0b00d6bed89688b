// Recording on a real GPU, of work whose kernels, bytes and operations are known beforehand. The
// scopes around it are real, too.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/capture/cupti/timeline.h"
#include "profiler/capture/gpu_sources.h"
#include "profiler/capture/nvtx_scopes.h"
#include "tests/capture/cupti/collecting_sink.h"
#include "tests/capture/cupti/gpu/work.h"

namespace rooftop::capture {
namespace {

using testing::CollectingSink;
using testing::Work;

// An event with its own copy of the name, which is the sink's only while it is called.
struct Scope {
  ScopeEvent event;
  std::string name;
};

class CaptureOnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string none = testing::no_gpu(); !none.empty()) GTEST_SKIP() << none;
    if (cupti().api == nullptr) GTEST_SKIP() << cupti().why.message();
    ASSERT_TRUE(scopes_heard());
    ASSERT_TRUE(start_recording());
    work_ = std::make_unique<Work>(kLayers);
  }
  void TearDown() override {
    stop_recording();
    drain_events([](void*, const ScopeEvent&) {}, nullptr);
  }

  // Steps with a scope of their own each; operators within where no graph is launched.
  void steps(int count, bool graph) {
    for (int i = 0; i < count; ++i) {
      nvtx::StepPayload payload;
      payload.phase = nvtx::kAr;
      payload.batch = 1;
      payload.query_tokens = 1;
      payload.length = 9;
      const nvtx::Step step(payload, "decode");
      if (graph) {
        work_->launch_graph();
      } else {
        const nvtx::Op op(nvtx::kQkv, 0, "qkv");
        work_->step();
      }
      work_->wait();
    }
  }
  std::vector<Scope> scopes() {
    std::vector<Scope> events;
    drain_events(
        [](void* to, const ScopeEvent& e) {
          static_cast<std::vector<Scope>*>(to)->push_back({e, std::string(e.name)});
        },
        &events);
    return events;
  }

  static constexpr int kLayers = 4;
  std::unique_ptr<Work> work_;
};

const Scope* scope_of(const std::vector<Scope>& events, ScopeId id) {
  const auto it =
      std::find_if(events.begin(), events.end(), [&](const Scope& s) { return s.event.id == id; });
  return it != events.end() ? &*it : nullptr;
}

TEST_F(CaptureOnGpu, TimelineHoldsEveryKernelWithItsScopeAndTime) {
  const auto timeline = make_timeline(*cupti().api, {});
  ASSERT_TRUE(timeline->start().ok());
  steps(3, false);
  timeline->stop();
  CollectingSink sink;
  timeline->drain(sink);
  const auto events = scopes();
  ASSERT_EQ(sink.kernels.size(), 3U * kLayers * Work::kKernels);
  for (const KernelRecord& k : sink.kernels) {
    EXPECT_NE(sink.name_of(k.name).find("work_"), std::string::npos);
    const Scope* scope = scope_of(events, k.scope);
    ASSERT_NE(scope, nullptr);
    EXPECT_EQ(scope->event.kind, ScopeEvent::Kind::kOp);
    const Scope* step = scope_of(events, scope->event.parent);
    ASSERT_NE(step, nullptr);
    // One clock: a kernel lies within its step but for what two clocks differ by.
    EXPECT_GT(k.begin.ns, step->event.begin.ns - 100'000);
    EXPECT_LT(k.end.ns, step->event.end.ns + 100'000);
    EXPECT_LT(k.begin, k.end);
  }
  EXPECT_TRUE(sink.drops.empty());
}

TEST_F(CaptureOnGpu, KernelsOfAGraphKnowTheScopeOfTheirCaptureAndOfTheirLaunch) {
  const auto timeline = make_timeline(*cupti().api, {});
  ASSERT_TRUE(timeline->start().ok());
  {
    const nvtx::Step step(nvtx::StepPayload{}, "capture");
    const nvtx::Op op(nvtx::kDown, 3, "down");
    work_->capture();
  }
  steps(2, true);
  timeline->stop();
  CollectingSink sink;
  timeline->drain(sink);
  const auto events = scopes();
  ASSERT_EQ(sink.kernels.size(), 2U * kLayers * Work::kKernels);
  for (const KernelRecord& k : sink.kernels) {
    EXPECT_NE(k.graph_node, 0U);
    const Scope* scope = scope_of(events, k.scope);
    ASSERT_NE(scope, nullptr);
    EXPECT_EQ(scope->name, "down");
    const Scope* launch = scope_of(events, k.launch_scope);
    ASSERT_NE(launch, nullptr);
    EXPECT_EQ(launch->name, "decode");
  }
}

TEST_F(CaptureOnGpu, StartsAndStopsAgainAndAgain) {
  for (int i = 0; i < 3; ++i) {
    const auto timeline = make_timeline(*cupti().api, {});
    ASSERT_TRUE(timeline->start().ok());
    steps(1, false);
    timeline->stop();
    CollectingSink sink;
    timeline->drain(sink);
    EXPECT_EQ(sink.kernels.size(), static_cast<std::size_t>(kLayers * Work::kKernels));
  }
}

// Of each kernel's counters: name of the metric -> value.
std::map<std::string, double> counters_of(const CollectingSink& sink, KernelId kernel) {
  std::map<std::string, double> out;
  for (const CounterRecord& c : sink.counters) {
    if (c.kernel == kernel) out[sink.name_of(c.metric)] = c.value;
  }
  return out;
}

// The driver gives counters only to whom it trusts: that is a reason to skip, all else is not.
bool refused_for_want_of_permission(const Status& status) {
  return status.message().find("may not read GPU counters") != std::string::npos;
}

TEST_F(CaptureOnGpu, CountersOfKnownWorkAreWhatItIs) {
  GpuSourceOptions options;
  options.capture = GpuCapture::kCounters;
  options.types = {"bf16"};
  const int repeats = counter_repeats(options);  // before a profiler is at work
  const auto source = gpu_sources(options).front()();
  const Status started = source->start();
  if (refused_for_want_of_permission(started)) GTEST_SKIP() << started.message();
  ASSERT_TRUE(started.ok()) << started.message();
  steps(repeats + 1, false);
  source->stop();
  CollectingSink sink;
  source->drain(sink);
  Meta meta;
  source->describe(meta);
  for (const Note& note : meta.notes) std::printf("note: %s\n", note.text.c_str());

  int copies = 0;
  int tensors = 0;
  int ffmas = 0;
  for (const KernelRecord& k : sink.kernels) {
    const std::string& name = sink.name_of(k.name);
    const auto counters = counters_of(sink, k.id);
    const auto sum = [&](std::string_view part) {
      double total = 0;
      for (const auto& [metric, value] : counters) {
        if (metric.find(part) != std::string::npos) total += value;
      }
      return total;
    };
    if (name.find("work_copy") != std::string::npos && sum("dram__bytes") > 0) {
      ++copies;
      EXPECT_NEAR(sum("dram__bytes_read") + sum("dram__bytes_op_read"), Work::kCopyBytes,
                  0.1 * Work::kCopyBytes);
    }
    if (name.find("work_tensor") != std::string::npos && sum("ops_path_tensor") > 0) {
      ++tensors;
      EXPECT_EQ(sum("bf16"), static_cast<double>(Work::kTensorFlops));
    }
    if (name.find("work_ffma") != std::string::npos && sum("op_ffma") > 0) {
      ++ffmas;
      EXPECT_NEAR(sum("op_ffma"), Work::kFfma, 0.01 * Work::kFfma);
    }
  }
  EXPECT_GT(copies, 0);
  EXPECT_GT(tensors, 0);
  EXPECT_GT(ffmas, 0);
}

TEST_F(CaptureOnGpu, SamplesAddUpToTheBytesThatWereCopied) {
  GpuSourceOptions options;
  options.capture = GpuCapture::kSampling;
  std::vector<std::unique_ptr<RecordSource>> sources;
  for (const SourceMaker& make : gpu_sources(options)) {
    sources.push_back(make());
    const Status started = sources.back()->start();
    if (refused_for_want_of_permission(started)) GTEST_SKIP() << started.message();
    ASSERT_TRUE(started.ok()) << started.message();
  }
  constexpr int kSteps = 20;
  steps(kSteps, false);
  CollectingSink sink;
  for (const auto& source : sources) source->stop();
  for (const auto& source : sources) source->drain(sink);
  double read = 0;
  for (const SampleRecord& s : sink.samples) {
    if (sink.name_of(s.metric).find("dram__") != std::string::npos &&
        sink.name_of(s.metric).find("read") != std::string::npos)
      read += s.value;
  }
  const double expected = static_cast<double>(Work::kCopyBytes) * kLayers * kSteps;
  EXPECT_NEAR(read, expected, 0.15 * expected);
  EXPECT_EQ(sink.kernels.size(), static_cast<std::size_t>(kLayers * Work::kKernels * kSteps));
}

}  // namespace
}  // namespace rooftop::capture
