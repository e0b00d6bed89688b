// The frames of a trace one after the other: tells whole, torn and damaged ones apart, and finds
// the next good one behind damage. Inside the library only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "profiler/core/error.h"
#include "profiler/trace/byte_source.h"
#include "profiler/trace/frame.h"
#include "profiler/trace/reader.h"

namespace rooftop::trace {

class FrameStream {
 public:
  // Keeps `recovery` up to date while reading.
  FrameStream(ByteSource& source, Options options, Recovery& recovery);

  struct Item {
    ParsedFrame frame;         // valid until the next call of next()
    std::uint64_t offset = 0;  // of the frame's tag in the file
    std::size_t size = 0;      // tag and length included
  };

  // The next frame whose checksum and place in the sequence are right; empty at the end, be it
  // torn. Throws InputError on damage unless it is to be salvaged, and for what is not a trace.
  std::optional<Item> next();

  // The frame's contents turned out right, or wrong (`why`, a clause): throws InputError, or counts
  // it as skipped.
  void accept(const Item& item);
  void reject(const Item& item, const std::string& why);

  // True once a frame was skipped or is missing (only where damage is salvaged).
  [[nodiscard]] bool lost_frames() const { return recovery_.salvaged_frames > 0; }

  void note(std::string sentence);

 private:
  std::optional<ParsedFrame> take(const FrameExtent& extent);
  bool in_order(std::uint64_t sequence, std::size_t size);
  void check_beginning();
  void skip_damage(const std::string& why);
  std::optional<std::size_t> find_frame(std::span<const std::byte> window, std::size_t from,
                                        std::size_t until);
  [[noreturn]] void fail(const std::string& why, std::uint64_t offset) const;

  ByteSource& source_;
  Options options_;
  Recovery& recovery_;
  std::uint64_t expected_ = 0;   // sequence number
  std::size_t current_ = 0;      // bytes of the frame given out last, not consumed yet
  std::uint64_t search_budget_;  // bytes that may still be hashed in search of good frames
  bool begun_ = false;
  bool ours_ = false;     // the file begins as a trace does
  bool skipped_ = false;  // behind damage; the next sequence number tells how many frames it was
};

// Refuses a format with a larger major version than this reader's. `name` is the file's.
void check_format(std::string_view meta_payload, const std::string& name);

}  // namespace rooftop::trace
