#include "inference/cuda/cuda_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "inference/cuda/attention_plan.h"
#include "inference/cuda/buffers.h"
#include "inference/cuda/kernels.h"
#include "inference/cuda/limits.h"
#include "inference/cuda/products.h"
#include "inference/cuda/step_graphs.h"
#include "inference/cuda/unfused_plan.h"
#include "inference/cuda/weights.h"
#include "profiler/core/error.h"
#include "profiler/roofs/cuda/owners.h"

namespace rooftop::inference::cuda {
namespace {

using rooftop::cuda::check;
using rooftop::cuda::CudaError;
using rooftop::cuda::DeviceMemory;
using rooftop::cuda::PinnedMemory;

std::int32_t i32(std::int64_t value) { return static_cast<std::int32_t>(value); }

DeviceLimits limits_of(int ordinal) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, ordinal), fmt::format("describe cuda:{}", ordinal));
  DeviceLimits limits;
  limits.name = fmt::format("cuda:{} ({})", ordinal, properties.name);
  limits.capability = 10 * properties.major + properties.minor;
  limits.multiprocessors = properties.multiProcessorCount;
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  check(cudaMemGetInfo(&free_bytes, &total_bytes), "tell the free memory");
  limits.free_bytes = free_bytes;
  return limits;
}

class CudaBackend final : public Backend {
 public:
  CudaBackend(const WeightSource& source, const BackendOptions& options, DeviceLimits device,
              const MakeMatMul& make_matmul, const std::function<void(double)>& progress)
      : config_(source.config()),
        options_(options),
        device_(std::move(device)),
        width_(config_),
        layers_(options.layers == 0 ? config_.layers : options.layers),
        matmul_(make_matmul()),
        products_(*matmul_, options.dtype, device_.multiprocessors, stream_.get()),
        weights_(source, layers_, options.dtype,
                 options.threads > 0 ? options.threads
                                     : static_cast<int>(std::thread::hardware_concurrency()),
                 progress),
        buffers_(config_, options_, layers_) {}

  ~CudaBackend() override {
    graphs_.abandon(stream_);
    (void)cudaStreamSynchronize(
        stream_.get());  // copies to and from host memory may be on their way
  }

  void reserve(const BackendOptions& options) override {
    BackendOptions wanted = options_;
    wanted.max_batch = options.max_batch;
    wanted.max_length = options.max_length;
    wanted.max_rows = options.max_rows;
    wanted.max_logit_rows = options.max_logit_rows;
    check_options(config_, wanted);
    graphs_.abandon(stream_);
    stream_.wait();
    graphs_.clear();
    buffers_ = Buffers();  // first free, then ask: only one of the two needs to fit
    partial_ = DeviceMemory();
    partial_bytes_ = 0;
    MemoryNeed need = cuda_memory_need(config_, wanted);
    need.weights = 0;  // are there already
    std::size_t total_bytes = 0;
    std::size_t free_bytes = 0;
    check(cudaMemGetInfo(&free_bytes, &total_bytes), "tell the free memory");
    device_.free_bytes = free_bytes;
    require_memory(config_, wanted, need, device_);
    options_ = wanted;
    try {
      buffers_ = Buffers(config_, options_, layers_);
    } catch (const CudaError& e) {
      if (e.code() != cudaErrorMemoryAllocation) throw;
      refuse_allocation(config_, wanted, need, device_);
    }
  }

  [[nodiscard]] BackendTraits traits() const override {
    const auto element = static_cast<double>(bytes_of(options_.dtype));
    return {options_.attention == Attention::kFlash, element, element, element};
  }

