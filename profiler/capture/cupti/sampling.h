// Counters of the whole device, sampled: beside a timeline, nothing is serialised.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "profiler/capture/record_source.h"

namespace rooftop::capture {

struct CuptiApi;
struct CudaDriver;

struct SamplingOptions {
  // Devices that META has already: a sample's `device` is an index into these, then the one that
  // describe() appends.
  std::vector<DeviceInfo> known_devices;
  std::uint32_t ordinal = 0;  // the device to sample
  std::chrono::nanoseconds interval = std::chrono::microseconds(20);
  // Device memory for samples that are not read yet: some kilobytes a sample.
  std::size_t hardware_buffer_bytes = std::size_t{64} << 20;
  std::chrono::milliseconds drain_period{10};
  // A folder that receives the first images of samples, for tests to evaluate again.
  std::string save_counters;
};

// The environment's part of the options: ROOFTOP_SAVE_COUNTERS.
SamplingOptions sampling_options_from_environment();

std::unique_ptr<RecordSource> make_sampling(const CuptiApi& api, const CudaDriver& driver,
                                            SamplingOptions options);

}  // namespace rooftop::capture
