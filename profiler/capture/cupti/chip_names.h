// The chips of this machine's GPUs, by the names that counters are planned for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiler/core/error.h"

namespace rooftop::capture {

struct CuptiApi;
struct CudaDriver;

struct MachineChip {
  std::uint32_t ordinal = 0;
  std::string name;  // "NVIDIA A100-SXM4-80GB"
  std::string chip;  // "GA100"
};

// The process's CUPTI, for code that does not see its types; null: `why` says what is missing.
const CuptiApi* find_cupti(Status& why);

// Starts CUPTI's target side, which chip names and all counters need: fails without a driver. It is
// the process's: started once, however many need it, and ended by the last that gives it back.
Status initialize_profiler(const CuptiApi& api);
// Once for each success of the former, once all else was given back.
void deinitialize_profiler(const CuptiApi& api) noexcept;

// Only after initialize_profiler() has succeeded: CUPTI crashes otherwise.
Status chip_name(const CuptiApi& api, std::uint32_t ordinal, std::string& chip);

// These leave CUPTI's target side started, for the session that is planned: ending it to start it
// again is nothing that CUPTI promises.
Status machine_chips(const CuptiApi& api, const CudaDriver& driver,
                     std::vector<MachineChip>& chips);
// With the process's own driver.
Status machine_chips(const CuptiApi& api, std::vector<MachineChip>& chips);

}  // namespace rooftop::capture
