#include "tools/run_again.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "profiler/core/error.h"

namespace rooftop::tools {
namespace {

// The environment, in which the child is told to print its progress as lines.
std::vector<char*> child_environment(std::string& progress_setting) {
  progress_setting = fmt::format("{}={}", kProgressVariable, kProgressLines);
  std::vector<char*> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(std::string(kProgressVariable) + "="))
      out.push_back(*entry);
  }
  out.push_back(progress_setting.data());
  out.push_back(nullptr);
  return out;
}

pid_t spawn(const std::vector<std::string>& arguments, int stderr_end) {
  std::vector<std::string> words{"rooftop"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string setting;
  const std::vector<char*> environment = child_environment(setting);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, stderr_end, STDERR_FILENO);
  pid_t child = 0;
  const int error =
      posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    throw InputError(fmt::format("rooftop cannot be started again: {}", std::strerror(error)));
  return child;
}

// "progress 0.25 what": what Progress prints where it is asked for lines.
bool take_progress(std::string_view line, Progress& progress) {
  if (!line.starts_with(kProgressLine)) return false;
  line.remove_prefix(kProgressLine.size());
  double fraction = 0;
  const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), fraction);
  if (error != std::errc{}) return true;
  line.remove_prefix(static_cast<std::size_t>(rest - line.data()));
  if (line.starts_with(' ')) line.remove_prefix(1);
  progress.update(fraction, line);
  return true;
}

std::string follow(int from, Progress& progress) {
  std::string pending;
  std::string last;
  std::array<char, 4096> chunk{};
  while (true) {
    const ssize_t count = read(from, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    pending.append(chunk.data(), static_cast<std::size_t>(count));
    std::size_t end = 0;
    while ((end = pending.find('\n')) != std::string::npos) {
      const std::string line = pending.substr(0, end);
      pending.erase(0, end + 1);
      if (!line.empty() && !take_progress(line, progress)) last = line;
    }
    if (pending.size() > (1U << 16)) pending.clear();  // no line of ours
  }
  return pending.empty() ? last : pending;
}

void add_engine(const EngineChoice& engine, std::vector<std::string>& out) {
  const auto add = [&](std::string_view name, const std::string& value) {
    out.emplace_back(fmt::format("--{}={}", name, value));
  };
  add("model", engine.model);
  add("device", engine.device);
  if (!engine.dtype.empty()) add("dtype", engine.dtype);
  add("attention", engine.attention);
  if (engine.layers > 0) add("layers", std::to_string(engine.layers));
  if (engine.threads > 0) add("threads", std::to_string(engine.threads));
  add("seed", std::to_string(engine.seed));
  if (!engine.measure_roofs) out.emplace_back("--no-roofs");
  if (!engine.scopes) out.emplace_back("--no-scopes");
  add("graphs", engine.graphs);
  add("capture", engine.capture);
  if (engine.replay) out.emplace_back("--replay");
}

}  // namespace

ChildResult run_again(const std::vector<std::string>& arguments, Progress& progress) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    throw InputError(fmt::format("no pipe to a second run: {}", std::strerror(errno)));
  pid_t child = 0;
  try {
    child = spawn(arguments, ends[1]);
  } catch (const InputError&) {
    close(ends[0]);
    close(ends[1]);
    throw;
  }
  close(ends[1]);
  ChildResult result;
  result.last_words = follow(ends[0], progress);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  constexpr std::string_view name = "rooftop: ";
  if (result.last_words.starts_with(name)) result.last_words.erase(0, name.size());
  return result;
}

std::vector<std::string> arguments_of(const RunOptions& options) {
  std::vector<std::string> out{"run"};
  add_engine(options.engine, out);
  for (const std::string& prompt : options.prompts) out.push_back("--prompt=" + prompt);
  for (const std::string& ids : options.prompt_tokens) out.push_back("--prompt-tokens=" + ids);
  out.push_back(fmt::format("--batch={}", options.batch));
  out.push_back(fmt::format("--max-tokens={}", options.max_tokens));
  out.push_back(fmt::format("--temperature={}", options.temperature));
  out.push_back(fmt::format("--top-p={}", options.top_p));
  if (options.ignore_eos) out.emplace_back("--ignore-eos");
  out.push_back(fmt::format("--candidates={}", options.candidates));
  return out;
}

std::vector<std::string> arguments_of(const SweepOptions& options) {
  std::vector<std::string> out{"sweep"};
  add_engine(options.engine, out);
  if (!options.batches.empty())
    out.push_back(fmt::format("--batches={}", fmt::join(options.batches, ",")));
  if (!options.lengths.empty())
    out.push_back(fmt::format("--lengths={}", fmt::join(options.lengths, ",")));
  if (!options.grid.empty()) out.push_back("--grid=" + options.grid);
  out.push_back(fmt::format("--candidates={}", fmt::join(options.candidates, ",")));
  out.push_back(fmt::format("--phases={}", fmt::join(options.phases, ",")));
  out.push_back(fmt::format("--repeats={}", options.repeats));
  if (options.max_cell_seconds > 0)
    out.push_back(fmt::format("--max-cell-seconds={}", options.max_cell_seconds));
  return out;
}

}  // namespace rooftop::tools
