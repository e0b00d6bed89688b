// Pointers into memory of the compute type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "inference/backend.h"

namespace rooftop::inference::cpu {

inline void* at(void* base, std::int64_t elements, DType dtype) {
  return static_cast<std::byte*>(base) + elements * bytes_of(dtype);
}
inline const void* at(const void* base, std::int64_t elements, DType dtype) {
  return static_cast<const std::byte*>(base) + elements * bytes_of(dtype);
}

}  // namespace rooftop::inference::cpu
