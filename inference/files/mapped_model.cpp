#include "inference/files/mapped_model.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "inference/files/tensors.h"

namespace rooftop::inference {
namespace {

constexpr std::size_t kKinds = static_cast<std::size_t>(TensorKind::kLmHead) + 1;

}  // namespace

MappedModel::MappedModel(Config config, std::vector<MappedFile> files, bool interleaved_rope)
    : config_(std::move(config)),
      files_(std::move(files)),
      interleaved_rope_(interleaved_rope),
      tensors_(kKinds * static_cast<std::size_t>(config_.layers)) {}

std::size_t MappedModel::index(TensorId id) const {
  const TensorId stored = stored_id(id, config_);
  return static_cast<std::size_t>(stored.layer) * kKinds + static_cast<std::size_t>(stored.kind);
}

void MappedModel::set(TensorId id, StoredTensor tensor) { tensors_[index(id)] = tensor; }

void MappedModel::name_checkpoint_dtype() {
  std::array<std::int64_t, static_cast<std::size_t>(Encoding::kQ4_1) + 1> values{};
  for (const TensorId id : tensors_of(config_)) {
    const TensorShape shape = shape_of(id.kind, config_);
    values[static_cast<std::size_t>(at(id).encoding)] += shape.rows * shape.cols;
  }
  const auto most = std::max_element(values.begin(), values.end()) - values.begin();
  config_.checkpoint_dtype = facts(static_cast<Encoding>(most)).name;
}

// Half-split row r of a head turns with row r + d/2; interleaved storage has the two side by side.
std::int64_t MappedModel::stored_row(TensorKind kind, std::int64_t row) const {
  if (!interleaved_rope_ || (kind != TensorKind::kQ && kind != TensorKind::kK)) return row;
  const std::int64_t d = config_.head_dim;
  const std::int64_t head = row / d;
  const std::int64_t r = row % d;
  const std::int64_t half = r / (d / 2);
  return head * d + 2 * (r % (d / 2)) + half;
}

void MappedModel::read_rows(TensorId id, std::int64_t first_row, std::int64_t row_count,
                            std::span<float> out) const {
  const std::int64_t cols = shape_of(id.kind, config_).cols;
  assert(first_row >= 0 && first_row + row_count <= shape_of(id.kind, config_).rows);
  assert(out.size() == static_cast<std::size_t>(row_count * cols));
  const StoredTensor& tensor = at(id);
  const std::int64_t row_bytes = encoded_bytes(tensor.encoding, cols);
  for (std::int64_t i = 0; i < row_count; ++i) {
    const std::int64_t row = stored_row(id.kind, first_row + i);
    to_float(tensor.encoding, tensor.data + row * row_bytes, cols, out.data() + i * cols);
  }
}

}  // namespace rooftop::inference
