#include "tools/report_files.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string_view>

#include "profiler/core/error.h"
#include "profiler/roofline/kernels_csv.h"
#include "profiler/roofline/points_csv.h"
#include "profiler/roofline/report.h"
#include "profiler/roofline/report_json.h"
#include "tools/progress.h"
#include "tools/report/folder.h"
#include "tools/report/table.h"

namespace rooftop::tools {
namespace {

namespace fs = std::filesystem;

// Writes beside the file and renames: a reader never sees half of one.
void write_whole(const fs::path& path, const std::function<void(std::ostream&)>& write) {
  const fs::path part = path.string() + ".part";
  {
    std::ofstream out(part, std::ios::binary);
    write(out);
    out.flush();
    if (!out) {
      std::error_code ignored;
      fs::remove(part, ignored);
      throw InputError(fmt::format(
          "cannot write {}: check the folder's permissions and the free space", path.string()));
    }
  }
  fs::rename(part, path);
}

bool terminal_shows_unicode() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == 0) continue;
    const std::string_view locale(value);
    return locale.find("UTF-8") != std::string_view::npos ||
           locale.find("utf8") != std::string_view::npos;
  }
  return false;
}

}  // namespace

void write_report(const std::vector<std::string>& traces, const ReportOptions& options,
                  const ReportOutput& output) {
  const Report report = build_report(traces, options);
  if (!output.folder.empty()) {
    const fs::path folder = output.folder;
    write_report_folder(report, folder.string(), [&](const std::string&) {
      write_whole(folder / "points.csv", [&](std::ostream& out) { write_points_csv(report, out); });
      write_whole(folder / "kernels.csv",
                  [&](std::ostream& out) { write_kernels_csv(traces, options, out); });
      write_file_atomically(folder / "report.json", report_json(report) + '\n');
    });
  }
  if (!output.print) return;
  if (output.json) {
    fmt::print("{}\n", report_json(report));
    return;
  }
  const TableOptions table{.colour = stdout_has_colour(),
                           .width = stdout_width(),
                           .unicode = !stdout_is_terminal() || terminal_shows_unicode()};
  fmt::print("{}", render_table(report, table));
  if (!output.folder.empty()) {
    fmt::print("\nReport: {}\n",
               fs::absolute(fs::path(output.folder) / "report.html").lexically_normal().string());
  }
}

}  // namespace rooftop::tools
