#include "profiler/capture/cupti/counter_plan.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <unordered_set>

#include "profiler/capture/cupti/metric_host.h"

namespace rooftop::capture {
namespace {

constexpr std::string_view kTensorPrefix = "sm__ops_path_tensor_";
constexpr std::string_view kDense = "_sparsity_off";
constexpr std::string_view kSass = "smsp__sass_thread_inst_executed_op_";

// Types in the order in which they are counted where nobody says which are in use.
constexpr std::array<std::string_view, 9> kTypes = {"bf16", "fp16", "fp8",  "tf32", "int8",
                                                    "fp4",  "fp6",  "fp64", "int4"};
constexpr std::size_t kRareTypes = 2;  // the last ones: counted where nothing else wants the room

// CUDA-core operations. The packed ones ("fadd2": two at once) exist on data-centre Blackwell.
constexpr std::array<std::string_view, 12> kSassOperations = {"fadd", "fmul",  "ffma",  "hadd",
                                                              "hmul", "hfma",  "dadd",  "dmul",
                                                              "dfma", "fadd2", "fmul2", "ffma2"};

constexpr std::array<std::string_view, 4> kPmMetrics = {
    "sm__pipe_tensor_cycles_active", "sm__cycles_active", "sm__cycles_elapsed", "lts__t_bytes"};

using Names = std::vector<std::string>;
using Has = std::unordered_set<std::string>;

std::string sum(std::string_view metric) { return std::string(metric) + ".sum"; }

// Read and write; GB20x spells them with "op". Empty: none.
Names dram_metrics(const Has& has) {
  for (const auto& [read, write] : {std::pair{"dram__bytes_read", "dram__bytes_write"},
                                    std::pair{"dram__bytes_op_read", "dram__bytes_op_write"}}) {
    if (has.contains(read) && has.contains(write)) return {sum(read), sum(write)};
  }
  return {};
}

// One chip, one kind of profiler.
class Scheduler {
 public:
  Scheduler(const CuptiApi& api, CUpti_ProfilerType type, const std::string& chip,
            std::span<const std::uint8_t> availability)
      : api_(api), type_(type), chip_(chip), availability_(availability) {}

  Status open() {
    MetricHost host(api_);
    if (Status status = host.open(type_, chip_, availability_); !status.ok()) return status;
    Names names;
    if (Status status = host.base_metrics(names); !status.ok()) return status;
    has_ = Has(names.begin(), names.end());
    return {};
  }

  [[nodiscard]] const Has& has() const { return has_; }

  // 0: not at all.
  [[nodiscard]] std::size_t passes(const Names& metrics) const {
    MetricHost host(api_);
    const bool scheduled =
        host.open(type_, chip_, availability_).ok() && host.schedule(metrics).ok();
    return scheduled ? host.passes() : 0;
  }

  // Adds to `chosen` those of `wanted` that still fit one pass with it, in order, and takes them
  // from `wanted`.
  void fill(Names& chosen, Names& wanted) const {
    std::erase_if(wanted, [&](const std::string& metric) {
      chosen.push_back(metric);
      if (passes(chosen) == 1) return true;
      chosen.pop_back();
      return false;
    });
  }

