#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "profiler/core/error.h"
#include "profiler/roofline/device_table/device_table.h"
#include "tools/commands.h"

#ifdef ROOFTOP_HAVE_CUPTI
#include "profiler/capture/cupti/chip_names.h"
#include "profiler/capture/cupti/counter_plan.h"
#endif

namespace rooftop::tools {

#ifdef ROOFTOP_HAVE_CUPTI
namespace {

using capture::ChipSupport;
using capture::CounterConfiguration;
using capture::CounterKind;
using capture::CounterPlan;
using capture::CuptiApi;
using capture::MachineChip;
using Json = nlohmann::ordered_json;

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

// Throws what a status says.
void require(const Status& status) {
  if (!status.ok()) throw InputError(status.message());
}

const CuptiApi& require_cupti() {
  Status why;
  const CuptiApi* api = capture::find_cupti(why);
  if (api == nullptr) throw InputError(why.message());
  return *api;
}

std::vector<ChipSupport> chips_of(const CuptiApi& api) {
  std::vector<ChipSupport> chips;
  require(capture::list_chips(api, chips));
  return chips;
}

// Those that begin most like `name`: chips are named by generation.
std::string nearest(const std::vector<ChipSupport>& chips, const std::string& name) {
  const auto alike = [&](const ChipSupport& c) {
    return std::ranges::mismatch(c.chip, name).in1 - c.chip.begin();
  };
  const auto best = alike(*std::ranges::max_element(chips, {}, alike));
  std::string out;
  for (const ChipSupport& c : chips) {
    if (alike(c) == best && best > 0) out += (out.empty() ? "" : ", ") + c.chip;
  }
  return out;
}

// A chip's name in any case, or a device of the table that has one.
std::string find_chip(const CuptiApi& api, const std::string& wanted) {
  const std::vector<ChipSupport> chips = chips_of(api);
  const DeviceTable table = DeviceTable::built_in();
  const DeviceSpec* device = table.find(wanted);
  const std::string name = device != nullptr ? device->chip : upper(wanted);
  if (std::ranges::find(chips, name, &ChipSupport::chip) != chips.end()) return name;
  const std::string like = nearest(chips, name);
  throw InputError(fmt::format("CUPTI knows no chip '{}'{}: `rooftop metrics` lists the chips",
                               wanted, like.empty() ? "" : fmt::format(" (nearest: {})", like)));
}

std::vector<std::string> tensor_types(const std::vector<std::string>& names) {
  std::vector<std::string> types;
  for (const std::string& name : names) {
    const std::string type = capture::tensor_type(name);
    if (type.empty())
      throw InputError(fmt::format("'{}' is no type that tensor cores take: name {}", name,
                                   capture::kTensorTypes));
    types.push_back(type);
  }
  return types;
}

CounterPlan make_plan(const CuptiApi& api, const MetricsOptions& options, std::string chip) {
  capture::PlanRequest request;
  request.chip = std::move(chip);
  request.types = tensor_types(options.types);
  CounterPlan plan;
  require(capture::plan_counters(api, request, plan));
  return plan;
}

Json to_json(const CounterPlan& plan) {
  Json json{{"chip", plan.chip}, {"configurations", Json::array()}};
  for (const CounterConfiguration& c : plan.configurations) {
    json["configurations"].push_back(
        {{"kind", capture::to_string(c.kind)}, {"passes", c.passes}, {"metrics", c.metrics}});
  }
  return json;
}

std::string meaning(const std::string& metric) {
  const std::vector<std::string> types = capture::operand_types(metric);
  if (!types.empty()) {
    // "..._op_hgmma_src_...": the instruction; older chips count by type alone.
    const std::size_t op = metric.find("_op_");
    const std::size_t source = metric.find("_src_");
    const std::string instruction =
        op < source ? fmt::format(" ({})", metric.substr(op + 4, source - op - 4)) : "";
    const std::string_view sums = metric.find("_dst_fp16") < metric.size() ? ", fp16 sums" : "";
    return fmt::format("{} on tensor cores{}{}", fmt::join(types, "/"), instruction, sums);
  }
  const std::pair<std::string_view, std::string_view> known[] = {
      {"dram__bytes_read", "bytes read from DRAM"},
      {"dram__bytes_op_read", "bytes read from DRAM"},
      {"dram__bytes_write", "bytes written to DRAM"},
      {"dram__bytes_op_write", "bytes written to DRAM"},
      {"gpu__time_duration", "time of the counted run: not kept"},
      {"lts__t_bytes", "bytes through L2"},
      {"sm__pipe_tensor_cycles_active", "cycles of busy tensor cores"},
      {"sm__cycles_active", "cycles of SMs with work"},
      {"sm__cycles_elapsed", "cycles of all SMs"},
      {"smsp__sass_thread_inst_executed_op_f", "single-precision instructions"},
      {"smsp__sass_thread_inst_executed_op_h", "half-precision instructions"},
      {"smsp__sass_thread_inst_executed_op_d", "double-precision instructions"}};
  for (const auto& [prefix, text] : known) {
    if (metric.starts_with(prefix)) return std::string(text);
  }
  return "";
}

std::string_view kind_text(CounterKind kind) {
  switch (kind) {
    case CounterKind::kRange:
      return "Every kernel: bytes and tensor-core operations (range)";
    case CounterKind::kSass:
      return "Every kernel, until known: CUDA-core instructions (sass)";
    case CounterKind::kPm:
      return "The device, sampled (pm)";
  }
  return "";
}

void print_plan(const CounterPlan& plan) {
  fmt::print("{}: steps of equal shape take the range and sass configurations in turn\n",
             plan.chip);
  std::size_t width = 0;
  for (const CounterConfiguration& c : plan.configurations) {
    for (const std::string& metric : c.metrics) width = std::max(width, metric.size());
  }
  int number = 0;
  for (const CounterConfiguration& c : plan.configurations) {
    fmt::print("\n{}. {}, {} {}\n", ++number, kind_text(c.kind), c.passes,
               c.passes == 1 ? "pass" : "passes");
    for (const std::string& metric : c.metrics)
      fmt::print("   {:<{}}  {}\n", metric, width, meaning(metric));
  }
  for (const std::string& sentence : plan.left_out) fmt::print("\nLeft out: {}\n", sentence);
}

Json chip_list(const std::vector<ChipSupport>& chips) {
  Json json = Json::array();
  for (const ChipSupport& c : chips) {
    Json entry{{"chip", c.chip}, {"plannable", c.obstacle.empty()}};
    if (!c.obstacle.empty()) entry["reason"] = c.obstacle;
    json.push_back(entry);
  }
  return json;
}

void print_chips(const std::vector<ChipSupport>& chips, const std::string& why) {
  std::string names;
  std::size_t column = 0;
  for (const ChipSupport& c : chips) {
    if (!c.obstacle.empty()) continue;
    const bool fits = column + c.chip.size() < 72;
    names += (fits ? " " : "\n   ") + c.chip;
    column = fits ? column + c.chip.size() + 1 : c.chip.size();
  }
  fmt::print("{}.\n\nPlans that need no GPU (rooftop metrics --chip NAME):\n  {}\n\nNone for:\n",
             why, names);
  for (const ChipSupport& c : chips) {
    if (!c.obstacle.empty()) fmt::print("   {}\n", c.obstacle);
  }
}

int print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
  return 0;
}

// Without --chip: a plan for each of the machine's GPUs; without a GPU, the chips.
int metrics_of_machine(const CuptiApi& api, const MetricsOptions& options) {
  std::vector<MachineChip> machine;
  const Status found = capture::machine_chips(api, machine);
  if (!found.ok()) {
    const std::vector<ChipSupport> chips = chips_of(api);
    if (options.json) return print_json({{"reason", found.message()}, {"chips", chip_list(chips)}});
    print_chips(chips, found.message());
    return 0;
  }
  Json json{{"gpus", Json::array()}};
  for (const MachineChip& gpu : machine) {
    const CounterPlan plan = make_plan(api, options, gpu.chip);
    Json entry = to_json(plan);
    entry["device"] = gpu.ordinal;
    entry["name"] = gpu.name;
    json["gpus"].push_back(entry);
    if (options.json) continue;
    fmt::print("{}GPU {}: {}\n", gpu.ordinal == 0 ? "" : "\n", gpu.ordinal, gpu.name);
    print_plan(plan);
  }
  return options.json ? print_json(json) : 0;
}

}  // namespace

int metrics_command(const MetricsOptions& options) {
  const CuptiApi& api = require_cupti();
  if (options.chip.empty()) return metrics_of_machine(api, options);
  const CounterPlan plan = make_plan(api, options, find_chip(api, options.chip));
  if (options.json) return print_json(to_json(plan));
  print_plan(plan);
  return 0;
}

#else

int metrics_command(const MetricsOptions& /*options*/) {
  throw InputError(
      "this build of rooftop was made without CUPTI: build it where the CUDA toolkit is installed");
}

#endif

}  // namespace rooftop::tools
