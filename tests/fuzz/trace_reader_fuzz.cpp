// libFuzzer target: any bytes, read as a trace, normally and with salvage. Nothing but InputError
// may come out, and what is read must be consistent with itself.
//
//   trace_seeds CORPUS && trace_reader_fuzz -rss_limit_mb=1024 -max_len=65536 CORPUS
//
// Checksums would stop a fuzzer at the door, so every input is read a second time with the
// checksums of all frames put right.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "profiler/trace/frame.h"
#include "profiler/trace/reader.h"

namespace rooftop::trace {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

struct Counter : Visitor {
  const Reader* reader = nullptr;
  std::uint64_t rows = 0;
  void scopes(std::span<const ScopeRecord> records) override {
    for (const ScopeRecord& r : records) {
      require(static_cast<int>(r.op) < kOperatorCount && r.phase <= Phase::kMixed);
      rows += reader->string(r.name).size() + 1;
    }
  }
  void kernels(std::span<const KernelRecord> records) override {
    for (const KernelRecord& r : records) rows += reader->string(r.name).size() + 1;
  }
  void counters(std::span<const CounterRecord> records) override {
    for (const CounterRecord& r : records) require(r.source <= Provenance::kAbsent);
  }
  void memcpys(std::span<const MemcpyRecord> records) override {
    for (const MemcpyRecord& r : records) require(r.kind <= MemcpyKind::kMemset);
  }
};

void read(const std::string& bytes, bool salvage) {
  Reader reader(std::as_bytes(std::span(bytes)), {.salvage = salvage});
  Counter counter;
  counter.reader = &reader;
  try {
    reader.read(counter);
  } catch (const InputError& error) {
    require(std::strlen(error.what()) > 20);
    return;
  }
  const Recovery& recovery = reader.recovery();
  require(recovery.bytes_total == bytes.size());
  require(recovery.bytes_read + recovery.salvaged_bytes <= bytes.size());
  require(salvage || recovery.salvaged_frames == 0);
  require(salvage || recovery.truncated || recovery.bytes_read == bytes.size());
}

// Puts right the checksum of every frame that can be parsed: eight bytes behind tag 0x39.
void seal(std::string& bytes) {
  std::size_t at = 0;
  try {
    while (const auto extent = frame_extent(std::as_bytes(std::span(bytes)).subspan(at))) {
      if (extent->total() > bytes.size() - at) return;
      const auto body = std::as_bytes(std::span(bytes)).subspan(at + extent->prefix, extent->body);
      const ParsedFrame frame = parse_frame_unverified(body);
      const std::uint64_t sum = checksum(frame.header, frame.payload);
      const std::size_t header = bytes.find('\x39', at + extent->prefix);
      if (header != std::string::npos && header + 9 <= at + extent->total()) {
        std::memcpy(bytes.data() + header + 1, &sum, sizeof sum);
      }
      at += extent->total();
    }
  } catch (const Damage&) {
    return;
  }
}

}  // namespace
}  // namespace rooftop::trace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  rooftop::trace::read(bytes, false);
  rooftop::trace::read(bytes, true);
  rooftop::trace::seal(bytes);
  rooftop::trace::read(bytes, false);
  rooftop::trace::read(bytes, true);
  return 0;
}
