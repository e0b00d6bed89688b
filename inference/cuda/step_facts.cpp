#include "inference/cuda/step_facts.h"

#include <algorithm>

namespace rooftop::inference::cuda {
namespace {

constexpr std::size_t kAlwaysCopied = 16 * 1024;

}  // namespace

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
  // A copy costs about a microsecond: all in one, unless most of it would be room that is not used.
  if (bytes_ <= kAlwaysCopied) return copy(0, bytes_, stream);
  copy(0, score_offset.size_bytes(), stream);
  copy(sequences_, input.sequences.size_bytes(), stream);
  copy(row_sequence_, input.tokens.size_bytes(), stream);
  copy(tokens_, input.tokens.size_bytes(), stream);
  copy(logit_rows_, input.logit_rows.size_bytes(), stream);
}

void StepFacts::copy(std::size_t begin, std::size_t bytes, cudaStream_t stream) const {
  if (bytes == 0) return;
  rooftop::cuda::check(cudaMemcpyAsync(device_at<std::byte>(begin), host_at<std::byte>(begin),
                                       bytes, cudaMemcpyHostToDevice, stream),
                       "copy a step's facts to the device");
}

}  // namespace rooftop::inference::cuda
