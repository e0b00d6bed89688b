// CUDA graphs of decode steps: recorded from the stream, replayed by shape.
#pragma once

#include <cuda_runtime_api.h>

#include <map>

#include "inference/cuda/graph_plan.h"
#include "profiler/roofs/cuda/owners.h"

namespace rooftop::inference::cuda {

class StepGraphs {
 public:
  StepGraphs() = default;
  ~StepGraphs() { clear(); }
  StepGraphs(const StepGraphs&) = delete;
  StepGraphs& operator=(const StepGraphs&) = delete;

  // What to do with a step of this shape. After kRecord the stream captures.
  StepWork begin(const StepShape& shape, const rooftop::cuda::Stream& stream);

  // Ends a recording, and starts the step on the stream.
  void run(const rooftop::cuda::Stream& stream);

  // Where a step failed while it was recorded: the stream computes again, and nothing of the
  // recording is kept.
  void abandon(const rooftop::cuda::Stream& stream) noexcept;

  void clear();  // when memory that graphs hold addresses of is gone

 private:
  void check_or_forget(cudaError_t code, const char* what);

  GraphPlan plan_;
  std::map<std::uint64_t, cudaGraphExec_t> graphs_;
  std::uint64_t current_ = 0;
  bool recording_ = false;
};

}  // namespace rooftop::inference::cuda
