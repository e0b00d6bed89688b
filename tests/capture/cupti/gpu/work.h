// Work whose bytes and operations are known before it runs: what counters on a GPU are held
// against.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

namespace rooftop::capture::testing {

// Why there is no GPU to work on; empty: there is one.
std::string no_gpu();

// Steps of three kernels, repeated `layers` times each:
//   work_copy     reads and writes kCopyBytes, in a buffer of its own per layer
//   work_tensor   kTensorFlops of bf16 matrix products into fp32, 16 x 16 x 16 at a time
//   work_ffma     kFfma fused multiply-adds in fp32, and kHfma2 packed ones in fp16
class Work {
 public:
  static constexpr std::uint64_t kCopyBytes = std::uint64_t{64} << 20;
  static constexpr std::uint64_t kTensorBlocks = 1056;
  static constexpr std::uint64_t kTensorRounds = 512;
  static constexpr std::uint64_t kWarps = 4;  // of a block of the tensor kernel
  static constexpr std::uint64_t kTensorFlops =
      kTensorBlocks * kWarps * kTensorRounds * 2 * 16 * 16 * 16;
  static constexpr std::uint64_t kFmaBlocks = 264;
  static constexpr std::uint64_t kFmaThreads = 256;
  static constexpr std::uint64_t kFmaRounds = 4096;
  static constexpr std::uint64_t kFfma = kFmaBlocks * kFmaThreads * kFmaRounds;
  static constexpr std::uint64_t kHfma2 = kFfma;  // instructions of threads; two products each
  static constexpr int kKernels = 3;              // of a layer

  explicit Work(int layers);
  ~Work();
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  void step();          // launches on stream(), one kernel after another
  void capture();       // makes the graph of a step
  void launch_graph();  // after capture()
  void wait();
  // Mean seconds of a step (or of a graph's launch), after one of each that does not count.
  double seconds(int steps, bool graph);

  [[nodiscard]] cudaStream_t stream() const { return stream_; }
  [[nodiscard]] int kernels() const { return layers_ * kKernels; }

 private:
  int layers_;
  cudaStream_t stream_ = nullptr;
  cudaGraphExec_t graph_ = nullptr;
  char* from_ = nullptr;
  char* to_ = nullptr;
  float* out_ = nullptr;
};

// Throws std::runtime_error with the call's text.
void check(cudaError_t result, const char* call);

}  // namespace rooftop::capture::testing
