// Weights that lie in mapped files, whatever the container: what GGUF and safetensors share.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "inference/files/dequantize.h"
#include "inference/files/mapped_file.h"
#include "inference/model.h"

namespace rooftop::inference {

// Where one tensor lies.
struct StoredTensor {
  const std::byte* data = nullptr;
  Encoding encoding = Encoding::kF32;
};

class MappedModel final : public WeightSource {
 public:
  // `interleaved_rope`: rows of Q and K are stored pair by pair (GGUF); they are given out
  // half-split. Every tensor must be set() before the first read_rows().
  MappedModel(Config config, std::vector<MappedFile> files, bool interleaved_rope);

  // The data must hold shape_of(id) values, and lie in one of the files or outlive the model.
  void set(TensorId id, StoredTensor tensor);
  [[nodiscard]] bool has(TensorId id) const { return at(id).data != nullptr; }
  // Sets Config::checkpoint_dtype to the encoding of most weights.
  void name_checkpoint_dtype();

  [[nodiscard]] const Config& config() const override { return config_; }
  void read_rows(TensorId id, std::int64_t first_row, std::int64_t row_count,
                 std::span<float> out) const override;
  [[nodiscard]] bool random() const override { return false; }

 private:
  [[nodiscard]] std::size_t index(TensorId id) const;
  [[nodiscard]] const StoredTensor& at(TensorId id) const { return tensors_[index(id)]; }
  [[nodiscard]] std::int64_t stored_row(TensorKind kind, std::int64_t row) const;

  Config config_;
  std::vector<MappedFile> files_;
  bool interleaved_rope_;
  std::vector<StoredTensor> tensors_;
};

}  // namespace rooftop::inference
