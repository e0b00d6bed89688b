// Nsight Systems' SQLite export. Its tables and columns differ between versions and with what was
// traced: each is looked for, and what is missing is missing.
#include <fmt/format.h>

#include <array>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "profiler/core/error.h"
#include "tools/import/import.h"
#include "tools/import/nsys_metrics.h"
#include "tools/import/sqlite_database.h"
#include "tools/import/timeline.h"
#include "tools/import/timeline_trace.h"
#include "tools/import/torch_nvtx.h"
#include "tools/import/trace_output.h"

namespace rooftop::import {
namespace {

constexpr std::string_view kKernels = "CUPTI_ACTIVITY_KIND_KERNEL";
constexpr std::string_view kCopies = "CUPTI_ACTIVITY_KIND_MEMCPY";
constexpr std::string_view kMemsets = "CUPTI_ACTIVITY_KIND_MEMSET";
constexpr std::string_view kGraphs = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE";
constexpr std::string_view kRuntime = "CUPTI_ACTIVITY_KIND_RUNTIME";
constexpr std::string_view kNvtx = "NVTX_EVENTS";
constexpr std::string_view kStrings = "StringIds";

// eventType of NVTX_EVENTS.
constexpr std::int64_t kPushPopRange = 59;
constexpr std::int64_t kStartEndRange = 60;

// A globalTid holds process and thread in 24 bits each.
constexpr std::uint64_t kThreadMask = 0xffffff;

// Correlation ids count within a process; processes are numbered as they are met, and the
// correlation keeps the lower 40 bits.
class Processes {
 public:
  std::uint64_t correlation(std::int64_t global_id, std::int64_t correlation) {
    const std::uint64_t process = static_cast<std::uint64_t>(global_id) & ~kThreadMask;
    const auto [found, added] = index_.try_emplace(process, index_.size());
    if (added && index_.size() > 65536) {
      throw InputError("the export names more than 65,536 processes: it is damaged");
    }
    return found->second << 40 | (static_cast<std::uint64_t>(correlation) & 0xffffffffff);
  }

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> index_;
};

class NsysReader {
 public:
  NsysReader(const SqliteDatabase& database, const ImportOptions& options)
      : database_(database), options_(options) {}

  ImportResult read(const std::string& output);

 private:
  void read_strings();
  void read_kernels();
  void read_copies();
  void read_memsets();
  void read_graphs();
  void read_launches();
  void read_ranges();
  [[nodiscard]] std::vector<DeviceInfo> devices() const;
  [[nodiscard]] std::int64_t epoch_ns() const;
  NameId name_of(const SqliteRows& rows, std::span<const std::size_t> columns) const;
  ThreadIndex thread_of(std::int64_t global_id);
  void set_name(Range& range, std::string_view text);

