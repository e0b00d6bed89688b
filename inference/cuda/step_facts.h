// What kernels read about the step that runs: tokens, rows, positions, lengths. Copied to the
// device in one piece before each step, always to the same addresses, so that a graph finds it
// there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "inference/backend.h"
#include "inference/cuda/kernels.h"
#include "profiler/roofs/cuda/owners.h"

namespace rooftop::inference::cuda {

class StepFacts {
 public:
  StepFacts() = default;
  StepFacts(std::int64_t max_batch, std::int64_t max_rows, std::int64_t max_logit_rows);

  // Starts the copy. The copy before must have arrived. `score_offset`: unfused attention only.
  void send(const StepInput& input, std::span<const std::int64_t> score_offset,
            cudaStream_t stream);

  // Device addresses, and the shape of the last step that was sent.
  [[nodiscard]] const StepRows& rows() const { return rows_; }
  [[nodiscard]] const std::int32_t* tokens() const { return device_at<std::int32_t>(tokens_); }
  [[nodiscard]] const std::int32_t* logit_rows() const {
    return device_at<std::int32_t>(logit_rows_);
  }
  [[nodiscard]] const std::int64_t* score_offset() const { return device_at<std::int64_t>(0); }

 private:
  template <typename T>
  [[nodiscard]] T* device_at(std::size_t offset) const {
    return reinterpret_cast<T*>(device_.as<std::byte>() + offset);
  }
  template <typename T>
  [[nodiscard]] T* host_at(std::size_t offset) const {
    return reinterpret_cast<T*>(host_.as<std::byte>() + offset);
  }

  void copy(std::size_t begin, std::size_t bytes, cudaStream_t stream) const;

  // Offsets in bytes; score offsets come first, for their alignment.
  std::size_t sequences_ = 0;
  std::size_t row_sequence_ = 0;
  std::size_t tokens_ = 0;
  std::size_t logit_rows_ = 0;
  std::size_t bytes_ = 0;
  rooftop::cuda::DeviceMemory device_;
  rooftop::cuda::PinnedMemory host_;
  StepRows rows_;
};

}  // namespace rooftop::inference::cuda
