// How near the machine the CPU backend runs, each figure beside the roof measured in the same run:
//   of_read   a decode step's weight and cache bytes per second, of a plain read's
//   of_peak   a prefill step's matrix and attention FLOP/s, of oneDNN's best product's
//
//   build/<preset>/tests/inference/cpu/cpu_backend_benchmark
#include <benchmark/benchmark.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "inference/cpu/cpu_backend.h"
#include "inference/files/model_files.h"
#include "inference/loop.h"

namespace rooftop::inference {
namespace {

template <typename Body>
double best_seconds(int repeats, const Body& body) {
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count());
  }
  return best;
}

// Bytes per second of all threads reading half a gigabyte.
double read_bandwidth() {
  std::vector<std::uint64_t> data(std::size_t{1} << 26, 1);
  const auto size = static_cast<std::int64_t>(data.size());
  std::uint64_t sum = 0;
  const double seconds = best_seconds(8, [&] {
#pragma omp parallel for simd reduction(+ : sum) schedule(static)
    for (std::int64_t i = 0; i < size; ++i) sum += data[static_cast<std::size_t>(i)];
    benchmark::DoNotOptimize(sum);
  });
  return static_cast<double>(data.size() * sizeof data[0]) / seconds;
}

// FLOP/s of a large product with weights in the layout that oneDNN likes best.
double peak(DType dtype) {
  using dnnl::memory;
  constexpr std::int64_t kSize = 1024;
  const auto type =
      dtype == DType::kBF16 ? memory::data_type::bf16 : memory::data_type::f32;  // f16: as f32
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::desc plain({kSize, kSize}, type, memory::format_tag::ab);
  const memory::desc any({kSize, kSize}, type, memory::format_tag::any);
  const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(plain, any, plain), engine);
  const dnnl::matmul matmul(description);
  const memory x(plain, engine);
  const memory w(description.weights_desc(), engine);
  const memory y(plain, engine);
  for (const auto& m : {x, w}) {  // half of each bf16 pair is 0.5, so is each float's upper half
    auto* words = static_cast<std::uint32_t*>(m.get_data_handle());
    std::fill_n(words, m.get_desc().get_size() / sizeof *words, 0x3F003F00U);
  }
  const double seconds = best_seconds(10, [&] {
    matmul.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}});
    stream.wait();
  });
  return 2.0 * kSize * kSize * kSize / seconds;
}

Config smollm() {
  Config c;
  c.name = "smollm-135m";
  c.hidden = 576;
  c.layers = 30;
  c.heads = 9;
  c.kv_heads = 3;
  c.head_dim = 64;
  c.ffn = 1536;
  c.vocab = 49152;
  c.max_positions = 8192;
  c.tied_embeddings = true;
  return c;
}

Config slice_of_8b() {
  Config c;
  c.name = "llama-3-8b-two-layers";
  c.hidden = 4096;
  c.layers = 2;
  c.heads = 32;
  c.kv_heads = 8;
  c.head_dim = 128;
  c.ffn = 14336;
  c.vocab = 1024;
  c.max_positions = 8192;
  return c;
}

struct Engine {
  Engine(const Config& c, DType dtype, std::int64_t rows) : config(c) {
    options.dtype = dtype;
    options.max_batch = 8;
    options.max_length = 2048;
    options.max_rows = rows;
    options.max_logit_rows = 8;
    backend = make_cpu_backend(*random_model(config, 1), options);
    loop = std::make_unique<Loop>(*backend, config, options);
  }
  Config config;
  BackendOptions options;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Loop> loop;
};

double matrix_values(const Config& c) {  // of all layers
  const double d = static_cast<double>(c.head_dim);
  const double q = static_cast<double>(c.heads) * d;
  const double kv = static_cast<double>(c.kv_heads) * d;
  const double h = static_cast<double>(c.hidden);
  return static_cast<double>(c.layers) *
         (h * (2 * q + 2 * kv) + 3 * h * static_cast<double>(c.ffn));
}

void decode(benchmark::State& state, const Config& config, DType dtype) {
  Engine engine(config, dtype, 8);
  const std::int64_t batch = state.range(0);
  const std::int64_t length = state.range(1);
  engine.loop->decode_cell(batch, length, 1, true);
  const double read = read_bandwidth();
  for (auto _ : state) engine.loop->decode_cell(batch, length);
  const double cache = 2.0 *
                       static_cast<double>(config.layers * config.kv_heads * config.head_dim) *
                       static_cast<double>(batch * length);
  const double values =
      matrix_values(config) + static_cast<double>(config.vocab * config.hidden) + cache;
  const double bytes = values * static_cast<double>(bytes_of(dtype));
  using benchmark::Counter;
  const auto rate = Counter::kIsIterationInvariantRate;
  state.counters["tokens/s"] = Counter(static_cast<double>(batch), rate);
  state.counters["bytes/s"] = Counter(bytes, rate);
  state.counters["of_read"] = Counter(bytes / read, rate);
}

void prefill(benchmark::State& state, const Config& config, DType dtype) {
  const std::int64_t length = state.range(0);
  Engine engine(config, dtype, length);
  engine.loop->prefill_cell(1, length, true);
  const double best = peak(dtype);
  for (auto _ : state) engine.loop->prefill_cell(1, length);
  const auto rows = static_cast<double>(length);
  // Attention counts what the causal mask leaves.
  const double flops =
      2 * rows * matrix_values(config) +
      2 * static_cast<double>(config.layers * config.heads * config.head_dim) * rows * (rows + 1);
  using benchmark::Counter;
  const auto rate = Counter::kIsIterationInvariantRate;
  state.counters["tokens/s"] = Counter(rows, rate);
  state.counters["FLOP/s"] = Counter(flops, rate);
  state.counters["of_peak"] = Counter(flops / best, rate);
}

void register_all() {
  for (const auto& config : {smollm(), slice_of_8b()}) {
    for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
      const std::string name = config.name + "/" + std::string(name_of(dtype));
      benchmark::RegisterBenchmark(("decode/" + name).c_str(), decode, config, dtype)
          ->ArgNames({"batch", "length"})
          ->Args({1, 128})
          ->Args({1, 2048})
          ->Args({8, 512})
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
      benchmark::RegisterBenchmark(("prefill/" + name).c_str(), prefill, config, dtype)
          ->ArgName("length")
          ->Arg(128)
          ->Arg(512)
          ->Arg(2048)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace rooftop::inference

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  rooftop::inference::register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
