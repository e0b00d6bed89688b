#include "profiler/trace/reader.h"

#include <array>
#include <deque>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "profiler/trace/byte_source.h"
#include "profiler/trace/chunk.h"
#include "profiler/trace/format.h"
#include "profiler/trace/frame_stream.h"
#include "profiler/trace/meta_coding.h"
#include "profiler/trace/text.h"

namespace rooftop::trace {
namespace {

constexpr std::array<const char*, kFrameKinds> kRowNames = {
    "", "", "strings", "scopes", "kernels", "counters", "samples", "memory copies", "drop records",
    "", ""};

// The strings of a trace by id. A deque, for views of them stay valid while it grows.
class Strings {
 public:
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(texts_.size()); }
  [[nodiscard]] std::string_view at(StringId id) const {
    return id < texts_.size() ? std::string_view(texts_[id]) : std::string_view();
  }

  // Adds a StringTable. `gaps`: ids may be missing, for a frame was lost. Throws Damage or
  // protozero::exception, with nothing added.
  void add(std::string_view payload, std::uint32_t rows, bool gaps) {
    std::uint32_t first = 0;
    std::vector<protozero::data_view> added;
    std::size_t bytes = bytes_;
    protozero::pbf_reader table(payload.data(), payload.size());
    while (table.next()) {
      switch (table.tag_and_type()) {
        case protozero::tag_and_type(field::kFirstId, protozero::pbf_wire_type::varint):
          first = table.get_uint32();
          break;
        case protozero::tag_and_type(field::kText, protozero::pbf_wire_type::length_delimited):
          if (added.size() == rows) throw Damage("a string table has more strings than rows");
          added.push_back(table.get_view());
          bytes += added.back().size();
          break;
        default:
          table.skip();
      }
    }
    if (added.size() != rows) throw Damage("a string table has fewer strings than rows");
    if (first < size() || (first > size() && !gaps)) {
      throw Damage("a string table does not continue the one before it");
    }
    if (first > kMaxStrings - rows || bytes > kMaxStringTableBytes) {
      throw Damage("the trace has too many strings");
    }
    texts_.resize(first);
    for (const auto& view : added) texts_.push_back(valid_utf8({view.data(), view.size()}));
    bytes_ = bytes;
  }

 private:
  std::deque<std::string> texts_{std::string()};
  std::size_t bytes_ = 0;
};

}  // namespace

struct Reader::Impl {
  ByteSource source;
  Options options;
  Meta meta;
  Recovery recovery;
  FrameStream stream;
  Strings strings;
  DecompressContext decompress;
  std::tuple<ChunkDecoder<ScopeRecord>, ChunkDecoder<KernelRecord>, ChunkDecoder<CounterRecord>,
             ChunkDecoder<SampleRecord>, ChunkDecoder<MemcpyRecord>, ChunkDecoder<DropRecord>>
      decoders;
  std::array<std::uint64_t, kFrameKinds> rows_read{};
  bool started = false;
  bool ended = false;
  bool newer = false;

  template <class Source>
  Impl(const Source& from, Options how)
      : source(from), options(how), stream(source, options, recovery) {}

  // Runs `parse`; whatever it finds wrong is the frame's damage. Nothing of the visitor runs in it.
  template <class Parse>
  bool accepted(const FrameStream::Item& item, Parse&& parse) {
    try {
      parse();
    } catch (const Damage& damage) {
      stream.reject(item, damage.what());
      return false;
    } catch (const protozero::exception&) {
      stream.reject(item, "the frame's contents are not a well-formed message");
      return false;
    }
    stream.accept(item);
    return true;
  }

  template <class Record>
  void records(const FrameStream::Item& item, Visitor& visitor,
               void (Visitor::*deliver)(std::span<const Record>)) {
    auto& decoder = std::get<ChunkDecoder<Record>>(decoders);
    const FrameHeader& header = item.frame.header;
    const bool good = accepted(item, [&] {
      if (header.rows > kMaxRowsPerFrame) throw Damage("the frame has too many rows");
      const std::uint32_t known = stream.lost_frames() ? kMaxStrings : strings.size();
      decoder.load(item.frame.payload, header.rows, known, decompress);
    });
    if (!good) return;
    rows_read[header.kind] += header.rows;
    decoder.for_each_block([&](std::span<const Record> block) { (visitor.*deliver)(block); });
  }

