// Fits the performance model to measurements, and says how well it predicts what it has not seen.
#pragma once

#include <string>
#include <vector>

#include "profiler/predict/calibration.h"

namespace rooftop::predict {

// One row of a table of errors on measurements that were held out.
struct HeldOut {
  std::string held;  // "Llama-2-7b-hf", "a40", "every third point"
  std::string gpu;
  std::string terms;  // "linear", "attention"
  std::size_t samples = 0;
  double median = 0;
  double p90 = 0;
};

// Coefficients for every GPU of the samples, with leave-one-out errors, and generic ones. Throws
// InputError where there are no matrix products among them.
Calibration calibrate(const Samples& samples, const DeviceTable& devices,
                      const std::string& source);

// For every model: fitted on the GPU's other models. For every GPU: fitted on the other GPUs.
std::vector<HeldOut> cross_validate(const Samples& samples);

// The parts that both are made of.
GemmCoefficients fit_gemm(const std::vector<const GemmSample*>& samples);
AttentionCoefficients fit_attention(const std::vector<const AttentionSample*>& samples);
StreamCoefficients fit_stream(const std::vector<const StreamSample*>& samples);

}  // namespace rooftop::predict
