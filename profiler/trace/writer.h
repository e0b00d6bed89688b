// Writes a trace file frame by frame (format: proto/rooftop/trace.proto, docs/trace-format.md).
//
// Made to run inside a profiled process: no exceptions, no libprotobuf, bounded memory (one chunk
// of each kind of record). Every frame is one write(2), so a process killed at any moment leaves a
// readable prefix. Not thread-safe: one thread writes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "profiler/core/error.h"
#include "profiler/core/meta.h"
#include "profiler/core/records.h"

namespace rooftop::trace {

inline constexpr std::size_t kRowsPerChunk = 16384;

class Writer {
 public:
  Writer();
  ~Writer();  // finishes the file where finish() was not called, ignoring errors
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Creates or truncates `path` and writes the first META frame. On failure nothing else may be
  // called but the destructor.
  Status open(const std::string& path, const Meta& meta) noexcept;

  // Adds facts that were not known at open(). Fields that are set override, repeated fields
  // (devices, roofs, skipped) are appended.
  Status add_meta(const Meta& meta) noexcept;

  // The id of a string; the same text always has the same id. 0 for the empty text.
  StringId intern(std::string_view text) noexcept;

  Status add(const ScopeRecord& record) noexcept;
  Status add(const KernelRecord& record) noexcept;
  Status add(const CounterRecord& record) noexcept;
  Status add(const SampleRecord& record) noexcept;
  Status add(const MemcpyRecord& record) noexcept;
  Status add(const DropRecord& record) noexcept;

  // Writes whatever is buffered as (short) chunks. Call it every 250 ms, and before a risky moment.
  Status flush() noexcept;

  // Flushes, writes INDEX and END, closes. Reports the first error of all calls.
  Status finish() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rooftop::trace