  const SqliteDatabase& database_;
  const ImportOptions& options_;
  Timeline timeline_;
  Processes processes_;
  std::unordered_map<std::int64_t, NameId> strings_;
  std::unordered_map<std::int64_t, ThreadIndex> threads_;
  std::int64_t last_ = 0;  // the end of the recording
  std::uint64_t graphs_ = 0;
};

void NsysReader::read_strings() {
  constexpr std::array<std::string_view, 2> kColumns = {"id", "value"};
  constexpr std::size_t kMaxStrings = std::size_t{1} << 22;
  for (SqliteRows rows(database_, kStrings, kColumns); rows.next();) {
    if (strings_.size() >= kMaxStrings) return;
    strings_[rows.integer(0)] = timeline_.names.id(rows.text(1));
  }
}

// The first of the columns that names a string.
NameId NsysReader::name_of(const SqliteRows& rows, std::span<const std::size_t> columns) const {
  for (const std::size_t column : columns) {
    if (!rows.present(column)) continue;
    const auto found = strings_.find(rows.integer(column));
    if (found != strings_.end()) return found->second;
  }
  return 0;
}

ThreadIndex NsysReader::thread_of(std::int64_t global_id) {
  const auto found = threads_.find(global_id);
  if (found != threads_.end()) return found->second;
  const auto os_id =
      static_cast<std::uint32_t>(static_cast<std::uint64_t>(global_id) & kThreadMask);
  const ThreadIndex index = timeline_.thread(fmt::format("{}", global_id), os_id);
  threads_.emplace(global_id, index);
  return index;
}

void NsysReader::read_kernels() {
  enum : std::size_t {
    kStart,
    kEnd,
    kDevice,
    kStream,
    kCorrelation,
    kProcess,
    kDemangled,
    kShort,
    kMangled,
    kRegisters,
    kGridX,
    kGridY,
    kGridZ,
    kBlockX,
    kBlockY,
    kBlockZ,
    kStatic,
    kDynamic,
    kGraphNode,
    kColumnCount
  };
  constexpr std::array<std::string_view, kColumnCount> kColumns = {"start",
                                                                   "end",
                                                                   "deviceId",
                                                                   "streamId",
                                                                   "correlationId",
                                                                   "globalPid",
                                                                   "demangledName",
                                                                   "shortName",
                                                                   "mangledName",
                                                                   "registersPerThread",
                                                                   "gridX",
                                                                   "gridY",
                                                                   "gridZ",
                                                                   "blockX",
                                                                   "blockY",
                                                                   "blockZ",
                                                                   "staticSharedMemory",
                                                                   "dynamicSharedMemory",
                                                                   "graphNodeId"};
  constexpr std::array<std::size_t, 3> kNames = {kDemangled, kShort, kMangled};
  for (SqliteRows rows(database_, kKernels, kColumns); rows.next();) {
    if (!rows.present(kStart) || !rows.present(kEnd)) {
      ++timeline_.losses.unusable_times;
      continue;
    }
    DeviceWork work;
    work.name = name_of(rows, kNames);
    work.device = rows.small(kDevice);
    work.stream = rows.small(kStream);
    work.grid = {rows.small(kGridX), rows.small(kGridY), rows.small(kGridZ)};
    work.block = {rows.small(kBlockX), rows.small(kBlockY), rows.small(kBlockZ)};
    work.registers_per_thread = rows.small(kRegisters);
    work.static_shared_bytes = rows.small(kStatic);
    work.dynamic_shared_bytes = rows.small(kDynamic);
    work.graph_node = static_cast<std::uint64_t>(rows.integer(kGraphNode));
    last_ = std::max(last_, rows.integer(kEnd));
    timeline_.add_device_event(
        work, rows.integer(kStart), rows.integer(kEnd),
        processes_.correlation(rows.integer(kProcess), rows.integer(kCorrelation)), 0);
  }
}

void NsysReader::read_copies() {
  enum : std::size_t {
    kStart,
    kEnd,
    kDevice,
    kStream,
    kCorrelation,
    kProcess,
    kBytes,
    kKind,
    kGraphNode,
    kColumnCount
  };
  constexpr std::array<std::string_view, kColumnCount> kColumns = {
      "start",     "end",   "deviceId", "streamId",   "correlationId",
      "globalPid", "bytes", "copyKind", "graphNodeId"};
  const auto kind_of = [](std::int64_t cupti) {  // CUpti_ActivityMemcpyKind
    switch (cupti) {
      case 1:
        return MemcpyKind::kHostToDevice;
      case 2:
        return MemcpyKind::kDeviceToHost;
      case 8:
      case 10:
        return MemcpyKind::kDeviceToDevice;
      default:
        return MemcpyKind::kOther;
    }
  };
  for (SqliteRows rows(database_, kCopies, kColumns); rows.next();) {
    DeviceWork work{.kernel = false, .copy = kind_of(rows.integer(kKind))};
    work.device = rows.small(kDevice);
    work.stream = rows.small(kStream);
    work.bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(rows.integer(kBytes), 0));
    work.graph_node = static_cast<std::uint64_t>(rows.integer(kGraphNode));
    last_ = std::max(last_, rows.integer(kEnd));
    timeline_.add_device_event(
        work, rows.integer(kStart), rows.integer(kEnd),
        processes_.correlation(rows.integer(kProcess), rows.integer(kCorrelation)), 0);
  }
}

void NsysReader::read_memsets() {
  enum : std::size_t {
    kStart,
    kEnd,
    kDevice,
    kStream,
    kCorrelation,
    kProcess,
    kBytes,
    kGraphNode,
    kColumnCount
  };
  constexpr std::array<std::string_view, kColumnCount> kColumns = {
      "start", "end", "deviceId", "streamId", "correlationId", "globalPid", "bytes", "graphNodeId"};
  for (SqliteRows rows(database_, kMemsets, kColumns); rows.next();) {
    DeviceWork work{.kernel = false, .copy = MemcpyKind::kMemset};
    work.device = rows.small(kDevice);
    work.stream = rows.small(kStream);
    work.bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(rows.integer(kBytes), 0));
    work.graph_node = static_cast<std::uint64_t>(rows.integer(kGraphNode));
    timeline_.add_device_event(
        work, rows.integer(kStart), rows.integer(kEnd),
        processes_.correlation(rows.integer(kProcess), rows.integer(kCorrelation)), 0);
  }
}

