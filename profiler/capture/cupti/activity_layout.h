// The activity records that are read here, and what holds them together across CUPTI's versions: a
// newer version's record begins with the older one's fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "profiler/capture/cupti/cupti_api.h"

namespace rooftop::capture {

// The shortest form of each record that a supported library (CUDA 12.6 and newer) writes.
using KernelRecord9 = CUpti_ActivityKernel9;  // CUDA 12; CUDA 13 appends to it
using CopyRecord5 = CUpti_ActivityMemcpy5;    // up to CUDA 12.6; 12.8 appends to it

#define ROOFTOP_SAME_OFFSET(a, b, field)                   \
  static_assert(offsetof(a, field) == offsetof(b, field)); \
  static_assert(std::is_same_v<decltype(a::field), decltype(b::field)>)

#define ROOFTOP_SAME_KERNEL_OFFSET(field) \
  ROOFTOP_SAME_OFFSET(KernelRecord9, CUpti_ActivityKernel10, field)
ROOFTOP_SAME_KERNEL_OFFSET(kind);
ROOFTOP_SAME_KERNEL_OFFSET(registersPerThread);
ROOFTOP_SAME_KERNEL_OFFSET(start);
ROOFTOP_SAME_KERNEL_OFFSET(end);
ROOFTOP_SAME_KERNEL_OFFSET(deviceId);
ROOFTOP_SAME_KERNEL_OFFSET(contextId);
ROOFTOP_SAME_KERNEL_OFFSET(streamId);
ROOFTOP_SAME_KERNEL_OFFSET(gridX);
ROOFTOP_SAME_KERNEL_OFFSET(gridY);
ROOFTOP_SAME_KERNEL_OFFSET(gridZ);
ROOFTOP_SAME_KERNEL_OFFSET(blockX);
ROOFTOP_SAME_KERNEL_OFFSET(blockY);
ROOFTOP_SAME_KERNEL_OFFSET(blockZ);
ROOFTOP_SAME_KERNEL_OFFSET(staticSharedMemory);
ROOFTOP_SAME_KERNEL_OFFSET(dynamicSharedMemory);
ROOFTOP_SAME_KERNEL_OFFSET(correlationId);
ROOFTOP_SAME_KERNEL_OFFSET(name);
ROOFTOP_SAME_KERNEL_OFFSET(reserved0);
ROOFTOP_SAME_KERNEL_OFFSET(pAccessPolicyWindow);
ROOFTOP_SAME_KERNEL_OFFSET(graphNodeId);
ROOFTOP_SAME_KERNEL_OFFSET(graphId);
static_assert(sizeof(KernelRecord9) == 208 && sizeof(CUpti_ActivityKernel10) == 216);
#undef ROOFTOP_SAME_KERNEL_OFFSET

#define ROOFTOP_SAME_COPY_OFFSET(field) \
  ROOFTOP_SAME_OFFSET(CopyRecord5, CUpti_ActivityMemcpy6, field)
ROOFTOP_SAME_COPY_OFFSET(copyKind);
ROOFTOP_SAME_COPY_OFFSET(bytes);
ROOFTOP_SAME_COPY_OFFSET(start);
ROOFTOP_SAME_COPY_OFFSET(end);
ROOFTOP_SAME_COPY_OFFSET(deviceId);
ROOFTOP_SAME_COPY_OFFSET(contextId);
ROOFTOP_SAME_COPY_OFFSET(streamId);
ROOFTOP_SAME_COPY_OFFSET(correlationId);
ROOFTOP_SAME_COPY_OFFSET(reserved0);
ROOFTOP_SAME_COPY_OFFSET(graphNodeId);
ROOFTOP_SAME_COPY_OFFSET(graphId);
#undef ROOFTOP_SAME_COPY_OFFSET
#undef ROOFTOP_SAME_OFFSET

// An enumeration of CUPTI's as the number that it is: a library newer than the headers has values
// that are not of the type.
inline std::uint32_t enum_at(const std::uint8_t* record, std::size_t offset) {
  std::uint32_t value = 0;
  static_assert(sizeof value == sizeof(CUpti_ActivityKind));
  std::memcpy(&value, record + offset, sizeof value);
  return value;
}

inline std::uint32_t kind_of(const std::uint8_t* record) {
  return enum_at(record, offsetof(CUpti_Activity, kind));
}

}  // namespace rooftop::capture
