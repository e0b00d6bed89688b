#include "inference/cuda/step_facts.h"

#include <algorithm>

namespace rooftop::inference::cuda {

StepFacts::StepFacts(std::int64_t max_batch, std::int64_t max_rows, std::int64_t max_logit_rows) {
  const auto array = [&](std::int64_t count, std::size_t element) {
    const std::size_t begin = bytes_;
    bytes_ += static_cast<std::size_t>(count) * element;
    return begin;
  };
  array(max_batch, sizeof(std::int64_t));
  sequences_ = array(max_batch, sizeof(SequenceRows));
  row_sequence_ = array(max_rows, sizeof(std::int32_t));
  tokens_ = array(max_rows, sizeof(std::int32_t));
  logit_rows_ = array(max_logit_rows, sizeof(std::int32_t));
  device_ = rooftop::cuda::DeviceMemory(bytes_);
  host_ = rooftop::cuda::PinnedMemory(bytes_);
}

void StepFacts::send(const StepInput& input, std::span<const std::int64_t> score_offset,
                     cudaStream_t stream) {
  std::ranges::copy(score_offset, host_at<std::int64_t>(0));
  std::ranges::copy(input.sequences, host_at<SequenceRows>(sequences_));
  std::ranges::copy(input.tokens, host_at<std::int32_t>(tokens_));
  std::ranges::copy(input.logit_rows, host_at<std::int32_t>(logit_rows_));
  rows_ = {device_at<const SequenceRows>(sequences_), device_at<const std::int32_t>(row_sequence_),
           static_cast<std::int32_t>(input.sequences.size()),
           static_cast<std::int32_t>(input.tokens.size()), 0};
  auto* const row_sequence = host_at<std::int32_t>(row_sequence_);
  for (std::int32_t i = 0; i < rows_.batch; ++i) {
    const SequenceRows& s = input.sequences[static_cast<std::size_t>(i)];
    std::fill_n(row_sequence + s.first_row, s.rows, i);
    rows_.most_rows = std::max(rows_.most_rows, s.rows);
  }
  rooftop::cuda::check(
      cudaMemcpyAsync(device_.data(), host_.data(), bytes_, cudaMemcpyHostToDevice, stream),
      "copy a step's facts to the device");
}

}  // namespace rooftop::inference::cuda
