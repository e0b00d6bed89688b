// One file of the safetensors format: an 8-byte length, a JSON header of that length, the data.
// https://github.com/huggingface/safetensors#format
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "inference/files/dequantize.h"

namespace rooftop::inference {

struct SafeTensor {
  std::string name;
  Encoding encoding = Encoding::kF32;  // kF32, kF16 or kBF16
  std::vector<std::int64_t> shape;     // slowest-varying dimension first: a matrix is [rows, cols]
  std::span<const std::byte> data;     // into the given bytes
};

// In the order of their data, which they fill without gap or overlap, as the format demands.
// `name` stands in messages. Throws InputError.
std::vector<SafeTensor> parse_safetensors(std::span<const std::byte> bytes,
                                          const std::string& name);

}  // namespace rooftop::inference
