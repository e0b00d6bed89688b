// Reads trace files, streaming: memory stays bounded by one frame however large the file. Throws
// InputError (one sentence with the byte offset) on damage; a truncated file is not damage: see
// Recovery.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/core/error.h"
#include "profiler/core/meta.h"
#include "profiler/core/records.h"

namespace rooftop::trace {

// What a reader got out of a file.
struct Recovery {
  bool truncated = false;  // END is missing, or the last frame is torn: what precedes it was read
  std::uint64_t bytes_read = 0;   // of whole, good frames
  std::uint64_t bytes_total = 0;  // size of the file
  std::uint64_t frames = 0;
  std::uint64_t salvaged_frames = 0;  // damaged frames skipped with Options::salvage
  std::uint64_t salvaged_bytes = 0;
  std::vector<std::string> notes;  // one sentence each, for the report
};

struct Options {
  bool salvage = false;  // skip damaged frames instead of throwing
};

// Receives records in file order, a chunk at a time; spans are valid during the call only.
// A scope is written when it closes: the operators and kernels of a step stand before the step
// itself. META and STRINGS are handled by the reader: every StringId in a chunk is known when the
// chunk arrives.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void scopes(std::span<const ScopeRecord>) {}
  virtual void kernels(std::span<const KernelRecord>) {}
  virtual void counters(std::span<const CounterRecord>) {}
  virtual void samples(std::span<const SampleRecord>) {}
  virtual void memcpys(std::span<const MemcpyRecord>) {}
  virtual void drops(std::span<const DropRecord>) {}
};

class Reader {
 public:
  explicit Reader(const std::string& path, Options options = {});
  // Reads from memory (tests, fuzzing); the bytes must outlive the reader.
  explicit Reader(std::span<const std::byte> bytes, Options options = {});
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Reads the whole file once, front to back.
  void read(Visitor& visitor);

  // Valid after read(); merged over all META frames.
  [[nodiscard]] const Meta& meta() const;
  [[nodiscard]] const Recovery& recovery() const;
  // Valid from within Visitor calls on. Unknown ids give "".
  [[nodiscard]] std::string_view string(StringId id) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The files that make up one trace: the file itself, or the *.rtrace files of a directory, by name.
std::vector<std::string> trace_files(const std::string& path);

}  // namespace rooftop::trace
