// A GGUF file from arbitrary bytes: model, config and tokenizer. Whatever is accepted is read in
// full, so that the address sanitizer sees each access beyond the bytes.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "inference/files/gguf_model.h"
#include "inference/files/tensors.h"
#include "inference/tokenizer/loaders.h"
#include "inference/tokenizer/tokenizer.h"
#include "profiler/core/error.h"

namespace {

using namespace rooftop::inference;

void read_all(const WeightSource& model) {
  constexpr std::int64_t kMaxValues = 1 << 16;  // of a tensor: tiny files cannot hold more
  std::vector<float> row;
  for (const TensorId id : tensors_of(model.config())) {
    const TensorShape shape = shape_of(id.kind, model.config());
    if (shape.rows * shape.cols > kMaxValues) continue;
    row.resize(static_cast<std::size_t>(shape.cols));
    for (std::int64_t r = 0; r < shape.rows; ++r) model.read_rows(id, r, 1, row);
  }
}

template <typename F>
void try_to(F&& action) {
  try {
    action();
  } catch (const rooftop::InputError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try_to([&] { read_all(*gguf_model(bytes, {}, "fuzz.gguf")); });
  try_to([&] {
    auto spec = tokenizer_from_gguf(GgufFile(bytes, "fuzz.gguf"));
    if (!spec) return;
    const Tokenizer tokenizer(std::move(*spec));
    static_cast<void>(tokenizer.decode(tokenizer.encode("The roof's 2024 <s> \xff\n")));
  });
  return 0;
}
