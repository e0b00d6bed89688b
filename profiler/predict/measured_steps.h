// Measured operator times of a model on a GPU as the steps of a trace, so that a chart can show
// them beside predictions.
#pragma once

#include <vector>

#include "profiler/predict/predicted_trace.h"
#include "profiler/predict/samples.h"

namespace rooftop::predict {

// The samples of unsharded operators that have the model's shapes and ran on the device, one layer
// each. Up to 64 rows of a linear layer are a decode step of that batch, more are a prefill of one
// sequence; its time does not depend on the length, which is that of a step without a cache.
std::vector<TimedStep> measured_steps(const Samples& samples, const ModelShape& model,
                                      const DeviceSpec& device, const DeviceTable& devices);

}  // namespace rooftop::predict
