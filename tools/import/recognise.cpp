#include "tools/import/recognise.h"

#include <array>
#include <cctype>
#include <filesystem>
#include <memory>

#include "tools/import/byte_stream.h"

namespace rooftop::import {
namespace {

constexpr std::size_t kHeadBytes = std::size_t{64} << 10;
constexpr std::string_view kSqliteMagic{"SQLite format 3\0", 16};

// The first frame of a trace: tag and length of the field, then the frame's magic number.
bool is_trace(std::string_view head) {
  constexpr std::string_view kFrameMagic = "\x0dRTRC";
  return head.size() >= 16 && head[0] == '\x0a' &&
         head.substr(0, 16).find(kFrameMagic) != std::string_view::npos;
}

std::string_view without_space(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    text.remove_prefix(1);
  }
  return text;
}

// A header line names the kernel column; what ncu prints before it begins with "==".
bool is_ncu_csv(std::string_view head) {
  std::size_t lines = 0;
  while (!head.empty() && lines < 1000) {
    const std::size_t end = std::min(head.find('\n'), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 1, head.size()));
    ++lines;
    if ((line.starts_with("\"ID\"") || line.starts_with("ID,") || line.starts_with("ID;")) &&
        line.find("Kernel Name") != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

bool has_suffix(const std::string& path, std::string_view suffix) {
  return path.size() >= suffix.size() && path.ends_with(suffix);
}

}  // namespace

FileKind recognise(std::string_view head) {
  if (head.empty()) return FileKind::kEmpty;
  if (head.starts_with(kSqliteMagic)) return FileKind::kNsysSqlite;
  if (head.starts_with(std::string_view("NVR\0", 4))) return FileKind::kNcuReport;
  if (head.starts_with("QDSTRM")) return FileKind::kNsysReport;
  if (is_trace(head)) return FileKind::kTrace;
  const std::string_view text = without_space(head);
  if (text.starts_with("{") || text.starts_with("[")) return FileKind::kPytorch;
  if (is_ncu_csv(text)) return FileKind::kNcuCsv;
  return FileKind::kUnknown;
}

FileKind recognise_file(const std::string& path) {
  const auto stream = unpacked(std::make_unique<FileStream>(path));
  const FileKind kind = recognise(head_of(*stream, kHeadBytes));
  // The formats of Nsight's own tools are not published: their names say what their bytes do not.
  if (kind != FileKind::kUnknown) return kind;
  if (has_suffix(path, ".ncu-rep")) return FileKind::kNcuReport;
  for (const std::string_view suffix : {".nsys-rep", ".qdrep", ".qdstrm"}) {
    if (has_suffix(path, suffix)) return FileKind::kNsysReport;
  }
  return FileKind::kUnknown;
}

bool importable(FileKind kind) {
  return kind == FileKind::kPytorch || kind == FileKind::kNsysSqlite || kind == FileKind::kNcuCsv;
}

std::string refusal(FileKind kind, const std::string& path) {
  const std::string file = "'" + path + "'";
  switch (kind) {
    case FileKind::kEmpty:
      return file + " is empty: nothing was recorded, or the copy of it failed.";
    case FileKind::kTrace:
      return file + " is a trace of Rooftop already: give it to 'rooftop report'.";
    case FileKind::kNcuReport:
      return file +
             " is a report in Nsight Compute's own format: run 'ncu --import REPORT --csv --page "
             "raw > counters.csv' and import that.";
    case FileKind::kNsysReport:
      return file +
             " is a report in Nsight Systems' own format: run 'nsys export --type sqlite REPORT' "
             "and import the .sqlite file.";
    default:
      return file +
             " is no recording that can be imported: give a PyTorch profiler trace (.json, "
             ".json.gz), an SQLite export of Nsight Systems or a CSV file of Nsight Compute.";
  }
}

}  // namespace rooftop::import
