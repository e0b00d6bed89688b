#include "tests/plugin/host_run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "profiler/trace/reader.h"
#include "tests/module_path.h"

namespace rooftop::plugin::testing {
namespace fs = std::filesystem;
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Both pipes to their ends.
void read_both(int out, int err, Ended& ended) {
  std::array<pollfd, 2> pipes = {{{out, POLLIN, 0}, {err, POLLIN, 0}}};
  std::array<std::string*, 2> to = {&ended.out, &ended.err};
  for (int open = 2; open > 0;) {
    poll(pipes.data(), pipes.size(), -1);
    for (std::size_t i = 0; i < pipes.size(); ++i) {
      if (pipes[i].fd < 0 || pipes[i].revents == 0) continue;
      std::array<char, 4096> bytes;
      const ssize_t n = read(pipes[i].fd, bytes.data(), bytes.size());
      if (n > 0) {
        to[i]->append(bytes.data(), static_cast<std::size_t>(n));
      } else {
        close(pipes[i].fd);
        pipes[i].fd = -1;
        --open;
      }
    }
  }
}

}  // namespace

fs::path plugin_path() { return build_file("tools/librooftop.so"); }
fs::path host_path() { return build_file("tests/plugin/plugin_host"); }

Ended run_host(const std::vector<std::string>& arguments, const Environment& environment,
               void (*prepare)()) {
  std::vector<std::string> words = {host_path()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  // For builds with AddressSanitizer: the plugin keeps what it has for as long as its process
  // lives, and a signal ends a program as it would without a sanitizer.
  std::vector<std::string> variables = {"ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_abort=0"};
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<char*> argv = pointers(words);
  std::vector<char*> envp = pointers(variables);
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("no pipe");
  const pid_t child = fork();
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    if (prepare != nullptr) prepare();
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  Ended ended;
  read_both(out[0], err[0], ended);
  waitpid(child, &ended.status, 0);
  return ended;
}

Environment with_plugin(const std::string& output) {
  return {{"CUDA_INJECTION64_PATH", plugin_path()},
          {"NVTX_INJECTION64_PATH", plugin_path()},
          {"ROOFTOP_OUTPUT", output}};
}

std::size_t TraceContent::count(const std::string& name) const {
  return static_cast<std::size_t>(
      std::count_if(scopes.begin(), scopes.end(), [&](const auto& s) { return s.name == name; }));
}

const NamedScope* TraceContent::find(const std::string& name) const {
  const auto found =
      std::find_if(scopes.begin(), scopes.end(), [&](const auto& s) { return s.name == name; });
  return found == scopes.end() ? nullptr : &*found;
}

TraceContent read_trace(const fs::path& path) {
  struct Collect : trace::Visitor {
    TraceContent content;
    const trace::Reader* reader = nullptr;
    void scopes(std::span<const ScopeRecord> records) override {
      for (const ScopeRecord& r : records) {
        content.scopes.push_back(
            {r, std::string(reader->string(r.name)), std::string(reader->string(r.args))});
      }
    }
    void kernels(std::span<const KernelRecord> records) override {
      content.kernels.insert(content.kernels.end(), records.begin(), records.end());
    }
    void drops(std::span<const DropRecord> records) override {
      for (const DropRecord& r : records) content.dropped += r.count;
    }
  } collect;
  trace::Reader reader(path.string());
  collect.reader = &reader;
  reader.read(collect);
  collect.content.meta = reader.meta();
  collect.content.truncated = reader.recovery().truncated;
  return collect.content;
}

std::vector<fs::path> traces_in(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".rtrace") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

Folder::Folder() {
  std::string pattern = (fs::temp_directory_path() / "rooftop-plugin-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder " + pattern);
  path_ = pattern;
}
Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace rooftop::plugin::testing
