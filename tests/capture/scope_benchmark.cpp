// Cost of one operator scope: heard and recorded, heard while nobody records, or (UNHEARD) with no
// tool at all.
#include <benchmark/benchmark.h>

#include "rooftop/nvtx.h"

#ifndef UNHEARD
#include "profiler/capture/nvtx_scopes.h"

namespace {

void recorded(benchmark::State& state) {
  using namespace rooftop::capture;
  if (!scopes_heard() || !start_recording()) return state.SkipWithError("not heard");
  int n = 0;
  for (auto _ : state) {
    const rooftop::nvtx::Op op(rooftop::nvtx::kQkv, 0, "qkv");
    if (++n % 4096 == 0) {
      state.PauseTiming();
      drain_events([](void*, const ScopeEvent&) {}, nullptr);
      state.ResumeTiming();
    }
  }
  stop_recording();
  drain_events([](void*, const ScopeEvent&) {}, nullptr);
}
BENCHMARK(recorded);

}  // namespace
#endif

namespace {

void nobody_records(benchmark::State& state) {
  for (auto _ : state) const rooftop::nvtx::Op op(rooftop::nvtx::kQkv, 0, "qkv");
}
BENCHMARK(nobody_records);

}  // namespace

BENCHMARK_MAIN();