 private:
  const CuptiApi& api_;
  CUpti_ProfilerType type_;
  std::string chip_;
  std::span<const std::uint8_t> availability_;
  Has has_;
};

std::size_t rank_of(const std::string& type, std::span<const std::string> in_use) {
  if (const auto it = std::ranges::find(in_use, type); it != in_use.end())
    return static_cast<std::size_t>(it - in_use.begin());
  const auto it = std::ranges::find(kTypes, type);
  return in_use.size() + static_cast<std::size_t>(it - kTypes.begin());
}

// Newer instructions first: a chip's libraries use the newest that it has.
int instruction_rank(std::string_view metric) {
  if (metric.find("_op_utc") != std::string_view::npos) return 0;
  if (metric.find("gmma_") != std::string_view::npos) return 1;
  return 2;
}

// Counters of dense tensor operations, the most wanted first. Those that add up several
// instructions take far more of the hardware than those of one instruction without sparsity, so
// they are the choice only where nothing else counts their type.
Names tensor_metrics(const Has& has, std::span<const std::string> in_use) {
  std::vector<std::string> dense;
  std::vector<std::string> aggregates;
  std::unordered_set<std::string> counted;  // types
  for (const std::string& name : has) {
    if (!name.starts_with(kTensorPrefix) || name.ends_with("_realtime")) continue;
    const Names types = operand_types(name);
    const bool known = std::ranges::any_of(types, [](const std::string& type) {
      return std::ranges::find(kTypes, type) != kTypes.end();
    });
    if (!known || name.ends_with("_sparsity_on")) continue;
    if (name.ends_with(kDense)) {
      dense.push_back(name);
      counted.insert(types.begin(), types.end());
    } else {
      aggregates.push_back(name);
    }
  }
  std::ranges::copy_if(aggregates, std::back_inserter(dense), [&](const std::string& name) {
    return std::ranges::none_of(operand_types(name),
                                [&](const std::string& type) { return counted.contains(type); });
  });

  // Within a type the newest instruction first, what is rare (half-precision sums) last; then each
  // type's first, each type's second, ..., so that one type in use does not crowd out another.
  struct Ranked {
    std::string name;
    std::size_t type = 0;
    bool rare = false;
    std::size_t place = 0;  // among those of its type
  };
  std::vector<Ranked> ranked;
  for (std::string& name : dense) {
    Ranked r{.name = std::move(name)};
    const Names types = operand_types(r.name);
    r.type = rank_of(types.front(), in_use);
    for (const std::string& type : types) r.type = std::min(r.type, rank_of(type, in_use));
    r.rare = r.name.find("_dst_fp16") != std::string::npos ||
             r.type >= in_use.size() + kTypes.size() - kRareTypes;
    ranked.push_back(std::move(r));
  }
  std::ranges::sort(ranked, {}, [](const Ranked& r) {
    return std::tuple(r.type, r.rare, instruction_rank(r.name), r.name);
  });
  for (std::size_t i = 1; i < ranked.size(); ++i) {
    if (ranked[i].type == ranked[i - 1].type) ranked[i].place = ranked[i - 1].place + 1;
  }
  std::ranges::stable_sort(ranked, {}, [&](const Ranked& r) {
    return std::tuple(r.type >= in_use.size(), r.rare, r.place, r.type);
  });
  Names out;
  for (const Ranked& r : ranked) out.push_back(sum(r.name));
  return out;
}

Status no_dram(const std::string& chip) {
  return Status::failed(chip +
                        " has no counters of DRAM bytes: its memory belongs to the whole system, "
                        "so that only modelled bytes can be shown");
}

void plan_ranges(const Scheduler& scheduler, const Names& dram, const PlanRequest& request,
                 CounterPlan& plan) {
  Names base = dram;
  base.push_back("gpu__time_duration.sum");
  if (scheduler.has().contains("lts__t_bytes")) base.push_back("lts__t_bytes.sum");
  Names in_use;
  for (const std::string& type : request.types) {
    if (std::string known = tensor_type(type); !known.empty()) in_use.push_back(std::move(known));
  }
  Names wanted = tensor_metrics(scheduler.has(), in_use);
  do {
    const std::size_t before = wanted.size();
    CounterConfiguration configuration{.kind = CounterKind::kRange, .passes = 1, .metrics = base};
    if (request.replay) {
      configuration.metrics.insert(configuration.metrics.end(), wanted.begin(), wanted.end());
      wanted.clear();
    }
    scheduler.fill(configuration.metrics, wanted);
    if (wanted.size() == before && !wanted.empty()) {
      // Nothing more fits beside DRAM bytes.
      for (const std::string& metric : wanted)
        plan.left_out.push_back(metric + " does not fit one pass with DRAM bytes");
      if (!plan.configurations.empty()) return;
      wanted.clear();
    }
    configuration.passes = scheduler.passes(configuration.metrics);
    plan.configurations.push_back(std::move(configuration));
  } while (!wanted.empty());
}

void plan_sass(const Scheduler& scheduler, CounterPlan& plan) {
  Names wanted;
  for (const std::string_view operation : kSassOperations) {
    const std::string name = std::string(kSass) + std::string(operation) + "_pred_on";
    if (scheduler.has().contains(name)) wanted.push_back(sum(name));
  }
  while (!wanted.empty()) {
    CounterConfiguration configuration{.kind = CounterKind::kSass, .passes = 1, .metrics = {}};
    scheduler.fill(configuration.metrics, wanted);
    if (configuration.metrics.empty()) {
      plan.left_out.push_back(wanted.front() + " does not fit one pass");
      wanted.erase(wanted.begin());
      continue;
    }
    plan.configurations.push_back(std::move(configuration));
  }
}

Status plan_sampling(const CuptiApi& api, const PlanRequest& request, CounterPlan& plan) {
  Scheduler scheduler(api, CUPTI_PROFILER_TYPE_PM_SAMPLING, request.chip, request.pm_availability);
  if (Status status = scheduler.open(); !status.ok()) return status;
  CounterConfiguration configuration{
      .kind = CounterKind::kPm, .passes = 1, .metrics = dram_metrics(scheduler.has())};
  if (configuration.metrics.empty()) return no_dram(request.chip);
  Names wanted;
  for (const std::string_view metric : kPmMetrics) {
    if (scheduler.has().contains(std::string(metric))) wanted.push_back(sum(metric));
  }
  scheduler.fill(configuration.metrics, wanted);
  for (const std::string& metric : wanted)
    plan.left_out.push_back(metric + " cannot be sampled with DRAM bytes");
  configuration.passes = scheduler.passes(configuration.metrics);
  plan.configurations.push_back(std::move(configuration));
  return {};
}

}  // namespace

std::string_view to_string(CounterKind kind) {
  switch (kind) {
    case CounterKind::kRange:
      return "range";
    case CounterKind::kSass:
      return "sass";
    case CounterKind::kPm:
      return "pm";
  }
  return "";
}

std::string tensor_type(std::string_view name) {
  if (name == "f16" || name == "f64" || name == "f8") return "fp" + std::string(name.substr(1));
  // What tensor cores make of 32-bit operands.
  if (name == "f32" || name == "fp32") return "tf32";
  return std::ranges::find(kTypes, name) != kTypes.end() ? std::string(name) : std::string();
}

std::vector<std::string> operand_types(std::string_view metric) {
  if (!metric.starts_with(kTensorPrefix)) return {};
  const std::size_t source = metric.find("src_");
  if (source == std::string_view::npos) return {};
  std::vector<std::string> types;
  std::string_view rest = metric.substr(source + 4);
  rest = rest.substr(0, std::min({rest.find("_dst"), rest.find("_sparsity"), rest.find("_realtime"),
                                  rest.find('.'), rest.size()}));
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('_'), rest.size());
    types.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return types;
}