  StepWork begin(const StepInput& input) override {
    graphs_.abandon(stream_);  // where the step before failed half-way
    stream_.wait();            // its facts may be overwritten now
    graphed_ = options_.graphs && worth_a_graph(input);
    StepShape shape;
    if (options_.attention == Attention::kUnfused) {
      unfused_ = plan_unfused(input.sequences, {config_.heads, config_.kv_heads, config_.head_dim,
                                                options_.max_length});
      shape.sequences.assign(input.sequences.begin(), input.sequences.end());
    } else {
      plan_flash(input);
      shape.splits = flash_.splits;
      shape.split_keys = flash_.split_keys;
    }
    logit_rows_ = i32(std::ssize(input.logit_rows));
    buffers_.facts.send(input, unfused_.score_offset, stream_.get());
    products_.set_rows(step().rows);
    shape.batch = step().batch;
    shape.rows = step().rows;
    shape.most_rows = step().most_rows;
    shape.logit_rows = logit_rows_;
    return graphed_ ? graphs_.begin(shape, stream_) : StepWork::kCompute;
  }

  void embed() override {
    launch_embed(options_.dtype, weights_.embedding, buffers_.facts.tokens(), step().rows,
                 i32(config_.hidden), buffers_.x.data(), stream_.get());
  }

  void attention_norm(int layer) override { norm(weights(layer).attention_norm); }

  void qkv(int layer) override {
    products_.normed(
        normed(weights(layer).attention_norm, weights(layer).qkv, width_.qkv, buffers_.qkv.data()));
  }

  // Also appends k and v to the cache: what was just rotated is in registers.
  void rope(int layer) override {
    auto call = on_cache<RopeKv>(layer);
    call.qkv = buffers_.qkv.data();
    call.angles = buffers_.angles.as<float2>();
    call.q = buffers_.q.data();
    launch_rope_kv(call, stream_.get());
  }
  void kv_write(int) override {}

  void attention(int layer) override {
    auto call = on_cache<AttentionCall>(layer);
    call.q = buffers_.q.data();
    call.a = buffers_.qkv.data();
    call.splits = flash_.splits;
    call.split_keys = flash_.split_keys;
    call.partial = partial_.as<float>();
    call.partial_log_sum = call.partial + step().rows * width_.q * flash_.splits;
    if (flash_.kernel == AttentionKernel::kDecode) {
      launch_attention_decode(call, stream_.get());
    } else {
      launch_attention_tiled(call, stream_.get());
    }
    if (flash_.splits > 1) launch_attention_combine(call, stream_.get());
  }

  void qk(int layer) override {
    for (const HeadProducts& p : unfused_.products) {
      BatchedProduct call = batched(p);
      call.n = p.keys;
      call.k = config_.head_dim;
      call.transposed = true;
      call.scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
      call.x = Buffers::at(buffers_.q, p.q_offset);
      call.x_row_stride = p.q_row_stride;
      call.x_stride = p.q_stride;
      call.w = static_cast<std::uint16_t*>(buffers_.keys(layer)) + p.cache_offset;
      call.out = Buffers::at(buffers_.scores, p.score_offset);
      call.out_row_stride = p.keys;
      call.out_stride = p.score_stride;
      matmul_->batched(call, options_.dtype, stream_.get());
    }
  }
  void softmax(int) override {
    launch_softmax(options_.dtype, step(), i32(config_.heads), buffers_.facts.score_offset(),
                   buffers_.scores.data(), stream_.get());
  }
  void pv(int layer) override {
    for (const HeadProducts& p : unfused_.products) {
      BatchedProduct call = batched(p);
      call.n = config_.head_dim;
      call.k = p.keys;
      call.transposed = false;
      call.x = Buffers::at(buffers_.scores, p.score_offset);
      call.x_row_stride = p.keys;
      call.x_stride = p.score_stride;
      call.w = static_cast<std::uint16_t*>(buffers_.values(layer)) + p.cache_offset;
      call.out = Buffers::at(buffers_.qkv, p.q_offset);
      call.out_row_stride = p.q_row_stride;
      call.out_stride = p.q_stride;
      matmul_->batched(call, options_.dtype, stream_.get());
    }
  }

  // The residual stream is added to by the products that end in it.
  void o_proj(int layer) override {
    products_.add(weights(layer).o, config_.hidden, width_.q, buffers_.qkv.data(),
                  buffers_.x.data());
  }
  void residual() override {}

  void mlp_norm(int layer) override { norm(weights(layer).mlp_norm); }

