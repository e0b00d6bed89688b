#include "profiler/trace/frame_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <protozero/exception.hpp>
#include <utility>

#include "profiler/trace/meta_coding.h"

namespace rooftop::trace {
namespace {

constexpr std::size_t kMaxTotal = kMaxFramePrefix + kMaxFrameBytes;
constexpr std::size_t kMaxNotes = 20;
// A hostile file may hold thousands of overlapping sham frames: stop hashing them at some point.
constexpr std::uint64_t kSearchBudget = std::uint64_t{1} << 30;

constexpr std::string_view kMagicField("\x0dRTRC", kMagicBytes);

std::string plural(std::uint64_t n, const char* what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

}  // namespace

void check_format(std::string_view meta_payload, const std::string& name) {
  const FormatVersion version = format_version(meta_payload);
  if (version.major > kFormatMajor) {
    throw InputError("The trace '" + name + "' has format " + std::to_string(version.major) +
                     ", and this version of Rooftop reads formats up to " +
                     std::to_string(kFormatMajor) + "; read it with a newer Rooftop.");
  }
}

FrameStream::FrameStream(ByteSource& source, Options options, Recovery& recovery)
    : source_(source), options_(options), recovery_(recovery), search_budget_(kSearchBudget) {}

std::optional<FrameStream::Item> FrameStream::next() {
  if (!std::exchange(begun_, true)) check_beginning();
  source_.consume(std::exchange(current_, 0));
  while (true) {
    recovery_.bytes_total = source_.total();
    const auto head = source_.peek(kMaxFramePrefix);
    if (head.empty()) break;
    try {
      const std::optional<FrameExtent> extent = frame_extent(head);
      std::optional<ParsedFrame> frame;
      if (extent) frame = take(*extent);
      if (!frame) {
        recovery_.truncated = true;
        note("The file ends in the middle of the frame at byte " +
             std::to_string(source_.offset()) + ": the process was stopped while it wrote.");
        break;
      }
      if (!in_order(frame->header.sequence, extent->total())) continue;
      current_ = extent->total();
      return Item{*frame, source_.offset(), current_};
    } catch (const Damage& damage) {
      skip_damage(damage.what());
    }
  }
  if (recovery_.frames == 0 && (recovery_.salvaged_frames > 0 || !ours_)) {
    throw InputError("'" + source_.name() +
                     "' is not a Rooftop trace: no whole frame was found in it.");
  }
  return std::nullopt;
}

// The frame at the front; empty where the file cuts it off. Throws Damage.
std::optional<ParsedFrame> FrameStream::take(const FrameExtent& extent) {
  const auto window = source_.peek(extent.total());
  const auto body = window.subspan(std::min(extent.prefix, window.size()));
  if (window.size() == extent.total()) return parse_frame(body);
  // Cut off, or its length is wrong: then what it swallows shows that there is more.
  if (!is_torn_frame(body, extent.body) || find_frame(window, 1, window.size())) {
    throw Damage("the frame's length is wrong");
  }
  return std::nullopt;
}

bool FrameStream::in_order(std::uint64_t sequence, std::size_t size) {
  const std::uint64_t expected = std::exchange(expected_, sequence + 1);
  const bool behind_damage = std::exchange(skipped_, false);
  if (sequence == expected) {
    if (behind_damage) ++recovery_.salvaged_frames;
    return true;
  }
  const std::string found = "the frame has number " + std::to_string(sequence) + " where " +
                            std::to_string(expected) + " was expected";
  if (!options_.salvage) fail(found, source_.offset());
  if (sequence > expected) {
    recovery_.salvaged_frames += sequence - expected;
    if (!behind_damage) {
      note(plural(sequence - expected, "frame") + " missing before byte " +
           std::to_string(source_.offset()) + ".");
    }
    return true;
  }
  expected_ = expected;
  ++recovery_.salvaged_frames;
  recovery_.salvaged_bytes += size;
  note("Skipped " + plural(size, "byte") + " at byte " + std::to_string(source_.offset()) + ": " +
       found + ".");
  source_.consume(size);
  return false;
}

void FrameStream::accept(const Item& item) {
  ++recovery_.frames;
  recovery_.bytes_read += item.size;
}

void FrameStream::reject(const Item& item, const std::string& why) {
  if (!options_.salvage) fail(why, item.offset);
  ++recovery_.salvaged_frames;
  recovery_.salvaged_bytes += item.size;
  note("Skipped " + plural(item.size, "byte") + " at byte " + std::to_string(item.offset) + ": " +
       why + ".");
}

void FrameStream::note(std::string sentence) {
  auto& notes = recovery_.notes;
  if (notes.size() < kMaxNotes) {
    notes.push_back(std::move(sentence));
  } else if (notes.size() == kMaxNotes) {
    notes.emplace_back("There is more to say than the first " + plural(kMaxNotes, "note") + ".");
  }
}

void FrameStream::check_beginning() {
  const auto head = source_.peek(kMaxFramePrefix + kMagicBytes);
  if (head.empty()) {
    throw InputError("'" + source_.name() + "' is empty and so not a Rooftop trace.");
  }
  std::optional<FrameExtent> extent;
  try {
    extent = frame_extent(head);
  } catch (const Damage&) {
    extent.reset();
  }
  ours_ = extent && head.size() >= extent->prefix + kMagicBytes &&
          std::memcmp(head.data() + extent->prefix, kMagicField.data(), kMagicBytes) == 0;
  if (!ours_ && !options_.salvage) {
    throw InputError("'" + source_.name() +
                     "' is not a Rooftop trace; give a file that 'rooftop run -o NAME.rtrace' or "
                     "another Rooftop command wrote.");
  }
  if (!ours_) return;
  // Of a newer major version nothing but this much need be as we know it.
  const auto window = source_.peek(extent->total());
  if (window.size() < extent->total()) return;
  try {
    const ParsedFrame frame = parse_frame_unverified(window.subspan(extent->prefix));
    if (frame.header.kind == static_cast<std::uint32_t>(FrameKind::kMeta)) {
      check_format(frame.payload, source_.name());
    }
  } catch (const Damage&) {
    return;  // next() meets it again and says so
  } catch (const protozero::exception&) {
    return;
  }
}

// Goes to the next good frame behind the front, or to the end of the file.
void FrameStream::skip_damage(const std::string& why) {
  const std::uint64_t start = source_.offset();
  if (!options_.salvage) fail(why, start);
  std::size_t from = 1;
  while (true) {
    // Two frames' worth: a frame that begins in the first half lies wholly in the window.
    const auto window = source_.peek(2 * kMaxTotal);
    const bool at_end = window.size() < 2 * kMaxTotal;
    const std::size_t until = at_end ? window.size() : kMaxTotal;
    const auto found = find_frame(window, from, until);
    source_.consume(found.value_or(until));
    if (found) {
      skipped_ = true;
      break;
    }
    if (at_end) {
      ++recovery_.salvaged_frames;
      break;
    }
    from = 0;
  }
  const std::uint64_t bytes = source_.offset() - start;
  recovery_.salvaged_bytes += bytes;
  note("Skipped " + plural(bytes, "byte") + " at byte " + std::to_string(start) + ": " + why + ".");
}

// The first place in [from, until) of `window` where a whole good frame begins.
std::optional<std::size_t> FrameStream::find_frame(std::span<const std::byte> window,
                                                   std::size_t from, std::size_t until) {
  const std::string_view text(reinterpret_cast<const char*>(window.data()), window.size());
  for (std::size_t magic = text.find(kMagicField, from); magic != std::string_view::npos;
       magic = text.find(kMagicField, magic + 1)) {
    // Tag and length stand before the magic, and the length has one to five bytes.
    for (std::size_t prefix = 2; prefix <= kMaxFramePrefix && prefix <= magic; ++prefix) {
      const std::size_t begin = magic - prefix;
      if (begin < from) break;
      if (begin >= until) continue;
      try {
        const auto extent = frame_extent(window.subspan(begin));
        if (!extent || extent->prefix != prefix || extent->total() > window.size() - begin) {
          continue;
        }
        if (search_budget_ < extent->body) return std::nullopt;
        search_budget_ -= extent->body;
        (void)parse_frame(window.subspan(begin + extent->prefix, extent->body));
        return begin;
      } catch (const Damage&) {
        continue;
      }
    }
    if (magic >= until + kMaxFramePrefix) break;
  }
  return std::nullopt;
}

void FrameStream::fail(const std::string& why, std::uint64_t offset) const {
  throw InputError("The trace '" + source_.name() + "' is damaged at byte " +
                   std::to_string(offset) + ": " + why +
                   "; copy it again, or read what is left with --salvage.");
}

}  // namespace rooftop::trace
