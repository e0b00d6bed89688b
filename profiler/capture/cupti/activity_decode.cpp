#include "profiler/capture/cupti/activity_decode.h"

#include <climits>
#include <cstdlib>
#include <cstring>

#include "profiler/capture/cupti/activity_layout.h"

namespace rooftop::capture {
namespace {

// More devices than any machine has: a record that names one is no record.
constexpr std::uint32_t kMaxDevices = 1024;

// Records lie aligned to 8 bytes in CUPTI's buffers, but an older library's may be shorter than the
// type that they are read as: only as much as the oldest form has is copied.
template <class Record>
Record read(const std::uint8_t* from) {
  Record record;
  std::memcpy(&record, from, sizeof record);
  return record;
}

MemcpyKind copy_kind(std::uint8_t kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_MEMCPY_KIND_HTOD:
    case CUPTI_ACTIVITY_MEMCPY_KIND_HTOA:
      return MemcpyKind::kHostToDevice;
    case CUPTI_ACTIVITY_MEMCPY_KIND_DTOH:
    case CUPTI_ACTIVITY_MEMCPY_KIND_ATOH:
      return MemcpyKind::kDeviceToHost;
    case CUPTI_ACTIVITY_MEMCPY_KIND_DTOD:
    case CUPTI_ACTIVITY_MEMCPY_KIND_ATOA:
    case CUPTI_ACTIVITY_MEMCPY_KIND_ATOD:
    case CUPTI_ACTIVITY_MEMCPY_KIND_DTOA:
    case CUPTI_ACTIVITY_MEMCPY_KIND_PTOP:
      return MemcpyKind::kDeviceToDevice;
    default:
      return MemcpyKind::kOther;
  }
}

// CUPTI's dimensions are signed; a negative one cannot be.
std::uint32_t dimension(std::int32_t value) {
  return value > 0 ? static_cast<std::uint32_t>(value) : 0;
}

template <class Record>
void place(GpuSpan& span, const Record& r) {
  span.device = r.deviceId;
  span.context = r.contextId;
  span.stream = r.streamId;
  span.correlation = r.correlationId;
}

// What must be there of a record of this kind before it is read; 0: the kind is not read here.
std::size_t least_size(std::uint32_t kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_KIND_KERNEL:
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
      return sizeof(KernelRecord9);
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      return sizeof(CopyRecord5);
    case CUPTI_ACTIVITY_KIND_MEMCPY2:
      return sizeof(CUpti_ActivityMemcpyPtoP4);
    case CUPTI_ACTIVITY_KIND_MEMSET:
      return sizeof(CUpti_ActivityMemset4);
    case CUPTI_ACTIVITY_KIND_GRAPH_TRACE:
      return sizeof(CUpti_ActivityGraphTrace2);
    case CUPTI_ACTIVITY_KIND_DRIVER:
    case CUPTI_ACTIVITY_KIND_RUNTIME:
      return sizeof(CUpti_ActivityAPI);
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION:
      return sizeof(CUpti_ActivityExternalCorrelation);
    case CUPTI_ACTIVITY_KIND_OVERHEAD:
      return sizeof(CUpti_ActivityOverhead3);
    default:
      return 0;
  }
}

}  // namespace

void ActivityDecoder::set_clock(Duration offset, Timestamp earliest, Timestamp latest) {
  offset_ = offset;
  earliest_ = earliest;
  latest_ = latest;
}

void ActivityDecoder::decode(std::uint8_t* buffer, std::size_t valid, ActivityVisitor& visitor) {
  if (buffer == nullptr || valid == 0) return;
  CUpti_Activity* record = nullptr;
  const std::uint8_t* last = nullptr;
  for (;;) {
    const CUptiResult result = api_.cuptiActivityGetNextRecord(buffer, valid, &record);
    if (result == CUPTI_ERROR_MAX_LIMIT_REACHED) return;
    if (result != CUPTI_SUCCESS) break;  // INVALID_KIND: incomplete or invalid, as documented
    // The library says where records are; that they are in the buffer, and ahead, is checked here.
    const auto* at = reinterpret_cast<const std::uint8_t*>(record);
    if (at < buffer || at >= buffer + valid || (last != nullptr && at <= last)) break;
    last = at;
    if (!decode_record(at, static_cast<std::size_t>(buffer + valid - at), visitor)) break;
  }
  ++counts_.damaged;
}

bool ActivityDecoder::decode_record(const std::uint8_t* record, std::size_t room,
                                    ActivityVisitor& visitor) {
  if (room < sizeof(CUpti_Activity)) return false;
  const std::uint32_t kind = kind_of(record);
  if (room < least_size(kind)) return false;
  ++counts_.records;
  switch (kind) {
    case CUPTI_ACTIVITY_KIND_KERNEL:
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
      kernel(record, visitor);
      break;
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      copy(record, visitor);
      break;
    case CUPTI_ACTIVITY_KIND_MEMCPY2:
      peer_copy(record, visitor);
      break;
    case CUPTI_ACTIVITY_KIND_MEMSET:
      memset(record, visitor);
      break;
    case CUPTI_ACTIVITY_KIND_GRAPH_TRACE:
      graph(record, visitor);
      break;
    case CUPTI_ACTIVITY_KIND_DRIVER:
    case CUPTI_ACTIVITY_KIND_RUNTIME:
      api_call(record, visitor);
      break;
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION:
      external_id(record, visitor);
      break;
    case CUPTI_ACTIVITY_KIND_OVERHEAD:
      overhead(record, visitor);
      break;
    default:
      ++counts_.others;
      break;
  }
  return true;
}

