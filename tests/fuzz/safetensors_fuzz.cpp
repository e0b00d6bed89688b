// The first byte chooses: a safetensors file, whose tensors are then read in full, or config.json.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "inference/files/hf_config.h"
#include "inference/files/safetensors.h"
#include "profiler/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rooftop::inference;
  if (size == 0) return 0;
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  try {
    if (data[0] == 'c') {
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      static_cast<void>(parse_hf_config(text, "fuzz", "fuzz"));
      return 0;
    }
    for (const SafeTensor& tensor : parse_safetensors(bytes, "fuzz")) {
      std::int64_t values = 1;
      for (const std::int64_t extent : tensor.shape) values *= extent;
      std::vector<float> out(static_cast<std::size_t>(values));
      to_float(tensor.encoding, tensor.data.data(), values, out.data());
    }
  } catch (const rooftop::InputError&) {
  }
  return 0;
}
