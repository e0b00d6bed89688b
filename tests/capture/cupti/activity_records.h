// Activity buffers made by hand, record by record, as CUPTI lays them out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "profiler/capture/cupti/activity_layout.h"

namespace rooftop::capture::testing {

// Bytes of a record in a library's buffers; 0: a kind that is not made here. CUDA 12's kernels are
// shorter than CUDA 13's, its copies than 12.8's.
inline std::size_t record_stride(std::uint32_t kind, bool cuda12 = false) {
  switch (kind) {
    case CUPTI_ACTIVITY_KIND_KERNEL:
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
      return cuda12 ? sizeof(CUpti_ActivityKernel9) : sizeof(CUpti_ActivityKernel10);
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      return cuda12 ? sizeof(CUpti_ActivityMemcpy5) : sizeof(CUpti_ActivityMemcpy6);
    case CUPTI_ACTIVITY_KIND_MEMCPY2:
      return sizeof(CUpti_ActivityMemcpyPtoP4);
    case CUPTI_ACTIVITY_KIND_MEMSET:
      return sizeof(CUpti_ActivityMemset4);
    case CUPTI_ACTIVITY_KIND_DRIVER:
    case CUPTI_ACTIVITY_KIND_RUNTIME:
      return sizeof(CUpti_ActivityAPI);
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION:
      return sizeof(CUpti_ActivityExternalCorrelation);
    case CUPTI_ACTIVITY_KIND_OVERHEAD:
      return sizeof(CUpti_ActivityOverhead3);
    case CUPTI_ACTIVITY_KIND_GRAPH_TRACE:
      return sizeof(CUpti_ActivityGraphTrace2);
    default:
      return 0;
  }
}

// CUPTI's walk over a buffer, as its header documents it, with the strides above.
template <bool kCuda12>
CUptiResult CUPTIAPI walk(std::uint8_t* buffer, std::size_t valid, CUpti_Activity** record) {
  if (buffer == nullptr) return CUPTI_ERROR_INVALID_PARAMETER;
  std::uint8_t* next = buffer;
  if (*record != nullptr) {
    next = reinterpret_cast<std::uint8_t*>(*record);
    next += record_stride(kind_of(next), kCuda12);
  }
  const auto room = static_cast<std::size_t>(buffer + valid - next);
  if (room == 0) return CUPTI_ERROR_MAX_LIMIT_REACHED;
  if (room < sizeof(CUpti_Activity)) return CUPTI_ERROR_INVALID_KIND;
  const std::size_t stride = record_stride(kind_of(next), kCuda12);
  if (stride == 0 || stride > room) return CUPTI_ERROR_INVALID_KIND;
  *record = reinterpret_cast<CUpti_Activity*>(next);
  return CUPTI_SUCCESS;
}

class BufferBuilder {
 public:
  template <class Record>
  BufferBuilder& add(const Record& record) {
    const std::size_t at = bytes_;
    bytes_ += sizeof record;
    words_.resize((bytes_ + 7) / 8, 0);
    std::memcpy(data() + at, &record, sizeof record);
    return *this;
  }
  std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(words_.data()); }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t bytes_ = 0;
};

template <class Record = CUpti_ActivityKernel10>
Record make_kernel(const char* name, std::uint32_t correlation, std::uint64_t start,
                   std::uint64_t end) {
  Record r{};
  r.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
  r.name = name;
  r.correlationId = correlation;
  r.start = start;
  r.end = end;
  r.streamId = 7;
  r.contextId = 1;
  r.gridX = 108;
  r.gridY = 2;
  r.gridZ = 1;
  r.blockX = 256;
  r.blockY = 1;
  r.blockZ = 1;
  r.staticSharedMemory = 1024;
  r.dynamicSharedMemory = 65536;
  r.registersPerThread = 128;
  return r;
}

template <class Record = CUpti_ActivityMemcpy6>
Record make_copy(CUpti_ActivityMemcpyKind kind, std::uint64_t bytes, std::uint32_t correlation,
                 std::uint64_t start, std::uint64_t end) {
  Record r{};
  r.kind = CUPTI_ACTIVITY_KIND_MEMCPY;
  r.copyKind = static_cast<std::uint8_t>(kind);
  r.bytes = bytes;
  r.correlationId = correlation;
  r.start = start;
  r.end = end;
  r.streamId = 13;
  return r;
}

inline CUpti_ActivityMemset4 make_memset(std::uint64_t bytes, std::uint32_t correlation,
                                         std::uint64_t start, std::uint64_t end) {
  CUpti_ActivityMemset4 r{};
  r.kind = CUPTI_ACTIVITY_KIND_MEMSET;
  r.bytes = bytes;
  r.correlationId = correlation;
  r.start = start;
  r.end = end;
  return r;
}

inline CUpti_ActivityAPI make_call(CUpti_ActivityKind kind, std::uint32_t correlation,
                                   std::uint64_t start, std::uint64_t end) {
  CUpti_ActivityAPI r{};
  r.kind = kind;
  r.cbid = CUPTI_DRIVER_TRACE_CBID_cuLaunchKernel;
  r.threadId = 42;
  r.correlationId = correlation;
  r.start = start;
  r.end = end;
  return r;
}

inline CUpti_ActivityExternalCorrelation make_external(std::uint64_t id,
                                                       std::uint32_t correlation) {
  CUpti_ActivityExternalCorrelation r{};
  r.kind = CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION;
  r.externalKind = CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM1;
  r.externalId = id;
  r.correlationId = correlation;
  return r;
}

inline CUpti_ActivityOverhead3 make_overhead(CUpti_ActivityOverheadKind kind, std::uint64_t start,
                                             std::uint64_t end) {
  CUpti_ActivityOverhead3 r{};
  r.kind = CUPTI_ACTIVITY_KIND_OVERHEAD;
  r.overheadKind = kind;
  r.start = start;
  r.end = end;
  return r;
}

inline CUpti_ActivityGraphTrace2 make_graph(std::uint32_t correlation, std::uint64_t start,
                                            std::uint64_t end) {
  CUpti_ActivityGraphTrace2 r{};
  r.kind = CUPTI_ACTIVITY_KIND_GRAPH_TRACE;
  r.correlationId = correlation;
  r.start = start;
  r.end = end;
  r.graphId = 3;
  return r;
}

}  // namespace rooftop::capture::testing
