// Speed of the kernels on this machine's first GPU, as JSON: weights and caches are taken in turns
// from more memory than the L2 holds, several launches between two events.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "inference/cuda/attention_plan.h"
#include "inference/cuda/kernels.h"
#include "profiler/roofs/cuda/timing.h"

namespace rooftop::inference::cuda {
namespace {

using rooftop::cuda::check;
using rooftop::cuda::DeviceMemory;
using rooftop::cuda::PassTimer;

constexpr std::int64_t kElement = 2;
constexpr int kLaunches = 16;  // of one timing

class Benchmark {
 public:
  Benchmark() {
    check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, 0),
          "count the multiprocessors");
    int l2 = 0;
    check(cudaDeviceGetAttribute(&l2, cudaDevAttrL2CacheSize, 0), "tell the size of the L2");
    pool_bytes_ = std::max<std::int64_t>(std::int64_t{3} * l2, std::int64_t{600} << 20);
    pool_ = DeviceMemory(static_cast<std::uint64_t>(pool_bytes_));
    small_ = DeviceMemory(kSmallBytes);
    launch_noise(DType::kBF16, pool_.data(), 1, static_cast<std::int32_t>(pool_bytes_ / 256), 128,
                 0, static_cast<std::int32_t>(pool_bytes_ / 256), 1, timer_.stream().get());
    launch_noise(DType::kBF16, small_.data(), 1, kSmallBytes / 256, 128, 0, kSmallBytes / 256, 2,
                 timer_.stream().get());
    timer_.stream().wait();
  }

  void gemv(const std::string& name, int rows, int n, int k, Epilogue epilogue, bool norm) {
    const std::int64_t bytes = kElement * n * k * (epilogue == Epilogue::kSwiGlu ? 2 : 1);
    Gemv call;
    call.rows = rows;
    call.n = n;
    call.k = k;
    call.x = small(0);
    if (norm) call.norm_weight = small(1);
    call.norm_eps = 1e-5f;
    call.epilogue = epilogue;
    call.y = small(2);
    const double seconds = time([&](int turn, cudaStream_t stream) {
      call.w = in_turns(bytes, turn);
      launch_gemv(call, multiprocessors_, stream);
    });
    add(name, {{"bytes_per_s", static_cast<double>(bytes) / seconds}, {"seconds", seconds}});
  }

  void decode(const std::string& name, int batch, int kv_heads, int length) {
    constexpr int kHeads = 32;
    constexpr int kHeadDim = 128;
    const std::int64_t cache = kElement * batch * kv_heads * length * kHeadDim;
    AttentionCall call = attention(batch, 1, length, kHeads, kv_heads, kHeadDim);
    const double seconds = time([&](int turn, cudaStream_t stream) {
      call.keys = in_turns(2 * cache, turn);
      call.values = static_cast<const std::byte*>(call.keys) + cache;
      run(call, stream);
    });
    add(name, {{"bytes_per_s", 2 * static_cast<double>(cache) / seconds},
               {"seconds", seconds},
               {"splits", call.splits}});
  }

  void prefill(const std::string& name, int length, int kv_heads) {
    constexpr int kHeads = 32;
    constexpr int kHeadDim = 128;
    AttentionCall call = attention(1, length, length, kHeads, kv_heads, kHeadDim);
    call.keys = in_turns(kElement * kv_heads * length * kHeadDim, 0);
    call.values = in_turns(kElement * kv_heads * length * kHeadDim, 1);
    const double seconds = time([&](int, cudaStream_t stream) { run(call, stream); });
    const double l = length;
    add(name,
        {{"flops_per_s", 2.0 * kHeads * kHeadDim * l * (l + 1) / seconds}, {"seconds", seconds}});
  }

  [[nodiscard]] const nlohmann::ordered_json& results() const { return results_; }

 private:
  static constexpr std::int32_t kSmallBytes = 256 << 20;
  static constexpr std::int64_t kPartBytes = kSmallBytes / 4;

  [[nodiscard]] void* small(int part) const { return small_.as<std::byte>() + part * kPartBytes; }

  [[nodiscard]] void* in_turns(std::int64_t bytes, int turn) const {
    const std::int64_t places = std::max<std::int64_t>(1, pool_bytes_ / bytes);
    return pool_.as<std::byte>() + turn % places * bytes;
  }

