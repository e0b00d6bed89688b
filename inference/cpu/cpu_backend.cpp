#include "inference/cpu/cpu_backend.h"

#include <fmt/format.h>
#include <omp.h>

#include <cstring>
#include <new>
#include <optional>
#include <vector>

#include "inference/cpu/attention.h"
#include "inference/cpu/kernels.h"
#include "inference/cpu/matmul.h"
#include "inference/cpu/memory.h"
#include "inference/cpu/noise.h"
#include "inference/cpu/parallel.h"
#include "inference/cpu/storage.h"
#include "inference/cpu/weights.h"
#include "inference/rope.h"
#include "inference/sampler.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace cpu {
namespace {

// Activations of the largest step, in the compute type except the logits.
struct Activations {
  void* x;        // [T][h]: the residual stream
  void* y;        // [T][h]: what a norm or an output projection made
  void* qkv;      // [T][(n + 2g) d]
  void* a;        // [T][n d]: attention's result
  void* gate_up;  // [T][2i]: gate, up; activation writes over gate
  void* scores;   // unfused: per sequence [n][s_q][L]
  float* logits;  // [logit rows][V]
};

// Throws InputError where the machine has not so much memory free.
void require_memory(const Config& config, const BackendOptions& options, const MemoryNeed& need) {
  const std::uint64_t available = available_memory();
  if (need.total() <= available) return;
  throw InputError(fmt::format(
      "{}, but only {:.2f} GB are available: choose fewer layers, a smaller batch or length, or "
      "a 16-bit type.",
      describe_need(config, options, need), static_cast<double>(available) * 1e-9));
}

// There seemed to be enough, but the system said no.
[[noreturn]] void refuse_allocation(const Config& config, const BackendOptions& options,
                                    const MemoryNeed& need) {
  throw InputError(fmt::format(
      "{}, which the system did not grant: choose fewer layers, a smaller batch or length, or "
      "raise the limit (ulimit -v).",
      describe_need(config, options, need)));
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(const WeightSource& source, const BackendOptions& options, int threads,
             const Progress& progress)
      : config_(source.config()),
        options_(options),
        threads_(threads),
        kernels_(kernels_for(best_isa())),
        typed_(kernels_.of(options.dtype)),
        layers_(options.layers == 0 ? config_.layers : options.layers),
        q_width_(config_.heads * config_.head_dim),
        kv_width_(config_.kv_heads * config_.head_dim),
        qkv_width_(q_width_ + 2 * kv_width_),
        weights_(source, layers_, options.dtype, kernels_, threads, progress),
        matmul_(kernels_, options.dtype, threads) {
    allocate();
  }

  void reserve(const BackendOptions& options) override {
    BackendOptions wanted = options_;
    wanted.max_batch = options.max_batch;
    wanted.max_length = options.max_length;
    wanted.max_rows = options.max_rows;
    wanted.max_logit_rows = options.max_logit_rows;
    check_options(config_, wanted);
    cache_ = Buffer();  // first free, then ask: only one of the two needs to fit
    buffers_.clear();
    MemoryNeed need = memory_need(config_, wanted);
    need.weights = 0;  // are there already
    require_memory(config_, wanted, need);
    options_ = wanted;
    try {
      allocate();
    } catch (const std::bad_alloc&) {
      refuse_allocation(config_, wanted, need);
    }
  }

  [[nodiscard]] BackendTraits traits() const override {
    const auto element = static_cast<double>(bytes_of(options_.dtype));
    return {options_.attention == Attention::kFlash, element, element, element};
  }

  StepWork begin(const StepInput& input) override {
    omp_set_num_threads(threads_);  // oneDNN's pool: this thread's setting
    tokens_.assign(input.tokens.begin(), input.tokens.end());
    sequences_.assign(input.sequences.begin(), input.sequences.end());
    logit_rows_.assign(input.logit_rows.begin(), input.logit_rows.end());
    rows_ = std::ssize(tokens_);
    places_.resize(tokens_.size());
    for (const auto& s : sequences_) {
      for (std::int32_t r = 0; r < s.rows; ++r) {
        places_[static_cast<std::size_t>(s.first_row + r)] = {s.slot, s.length - s.rows + r};
      }
    }
    attention_->begin(sequences_);
    return StepWork::kCompute;
  }

  void embed() override {
    const std::int64_t h = config_.hidden;
    for_rows(threads_, rows_, h, [&](std::int64_t row) {
      const std::int64_t token = tokens_[static_cast<std::size_t>(row)];
      copy(elements(act_.x, row * h), elements(weights_.embedding, token * h), h);
    });
  }

  void attention_norm(int layer) override { norm(act_.x, weights(layer).attention_norm); }

  void qkv(int layer) override {
    multiply(weights(layer).qkv, qkv_width_, config_.hidden, act_.y, config_.hidden, act_.qkv);
  }

  void rope(int) override {
    const std::int64_t heads = config_.heads + config_.kv_heads;  // q and k lie side by side
    for_rows(threads_, rows_, heads * config_.head_dim, [&](std::int64_t row) {
      const std::int64_t angle = places_[static_cast<std::size_t>(row)].position * rope_->half;
      for (std::int64_t head = 0; head < heads; ++head) {
        typed_.rope(elements(act_.qkv, row * qkv_width_ + head * config_.head_dim),
                    rope_->cosine.data() + angle, rope_->sine.data() + angle, config_.head_dim);
      }
    });
  }

  void kv_write(int layer) override {
    const std::int64_t d = config_.head_dim;
    for_rows(threads_, rows_, 2 * kv_width_, [&](std::int64_t row) {
      const Place place = places_[static_cast<std::size_t>(row)];
      const void* const k = elements(act_.qkv, row * qkv_width_ + q_width_);
      for (std::int64_t head = 0; head < config_.kv_heads; ++head) {
        const std::int64_t to = cache_offset(place.slot, head, place.position);
        copy(elements(keys(layer), to), elements(k, head * d), d);
        copy(elements(values(layer), to), elements(k, kv_width_ + head * d), d);
      }
    });
  }

  void attention(int layer) override { attention_->flash(operands(layer)); }
  void qk(int layer) override { attention_->qk(operands(layer)); }
  void softmax(int layer) override { attention_->softmax(operands(layer)); }
  void pv(int layer) override { attention_->pv(operands(layer)); }

  void o_proj(int layer) override {
    multiply(weights(layer).o, config_.hidden, q_width_, act_.a, q_width_, act_.y);
  }

  void residual() override {
    const std::int64_t h = config_.hidden;
    for_rows(threads_, rows_, h, [&](std::int64_t row) {
      typed_.add(elements(act_.x, row * h), elements(act_.y, row * h), h);
    });
  }

  void mlp_norm(int layer) override { norm(act_.x, weights(layer).mlp_norm); }

  void gate_up(int layer) override {
    multiply(weights(layer).gate_up, 2 * config_.ffn, config_.hidden, act_.y, config_.hidden,
             act_.gate_up);
  }

  void activation(int) override {
    const std::int64_t i = config_.ffn;
    for_rows(threads_, rows_, 2 * i, [&](std::int64_t row) {
      void* const gate = elements(act_.gate_up, row * 2 * i);
      typed_.swiglu(gate, elements(gate, i), i);
    });
  }

  void down(int layer) override {
    multiply(weights(layer).down, config_.hidden, config_.ffn, act_.gate_up, 2 * config_.ffn,
             act_.y);
  }

  void final_norm() override {
    const std::int64_t h = config_.hidden;
    for_rows(threads_, std::ssize(logit_rows_), h, [&](std::int64_t i) {
      const std::int64_t row = logit_rows_[static_cast<std::size_t>(i)];
      norm_row(elements(act_.x, row * h), weights_.final_norm, elements(act_.y, i * h));
    });
  }

  void lm_head() override {
    matmul_.run({weights_.lm_head, config_.vocab, config_.hidden, act_.y, config_.hidden,
                 std::ssize(logit_rows_), act_.logits, config_.vocab, true});
  }

  std::span<const float> logits() override {
    return {act_.logits, logit_rows_.size() * static_cast<std::size_t>(config_.vocab)};
  }

  std::span<const std::int32_t> picked() override {
    largest_of_rows(logits(), static_cast<std::size_t>(config_.vocab), picked_);
    return picked_;
  }

  bool fill_cache(std::int32_t slot, std::int32_t begin, std::int32_t end) override {
    const std::int64_t heads = layers_ * config_.kv_heads;
    const std::int64_t d = config_.head_dim;
    for_rows(threads_, 2 * heads, (end - begin) * d, [&](std::int64_t i) {
      const auto layer = static_cast<int>(i % heads / config_.kv_heads);
      void* const out = elements(i < heads ? keys(layer) : values(layer),
                                 cache_offset(slot, i % config_.kv_heads, begin));
      fill_noise(static_cast<std::uint64_t>(i), typed_, options_.dtype, out, (end - begin) * d);
    });
    return true;
  }

 private:
  struct Place {
    std::int64_t slot;
    std::int64_t position;
  };

  [[nodiscard]] std::size_t byte_count(std::int64_t count) const {
    return static_cast<std::size_t>(count * bytes_of(options_.dtype));
  }
  [[nodiscard]] void* elements(void* base, std::int64_t n) const {
    return at(base, n, options_.dtype);
  }
  [[nodiscard]] const void* elements(const void* base, std::int64_t n) const {
    return at(base, n, options_.dtype);
  }
  void copy(void* to, const void* from, std::int64_t count) const {
    std::memcpy(to, from, byte_count(count));
  }
  [[nodiscard]] const LayerWeights& weights(int layer) const {
    return weights_.layers[static_cast<std::size_t>(layer)];
  }

  // The KV cache: keys of all layers, then values; each [layer][slot][kv head][position][d].
  [[nodiscard]] void* keys(int layer) const {
    return elements(cache_.data(), layer * layer_cache_);
  }
  [[nodiscard]] void* values(int layer) const {
    return elements(cache_.data(), (layers_ + layer) * layer_cache_);
  }
  [[nodiscard]] std::int64_t cache_offset(std::int64_t slot, std::int64_t head,
                                          std::int64_t position) const {
    return ((slot * config_.kv_heads + head) * options_.max_length + position) * config_.head_dim;
  }

  [[nodiscard]] AttentionOperands operands(int layer) const {
    return {act_.qkv, qkv_width_, keys(layer), values(layer), act_.scores, act_.a};
  }

  void multiply(const void* w, std::int64_t n, std::int64_t k, const void* x, std::int64_t x_stride,
                void* y) {
    matmul_.run({w, n, k, x, x_stride, rows_, y, n, false});
  }

  void norm(const void* x, const void* weight) {
    const std::int64_t h = config_.hidden;
    for_rows(threads_, rows_, h, [&](std::int64_t row) {
      norm_row(elements(x, row * h), weight, elements(act_.y, row * h));
    });
  }
  void norm_row(const void* x, const void* weight, void* y) const {
    typed_.rms_norm(x, weight, y, config_.hidden, static_cast<float>(config_.norm_eps));
  }

  // Everything whose size depends on the capacities: rotary table, KV cache, activations.
  void allocate() {
    rope_.emplace(config_.rope, config_.head_dim, options_.max_length);
    attention_.emplace(kernels_,
                       AttentionShape{config_.heads, config_.kv_heads, config_.head_dim,
                                      options_.max_length, options_.dtype},
                       options_.attention, threads_);
    layer_cache_ = options_.max_batch * kv_width_ * options_.max_length;
    cache_ = Buffer(byte_count(2 * layers_ * layer_cache_));
    allocate_activations();
  }

  void allocate_activations() {
    const auto make = [&](std::int64_t width) {
      buffers_.emplace_back(byte_count(options_.max_rows * width));
      return static_cast<void*>(buffers_.back().data());
    };
    act_.x = make(config_.hidden);
    act_.y = make(config_.hidden);
    act_.qkv = make(qkv_width_);
    act_.a = make(q_width_);
    act_.gate_up = make(2 * config_.ffn);
    const bool unfused = options_.attention == Attention::kUnfused;
    act_.scores = unfused ? make(config_.heads * options_.max_length) : nullptr;
    buffers_.emplace_back(static_cast<std::size_t>(options_.max_logit_rows * config_.vocab) *
                          sizeof(float));
    act_.logits = reinterpret_cast<float*>(buffers_.back().data());
  }

  Config config_;
  BackendOptions options_;
  int threads_;
  const Kernels& kernels_;
  const TypedKernels& typed_;
  std::int64_t layers_;
  std::int64_t q_width_;   // n * d
  std::int64_t kv_width_;  // g * d
  std::int64_t qkv_width_;
  Weights weights_;
  std::optional<RopeTable> rope_;
  MatMul matmul_;
  std::optional<AttentionStep> attention_;
  std::int64_t layer_cache_ = 0;  // elements of one layer's keys
  Buffer cache_;
  std::vector<Buffer> buffers_;
  Activations act_{};

  // The step that runs.
  std::int64_t rows_ = 0;
  std::vector<std::int32_t> tokens_;
  std::vector<SequenceRows> sequences_;
  std::vector<std::int32_t> logit_rows_;
  std::vector<Place> places_;  // of each row
  std::vector<std::int32_t> picked_;
};

}  // namespace
}  // namespace cpu

std::unique_ptr<Backend> make_cpu_backend(const WeightSource& source, const BackendOptions& options,
                                          const Progress& progress) {
  const Config& config = source.config();
  check_options(config, options);
  const MemoryNeed need = memory_need(config, options);
  cpu::require_memory(config, options, need);
  const int threads = options.threads > 0 ? options.threads : omp_get_num_procs();
  try {
    return std::make_unique<cpu::CpuBackend>(source, options, threads, progress);
  } catch (const std::bad_alloc&) {
    cpu::refuse_allocation(config, options, need);
  }
}

}  // namespace rooftop::inference
