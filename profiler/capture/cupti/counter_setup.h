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

// In the order that CUPTI documents, before any session: chip, availability, host. Only after
// initialize_profiler() has succeeded, `context` being current.
Status set_up_counters(const CuptiApi& api, const CudaDriver& driver, CUcontext context,
                       const CounterOptions& options, CounterSetup& setup);

}  // namespace rooftop::capture
