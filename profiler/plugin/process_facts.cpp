#include "profiler/plugin/process_facts.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <string_view>

namespace rooftop::plugin {
namespace {

// Small files of /proc, without iostreams.
std::string read_small(const char* path) {
  std::array<char, 4096> bytes{};
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  const ssize_t n = read(file, bytes.data(), bytes.size());
  close(file);
  return n > 0 ? std::string(bytes.data(), static_cast<std::size_t>(n)) : std::string();
}

std::string fit_for_a_name(std::string_view text) {
  std::string out(text.substr(0, 64));
  for (char& c : out) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!plain && c != '.' && c != '_' && c != '-') c = '_';
  }
  if (out.starts_with('.') || out.starts_with('-')) out.front() = '_';
  return out.empty() ? "process" : out;
}

std::string_view base_name(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}

// The words of a command line, which end with a 0 each.
std::string_view word(std::string_view line, std::size_t index) {
  for (; index > 0; --index) {
    const std::size_t end = line.find('\0');
    if (end == std::string_view::npos) return {};
    line.remove_prefix(end + 1);
  }
  return line.substr(0, line.find('\0'));
}

// Field `index` of a /proc/PID/stat line, counted from 3 (the state): those before may hold
// blanks.
std::string_view stat_field(std::string_view stat, int index) {
  stat.remove_prefix(std::min(stat.size(), stat.find_last_of(')') + 2));
  for (int field = 3; field < index; ++field) {
    const std::size_t end = stat.find(' ');
    if (end == std::string_view::npos) return {};
    stat.remove_prefix(end + 1);
  }
  return stat.substr(0, stat.find(' '));
}

std::string_view variable(const char* const* environment, std::string_view name) {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name))
      return entry.substr(name.size() + 1);
  }
  return {};
}

bool number(std::string_view text, std::uint32_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string program_name(const std::string& command_line) {
  std::string_view name = base_name(word(command_line, 0));
  if (name.starts_with("python")) {
    std::string_view script = word(command_line, 1);
    if (script == "-m") script = word(command_line, 2);
    if (!script.empty() && !script.starts_with('-')) name = base_name(script);
    if (name.ends_with(".py")) name.remove_suffix(3);
  }
  return fit_for_a_name(name);
}

std::string program_name() { return program_name(read_small("/proc/self/cmdline")); }

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "host";
  return fit_for_a_name(name.data());
}

double process_start_time() {
  const std::string stat = read_small("/proc/self/stat");
  const std::string_view ticks = stat_field(stat, 22);
  std::uint64_t since_boot = 0;
  if (std::from_chars(ticks.data(), ticks.data() + ticks.size(), since_boot).ec != std::errc())
    return 0;
  timespec real{};
  timespec boot{};
  clock_gettime(CLOCK_REALTIME, &real);
  clock_gettime(CLOCK_BOOTTIME, &boot);
  const auto seconds = [](const timespec& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
  };
  return seconds(real) - seconds(boot) +
         static_cast<double>(since_boot) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

Rank rank_of(const char* const* environment) {
  constexpr std::array<std::array<std::string_view, 2>, 4> kNames = {{
      {"RANK", "WORLD_SIZE"},
      {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
      {"PMI_RANK", "PMI_SIZE"},
      {"SLURM_PROCID", "SLURM_NTASKS"},
  }};
  for (const auto& [rank, size] : kNames) {
    Rank out;
    if (number(variable(environment, rank), out.rank) &&
        number(variable(environment, size), out.world_size) && out.rank < out.world_size)
      return out;
  }
  return {};
}

bool claim_process() {
  // A name in the abstract socket namespace is the one thing that two copies of a library share
  // without a file, and that is gone when the process is.
  struct stat space {};
  if (stat("/proc/self/ns/pid", &space) != 0) return true;
  const std::string stat_line = read_small("/proc/self/stat");
  const std::string name = "rooftop-plugin-" + std::to_string(space.st_ino) + "-" +
                           std::to_string(getpid()) + "-" + std::string(stat_field(stat_line, 22));
  const int claim = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (claim < 0) return true;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = std::min(name.size(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path + 1, name.data(), length);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  if (bind(claim, reinterpret_cast<const sockaddr*>(&address), size) == 0) return true;
  const bool taken = errno == EADDRINUSE;
  close(claim);
  return !taken;
}

std::string own_path() {
  static const char here = 0;
  Dl_info info{};
  return dladdr(&here, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "librooftop.so";
}

}  // namespace rooftop::plugin