  // Seconds of one launch.
  double time(const std::function<void(int, cudaStream_t)>& launch) const {
    return timer_.best(0.2, [&](cudaStream_t stream) {
      for (int i = 0; i < kLaunches; ++i) launch(i, stream);
    }) / kLaunches;
  }

  AttentionCall attention(int batch, int rows, int length, int heads, int kv_heads, int head_dim) {
    std::vector<SequenceRows> sequences;
    std::vector<std::int32_t> row_sequence;
    for (int i = 0; i < batch; ++i) {
      sequences.push_back({i, i * rows, rows, length});
      row_sequence.insert(row_sequence.end(), static_cast<std::size_t>(rows), i);
    }
    sequences_ = DeviceMemory(sequences.size() * sizeof(SequenceRows));
    row_sequence_ = DeviceMemory(row_sequence.size() * sizeof(std::int32_t));
    check(cudaMemcpy(sequences_.data(), sequences.data(), sequences.size() * sizeof(SequenceRows),
                     cudaMemcpyHostToDevice),
          "copy to the device");
    check(cudaMemcpy(row_sequence_.data(), row_sequence.data(),
                     row_sequence.size() * sizeof(std::int32_t), cudaMemcpyHostToDevice),
          "copy to the device");
    plan_ = plan_attention(batch, rows, heads, kv_heads, head_dim, length, multiprocessors_);
    AttentionCall call;
    call.step = {sequences_.as<SequenceRows>(), row_sequence_.as<std::int32_t>(), batch,
                 batch * rows, rows};
    call.heads = heads;
    call.kv_heads = kv_heads;
    call.head_dim = head_dim;
    call.max_length = length;
    call.q = small(0);
    call.a = small(1);
    call.splits = plan_.splits;
    call.split_keys = plan_.split_keys;
    call.partial = static_cast<float*>(small(2));
    call.partial_log_sum = static_cast<float*>(small(3));
    return call;
  }

  void run(const AttentionCall& call, cudaStream_t stream) const {
    plan_.kernel == AttentionKernel::kDecode ? launch_attention_decode(call, stream)
                                             : launch_attention_tiled(call, stream);
    if (call.splits > 1) launch_attention_combine(call, stream);
  }

  void add(const std::string& name, nlohmann::ordered_json figures) {
    nlohmann::ordered_json row{{"name", name}};
    row.update(figures);
    results_.push_back(row);
  }

  int multiprocessors_ = 0;
  std::int64_t pool_bytes_ = 0;
  DeviceMemory pool_;
  DeviceMemory small_;
  DeviceMemory sequences_;
  DeviceMemory row_sequence_;
  AttentionPlan plan_;
  PassTimer timer_{0};
  nlohmann::ordered_json results_ = nlohmann::ordered_json::array();
};

void run_all() {
  Benchmark b;
  for (const int rows : {1, 2, 4, 8}) {
    const std::string suffix = " gemv, " + std::to_string(rows) + " rows";
    b.gemv("7B qkv" + suffix, rows, 12288, 4096, Epilogue::kStore, true);
    b.gemv("7B o_proj" + suffix, rows, 4096, 4096, Epilogue::kAdd, false);
    b.gemv("7B gate/up" + suffix, rows, 11008, 4096, Epilogue::kSwiGlu, true);
    b.gemv("7B down" + suffix, rows, 4096, 11008, Epilogue::kAdd, false);
    b.gemv("7B lm_head" + suffix, rows, 32000, 4096, Epilogue::kStoreF32, false);
  }
  b.decode("decode attention, b1 L4096", 1, 32, 4096);
  b.decode("decode attention, b16 L1024", 16, 32, 1024);
  b.decode("decode attention, b16 L4096, 8 KV heads", 16, 8, 4096);
  for (const int length : {512, 2048, 8192}) {
    b.prefill("flash prefill, L" + std::to_string(length), length, 32);
  }
  std::printf("%s\n", nlohmann::ordered_json{{"kernels", b.results()}}.dump(1).c_str());
}

}  // namespace
}  // namespace rooftop::inference::cuda

int main() {
  try {
    rooftop::inference::cuda::run_all();
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}
