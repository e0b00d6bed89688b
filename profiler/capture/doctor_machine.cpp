#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "profiler/capture/doctor.h"

namespace rooftop::capture {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestFile = 65536;
constexpr unsigned kCapSysAdmin = 21;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string out(kLargestFile, '\0');
  file.read(out.data(), static_cast<std::streamsize>(out.size()));
  out.resize(static_cast<std::size_t>(file.gcount()));
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// What follows "NAME:" on its line.
std::string_view field(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':'))
      return trimmed(line.substr(name.size() + 1));
  }
  return {};
}

// "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build ...": the
// first word that is a number with points.
std::string module_version(const std::string& text) {
  std::string_view line = field(text, "NVRM version");
  while (!line.empty()) {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(line.size(), word.size() + 1));
    const bool number = word.find('.') != std::string_view::npos &&
                        word.find_first_not_of("0123456789.") == std::string_view::npos;
    if (number) return std::string(word);
  }
  return {};
}

std::vector<fs::path> entries(const std::string& folder) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    out.push_back(it->path());
  std::sort(out.begin(), out.end());
  return out;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// Names of processes, cut by the kernel after 15 characters.
void look_at_processes(const std::string& root, MachineState& state) {
  constexpr std::array<std::string_view, 7> kHolders = {
      "nv-hostengine", "dcgm-exporter", "dcgmi", "nsys", "nsys-launcher", "ncu", "nv-nsight-cu-cl"};
  for (const fs::path& process : entries(root + "/proc")) {
    if (!is_number(process.filename().string())) continue;
    const std::string text = read((process / "comm").string());
    const std::string name(trimmed(text));
    if (name.starts_with("nvidia-cuda-mps")) state.mps = true;
    if (std::find(kHolders.begin(), kHolders.end(), name) != kHolders.end())
      state.counter_holders.push_back(name + " (process " + process.filename().string() + ")");
  }
}

void look_at_user(const std::string& root, MachineState& state) {
  const std::string status = read(root + "/proc/self/status");
  const std::string_view user = field(status, "Uid");
  std::from_chars(user.data(), user.data() + user.size(), state.user);
  const std::string_view capabilities = field(status, "CapEff");
  std::uint64_t bits = 0;
  std::from_chars(capabilities.data(), capabilities.data() + capabilities.size(), bits, 16);
  // Root without the capability (a container's) is no administrator to the driver.
  state.admin = ((bits >> kCapSysAdmin) & 1U) != 0;
}

}  // namespace

MachineState look_at_machine(const std::string& root) {
  MachineState state;
  const std::string driver = root + "/proc/driver/nvidia/";
  state.kernel_driver = module_version(read(driver + "version"));
  for (const fs::path& gpu : entries(driver + "gpus")) {
    const std::string information = read((gpu / "information").string());
    if (const auto model = field(information, "Model"); !model.empty())
      state.models.emplace_back(model);
  }
  const std::string parameters = read(driver + "params");
  const std::string_view restricted = field(parameters, "RmProfilingAdminOnly");
  if (restricted == "0") state.counters = MachineState::Counters::kEveryone;
  if (restricted == "1") state.counters = MachineState::Counters::kAdminOnly;
  const std::string release = read(root + "/proc/sys/kernel/osrelease");
  state.wsl = release.find("icrosoft") != std::string::npos;
  std::error_code error;
  state.container =
      fs::exists(root + "/.dockerenv", error) || fs::exists(root + "/run/.containerenv", error);
  look_at_user(root, state);
  look_at_processes(root, state);
  return state;
}

}  // namespace rooftop::capture
