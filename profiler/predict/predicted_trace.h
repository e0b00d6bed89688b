// Writes predictions as the trace of a sweep that did not take place.
#pragma once

#include <string>
#include <vector>

#include "profiler/core/meta.h"
#include "profiler/predict/predictor.h"

namespace rooftop::predict {

// The facts of such a trace: `prediction` says how times come about. layers 0: all.
Meta predicted_meta(const ModelShape& model, const DeviceSpec& device, const std::string& dtype,
                    const EngineForm& form, const std::string& prediction,
                    std::uint32_t layers = 0);

// A step and what it launches.
struct TimedStep {
  PredictedStep step;
  std::vector<PredictedLaunch> launches;
};

// One step after another, one launch after another, the first at `meta.created`. Throws InputError
// where the file cannot be written; then there is none.
void write_steps(const std::string& path, const Meta& meta, const std::vector<TimedStep>& steps);

// The cells of a grid so. Those that the device's memory cannot hold are predicted all the same,
// and listed in the trace with what they need.
void write_predicted_trace(const std::string& path, Meta meta, const DeviceSpec& device,
                           const Predictor& predictor, const std::vector<PredictedStep>& steps);

}  // namespace rooftop::predict
