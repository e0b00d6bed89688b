#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

#include <chrono>
#include <stdexcept>

#include "tests/capture/cupti/gpu/work.h"

namespace rooftop::capture::testing {
namespace {

__global__ void work_copy(const float4* from, float4* to, std::uint64_t count) {
  const std::uint64_t stride = std::uint64_t{gridDim.x} * blockDim.x;
  for (std::uint64_t i = blockIdx.x * std::uint64_t{blockDim.x} + threadIdx.x; i < count;
       i += stride)
    to[i] = from[i];
}

__global__ void work_tensor(float* out, std::uint64_t rounds) {
  namespace wmma = nvcuda::wmma;
  wmma::fragment<wmma::matrix_a, 16, 16, 16, __nv_bfloat16, wmma::row_major> a;
  wmma::fragment<wmma::matrix_b, 16, 16, 16, __nv_bfloat16, wmma::col_major> b;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> c;
  wmma::fill_fragment(a, __float2bfloat16(0.5F + static_cast<float>(blockIdx.x % 7)));
  wmma::fill_fragment(b, __float2bfloat16(0.25F));
  wmma::fill_fragment(c, 0.F);
  for (std::uint64_t i = 0; i < rounds; ++i) wmma::mma_sync(c, a, b, c);
  const std::uint64_t warp = blockIdx.x * Work::kWarps + threadIdx.x / 32;
  wmma::store_matrix_sync(out + warp * 256, c, 16, wmma::mem_row_major);
}

__global__ void work_ffma(float* out, std::uint64_t rounds, float x, float y) {
  float sum = static_cast<float>(threadIdx.x);
  const __half2 hx = __floats2half2_rn(x, y);
  __half2 half_sum = __floats2half2_rn(y, x);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    sum = fmaf(sum, x, y);
    half_sum = __hfma2(half_sum, hx, hx);
  }
  out[blockIdx.x * std::uint64_t{blockDim.x} + threadIdx.x] = sum + __low2float(half_sum);
}

}  // namespace

void check(cudaError_t result, const char* call) {
  if (result != cudaSuccess)
    throw std::runtime_error(std::string(call) + ": " + cudaGetErrorString(result));
}

std::string no_gpu() {
  int count = 0;
  const cudaError_t result = cudaGetDeviceCount(&count);
  if (result != cudaSuccess) return std::string("no GPU: ") + cudaGetErrorString(result);
  return count > 0 ? std::string() : "no GPU";
}

Work::Work(int layers) : layers_(layers) {
  const auto all = static_cast<std::size_t>(layers) * kCopyBytes;
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  check(cudaMalloc(&from_, all), "cudaMalloc");
  check(cudaMalloc(&to_, all), "cudaMalloc");
  check(cudaMalloc(&out_, kTensorBlocks * kWarps * 256 * sizeof(float)), "cudaMalloc");
  check(cudaMemset(from_, 1, all), "cudaMemset");
}

Work::~Work() {
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
  cudaFree(from_);
  cudaFree(to_);
  cudaFree(out_);
  cudaStreamDestroy(stream_);
}

void Work::step() {
  for (int layer = 0; layer < layers_; ++layer) {
    const std::size_t at = static_cast<std::size_t>(layer) * kCopyBytes;
    work_copy<<<1056, 256, 0, stream_>>>(reinterpret_cast<const float4*>(from_ + at),
                                         reinterpret_cast<float4*>(to_ + at), kCopyBytes / 16);
    work_tensor<<<kTensorBlocks, 32 * kWarps, 0, stream_>>>(out_, kTensorRounds);
    work_ffma<<<kFmaBlocks, kFmaThreads, 0, stream_>>>(out_, kFmaRounds, 1.0001F, 0.5F);
  }
  check(cudaGetLastError(), "launch");
}

void Work::capture() {
  if (graph_ != nullptr) check(cudaGraphExecDestroy(graph_), "cudaGraphExecDestroy");
  cudaGraph_t graph = nullptr;
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal),
        "cudaStreamBeginCapture");
  step();
  check(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
  check(cudaGraphInstantiate(&graph_, graph, 0), "cudaGraphInstantiate");
  check(cudaGraphDestroy(graph), "cudaGraphDestroy");
}

void Work::launch_graph() { check(cudaGraphLaunch(graph_, stream_), "cudaGraphLaunch"); }

void Work::wait() { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

double Work::seconds(int steps, bool graph) {
  const auto one = [&] { graph ? launch_graph() : step(); };
  one();
  wait();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < steps; ++i) one();
  wait();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / steps;
}

}  // namespace rooftop::capture::testing
