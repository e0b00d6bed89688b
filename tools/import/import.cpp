#include "tools/import/import.h"

#include <filesystem>
#include <string>

#include "profiler/core/error.h"
#include "tools/import/recognise.h"

namespace rooftop::import {

ImportResult import_file(const std::string& path, const std::string& output,
                         const ImportOptions& options) {
  const FileKind kind = recognise_file(path);
  if (!importable(kind)) throw InputError(refusal(kind, path));
  const auto raw = [&] { return std::make_unique<FileStream>(path); };
  switch (kind) {
    case FileKind::kPytorch:
      return import_pytorch(*unpacked(raw()), path, output, options);
    case FileKind::kNcuCsv:
      return import_ncu(*unpacked(raw()), path, output, options);
    default:
      break;
  }
  if (head_of(*raw(), 2) == "\x1f\x8b") {
    throw InputError("'" + path +
                     "' is a compressed SQLite database, which cannot be read in place: unpack it "
                     "with 'gunzip' and import that.");
  }
  return import_nsys(path, output, options);
}

std::string run_name_of(const std::string& path) {
  std::string name = std::filesystem::path(path).lexically_normal().filename().string();
  for (const std::string_view ending : {".gz", ".json", ".csv", ".sqlite", ".db"}) {
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  }
  // "HOST_PID.TIME.pt.trace": who recorded where is nobody's business.
  if (name.empty() || name.ends_with(".pt.trace")) return "import";
  return name;
}

}  // namespace rooftop::import
