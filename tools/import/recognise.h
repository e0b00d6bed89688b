// What a file is, by its first bytes. Names are not believed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rooftop::import {

enum class FileKind : std::uint8_t {
  kUnknown,
  kEmpty,
  kTrace,       // one of ours
  kPytorch,     // JSON with trace events, packed or not
  kNsysSqlite,  // an SQLite database
  kNcuCsv,
  kNcuReport,   // Nsight Compute's own format
  kNsysReport,  // Nsight Systems' own format
};

// `head`: the first 64 KiB, unpacked where the file is gzip.
FileKind recognise(std::string_view head);

// Reads the beginning of a file. Throws InputError where it cannot.
FileKind recognise_file(const std::string& path);

// True for what import_file() reads.
bool importable(FileKind kind);

// The one sentence about a file that cannot be imported: what it is and what to do.
std::string refusal(FileKind kind, const std::string& path);

}  // namespace rooftop::import
