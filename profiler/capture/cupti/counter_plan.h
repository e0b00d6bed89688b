// What to count on a chip, in configurations that the hardware takes in one pass each: a kernel is
// never run twice to be counted. CUPTI's own scheduler is the judge; it needs no GPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/core/error.h"

namespace rooftop::capture {

struct CuptiApi;

enum class CounterKind : std::uint8_t {
  kRange,  // hardware counters of each kernel
  kSass,   // instructions of each kernel, counted by patching it: its time is then worthless
  kPm,     // hardware counters of the whole device, sampled
};
std::string_view to_string(CounterKind kind);

struct CounterConfiguration {
  CounterKind kind = CounterKind::kRange;
  std::size_t passes = 1;
  std::vector<std::string> metrics;  // with roll-ups
};

struct CounterPlan {
  std::string chip;
  // Range configurations first, the most wanted first, each with DRAM read and write bytes; then
  // SASS, then PM sampling.
  std::vector<CounterConfiguration> configurations;
  std::vector<std::string> left_out;  // what does not fit a single pass, one sentence each
};

struct PlanRequest {
  std::string chip;
  // Tensor-core types in use, the most wanted first ("bf16", "fp8", ...); the others come after
  // them. A type that the chip or tensor cores do not have is no error: its operations cannot
  // occur.
  std::vector<std::string> types;
  // What this machine's device offers; empty: all that the chip has.
  std::span<const std::uint8_t> range_availability;
  std::span<const std::uint8_t> pm_availability;
  bool ranges = true;
  bool sampling = true;
  // All hardware counters in one configuration, of as many passes as it takes: kernels are then run
  // again for each.
  bool replay = false;
};

// One sentence where nothing can be planned: a chip that CUPTI does not know, or that has no
// counters of DRAM.
Status plan_counters(const CuptiApi& api, const PlanRequest& request, CounterPlan& plan);

// The name of a type as plans use it: "f16" and "fp16" are one. Empty: no type of tensor cores.
std::string tensor_type(std::string_view name);
inline constexpr std::string_view kTensorTypes =
    "bf16, fp16, tf32, fp8, fp6, fp4, int8, int4 or fp64";

// Types of a tensor metric's operands, as in its name: "fp4", "fp6" and "fp8" where it counts them
// together. Empty: no tensor metric.
std::vector<std::string> operand_types(std::string_view metric);

struct ChipSupport {
  std::string chip;
  std::string obstacle;  // why it cannot be planned for; empty: it can
};
// Every chip that CUPTI knows.
Status list_chips(const CuptiApi& api, std::vector<ChipSupport>& chips);

}  // namespace rooftop::capture
