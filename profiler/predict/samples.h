// Measured operator times to calibrate the performance model on: read from a table (CSV, docs/
// predict.md describes its columns) or from a trace.
#pragma once

#include <string>
#include <vector>

#include "profiler/core/operator.h"
#include "profiler/predict/attention.h"
#include "profiler/predict/gemm.h"
#include "profiler/roofline/device_table/device_table.h"

namespace rooftop::predict {

// Which measurement a sample is of: what cross-validation leaves out together.
struct SampleOrigin {
  std::string gpu;    // as the source calls it: "a100"
  std::string model;  // "Llama-2-7b-hf"
  int shards = 1;     // tensor parallel
  Operator op = Operator::kUnclassified;
  GpuFigures figures;
};

struct GemmSample {
  SampleOrigin origin;
  GemmShape shape;
  double seconds = 0;
};

struct AttentionSample {
  SampleOrigin origin;
  Phase phase = Phase::kUnknown;
  AttentionShape shape;
  double seconds = 0;
};

// Operators that only move data.
struct StreamSample {
  SampleOrigin origin;
  double rows = 0;
  double bytes = 0;
  double seconds = 0;
};

struct Samples {
  std::vector<GemmSample> gemms;
  std::vector<AttentionSample> attention;
  std::vector<StreamSample> streams;
  [[nodiscard]] bool empty() const { return gemms.empty() && attention.empty() && streams.empty(); }
};

// The device that a source's short name of a GPU stands for: "a100" is an A100 80GB whose bus the
// source does not state, "h100" the SXM one; any id or alias of the table otherwise.
const DeviceSpec& device_of_source(const DeviceTable& devices, const std::string& gpu);

GpuFigures figures_of(const DeviceSpec& device, std::string_view dtype);

// Whether a file begins as the tables do that add_samples() reads.
bool is_table_of_times(const std::string& path);

// Adds what a file holds. Throws InputError for one that is neither a table nor a trace, that lacks
// columns or operators to calibrate on, or whose GPU is unknown.
void add_samples(Samples& samples, const std::string& path, const DeviceTable& devices);

}  // namespace rooftop::predict
