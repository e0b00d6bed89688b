#include "tools/report/folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "profiler/core/error.h"
#include "tools/report/page.h"
#include "tools/report/roofline_chart.h"

namespace rooftop {
namespace {

[[noreturn]] void refuse(const std::string& path, int error) {
  throw InputError(path + " cannot be written (" + std::strerror(error) +
                   "): choose another place with -o.");
}

// A file under a temporary name, removed unless it was kept.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path)
      : name_(path + "." + std::to_string(getpid()) + ".tmp") {
    unlink(name_.c_str());  // left by a killed process that had the same id
    fd_ = open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0) refuse(path, errno);
  }
  ~TemporaryFile() {
    if (fd_ >= 0) close(fd_);
    if (!name_.empty()) unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  bool fill(const std::string& content) const {
    for (std::size_t at = 0; at < content.size();) {
      const ssize_t n = write(fd_, content.data() + at, content.size() - at);
      if (n < 0 && errno != EINTR) return false;
      if (n > 0) at += static_cast<std::size_t>(n);
    }
    return true;
  }

  bool keep_as(const std::string& path) {
    const int closed = close(std::exchange(fd_, -1));
    if (closed != 0 || rename(name_.c_str(), path.c_str()) != 0) return false;
    name_.clear();
    return true;
  }

 private:
  std::string name_;
  int fd_ = -1;
};

}  // namespace

void write_file_atomically(const std::string& path, const std::string& content) {
  TemporaryFile file(path);
  if (!file.fill(content) || !file.keep_as(path)) refuse(path, errno);
}

void write_report_folder(const Report& report, const std::string& dir,
                         const std::function<void(const std::string& dir)>& write_data) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) refuse(dir, error.value());
  const std::filesystem::path folder(dir);
  write_file_atomically(folder / "report.html", render_page(report));
  if (write_data) write_data(dir);
  draw_roofline(report, folder / "roofline");
}

}  // namespace rooftop
