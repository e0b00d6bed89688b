// What can be recorded on this machine, and what to do about the rest. In every build: what CUPTI
// and the driver say of the GPUs comes in as plain facts (doctor_gpus.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiler/core/error.h"

namespace rooftop::capture {

// What the operating system tells, of the machine and of this user.
struct MachineState {
  std::string kernel_driver;        // version of the loaded NVIDIA kernel module; empty: none
  std::vector<std::string> models;  // of the GPUs that the module drives
  enum class Counters : std::uint8_t { kUnknown, kEveryone, kAdminOnly };
  Counters counters = Counters::kUnknown;  // whom the module lets read them
  bool admin = false;                      // root, or CAP_SYS_ADMIN
  std::uint32_t user = 0;
  std::vector<std::string> counter_holders;  // processes that may hold the GPUs' counters
  bool mps = false;
  bool wsl = false;
  bool container = false;
};

// `root` stands before every path that is looked at: "" for this machine.
MachineState look_at_machine(const std::string& root = "");

// What the driver and CUPTI tell of one GPU.
struct GpuState {
  std::string name;
  std::string chip;  // "GH100"; empty: unknown
  std::uint32_t compute_major = 0;
  std::uint32_t compute_minor = 0;
  bool virtual_gpu = false;
  bool mig = false;
  Status counters;  // each: whether the device lets itself be recorded in that way
  Status sampling;
};

struct CuptiState {
  Status driver;            // why there is none to talk to
  std::string driver_cuda;  // "13.0": what the driver supports
  Status cupti;             // why there is none
  std::string version;      // of CUPTI, as CUDA counts: "13.0 (130001)"
  std::string path;
  Status timeline;  // whether activity records can be had
  std::vector<GpuState> gpus;
};

// One way of recording, the best of all last.
struct Rung {
  std::string name;     // "scopes", "timeline", "sampling", "counters"
  std::string records;  // what it gives
  bool works = false;
  std::string why;  // where it does not, or what to know where it does; a clause
  std::string remedy;
};

std::vector<Rung> ladder(const MachineState& machine, const CuptiState& cupti);

}  // namespace rooftop::capture