Status plan_counters(const CuptiApi& api, const PlanRequest& request, CounterPlan& plan) {
  plan = {.chip = request.chip, .configurations = {}, .left_out = {}};
  if (!api.has_host())
    return Status::failed(
        "this CUPTI cannot plan counters: Rooftop needs CUPTI of CUDA 12.6 or newer");
  if (request.ranges) {
    Scheduler scheduler(api, CUPTI_PROFILER_TYPE_RANGE_PROFILER, request.chip,
                        request.range_availability);
    if (Status status = scheduler.open(); !status.ok())
      return Status::failed(request.chip + ": " + status.message());
    const Names dram = dram_metrics(scheduler.has());
    if (dram.empty()) return no_dram(request.chip);
    plan_ranges(scheduler, dram, request, plan);
    plan_sass(scheduler, plan);
  }
  if (!request.sampling) return {};
  Status status = plan_sampling(api, request, plan);
  if (status.ok() || plan.configurations.empty()) return status;
  // Volta has counters, but no sampling of them.
  plan.left_out.push_back("sampling: " + status.message());
  return {};
}

Status list_chips(const CuptiApi& api, std::vector<ChipSupport>& chips) {
  if (!api.has_host())
    return Status::failed(
        "this CUPTI cannot plan counters: Rooftop needs CUPTI of CUDA 12.6 or newer");
  std::vector<std::string> names;
  if (Status status = known_chips(api, names); !status.ok()) return status;
  for (const std::string& chip : names) {
    Scheduler scheduler(api, CUPTI_PROFILER_TYPE_RANGE_PROFILER, chip, {});
    Status status = scheduler.open();
    if (!status.ok()) status = Status::failed(chip + ": " + status.message());
    if (status.ok() && dram_metrics(scheduler.has()).empty()) status = no_dram(chip);
    chips.push_back({chip, status.ok() ? "" : status.message()});
  }
  return {};
}

}  // namespace rooftop::capture
