// Cost of trace files on a synthetic run of 806 kernels a step with realistic noise. Every result
// stands beside the time that memcpy takes for the same records in the same process
// ("x_memcpy"), because records a second say little about another machine.
//
//   build/<preset>/tests/trace/trace_benchmark
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "profiler/trace/columns.h"
#include "profiler/trace/frame.h"
#include "profiler/trace/reader.h"
#include "profiler/trace/writer.h"

namespace rooftop::trace {
namespace {

constexpr std::size_t kRecords = 2'000'000;
constexpr int kKernelsPerStep = 806;

// The kernels of a decode loop: 26 shapes over and over, times that jitter, gaps between launches.
std::vector<KernelRecord> make_kernels() {
  std::mt19937_64 random(1);
  std::normal_distribution<double> jitter(1.0, 0.03);
  std::exponential_distribution<double> gap(1.0 / 700);
  std::vector<KernelRecord> out(kRecords);
  std::int64_t now = 1'790'000'000'000'000'000;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto shape = static_cast<std::uint32_t>(i % kKernelsPerStep % 26);
    const std::uint64_t step = i / kKernelsPerStep;
    KernelRecord& k = out[i];
    k.id = i + 1;
    k.stream = 7;
    now += 400 + static_cast<std::int64_t>(gap(random));
    k.begin = {now};
    now += static_cast<std::int64_t>((1500 + 900 * shape) * jitter(random));
    k.end = {now};
    k.name = 1 + shape;
    k.grid = {64U << (shape % 6), 1 + shape % 3, 1};
    k.block = {128U << (shape % 2), 1, 1};
    k.dynamic_shared_bytes = 1024 * (shape % 9) * 4;
    k.static_shared_bytes = 16 * (shape % 5);
    k.registers_per_thread = 32 + 8 * (shape % 20);
    k.correlation = 1000 + i + step * 3;
    k.graph_node = 1 + i % kKernelsPerStep;
    k.scope = 1 + step * 290 + i % kKernelsPerStep * 290 / kKernelsPerStep;
  }
  return out;
}

const std::vector<KernelRecord>& kernels() {
  static const std::vector<KernelRecord> records = make_kernels();
  return records;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Seconds that memcpy takes for all records, the best of five.
double memcpy_seconds() {
  static const double best = [] {
    const auto& from = kernels();
    std::vector<char> to(from.size() * sizeof(KernelRecord), 1);
    double least = 1e9;
    for (int i = 0; i < 5; ++i) {
      const auto start = std::chrono::steady_clock::now();
      std::memcpy(to.data(), from.data(), to.size());
      benchmark::DoNotOptimize(to.data());
      least = std::min(least, seconds_since(start));
    }
    return least;
  }();
  return best;
}

void report(benchmark::State& state, double seconds, std::uintmax_t file_bytes) {
  const auto passes = static_cast<double>(state.iterations());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRecords));
  state.counters["x_memcpy"] = seconds / passes / memcpy_seconds();
  state.counters["bytes_per_record"] =
      static_cast<double>(file_bytes) / static_cast<double>(kRecords);
}

std::string trace_path() {
  return std::filesystem::temp_directory_path() /
         ("rooftop_benchmark_" + std::to_string(getpid()) + ".rtrace");
}

bool write_trace(const std::string& path) {
  Writer writer;
  if (!writer.open(path, {}).ok()) return false;
  for (int i = 0; i < 26; ++i) writer.intern("kernel_" + std::to_string(i));
  for (const KernelRecord& k : kernels()) {
    if (!writer.add(k).ok()) return false;
  }
  return writer.finish().ok();
}

struct TimeByName : Visitor {
  std::vector<std::int64_t> ns = std::vector<std::int64_t>(64);
  void kernels(std::span<const KernelRecord> records) override {
    for (const KernelRecord& k : records) ns[k.name % 64] += (k.end - k.begin).ns;
  }
};

void write_kernels(benchmark::State& state) {
  const std::string path = trace_path();
  (void)memcpy_seconds();
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) {
    if (!write_trace(path)) state.SkipWithError("the trace cannot be written");
  }
  report(state, seconds_since(start), std::filesystem::file_size(path));
  std::filesystem::remove(path);
}
BENCHMARK(write_kernels)->Unit(benchmark::kMillisecond)->UseRealTime();

void read_and_aggregate(benchmark::State& state) {
  const std::string path = trace_path();
  if (!write_trace(path)) return state.SkipWithError("the trace cannot be written");
  (void)memcpy_seconds();
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) {
    TimeByName sums;
    Reader(path).read(sums);
    benchmark::DoNotOptimize(sums.ns.data());
  }
  report(state, seconds_since(start), std::filesystem::file_size(path));
  std::filesystem::remove(path);
}
BENCHMARK(read_and_aggregate)->Unit(benchmark::kMillisecond)->UseRealTime();

// The same sums from the two columns that they need.
std::int64_t aggregate_two_columns(std::span<const std::byte> bytes, DecompressContext& context) {
  constexpr std::uint32_t kDuration = 5;
  constexpr std::uint32_t kName = 6;
  std::vector<std::int64_t> ns(64);
  ColumnDecoder durations;
  ColumnDecoder names;
  std::array<std::uint64_t, 256> duration;
  std::array<std::uint64_t, 256> name;
  while (const auto extent = frame_extent(bytes)) {
    const ParsedFrame frame = parse_frame(bytes.subspan(extent->prefix, extent->body));
    bytes = bytes.subspan(extent->total());
    if (frame.header.kind != static_cast<std::uint32_t>(FrameKind::kKernels)) continue;
    const std::uint32_t rows = frame.header.rows;
    for (const ColumnView& view : parse_chunk(frame.payload)) {
      if (view.id == kDuration) durations.open(view, rows, ColumnType::kSigned, ~0ULL, context);
      if (view.id == kName) names.open(view, rows, ColumnType::kUnsigned, 63, context);
    }
    for (std::uint32_t row = 0; row < rows; row += 256) {
      const std::size_t n = std::min<std::size_t>(256, rows - row);
      durations.next(std::span(duration).first(n));
      names.next(std::span(name).first(n));
      for (std::size_t i = 0; i < n; ++i) {
        ns[name[i] % 64] += static_cast<std::int64_t>(duration[i]);
      }
    }
  }
  return ns[0];
}

void read_two_columns(benchmark::State& state) {
  const std::string path = trace_path();
  if (!write_trace(path)) return state.SkipWithError("the trace cannot be written");
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  DecompressContext context;
  (void)memcpy_seconds();
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) {
    benchmark::DoNotOptimize(aggregate_two_columns(std::as_bytes(std::span(text)), context));
  }
  report(state, seconds_since(start), text.size());
  std::filesystem::remove(path);
}
BENCHMARK(read_two_columns)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace rooftop::trace

BENCHMARK_MAIN();