  void gate_up(int layer) override {
    const LayerWeights& w = weights(layer);
    if (products_.is_gemv(config_.hidden)) {
      products_.normed(normed(w.mlp_norm, w.gate_up, config_.ffn, buffers_.g.data()),
                       Epilogue::kSwiGlu);
    } else {
      products_.normed(normed(w.mlp_norm, w.gate_up, 2 * config_.ffn, buffers_.gate_up.data()));
    }
  }
  void activation(int) override {
    if (products_.is_gemv(config_.hidden)) return;
    launch_swiglu(options_.dtype, buffers_.gate_up.data(), step().rows, i32(config_.ffn),
                  buffers_.g.data(), stream_.get());
  }
  void down(int layer) override {
    products_.add(weights(layer).down, config_.hidden, config_.ffn, buffers_.g.data(),
                  buffers_.x.data());
  }

  void final_norm() override {
    launch_rms_norm(options_.dtype, buffers_.x.data(), weights_.final_norm,
                    static_cast<float>(config_.norm_eps), buffers_.facts.logit_rows(), logit_rows_,
                    i32(config_.hidden), buffers_.y.data(), stream_.get());
  }

  void lm_head() override {
    products_.logits(weights_.lm_head, config_.vocab, config_.hidden, buffers_.y.data(),
                     logit_rows_, buffers_.logits.data());
  }

  void pick() override {
    launch_argmax(buffers_.logits.as<float>(), logit_rows_, i32(config_.vocab),
                  buffers_.picked.as<std::int32_t>(), stream_.get());
    check(cudaMemcpyAsync(buffers_.host_picked.data(), buffers_.picked.data(),
                          static_cast<std::size_t>(logit_rows_) * sizeof(std::int32_t),
                          cudaMemcpyDeviceToHost, stream_.get()),
          "copy tokens to the host");
  }

  void run() override { graphs_.run(stream_); }

  std::span<const float> logits() override {
    const auto count = static_cast<std::size_t>(logit_rows_ * config_.vocab);
    if (count > host_logits_count_) {
      host_logits_ = PinnedMemory();
      host_logits_ = PinnedMemory(count * sizeof(float));
      host_logits_count_ = count;
    }
    check(cudaMemcpyAsync(host_logits_.data(), buffers_.logits.data(), count * sizeof(float),
                          cudaMemcpyDeviceToHost, stream_.get()),
          "copy logits to the host");
    stream_.wait();
    return {host_logits_.as<float>(), count};
  }

  std::span<const std::int32_t> picked() override {
    stream_.wait();
    return {buffers_.host_picked.as<std::int32_t>(), static_cast<std::size_t>(logit_rows_)};
  }

  bool fill_cache(std::int32_t slot, std::int32_t begin, std::int32_t end) override {
    const std::int64_t slot_elements = width_.kv * options_.max_length;
    for (int layer = 0; layer < layers_; ++layer) {
      std::uint64_t seed =
          static_cast<std::uint64_t>(slot) << 32 | static_cast<unsigned>(2 * layer);
      for (void* const cache : {buffers_.keys(layer), buffers_.values(layer)}) {
        launch_noise(options_.dtype, static_cast<std::uint16_t*>(cache) + slot * slot_elements,
                     i32(config_.kv_heads), i32(options_.max_length), i32(config_.head_dim), begin,
                     end, seed++, stream_.get());
      }
    }
    return true;
  }

 private:
  [[nodiscard]] const LayerWeights& weights(int layer) const {
    return weights_.layers[static_cast<std::size_t>(layer)];
  }
  [[nodiscard]] const StepRows& step() const { return buffers_.facts.rows(); }