std::optional<Reject> ActivityDecoder::set_times(std::uint64_t start, std::uint64_t end,
                                                 Timestamp& to_begin, Timestamp& to_end) const {
  if (start == 0 || end == 0) return Reject::kNoTime;
  if (end < start) return Reject::kReversed;
  // Half the range is kept free for the offset.
  constexpr std::uint64_t kLast = static_cast<std::uint64_t>(INT64_MAX) / 2;
  if (end > kLast) return Reject::kOutOfRange;
  to_begin = Timestamp{static_cast<std::int64_t>(start)} + offset_;
  to_end = Timestamp{static_cast<std::int64_t>(end)} + offset_;
  if (to_begin < earliest_ || to_end > latest_) return Reject::kOutOfRange;
  return {};
}

bool ActivityDecoder::accept(GpuSpan& span, std::uint64_t start, std::uint64_t end) {
  std::optional<Reject> fault = set_times(start, end, span.begin, span.end);
  if (!fault && span.device >= kMaxDevices) fault = Reject::kNoDevice;
  if (fault) ++counts_.rejected[static_cast<std::size_t>(*fault)];
  return !fault;
}

void ActivityDecoder::kernel(const std::uint8_t* record, ActivityVisitor& visitor) {
  const auto r = read<KernelRecord9>(record);
  GpuKernel k;
  place(k, r);
  if (!accept(k, r.start, r.end)) return;
  k.name = r.name;
  k.grid = {dimension(r.gridX), dimension(r.gridY), dimension(r.gridZ)};
  k.block = {dimension(r.blockX), dimension(r.blockY), dimension(r.blockZ)};
  k.dynamic_shared_bytes = dimension(r.dynamicSharedMemory);
  k.static_shared_bytes = dimension(r.staticSharedMemory);
  k.registers_per_thread = r.registersPerThread;
  k.graph_node = r.graphNodeId;
  k.graph = r.graphId;
  visitor.visit(k);
}

void ActivityDecoder::copy(const std::uint8_t* record, ActivityVisitor& visitor) {
  const auto r = read<CopyRecord5>(record);
  GpuCopy c;
  place(c, r);
  if (!accept(c, r.start, r.end)) return;
  c.kind = copy_kind(r.copyKind);
  c.bytes = r.bytes;
  c.graph_node = r.graphNodeId;
  c.graph = r.graphId;
  visitor.visit(c);
}

void ActivityDecoder::peer_copy(const std::uint8_t* record, ActivityVisitor& visitor) {
  const auto r = read<CUpti_ActivityMemcpyPtoP4>(record);
  GpuCopy c;
  place(c, r);
  if (!accept(c, r.start, r.end)) return;
  c.kind = MemcpyKind::kDeviceToDevice;
  c.bytes = r.bytes;
  c.graph_node = r.graphNodeId;
  c.graph = r.graphId;
  visitor.visit(c);
}

void ActivityDecoder::memset(const std::uint8_t* record, ActivityVisitor& visitor) {
  const auto r = read<CUpti_ActivityMemset4>(record);
  GpuCopy c;
  place(c, r);
  if (!accept(c, r.start, r.end)) return;
  c.kind = MemcpyKind::kMemset;
  c.bytes = r.bytes;
  c.graph_node = r.graphNodeId;
  c.graph = r.graphId;
  visitor.visit(c);
}

void ActivityDecoder::graph(const std::uint8_t* record, ActivityVisitor& visitor) {
  const auto r = read<CUpti_ActivityGraphTrace2>(record);
  GpuGraph g;
  place(g, r);
  // A graph that begins with a node on the host names the device where it ends.
  if (r.deviceId == INT_MAX) {
    g.device = r.endDeviceId;
    g.context = r.endContextId;
  }
  if (!accept(g, r.start, r.end)) return;
  g.graph = r.graphId;
  visitor.visit(g);
}

void ActivityDecoder::api_call(const std::uint8_t* record, ActivityVisitor& visitor) {
  const auto r = read<CUpti_ActivityAPI>(record);
  ApiCall call;
  call.runtime = kind_of(record) == CUPTI_ACTIVITY_KIND_RUNTIME;
  call.function = r.cbid;
  call.thread = r.threadId;
  call.correlation = r.correlationId;
  if (set_times(r.start, r.end, call.begin, call.end)) {
    ++counts_.others;
    return;
  }
  visitor.visit(call);
}

void ActivityDecoder::external_id(const std::uint8_t* record, ActivityVisitor& visitor) {
  const auto r = read<CUpti_ActivityExternalCorrelation>(record);
  const std::uint32_t kind =
      enum_at(record, offsetof(CUpti_ActivityExternalCorrelation, externalKind));
  visitor.visit(ExternalId{kind, r.externalId, r.correlationId});
}

void ActivityDecoder::overhead(const std::uint8_t* record, ActivityVisitor& visitor) {
  const auto r = read<CUpti_ActivityOverhead3>(record);
  ProfilerOverhead overhead;
  overhead.kind = enum_at(record, offsetof(CUpti_ActivityOverhead3, overheadKind));
  // "Client is responsible for freeing this memory": documented for this one kind.
  if (owns_details_ && overhead.kind == CUPTI_ACTIVITY_OVERHEAD_COMMAND_BUFFER_FULL)
    std::free(r.overheadData);
  if (set_times(r.start, r.end, overhead.begin, overhead.end)) {
    ++counts_.others;
    return;
  }
  visitor.visit(overhead);
}

}  // namespace rooftop::capture
