// Measured times of a trace as samples for calibration.
#pragma once

#include <string>

#include "profiler/predict/samples.h"

namespace rooftop::predict {

// The mean time of every operator at every step shape. The device is the device table's; one that
// the table does not know takes the roofs that the trace has measured. Throws InputError for a
// damaged trace, one of a prediction, and one without matrix products of known shape.
void add_trace_samples(Samples& samples, const std::string& path, const DeviceTable& devices);

}  // namespace rooftop::predict
