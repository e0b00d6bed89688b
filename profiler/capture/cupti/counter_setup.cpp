#include "profiler/capture/cupti/counter_setup.h"

#include <cstdlib>
#include <span>

#include "profiler/capture/cupti/chip_names.h"
#include "profiler/capture/cupti/chip_support.h"
#include "profiler/capture/cupti/range_session.h"

namespace rooftop::capture {
namespace {

// The plan's configurations as hosts. One that takes more than a pass here is left out: CUPTI would
// run each kernel again for every further pass.
Status open_hosts(const CuptiApi& api, const CounterPlan& plan, bool replay, CounterSetup& setup) {
  for (const CounterConfiguration& planned : plan.configurations) {
    auto host = std::make_unique<MetricHost>(api);
    if (Status status =
            host->open(CUPTI_PROFILER_TYPE_RANGE_PROFILER, setup.chip, setup.availability);
        !status.ok())
      return status;
    if (Status status = host->schedule(planned.metrics); !status.ok()) return status;
    if (host->passes() != 1 && !replay) {
      setup.notes.push_back("Counters: " + planned.metrics.back() + " and those with it take " +
                            std::to_string(host->passes()) +
                            " passes on this device and were left out (--replay reads them).");
      continue;
    }
    setup.configurations.push_back(planned);
    setup.configurations.back().passes = host->passes();
    setup.hosts.push_back(std::move(host));
    if (planned.kind == CounterKind::kRange) ++setup.hardware;
  }
  if (setup.hardware == 0)
    return Status::failed("no counters of " + setup.chip +
                          " can be read in one pass on this device: ask for --replay");
  return {};
}

Status plan_for(const CuptiApi& api, const CounterOptions& options, const std::string& chip,
                std::span<const std::uint8_t> availability, CounterPlan& plan) {
  PlanRequest request;
  request.chip = chip;
  request.types = options.types;
  request.range_availability = availability;
  request.sampling = false;
  request.replay = options.replay;
  return plan_counters(api, request, plan);
}

void note_left_out(const CounterPlan& plan, CounterSetup& setup) {
  for (const std::string& sentence : plan.left_out)
    setup.notes.push_back("Counters: " + sentence + ".");
}

// Whether all of the plan can be counted with what the device offers; else `setup` is as before.
bool use_early(const CuptiApi& api, const EarlyPlan& early, bool replay, CounterSetup& setup) {
  if (early.chip.empty() || early.chip != setup.chip) return false;
  const std::size_t notes = setup.notes.size();
  note_left_out(early.plan, setup);
  if (open_hosts(api, early.plan, replay, setup).ok() &&
      setup.hosts.size() == early.plan.configurations.size())
    return true;
  setup.notes.resize(notes);
  setup.hosts.clear();
  setup.configurations.clear();
  setup.hardware = 0;
  return false;
}

}  // namespace

Status plan_early(const CuptiApi& api, const CudaDriver& driver, const CounterOptions& options,
                  EarlyPlan& early) {
  early = {};
  int devices = 0;
  CUdevice first = 0;
  // Before the program has called cuInit there is nothing to be asked.
  if (driver.cuDeviceGetCount(&devices) != CUDA_SUCCESS || devices == 0 ||
      driver.cuDeviceGet(&first, 0) != CUDA_SUCCESS)
    return {};
  std::string chip;
  Status status = profiling_supported(api, first, CUPTI_PROFILER_RANGE_PROFILING);
  if (status.ok()) status = chip_name(api, 0, chip);
  if (status.ok()) status = plan_for(api, options, chip, {}, early.plan);
  if (status.ok()) early.chip = chip;
  return devices == 1 ? status : Status();  // the program may use another one
}

Status set_up_counters(const CuptiApi& api, const CudaDriver& driver, CUcontext context,
                       const CounterOptions& options, const EarlyPlan& early, CounterSetup& setup) {
  setup = {};
  setup.context = context;
  if (driver.cuCtxGetDevice(&setup.device) != CUDA_SUCCESS)
    return Status::failed("counters: the driver does not tell the device of the CUDA context");
  if (!options.allow_communication) {
    if (Status status = may_serialise(driver); !status.ok()) return status;
    if (const std::string library = communication_library(); !library.empty()) {
      setup.notes.push_back("Counters: a communication library is loaded (" + library +
                            "); counting ends with the first step that launches its kernels.");
    }
  }
  if (Status status = profiling_supported(api, setup.device, CUPTI_PROFILER_RANGE_PROFILING);
      !status.ok())
    return status;
  if (Status status = chip_name(api, static_cast<std::uint32_t>(setup.device), setup.chip);
      !status.ok())
    return status;
  if (Status status = range_availability(api, context, setup.availability); !status.ok())
    return status;
  if (use_early(api, early, options.replay, setup)) return {};
  CounterPlan plan;
  if (Status status = plan_for(api, options, setup.chip, setup.availability, plan); !status.ok())
    return status;
  note_left_out(plan, setup);
  return open_hosts(api, plan, options.replay, setup);
}

CounterOptions counter_options_from_environment() {
  CounterOptions options;
  if (const char* folder = std::getenv("ROOFTOP_SAVE_COUNTERS")) options.save_counters = folder;
  return options;
}

int steps_to_count(const CuptiApi& api, const CudaDriver& driver, std::uint32_t ordinal,
                   const std::vector<std::string>& types) {
  std::vector<MachineChip> chips;
  if (!machine_chips(api, driver, chips).ok() || ordinal >= chips.size()) return 1;
  PlanRequest request;
  request.chip = chips[ordinal].chip;
  request.types = types;
  request.sampling = false;
  CounterPlan plan;
  if (!plan_counters(api, request, plan).ok()) return 1;
  int steps = 0;
  for (const CounterConfiguration& c : plan.configurations)
    steps += c.kind == CounterKind::kSass ? 2 : 1;
  return steps;
}

}  // namespace rooftop::capture
