#include <dlfcn.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "profiler/core/error.h"
#include "profiler/plugin/plugin_options.h"
#include "profiler/trace/reader.h"
#include "tools/commands.h"
#include "tools/report_files.h"

namespace rooftop::tools {
namespace {

namespace fs = std::filesystem;

// librooftop.so beside the command (a build), or where an installed copy keeps it.
std::string find_plugin() {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* place : {".", "../" ROOFTOP_LIBDIR, "../lib", "../lib64"}) {
    const fs::path candidate = here / place / "librooftop.so";
    if (fs::exists(candidate, error)) return fs::canonical(candidate, error).string();
  }
  throw InputError(fmt::format(
      "librooftop.so was not found beside {}: install Rooftop whole, or build the target "
      "rooftop_plugin",
      here.string()));
}

void refuse_other_tools(const std::string& plugin) {
  for (const char* variable : {"CUDA_INJECTION64_PATH", "NVTX_INJECTION64_PATH"}) {
    const char* value = std::getenv(variable);
    if (value != nullptr && *value != '\0' && value != plugin) {
      throw InputError(
          fmt::format("{} names another tool ({}): unset it to record with Rooftop, for CUDA and "
                      "NVTX speak to one tool at a time",
                      variable, value));
    }
  }
}

// Where the traces of the program's processes go, and what becomes of them.
class Output {
 public:
  explicit Output(const std::string& wish) {
    if (wish.ends_with(".rtrace")) {
      trace_ = fs::absolute(wish).string();
      folder_ = fs::path(trace_).parent_path();
    } else if (!wish.empty()) {
      folder_ = fs::absolute(wish);
      std::error_code error;
      fs::create_directories(folder_, error);
      if (error || !fs::is_directory(folder_))
        throw InputError(fmt::format("cannot make the folder {}: {}", wish,
                                     error ? error.message() : "a file is in the way"));
      report_folder_ = wish;
    } else {
      std::string pattern = (fs::temp_directory_path() / "rooftop-attach-XXXXXX").string();
      if (mkdtemp(pattern.data()) == nullptr)
        throw InputError(fmt::format("cannot make a folder in {}: give -o FOLDER",
                                     fs::temp_directory_path().string()));
      folder_ = pattern;
      temporary_ = true;
    }
    before_ = traces();
  }
  ~Output() {
    std::error_code ignored;
    if (temporary_) fs::remove_all(folder_, ignored);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // ROOFTOP_OUTPUT. A path's own percent signs are no patterns.
  [[nodiscard]] std::string variable() const {
    std::string out;
    for (const char c : trace_.empty() ? folder_.string() : trace_) {
      out += c;
      if (c == '%') out += '%';
    }
    return out;
  }

  // What this run has left.
  [[nodiscard]] std::vector<std::string> new_traces() const {
    std::vector<std::string> out;
    for (const auto& [path, written] : traces()) {
      const auto old = before_.find(path);
      if (old == before_.end() || old->second != written) out.push_back(path);
    }
    return out;
  }

  [[nodiscard]] bool kept() const { return !temporary_; }
  [[nodiscard]] bool wants_report() const { return trace_.empty(); }
  [[nodiscard]] const std::string& report_folder() const { return report_folder_; }

 private:
  // With a trace's own name: that file and those of further processes, NAME-PID.rtrace.
  [[nodiscard]] std::map<std::string, fs::file_time_type> traces() const {
    const std::string stem = fs::path(trace_).stem().string();
    std::map<std::string, fs::file_time_type> out;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error)) {
      if (entry.path().extension() != ".rtrace") continue;
      if (!entry.path().filename().string().starts_with(stem)) continue;
      out[entry.path().string()] = entry.last_write_time(error);
    }
    return out;
  }

  fs::path folder_;
  std::string trace_;
  std::string report_folder_;
  bool temporary_ = false;
  std::map<std::string, fs::file_time_type> before_;
};

std::vector<std::string> environment_with(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!changes.contains(std::string(text.substr(0, text.find('='))))) out.emplace_back(text);
  }
  for (const auto& [name, value] : changes) out.push_back(name + "=" + value);
  return out;
}

std::atomic<pid_t> program{0};
void pass_on(int signal) {
  if (const pid_t pid = program.load(); pid > 0) kill(pid, signal);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// The terminal sends its signals to the program, too: we wait for it. Others are passed on.
class SignalsPassedOn {
 public:
  SignalsPassedOn() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      struct sigaction action {};
      const bool terminal = kSignals[i] == SIGINT || kSignals[i] == SIGQUIT;
      action.sa_handler = terminal ? SIG_IGN : pass_on;
      sigaction(kSignals[i], &action, &before_[i]);
    }
  }
  ~SignalsPassedOn() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  SignalsPassedOn(const SignalsPassedOn&) = delete;
  SignalsPassedOn& operator=(const SignalsPassedOn&) = delete;

  // What the program starts with: our own settings, and whatever was ignored before stays ignored.
  [[nodiscard]] sigset_t to_default() const {
    sigset_t out;
    sigemptyset(&out);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      if (before_[i].sa_handler != SIG_IGN) sigaddset(&out, kSignals[i]);
    }
    return out;
  }

 private:
  static constexpr std::array<int, 4> kSignals = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
  std::array<struct sigaction, kSignals.size()> before_{};
};