void NsysReader::read_launches() {
  constexpr std::array<std::string_view, 3> kColumns = {"start", "globalTid", "correlationId"};
  for (SqliteRows rows(database_, kRuntime, kColumns); rows.next();) {
    timeline_.add_launch(processes_.correlation(rows.integer(1), rows.integer(2)),
                         thread_of(rows.integer(1)), rows.integer(0));
  }
}

// PyTorch's own ranges hold a number each, which would make every name a different one.
void NsysReader::set_name(Range& range, std::string_view text) {
  if (const auto torch = parse_torch_nvtx(text)) {
    range.name = timeline_.names.id(torch->name);
    range.args = timeline_.names.id(torch->shapes);
  } else {
    range.name = timeline_.names.id(text);
  }
}

// With --cuda-graph-trace=graph, nsys' default, the kernels of a graph are not recorded: its launch
// is one event, and takes part as a kernel that nothing is known of.
void NsysReader::read_graphs() {
  enum : std::size_t { kStart, kEnd, kDevice, kStream, kCorrelation, kProcess, kColumnCount };
  constexpr std::array<std::string_view, kColumnCount> kColumns = {
      "start", "end", "deviceId", "streamId", "correlationId", "globalPid"};
  for (SqliteRows rows(database_, kGraphs, kColumns); rows.next(); ++graphs_) {
    DeviceWork work;
    work.name = timeline_.names.id("(CUDA graph, recorded as a whole)");
    work.device = rows.small(kDevice);
    work.stream = rows.small(kStream);
    last_ = std::max(last_, rows.integer(kEnd));
    timeline_.add_device_event(
        work, rows.integer(kStart), rows.integer(kEnd),
        processes_.correlation(rows.integer(kProcess), rows.integer(kCorrelation)), 0);
  }
}

void NsysReader::read_ranges() {
  enum : std::size_t { kStart, kEnd, kType, kText, kTextId, kThread, kColumnCount };
  constexpr std::array<std::string_view, kColumnCount> kColumns = {"start", "end",    "eventType",
                                                                   "text",  "textId", "globalTid"};
  for (SqliteRows rows(database_, kNvtx, kColumns); rows.next();) {
    const std::int64_t type = rows.integer(kType);
    if (type != kPushPopRange && type != kStartEndRange) continue;
    const bool closed = rows.present(kEnd);
    timeline_.losses.unclosed_ranges += closed ? 0 : 1;
    Range range;
    range.begin = rows.integer(kStart);
    range.end = closed ? rows.integer(kEnd) : std::max(last_, range.begin);
    range.thread = thread_of(rows.integer(kThread));
    constexpr std::array<std::size_t, 1> kName = {kTextId};
    set_name(range, rows.present(kText)
                        ? rows.text(kText)
                        : std::string_view(timeline_.names.text(name_of(rows, kName))));
    range.kind = RangeKind::kMarker;
    timeline_.add_range(range);
  }
}

