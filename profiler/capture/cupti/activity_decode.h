// What CUPTI's activity buffers hold, as plain structs. The walk over a buffer is CUPTI's own: how
// long a record is depends on the library's version.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "profiler/core/records.h"
#include "profiler/core/time.h"

namespace rooftop::capture {

struct CuptiApi;

// Where on a GPU, and who asked for it: common to everything that runs there.
struct GpuSpan {
  Timestamp begin;
  Timestamp end;
  std::uint32_t device = 0;  // CUPTI's id: CUDA's ordinal
  std::uint32_t context = 0;
  std::uint32_t stream = 0;
  std::uint32_t correlation = 0;  // of the call that launched it
  std::uint64_t graph_node = 0;   // 0: not from a graph
  std::uint32_t graph = 0;
};

struct GpuKernel : GpuSpan {
  const char* name = nullptr;  // as compiled, mangled; CUPTI's memory; may be null
  std::array<std::uint32_t, 3> grid{};
  std::array<std::uint32_t, 3> block{};
  std::uint32_t dynamic_shared_bytes = 0;
  std::uint32_t static_shared_bytes = 0;
  std::uint32_t registers_per_thread = 0;
};

struct GpuCopy : GpuSpan {  // or a memset
  MemcpyKind kind = MemcpyKind::kOther;
  std::uint64_t bytes = 0;
};

struct GpuGraph : GpuSpan {};  // a graph's launch as a whole

struct ApiCall {
  bool runtime = false;  // else the driver's
  std::uint32_t function = 0;
  std::uint32_t thread = 0;
  std::uint32_t correlation = 0;
  Timestamp begin;
  Timestamp end;
};

struct ExternalId {
  std::uint32_t kind = 0;
  std::uint64_t id = 0;
  std::uint32_t correlation = 0;
};

struct ProfilerOverhead {
  std::uint32_t kind = 0;  // CUpti_ActivityOverheadKind
  Timestamp begin;
  Timestamp end;
};

class ActivityVisitor {
 public:
  virtual ~ActivityVisitor() = default;
  virtual void visit(const GpuKernel& kernel) = 0;
  virtual void visit(const GpuCopy& copy) = 0;
  virtual void visit(const GpuGraph& graph) = 0;
  virtual void visit(const ApiCall& call) = 0;
  virtual void visit(const ExternalId& id) = 0;
  virtual void visit(const ProfilerOverhead& overhead) = 0;
};

enum class Reject : std::uint8_t {
  kNoTime,      // CUPTI had no memory for the times, or the record was flushed half-made
  kReversed,    // ends before it begins
  kOutOfRange,  // long before recording began, or in the future
  kNoDevice,    // a device that cannot be
};
inline constexpr std::size_t kRejects = 4;

struct DecodeCounts {
  std::uint64_t records = 0;
  std::uint64_t others = 0;  // of kinds that are not read here, or host calls without times
  std::array<std::uint64_t, kRejects> rejected{};
  std::uint64_t damaged = 0;  // buffers whose walk ended at something unreadable
};

class ActivityDecoder {
 public:
  explicit ActivityDecoder(const CuptiApi& api) : api_(api) {}

  // Times outside are rejected. `offset` is added to CUPTI's times first.
  void set_clock(Duration offset, Timestamp earliest, Timestamp latest);

  // Frees what CUPTI leaves to its client inside records (their details of overhead): true for
  // buffers straight from CUPTI, false for recorded ones.
  void set_owns_details(bool owns) { owns_details_ = owns; }

  void decode(std::uint8_t* buffer, std::size_t valid, ActivityVisitor& visitor);

  [[nodiscard]] const DecodeCounts& counts() const { return counts_; }

 private:
  // Fills begin and end; what is wrong with them otherwise.
  std::optional<Reject> set_times(std::uint64_t start, std::uint64_t end, Timestamp& to_begin,
                                  Timestamp& to_end) const;
  // The same for what ran on a device: false, and counted, where it cannot be.
  bool accept(GpuSpan& span, std::uint64_t start, std::uint64_t end);
  // False: the record does not fit into what is left of the buffer.
  bool decode_record(const std::uint8_t* record, std::size_t room, ActivityVisitor& visitor);
  void kernel(const std::uint8_t* record, ActivityVisitor& visitor);
  void copy(const std::uint8_t* record, ActivityVisitor& visitor);
  void peer_copy(const std::uint8_t* record, ActivityVisitor& visitor);
  void memset(const std::uint8_t* record, ActivityVisitor& visitor);
  void graph(const std::uint8_t* record, ActivityVisitor& visitor);
  void api_call(const std::uint8_t* record, ActivityVisitor& visitor);
  void external_id(const std::uint8_t* record, ActivityVisitor& visitor);
  void overhead(const std::uint8_t* record, ActivityVisitor& visitor);

  const CuptiApi& api_;
  Duration offset_;
  Timestamp earliest_;
  Timestamp latest_{INT64_MAX};
  bool owns_details_ = false;
  DecodeCounts counts_;
};

}  // namespace rooftop::capture