// Its exit status; 128 + N where signal N ended it; 127 or 126 where it cannot be started.
int run_program(std::vector<std::string> command,
                const std::map<std::string, std::string>& variables) {
  std::vector<std::string> environment = environment_with(variables);
  const std::vector<char*> argv = pointers(command);
  const std::vector<char*> envp = pointers(environment);
  const SignalsPassedOn signals;
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const sigset_t defaults = signals.to_default();
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int error = posix_spawnp(&child, argv[0], nullptr, &attributes, argv.data(), envp.data());
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    fmt::print(stderr, "rooftop: {} cannot be started: {}\n", command[0], std::strerror(error));
    return error == ENOENT ? 127 : 126;
  }
  program.store(child);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  program.store(0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// What the traces of all processes hold.
struct Found {
  std::vector<std::string> traces;
  std::uint64_t launches = 0;
  std::uint64_t ranges = 0;
  std::set<std::string> notes;
};

Found look_into(const std::vector<std::string>& traces) {
  struct Count : trace::Visitor {
    Found found;
    void kernels(std::span<const KernelRecord> records) override {
      found.launches += records.size();
    }
    void scopes(std::span<const ScopeRecord> records) override { found.ranges += records.size(); }
  } count;
  for (const std::string& path : traces) {
    try {
      trace::Reader reader(path);
      reader.read(count);
      for (const Note& note : reader.meta().notes) count.found.notes.insert(note.text);
      count.found.traces.push_back(path);
    } catch (const InputError& e) {  // a process that was killed as it began
      fmt::print(stderr, "rooftop: {}\n", e.what());
    }
  }
  return std::move(count.found);
}

bool has_driver() {
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver != nullptr) dlclose(driver);
  return driver != nullptr;
}

void explain_no_launches(const Found& found, bool cpu_mode) {
  if (cpu_mode) {
    fmt::print(
        stderr,
        "rooftop: no operator was recorded: the program opens no scopes of rooftop/nvtx.h\n");
  } else if (!has_driver()) {
    fmt::print(stderr,
               "rooftop: no CUDA kernel was recorded: this machine has no NVIDIA driver "
               "(libcuda.so.1)\n");
  } else if (found.traces.empty()) {
    fmt::print(stderr,
               "rooftop: no CUDA kernel was recorded: the program initialised neither CUDA nor "
               "NVTX, or cleared its environment\n");
  } else {
    fmt::print(stderr, "rooftop: no CUDA kernel was recorded{}\n",
               found.notes.empty() ? ": the program launched none" : "");
    for (const std::string& note : found.notes) fmt::print(stderr, "rooftop: {}\n", note);
  }
}

void print_traces(const Found& found) {
  constexpr std::size_t kShown = 8;
  for (std::size_t i = 0; i < std::min(kShown, found.traces.size()); ++i)
    fmt::print(stderr, "Trace: {}\n", found.traces[i]);
  if (found.traces.size() > kShown)
    fmt::print(stderr, "... and {} more\n", found.traces.size() - kShown);
}

// The table goes to stderr: stdout is the program's.
void print_report(const Found& found, const std::string& folder) {
  std::fflush(stdout);
  const int program_stdout = dup(STDOUT_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  try {
    write_report(found.traces, {}, {.folder = folder});
  } catch (const InputError& e) {
    fmt::print(stderr, "rooftop: {}\n", e.what());
  }
  std::fflush(stdout);
  dup2(program_stdout, STDOUT_FILENO);
  close(program_stdout);
}

std::map<std::string, std::string> variables_for(const AttachOptions& options,
                                                 const std::string& plugin, const Output& output) {
  std::map<std::string, std::string> out = {{"CUDA_INJECTION64_PATH", plugin},
                                            {"NVTX_INJECTION64_PATH", plugin},
                                            {"ROOFTOP_OUTPUT", output.variable()}};
  if (!options.mode.empty()) out["ROOFTOP_MODE"] = options.mode;
  if (!options.overhead.empty()) out["ROOFTOP_OVERHEAD"] = options.overhead;
  if (!options.max_size.empty()) out["ROOFTOP_MAX_SIZE"] = options.max_size;
  return out;
}

// What the plugin would refuse in every process is refused once, here.
void check_variables(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> environment = environment_with(variables);
  plugin::Options options;
  const Status read = plugin::read_options(pointers(environment).data(), options);
  if (!read.ok()) throw InputError(read.message());
}

}  // namespace

int attach_command(const AttachOptions& options) {
  const std::string plugin = find_plugin();
  refuse_other_tools(plugin);
  const Output output(options.output);
  const auto variables = variables_for(options, plugin, output);
  check_variables(variables);
  const int status = run_program(options.command, variables);
  const Found found = look_into(output.new_traces());
  if (output.kept()) print_traces(found);
  if (found.launches == 0) {
    explain_no_launches(found, options.mode == "cpu");
    if (found.ranges > 0)
      fmt::print(stderr, "rooftop: {} NVTX ranges of the host were recorded\n", found.ranges);
    return status;
  }
  if (output.wants_report()) print_report(found, output.report_folder());
  return status;
}

}  // namespace rooftop::tools
