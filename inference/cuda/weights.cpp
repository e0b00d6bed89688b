#include "inference/cuda/weights.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <exception>
#include <span>
#include <thread>
#include <vector>

#include "inference/cpu/numeric.h"

namespace rooftop::inference::cuda {
namespace {

using rooftop::cuda::check;

constexpr std::int64_t kAlignment = 256;          // bytes: what the fastest matrix kernels ask for
constexpr std::int64_t kStagingValues = 1 << 24;  // of a copy: 32 MiB
constexpr std::int64_t kChunkValues = 1 << 16;    // converted at a time: stays in a core's cache

template <typename T>
void narrow(std::span<const float> values, void* out) {
  auto* to = static_cast<std::byte*>(out);
  for (const float value : values) {
    T narrowed;
    cpu::from_float(value, &narrowed);
    std::memcpy(to, &narrowed, sizeof narrowed);
    to += sizeof narrowed;
  }
}

// Calls work(begin, end) for parts of [begin, end) on several threads, and rethrows what one threw.
template <typename Work>
void in_parallel(int threads, std::int64_t begin, std::int64_t end, const Work& work) {
  const std::int64_t count =
      std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(1, end - begin));
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
  {
    std::vector<std::jthread> workers;
    for (std::int64_t i = 0; i < count; ++i) {
      workers.emplace_back([&, i] {
        try {
          work(begin + (end - begin) * i / count, begin + (end - begin) * (i + 1) / count);
        } catch (...) {
          errors[static_cast<std::size_t>(i)] = std::current_exception();
        }
      });
    }
  }
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

// Two pinned buffers in turn: one is filled while the other is on its way.
class Uploader {
 public:
  Uploader(const WeightSource& source, DType dtype, int threads, std::int64_t most_cols)
      : source_(source),
        dtype_(dtype),
        threads_(threads),
        staging_values_(std::max(kStagingValues, most_cols)) {
    for (auto& slot : slots_) {
      slot.memory = rooftop::cuda::PinnedMemory(static_cast<std::uint64_t>(staging_values_) * 2);
    }
  }

  ~Uploader() { (void)cudaStreamSynchronize(stream_.get()); }  // where an exception ends it
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  void upload(const StackedMatrix& matrix, std::byte* to) {
    const std::int64_t rows_at_once = std::max<std::int64_t>(1, staging_values_ / matrix.cols);
    for (std::int64_t row = 0; row < matrix.rows; row += rows_at_once) {
      const std::int64_t end = std::min(matrix.rows, row + rows_at_once);
      Slot& slot = slots_[next_];
      next_ = (next_ + 1) % slots_.size();
      if (slot.sent) slot.arrived.wait();
      convert(matrix, row, end, slot.memory.as<std::byte>());
      check(cudaMemcpyAsync(to + row * matrix.cols * 2, slot.memory.data(),
                            static_cast<std::size_t>((end - row) * matrix.cols * 2),
                            cudaMemcpyHostToDevice, stream_.get()),
            "copy weights to the device");
      slot.arrived.record(stream_);
      slot.sent = true;
    }
  }

  void finish() const { stream_.wait(); }

 private:
  struct Slot {
    rooftop::cuda::PinnedMemory memory;
    rooftop::cuda::Event arrived;
    bool sent = false;
  };

  void convert(const StackedMatrix& matrix, std::int64_t begin, std::int64_t end, std::byte* out) {
    in_parallel(threads_, begin, end, [&](std::int64_t from, std::int64_t to) {
      read_stacked(source_, matrix, from, to, kChunkValues,
                   [&](std::int64_t row, std::span<const float> values) {
                     std::byte* const at = out + (row - begin) * matrix.cols * 2;
                     dtype_ == DType::kF16 ? narrow<cpu::F16>(values, at)
                                           : narrow<cpu::BF16>(values, at);
                   });
    });
  }

  const WeightSource& source_;
  DType dtype_;
  int threads_;
  std::int64_t staging_values_;
  rooftop::cuda::Stream stream_;
  std::array<Slot, 2> slots_;
  std::size_t next_ = 0;
};

}  // namespace

Weights::Weights(const WeightSource& source, std::int64_t layer_count, DType dtype, int threads,
                 const std::function<void(double)>& progress) {
  layers.resize(static_cast<std::size_t>(layer_count));
  const auto matrices = list_matrices(*this, source.config());
  const auto padded = [&](const StackedMatrix& matrix) {
    const std::int64_t bytes = matrix.rows * matrix.cols * bytes_of(dtype);
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  };
  std::int64_t total = 0;
  std::int64_t most_cols = 0;
  for (const auto& matrix : matrices) {
    total += padded(matrix);
    most_cols = std::max(most_cols, matrix.cols);
  }
  memory_ = rooftop::cuda::DeviceMemory(static_cast<std::uint64_t>(total));
  Uploader uploader(source, dtype, threads, most_cols);
  std::int64_t done = 0;
  for (const auto& matrix : matrices) {
    std::byte* const to = memory_.as<std::byte>() + done;
    uploader.upload(matrix, to);
    *matrix.place = to;
    done += padded(matrix);
    if (progress) progress(static_cast<double>(done) / static_cast<double>(total));
  }
  uploader.finish();
  if (source.config().tied_embeddings) lm_head = embedding;
}

}  // namespace rooftop::inference::cuda