std::vector<DeviceInfo> NsysReader::devices() const {
  enum : std::size_t { kId, kCudaId, kName, kMemory, kSms, kClock, kMajor, kMinor, kColumnCount };
  constexpr std::array<std::string_view, kColumnCount> kColumns = {
      "id",      "cuDevice",  "name",         "totalMemory",
      "smCount", "clockRate", "computeMajor", "computeMinor"};
  std::vector<DeviceInfo> out;
  for (SqliteRows rows(database_, "TARGET_INFO_GPU", kColumns); rows.next() && out.size() < 1024;) {
    // Activities count devices as CUDA does in their process.
    const std::uint32_t ordinal = rows.present(kCudaId) ? rows.small(kCudaId) : rows.small(kId);
    DeviceInfo device = cuda_device(ordinal, std::string(rows.text(kName).substr(0, 256)));
    device.memory_bytes =
        static_cast<std::uint64_t>(std::max<std::int64_t>(rows.integer(kMemory), 0));
    device.multiprocessors = rows.small(kSms);
    device.clock_hz = rows.real(kClock);
    device.compute_major = rows.small(kMajor);
    device.compute_minor = rows.small(kMinor);
    out.push_back(std::move(device));
  }
  return out;
}

// What the export's times count from, where it says so.
std::int64_t NsysReader::epoch_ns() const {
  constexpr std::array<std::string_view, 1> kColumns = {"utcEpochNs"};
  constexpr std::int64_t kFarthest = 4'000'000'000'000'000'000;
  SqliteRows rows(database_, "TARGET_INFO_SESSION_START_TIME", kColumns);
  if (!rows.next()) return 0;
  const std::int64_t epoch = rows.integer(0);
  return epoch > 0 && epoch < kFarthest ? epoch : 0;
}

ImportResult NsysReader::read(const std::string& output) {
  if (database_.columns(kStrings).empty() && database_.columns(kKernels).empty() &&
      database_.columns(kNvtx).empty()) {
    throw InputError(fmt::format(
        "'{}' is an SQLite database, but no export of Nsight Systems: make one with 'nsys export "
        "--type sqlite REPORT'.",
        database_.name()));
  }
  const std::pair<void (NsysReader::*)(), double> steps[] = {
      {&NsysReader::read_strings, 0.1}, {&NsysReader::read_kernels, 0.3},
      {&NsysReader::read_copies, 0.35}, {&NsysReader::read_memsets, 0.4},
      {&NsysReader::read_graphs, 0.45}, {&NsysReader::read_launches, 0.6},
      {&NsysReader::read_ranges, 0.8}};
  for (const auto& [step, done] : steps) {
    (this->*step)();
    options_.progress(done);
  }
  timeline_.link();

  Meta meta = imported_meta(options_.run, "Nsight Systems");
  if (database_.columns(kRuntime).empty()) {
    meta.notes.push_back(
        {"The export has no CUDA API calls: which range launched a kernel is not known."});
  }
  if (graphs_ > 0) {
    meta.notes.push_back({fmt::format(
        "{} launches of CUDA graphs were recorded as a whole, without their kernels: record with "
        "--cuda-graph-trace=node for them.",
        graphs_)});
  }
  if (database_.columns(kNvtx).empty()) {
    meta.notes.push_back(
        {"The export has no NVTX ranges: record with --trace=cuda,nvtx for them."});
  }
  NsysMetrics metrics(database_, epoch_ns());
  return write_timeline(
      timeline_, std::move(meta), devices(), epoch_ns(), output,
      fmt::format("'{}' holds no CUDA kernels: record with 'nsys profile "
                  "--trace=cuda,nvtx'.",
                  database_.name()),
      [&](TraceOutput& out, const DeviceIndex& index) { metrics.write(out, index); });
}

}  // namespace

ImportResult import_nsys(const std::string& path, const std::string& output,
                         const ImportOptions& options) {
  const SqliteDatabase database = SqliteDatabase::open(path);
  return NsysReader(database, options).read(output);
}

ImportResult import_nsys(std::span<const std::byte> bytes, const std::string& output,
                         const ImportOptions& options) {
  const SqliteDatabase database = SqliteDatabase::open(bytes, "the database");
  return NsysReader(database, options).read(output);
}

}  // namespace rooftop::import
