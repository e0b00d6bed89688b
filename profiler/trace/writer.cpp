#include "profiler/trace/writer.h"

#include <array>
#include <protozero/pbf_writer.hpp>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "profiler/trace/chunk.h"
#include "profiler/trace/format.h"
#include "profiler/trace/frame.h"
#include "profiler/trace/interner.h"
#include "profiler/trace/meta_coding.h"
#include "profiler/trace/output_file.h"

namespace rooftop::trace {
namespace {

// An INDEX frame is written whenever so many frames wait for one: a trace of any length is indexed
// in bounded memory.
constexpr std::size_t kEntriesPerIndex = 4096;

struct IndexEntry {
  std::uint64_t offset;
  FrameHeader header;
};

void encode_index(const std::vector<IndexEntry>& entries, std::uint64_t previous,
                  std::string& payload) {
  protozero::pbf_writer index(payload);
  for (const IndexEntry& e : entries) {
    protozero::pbf_writer entry(index, field::kEntry);
    entry.add_uint64(field::kEntryOffset, e.offset);
    entry.add_uint32(field::kEntryKind, e.header.kind);
    entry.add_uint32(field::kEntryRows, e.header.rows);
    entry.add_sfixed64(field::kEntryBeginNs, e.header.begin_ns);
    entry.add_sfixed64(field::kEntryEndNs, e.header.end_ns);
  }
  if (previous != 0) index.add_uint64(field::kPreviousOffset, previous);
}

}  // namespace

struct Writer::Impl {
  std::string path;
  OutputFile file;
  Status first_error;
  bool broken = false;  // the file takes no more frames
  bool finished = false;

  Interner strings;
  std::tuple<RecordBuffer<KernelRecord>, RecordBuffer<CounterRecord>, RecordBuffer<SampleRecord>,
             RecordBuffer<MemcpyRecord>, RecordBuffer<DropRecord>, RecordBuffer<ScopeRecord>>
      buffers;
  ColumnEncoder encoder;

  std::uint64_t sequence = 0;
  std::array<std::uint64_t, kFrameKinds> rows_written{};
  std::vector<IndexEntry> index;
  std::uint64_t last_index_offset = 0;
  std::string payload;  // scratch
  std::string frame;    // scratch

  Status remember(Status status) {
    if (!status.ok() && first_error.ok()) first_error = status;
    return status;
  }

  Status write_failed(int error) {
    broken = true;
    return remember(
        Status::failed("The trace '" + path + "' cannot be written: " + explain(error) + "."));
  }

  Status usable() {
    if (finished) return remember(Status::failed("The trace '" + path + "' is already finished."));
    return broken ? first_error : Status();
  }

  // Writes `payload` as one frame.
  Status write_frame(FrameKind kind, std::uint32_t rows, std::int64_t begin_ns,
                     std::int64_t end_ns) {
    if (!file.is_ours()) {
      return Status::failed("The trace '" + path + "' belongs to the parent of this process.");
    }
    if (payload.size() > kMaxPayloadBytes) {
      return remember(
          Status::failed("The trace '" + path + "' takes at most 16 MiB of facts at a time."));
    }
    const FrameHeader header{static_cast<std::uint32_t>(kind), sequence, rows, begin_ns, end_ns};
    frame.clear();
    append_frame(header, payload, frame);
    const bool indexed = kind >= FrameKind::kScopes && kind <= FrameKind::kDrops;
    if (indexed) index.push_back({file.size(), header});
    const std::uint64_t offset = file.size();
    if (const int error = file.write(frame); error != 0) return write_failed(error);
    ++sequence;
    rows_written[static_cast<std::size_t>(kind)] += rows;
    if (kind == FrameKind::kIndex) last_index_offset = offset;
    return {};
  }

  Status write_meta(const Meta& meta) {
    payload.clear();
    encode_meta(meta, payload);
    return write_frame(FrameKind::kMeta, 0, 0, 0);
  }

  Status write_strings() {
    while (strings.has_pending()) {
      payload.clear();
      const std::uint32_t count = strings.encode_pending(payload);
      if (Status s = write_frame(FrameKind::kStrings, count, 0, 0); !s.ok()) return s;
      strings.mark_written(count);
    }
    return {};
  }

  Status write_index() {
    if (index.empty()) return {};
    payload.clear();
    encode_index(index, last_index_offset, payload);
    const auto rows = static_cast<std::uint32_t>(index.size());
    if (Status s = write_frame(FrameKind::kIndex, rows, 0, 0); !s.ok()) return s;
    index.clear();
    return {};
  }

  template <class Record>
  Status write_chunk(RecordBuffer<Record>& buffer) {
    if (buffer.rows() == 0) return {};
    if (Status s = write_strings(); !s.ok()) return s;
    payload.clear();
    buffer.encode(encoder, payload);
    Status s = write_frame(Schema<Record>::kKind, static_cast<std::uint32_t>(buffer.rows()),
                           buffer.begin_ns(), buffer.end_ns());
    if (!s.ok()) return s;
    buffer.clear();
    return index.size() >= kEntriesPerIndex ? write_index() : Status();
  }

