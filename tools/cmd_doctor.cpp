#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "profiler/capture/doctor.h"
#include "profiler/capture/doctor_gpus.h"
#include "tools/commands.h"

namespace rooftop::tools {
namespace {

using capture::CuptiState;
using capture::GpuState;
using capture::MachineState;
using capture::Rung;

constexpr std::size_t kWidth = 96;
constexpr std::size_t kIndent = 16;

std::string_view who_may_read(const MachineState& machine) {
  switch (machine.counters) {
    case MachineState::Counters::kEveryone:
      return "everyone";
    case MachineState::Counters::kAdminOnly:
      return "administrators only";
    case MachineState::Counters::kUnknown:
      break;
  }
  return "unknown";
}

// `text` broken at blanks, its further lines indented.
std::string wrapped(std::string_view text) {
  std::string out;
  std::size_t column = kIndent;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (column > kIndent && column + 1 + word.size() > kWidth) {
      out += "\n" + std::string(kIndent, ' ');
      column = kIndent;
    } else if (column > kIndent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

void print_fact(std::string_view name, std::string_view value) {
  if (!value.empty()) fmt::print("  {:<14}{}\n", name, wrapped(value));
}

std::string describe(const GpuState& gpu) {
  std::string out =
      fmt::format("{}, compute capability {}.{}", gpu.name, gpu.compute_major, gpu.compute_minor);
  if (!gpu.chip.empty()) out += ", " + gpu.chip;
  if (gpu.virtual_gpu) out += ", virtual GPU";
  if (gpu.mig) out += ", MIG instance";
  return out;
}

void print_machine(const MachineState& machine, const CuptiState& cupti) {
  fmt::print("Machine\n");
  std::string driver = machine.kernel_driver.empty() ? "none found" : machine.kernel_driver;
  if (!cupti.driver_cuda.empty()) driver += fmt::format(" (CUDA {})", cupti.driver_cuda);
  print_fact("driver", driver);
  for (const GpuState& gpu : cupti.gpus) print_fact("GPU", describe(gpu));
  if (cupti.gpus.empty()) {
    for (const std::string& model : machine.models) print_fact("GPU", model);
  }
  print_fact("CUPTI",
             cupti.cupti.ok() ? fmt::format("{}, {}", cupti.version, cupti.path) : "none found");
  print_fact("counters", machine.counters == MachineState::Counters::kUnknown
                             ? "not known who may read them"
                             : "readable by " + std::string(who_may_read(machine)));
  print_fact("user",
             fmt::format("{}, {}administrator", machine.user, machine.admin ? "an " : "no "));
  for (const std::string& holder : machine.counter_holders) print_fact("held by", holder);
  if (machine.mps) print_fact("MPS", "its control daemon or server runs");
  if (machine.wsl) print_fact("WSL", "yes");
  if (machine.container) print_fact("container", "yes");
}

bool coloured() {
  const char* no_color = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0');
}

void print_ladder(const std::vector<Rung>& rungs) {
  const bool colour = coloured();
  fmt::print("\nWhat can be recorded\n");
  for (const Rung& rung : rungs) {
    const std::string verdict = rung.works ? "works" : "does not work";
    const std::string shown =
        colour ? fmt::format("\033[{}m{}\033[0m", rung.works ? 32 : 31, verdict) : verdict;
    fmt::print("  {:<14}{}: {}\n", rung.name, shown, rung.records);
    if (!rung.why.empty())
      print_fact("", fmt::format("{}{}", rung.works ? "but " : "because ", rung.why));
    if (!rung.remedy.empty()) print_fact("", "-> " + rung.remedy);
  }
}

void print_json(const MachineState& machine, const CuptiState& cupti,
                const std::vector<Rung>& rungs) {
  nlohmann::ordered_json json;
  json["driver"] = {{"kernel_module", machine.kernel_driver}, {"cuda", cupti.driver_cuda}};
  json["cupti"] = {{"version", cupti.version}, {"path", cupti.path}};
  json["gpus"] = nlohmann::ordered_json::array();
  for (const GpuState& gpu : cupti.gpus) {
    json["gpus"].push_back(
        {{"name", gpu.name},
         {"chip", gpu.chip},
         {"compute_capability", fmt::format("{}.{}", gpu.compute_major, gpu.compute_minor)},
         {"virtual", gpu.virtual_gpu},
         {"mig", gpu.mig}});
  }
  json["counters"] = {{"readable_by", who_may_read(machine)},
                      {"user", machine.user},
                      {"administrator", machine.admin},
                      {"holders", machine.counter_holders}};
  json["mps"] = machine.mps;
  json["wsl"] = machine.wsl;
  json["container"] = machine.container;
  json["rungs"] = nlohmann::ordered_json::array();
  for (const Rung& rung : rungs) {
    json["rungs"].push_back(
        {{"name", rung.name}, {"works", rung.works}, {"why", rung.why}, {"remedy", rung.remedy}});
  }
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

int doctor_command(const DoctorOptions& options) {
  const MachineState machine = capture::look_at_machine();
  const CuptiState cupti = capture::look_at_gpus();
  const std::vector<Rung> rungs = capture::ladder(machine, cupti);
  if (options.json) {
    print_json(machine, cupti, rungs);
  } else {
    print_machine(machine, cupti);
    print_ladder(rungs);
  }
  const bool gpu = std::any_of(rungs.begin(), rungs.end(), [](const Rung& rung) {
    return rung.works && rung.name != "scopes";
  });
  return gpu ? 0 : 1;
}

}  // namespace rooftop::tools