  void plan_flash(const StepInput& input) {
    std::int64_t most_rows = 0;
    std::int64_t longest = 0;
    for (const SequenceRows& s : input.sequences) {
      most_rows = std::max<std::int64_t>(most_rows, s.rows);
      longest = std::max<std::int64_t>(longest, s.length);
    }
    const std::int64_t planned = graphed_ ? planned_length(longest, options_.max_length) : longest;
    flash_ = plan_attention(i32(std::ssize(input.sequences)), i32(most_rows), i32(config_.heads),
                            i32(config_.kv_heads), i32(config_.head_dim), i32(planned),
                            device_.multiprocessors);
    if (flash_.splits <= 1) return;
    // Each split's result and its sum, for every row and head.
    const auto rows =
        static_cast<std::uint64_t>(input.tokens.size()) * static_cast<std::uint64_t>(flash_.splits);
    const std::uint64_t bytes =
        rows * static_cast<std::uint64_t>(width_.q + config_.heads) * sizeof(float);
    if (bytes <= partial_bytes_) return;
    graphs_.clear();  // they hold the old address
    partial_bytes_ = 0;
    partial_ = DeviceMemory();
    try {
      partial_ = DeviceMemory(bytes);
    } catch (const CudaError& e) {
      if (e.code() != cudaErrorMemoryAllocation) throw;
      refuse_allocation(config_, options_, cuda_memory_need(config_, options_), device_);
    }
    partial_bytes_ = bytes;
  }

  void norm(const void* weight) {
    if (products_.is_gemv(config_.hidden)) return;  // part of the product that follows
    launch_rms_norm(options_.dtype, buffers_.x.data(), weight, static_cast<float>(config_.norm_eps),
                    nullptr, step().rows, i32(config_.hidden), buffers_.y.data(), stream_.get());
  }

  // What launches that work on one layer's cache have in common.
  template <typename Call>
  [[nodiscard]] Call on_cache(int layer) const {
    Call call;
    call.dtype = options_.dtype;
    call.step = step();
    call.heads = i32(config_.heads);
    call.kv_heads = i32(config_.kv_heads);
    call.head_dim = i32(config_.head_dim);
    call.max_length = i32(options_.max_length);
    call.keys = buffers_.keys(layer);
    call.values = buffers_.values(layer);
    return call;
  }

  [[nodiscard]] BatchedProduct batched(const HeadProducts& p) const {
    BatchedProduct call;
    call.batch = p.batch;
    call.rows = p.rows;
    call.w_row_stride = config_.head_dim;
    call.w_stride = p.cache_stride;
    return call;
  }

  [[nodiscard]] Products::Normed normed(const void* norm_weight, const void* w, std::int64_t n,
                                        void* y) const {
    return {w,
            n,
            config_.hidden,
            buffers_.x.data(),
            norm_weight,
            static_cast<float>(config_.norm_eps),
            buffers_.y.data(),
            y};
  }

  Config config_;
  BackendOptions options_;
  DeviceLimits device_;
  Widths width_;
  std::int64_t layers_;
  rooftop::cuda::Stream stream_;
  std::unique_ptr<MatMul> matmul_;
  Products products_;
  Weights weights_;
  Buffers buffers_;
  DeviceMemory partial_;  // of split attention
  std::uint64_t partial_bytes_ = 0;
  PinnedMemory host_logits_;
  std::size_t host_logits_count_ = 0;
  StepGraphs graphs_;

  // The step that runs.
  bool graphed_ = false;
  std::int32_t logit_rows_ = 0;
  AttentionPlan flash_;
  UnfusedPlan unfused_;
};

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(const WeightSource& source,
                                           const BackendOptions& options, int ordinal,
                                           const MakeMatMul& make_matmul,
                                           const std::function<void(double)>& progress) {
  const Config& config = source.config();
  check_options(config, options);
  check(cudaSetDevice(ordinal), fmt::format("use cuda:{}", ordinal));
  const DeviceLimits device = limits_of(ordinal);
  check_supported(config, options, device);
  const MemoryNeed need = cuda_memory_need(config, options);
  require_memory(config, options, need, device);
  try {
    return std::make_unique<CudaBackend>(source, options, device, make_matmul, progress);
  } catch (const CudaError& e) {
    if (e.code() != cudaErrorMemoryAllocation) throw;
    refuse_allocation(config, options, need, device);
  }
}

}  // namespace rooftop::inference::cuda