  // Scopes go last: what ran in a step stands before the step.
  Status write_all() {
    Status status;
    std::apply([&](auto&... buffer) { (void)(((status = write_chunk(buffer)).ok()) && ...); },
               buffers);
    return status.ok() ? write_strings() : status;
  }

  template <class Record>
  Status add(const Record& record) {
    if (Status s = usable(); !s.ok()) return s;
    if (!ids_known(record)) {
      return remember(Status::failed("A record for the trace '" + path +
                                     "' names a string that was never interned."));
    }
    auto& buffer = std::get<RecordBuffer<Record>>(buffers);
    // Still full only where writing it failed for want of memory.
    if (buffer.full()) {
      if (Status s = write_full(buffer); !s.ok()) return s;
    }
    buffer.push(record);
    return buffer.full() ? write_full(buffer) : Status();
  }

  template <class Record>
  Status write_full(RecordBuffer<Record>& buffer) {
    if constexpr (std::is_same_v<Record, ScopeRecord>) return write_all();
    return write_chunk(buffer);
  }

  // A reader takes an unknown id for damage: no such record may reach the file.
  template <class Record>
  [[nodiscard]] bool ids_known(const Record& record) const {
    return std::apply(
        [&](const auto&... column) {
          return ((!column.is_string || column.get(record) < strings.size()) && ...);
        },
        Schema<Record>::kColumns);
  }

  Status finish() {
    if (finished) return first_error;
    Status status = broken ? first_error : write_all();
    if (status.ok()) status = write_index();
    if (status.ok()) status = write_end();
    finished = true;
    if (const int error = file.close(); error != 0) return write_failed(error);
    return first_error.ok() ? status : first_error;
  }

  Status write_end() {
    payload.clear();
    {
      protozero::pbf_writer end(payload);
      end.add_uint64(field::kEndIndexOffset, last_index_offset);
      for (auto kind = static_cast<std::uint32_t>(FrameKind::kStrings);
           kind <= static_cast<std::uint32_t>(FrameKind::kDrops); ++kind) {
        end.add_uint64(kind, rows_written[kind]);
      }
    }
    return write_frame(FrameKind::kEnd, 0, 0, 0);
  }
};

namespace {

// Runs `action(*impl)` where nothing may be thrown. The message is short enough to need no memory.
template <class Impl, class Action>
Status guarded(Impl* impl, Action&& action) noexcept {
  if (impl == nullptr) return Status::failed("no open trace");
  try {
    return action(*impl);
  } catch (...) {
    Status status = Status::failed("out of memory");
    if (impl->first_error.ok()) impl->first_error = Status::failed("out of memory");
    return status;
  }
}

template <class Impl, class Record>
Status add_record(Impl* impl, const Record& record) noexcept {
  return guarded(impl, [&](Impl& writer) { return writer.add(record); });
}

}  // namespace

Writer::Writer() = default;

Writer::~Writer() {
  if (impl_) (void)finish();
}

Status Writer::open(const std::string& path, const Meta& meta) noexcept {
  try {
    if (impl_) return Status::failed("The trace '" + impl_->path + "' is already open.");
    auto impl = std::make_unique<Impl>();
    impl->path = path;
    if (const int error = impl->file.open(path); error != 0) return impl->write_failed(error);
    if (Status s = impl->write_meta(meta); !s.ok()) return s;
    impl_ = std::move(impl);
    return {};
  } catch (...) {
    return Status::failed("out of memory");
  }
}

Status Writer::add_meta(const Meta& meta) noexcept {
  return guarded(impl_.get(), [&](Impl& impl) {
    Status status = impl.usable();
    return status.ok() ? impl.write_meta(meta) : status;
  });
}

StringId Writer::intern(std::string_view text) noexcept {
  if (!impl_) return 0;
  try {
    return impl_->strings.intern(text);
  } catch (...) {
    return 0;
  }
}

Status Writer::add(const ScopeRecord& r) noexcept { return add_record(impl_.get(), r); }
Status Writer::add(const KernelRecord& r) noexcept { return add_record(impl_.get(), r); }
Status Writer::add(const CounterRecord& r) noexcept { return add_record(impl_.get(), r); }
Status Writer::add(const SampleRecord& r) noexcept { return add_record(impl_.get(), r); }
Status Writer::add(const MemcpyRecord& r) noexcept { return add_record(impl_.get(), r); }
Status Writer::add(const DropRecord& r) noexcept { return add_record(impl_.get(), r); }

Status Writer::flush() noexcept {
  return guarded(impl_.get(), [](Impl& impl) {
    Status status = impl.usable();
    return status.ok() ? impl.write_all() : status;
  });
}

Status Writer::finish() noexcept {
  return guarded(impl_.get(), [](Impl& impl) { return impl.finish(); });
}

}  // namespace rooftop::trace
