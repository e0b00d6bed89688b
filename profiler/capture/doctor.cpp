#include "profiler/capture/doctor.h"

#include <array>
#include <string_view>

namespace rooftop::capture {
namespace {

constexpr std::string_view kPermission =
    "run as root, give the process CAP_SYS_ADMIN (containers: --cap-add=SYS_ADMIN), or load the "
    "driver with the option NVreg_RestrictProfilingToAdminUsers=0";

Rung make(const char* name, const char* records) {
  Rung rung;
  rung.name = name;
  rung.records = records;
  return rung;
}

void refuse(Rung& rung, std::string why, std::string_view remedy) {
  if (!rung.why.empty()) return;  // the first reason is the one to mend first
  rung.why = std::move(why);
  rung.remedy = remedy;
}

// A message of the capture layer is "what happened: what to do".
void refuse(Rung& rung, const Status& status) {
  const std::string& text = status.message();
  const std::size_t colon = text.find(": ");
  if (colon == std::string::npos) {
    refuse(rung, text, "");
  } else {
    refuse(rung, text.substr(0, colon), std::string_view(text).substr(colon + 2));
  }
}

void need_driver(Rung& rung, const MachineState& machine, const CuptiState& cupti) {
  if (!cupti.driver.ok()) {
    if (machine.wsl)
      refuse(rung, "no NVIDIA driver can be reached under WSL",
             "install the driver in Windows, not in Linux");
    if (!machine.kernel_driver.empty() && machine.container)
      refuse(rung, "the machine has an NVIDIA driver that this container does not see",
             "start the container with --gpus all (NVIDIA's container toolkit)");
    refuse(rung, cupti.driver);
  } else if (cupti.gpus.empty()) {
    refuse(rung, "the driver shows no GPU", "look at CUDA_VISIBLE_DEVICES and at nvidia-smi");
  }
}

// What counters need beside a driver.
void need_counters(Rung& rung, const MachineState& machine, const CuptiState& cupti,
                   Status GpuState::*answer) {
  if (machine.counters == MachineState::Counters::kAdminOnly && !machine.admin)
    refuse(rung, "this user may not read the GPU's counters", kPermission);
  for (const GpuState& gpu : cupti.gpus) {
    if (!(gpu.*answer).ok()) refuse(rung, gpu.*answer);
  }
}

// What need not fail, and may.
void warn(Rung& rung, const MachineState& machine, const CuptiState& cupti) {
  const auto add = [&](std::string_view text) {
    rung.why += (rung.why.empty() ? "" : "; ") + std::string(text);
  };
  if (!machine.counter_holders.empty()) {
    std::string who;
    for (const std::string& name : machine.counter_holders) who += (who.empty() ? "" : ", ") + name;
    add("while " + who + " holds the counters they are refused");
    const bool dcgm =
        who.find("hostengine") != std::string::npos || who.find("dcgm") != std::string::npos;
    rung.remedy = dcgm ? "pause it for the time of a recording: dcgmi profile --pause"
                       : "end it for the time of a recording";
  }
  if (machine.mps) add("programs under MPS are likely to be refused");
  for (const GpuState& gpu : cupti.gpus) {
    if (gpu.mig) {
      add("a MIG instance that shares its counters is refused");
      break;
    }
  }
}

}  // namespace

std::vector<Rung> ladder(const MachineState& machine, const CuptiState& cupti) {
  Rung scopes = make("scopes", "what the engine says it does: NVTX ranges of the host");
  scopes.works = true;
  Rung timeline = make("timeline", "every kernel and copy with its time");
  Rung sampling = make("sampling", "DRAM bytes and tensor activity, sampled beside the timeline");
  Rung counters = make("counters", "DRAM bytes and FLOPs of every kernel, exactly");
  for (Rung* rung : {&timeline, &sampling, &counters}) {
    need_driver(*rung, machine, cupti);
    if (!cupti.cupti.ok()) refuse(*rung, cupti.cupti);
    if (rung != &counters && !cupti.timeline.ok()) refuse(*rung, cupti.timeline);
  }
  need_counters(sampling, machine, cupti, &GpuState::sampling);
  need_counters(counters, machine, cupti, &GpuState::counters);
  for (Rung* rung : {&timeline, &sampling, &counters}) rung->works = rung->why.empty();
  for (Rung* rung : {&sampling, &counters}) {
    if (rung->works) warn(*rung, machine, cupti);
  }
  return {scopes, timeline, sampling, counters};
}

}  // namespace rooftop::capture
