#include "inference/cuda/step_graphs.h"

namespace rooftop::inference::cuda {

using rooftop::cuda::check;

StepWork StepGraphs::begin(const StepShape& shape, const rooftop::cuda::Stream& stream) {
  const GraphPlan::Decision decision = plan_.decide(shape);
  if (decision.evicted) {
    if (const auto graph = graphs_.extract(*decision.evicted)) {
      cudaGraphExecDestroy(graph.mapped());
    }
  }
  current_ = decision.id;
  if (decision.work == StepWork::kRecord) {
    // Thread-local: what other threads of the process do is neither captured nor forbidden.
    check_or_forget(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal),
                    "begin to record a decode step");
    recording_ = true;
  }
  return decision.work;
}

void StepGraphs::run(const rooftop::cuda::Stream& stream) {
  if (recording_) {
    recording_ = false;
    cudaGraph_t graph = nullptr;
    check_or_forget(cudaStreamEndCapture(stream.get(), &graph), "record a decode step");
    cudaGraphExec_t executable = nullptr;
    const cudaError_t code = cudaGraphInstantiate(&executable, graph, 0);
    cudaGraphDestroy(graph);
    check_or_forget(code, "make a graph of a decode step");
    graphs_[current_] = executable;
  }
  check(cudaGraphLaunch(graphs_.at(current_), stream.get()), "start the graph of a decode step");
}

void StepGraphs::abandon(const rooftop::cuda::Stream& stream) noexcept {
  if (!recording_) return;
  recording_ = false;
  cudaGraph_t graph = nullptr;
  if (cudaStreamEndCapture(stream.get(), &graph) == cudaSuccess) cudaGraphDestroy(graph);
  (void)cudaGetLastError();
  clear();
}

// A shape whose recording failed must not count as recorded.
void StepGraphs::check_or_forget(cudaError_t code, const char* what) {
  if (code != cudaSuccess) clear();
  check(code, what);
}

void StepGraphs::clear() {
  for (const auto& [id, graph] : graphs_) cudaGraphExecDestroy(graph);
  graphs_.clear();
  plan_.clear();
}

}  // namespace rooftop::inference::cuda