  void read_meta(const FrameStream::Item& item) {
    accepted(item, [&] {
      check_format(item.frame.payload, source.name());
      const FormatVersion version = format_version(item.frame.payload);
      if (version.minor > kFormatMinor && !std::exchange(newer, true)) {
        stream.note("The trace was written by a newer Rooftop (format " +
                    std::to_string(version.major) + "." + std::to_string(version.minor) +
                    "): what this version does not know was left out.");
      }
      Meta merged = meta;
      merge_meta(item.frame.payload, merged);
      meta = std::move(merged);
    });
  }

  void read_strings(const FrameStream::Item& item) {
    const std::uint32_t rows = item.frame.header.rows;
    const bool good = accepted(item, [&] {
      if (rows > kMaxRowsPerFrame) throw Damage("the frame has too many rows");
      strings.add(item.frame.payload, rows, stream.lost_frames());
    });
    if (good) rows_read[item.frame.header.kind] += rows;
  }

  // Compares the totals with what was read.
  void read_end(const FrameStream::Item& item) {
    std::array<std::uint64_t, kFrameKinds> written = rows_read;
    const bool good = accepted(item, [&] {
      protozero::pbf_reader end(item.frame.payload.data(), item.frame.payload.size());
      written.fill(0);
      while (end.next()) {
        const std::uint32_t kind = end.tag();
        const bool total = kind >= static_cast<std::uint32_t>(FrameKind::kStrings) &&
                           kind <= static_cast<std::uint32_t>(FrameKind::kDrops) &&
                           end.wire_type() == protozero::pbf_wire_type::varint;
        if (total) {
          written[kind] = end.get_uint64();
        } else {
          end.skip();
        }
      }
      if (!stream.lost_frames() && written != rows_read) {
        throw Damage("its totals are not those of the records in the file");
      }
    });
    ended = true;
    for (std::size_t kind = 0; good && kind < kFrameKinds; ++kind) {
      if (written[kind] > rows_read[kind]) {
        stream.note(std::to_string(written[kind] - rows_read[kind]) + " of " +
                    std::to_string(written[kind]) + " " + kRowNames[kind] + " were lost.");
      }
    }
  }

  void read_frame(const FrameStream::Item& item, Visitor& visitor) {
    const std::uint32_t kind = item.frame.header.kind;
    if (ended) return stream.reject(item, "it follows the END frame");
    const bool first = !std::exchange(started, true);
    if (first && kind != static_cast<std::uint32_t>(FrameKind::kMeta) && !stream.lost_frames()) {
      return stream.reject(item, "the first frame is not META");
    }
    switch (static_cast<FrameKind>(kind)) {
      case FrameKind::kMeta:
        return read_meta(item);
      case FrameKind::kStrings:
        return read_strings(item);
      case FrameKind::kScopes:
        return records(item, visitor, &Visitor::scopes);
      case FrameKind::kKernels:
        return records(item, visitor, &Visitor::kernels);
      case FrameKind::kCounters:
        return records(item, visitor, &Visitor::counters);
      case FrameKind::kSamples:
        return records(item, visitor, &Visitor::samples);
      case FrameKind::kMemcpys:
        return records(item, visitor, &Visitor::memcpys);
      case FrameKind::kDrops:
        return records(item, visitor, &Visitor::drops);
      case FrameKind::kEnd:
        return read_end(item);
      case FrameKind::kIndex:
      case FrameKind::kUnspecified:
        break;
    }
    stream.accept(item);  // nothing to deliver, or only newer versions know the kind
  }
};

Reader::Reader(const std::string& path, Options options)
    : impl_(std::make_unique<Impl>(path, options)) {}

Reader::Reader(std::span<const std::byte> bytes, Options options)
    : impl_(std::make_unique<Impl>(bytes, options)) {}

Reader::~Reader() = default;

void Reader::read(Visitor& visitor) {
  if (impl_->started) throw std::logic_error("a trace::Reader reads its file once");
  while (const auto item = impl_->stream.next()) impl_->read_frame(*item, visitor);
  impl_->started = true;
  if (impl_->ended) return;
  if (!impl_->recovery.truncated) {
    impl_->stream.note("The END frame is missing: the process was stopped, or is still running.");
  }
  impl_->recovery.truncated = true;
}

const Meta& Reader::meta() const { return impl_->meta; }
const Recovery& Reader::recovery() const { return impl_->recovery; }
std::string_view Reader::string(StringId id) const { return impl_->strings.at(id); }

}  // namespace rooftop::trace
