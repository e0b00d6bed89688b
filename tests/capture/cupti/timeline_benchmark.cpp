// What the timeline costs on our side of CUPTI: a launch's callback on the engine's thread, a
// kernel's record on the session's. CUPTI's own cost is not in it.
#include <benchmark/benchmark.h>

#include "profiler/capture/cupti/timeline.h"
#include "tests/capture/cupti/timeline_replay.h"
#include "tests/capture/cupti/timeline_sink.h"

namespace rooftop::capture {
namespace {

ScopeId one_scope() noexcept { return 1; }

TimelineOptions options() {
  TimelineOptions o;
  o.current_scope = one_scope;
  return o;
}

void launch_callback(benchmark::State& state) {
  testing::ReplayCupti cupti;
  const auto timeline = make_timeline(cupti.api, options());
  if (!timeline->start().ok()) return state.SkipWithError("not started");
  std::uint32_t correlation = 0;
  for (auto _ : state) cupti.launch(++correlation);  // entry and exit
  timeline->stop();
}
BENCHMARK(launch_callback);

class CountingSink : public testing::MemorySink {
 public:
  using testing::MemorySink::add;
  void add(const KernelRecord& record) override { benchmark::DoNotOptimize(record.scope); }
};

// Arg: whether the kernels are a graph's.
void kernel_record(benchmark::State& state) {
  testing::ReplayCupti cupti;
  const auto timeline = make_timeline(cupti.api, options());
  if (!timeline->start().ok()) return state.SkipWithError("not started");
  constexpr std::uint32_t kKernels = 4000;
  const auto time = static_cast<std::uint64_t>(now().ns);
  testing::BufferBuilder buffer;
  for (std::uint32_t i = 1; i <= kKernels; ++i) {
    auto k = testing::make_kernel("_ZN7cutlass6KernelI4GemmEEvNT_6ParamsE", i, time, time + 1000);
    if (state.range(0) != 0) k.graphNodeId = i;
    cupti.launch(i);
    cupti.node_created(i);
    buffer.add(k);
  }
  CountingSink sink;
  for (auto _ : state) {
    cupti.deliver(buffer);
    timeline->drain(sink);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * kKernels);
  timeline->stop();
}
BENCHMARK(kernel_record)->Arg(0)->Arg(1);

}  // namespace
}  // namespace rooftop::capture

BENCHMARK_MAIN();
