// What counting needs of a device, found out once its context is there: its chip, a plan that its
// own counters allow, and the configurations of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "profiler/capture/cupti/counter_plan.h"
#include "profiler/capture/cupti/counters.h"
#include "profiler/capture/cupti/cuda_driver.h"
#include "profiler/capture/cupti/metric_host.h"

namespace rooftop::capture {

struct CounterSetup {
  CUcontext context = nullptr;
  CUdevice device = 0;
  std::string chip;
  std::vector<std::uint8_t> availability;
  // Those that count hardware events first, then those that count instructions.
  std::vector<CounterConfiguration> configurations;
  std::vector<std::unique_ptr<MetricHost>> hosts;  // of each
  std::size_t hardware = 0;                        // how many of the former
  std::vector<std::string> notes;                  // what was left out
};

// A plan of the first device's chip, made while there is no context: planning takes a second or
// two, which the first step would have to wait.
struct EarlyPlan {
  std::string chip;  // empty: none was made
  CounterPlan plan;
};
// Only after initialize_profiler() has succeeded. Fails where the only device cannot be counted on.
Status plan_early(const CuptiApi& api, const CudaDriver& driver, const CounterOptions& options,
                  EarlyPlan& early);

// In the order that CUPTI documents, before any session: chip, availability, host. Only after
// initialize_profiler() has succeeded, `context` being current. `early` is used where it is of the
// same chip and fits what the device offers.
Status set_up_counters(const CuptiApi& api, const CudaDriver& driver, CUcontext context,
                       const CounterOptions& options, const EarlyPlan& early, CounterSetup& setup);

}  // namespace rooftop::capture
