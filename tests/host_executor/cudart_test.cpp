// The host's CUDA runtime does what the backend relies on: order, laziness, capture, limits.
#include "tests/host_executor/cudart_on_host.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "profiler/roofs/cuda/gpu.h"

namespace rooftop::gpu {
namespace {

__global__ void add_kernel(float* values, int count, float summand) {
  const auto i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) values[i] += summand;
}

class Cudart : public testing::Test {
 protected:
  static constexpr int kCount = 40;
  static constexpr std::size_t kBytes = kCount * sizeof(float);

  void SetUp() override {
    host_executor::set_device({});
    ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    void* memory = nullptr;
    ASSERT_EQ(cudaMalloc(&memory, kBytes), cudaSuccess);
    device_ = static_cast<float*>(memory);
    ASSERT_EQ(cudaMallocHost(&memory, kBytes), cudaSuccess);
    pinned_ = static_cast<float*>(memory);
  }
  void TearDown() override {
    EXPECT_EQ(cudaFree(device_), cudaSuccess);
    EXPECT_EQ(cudaFreeHost(pinned_), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_EQ(host_executor::handles_in_use(), 0u);
    EXPECT_EQ(host_executor::device_bytes_in_use(), 0u);
  }

  void fill(float value) {
    for (int i = 0; i < kCount; ++i) pinned_[i] = value;
    ASSERT_EQ(cudaMemcpyAsync(device_, pinned_, kBytes, cudaMemcpyHostToDevice, stream_),
              cudaSuccess);
  }
  void add(float summand) {
    launch(
        {.name = "add", .grid = dim3(2), .block = dim3(32), .shared_bytes = 0, .stream = stream_},
        add_kernel, device_, kCount, summand);
  }
  // The values, which are all equal.
  float fetch() {
    std::vector<float> host(kCount);
    EXPECT_EQ(cudaMemcpyAsync(host.data(), device_, kBytes, cudaMemcpyDeviceToHost, stream_),
              cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    for (const float value : host) EXPECT_EQ(std::memcmp(&value, host.data(), sizeof value), 0);
    return host[0];
  }
  cudaGraphExec_t instantiate(cudaGraph_t graph) {
    cudaGraphExec_t exec = nullptr;
    EXPECT_EQ(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    return exec;
  }

  cudaStream_t stream_ = nullptr;
  float* device_ = nullptr;
  float* pinned_ = nullptr;
};

TEST_F(Cudart, NewDeviceMemoryIsNan) { EXPECT_TRUE(std::isnan(fetch())); }

TEST_F(Cudart, WorkOfAStreamIsInOrder) {
  fill(1);
  add(2);
  add(4);
  EXPECT_EQ(fetch(), 7);
}

TEST_F(Cudart, WorkWaitsUntilItIsWaitedFor) {
  fill(1);
  ASSERT_EQ(cudaMemcpyAsync(pinned_, device_, kBytes, cudaMemcpyDeviceToHost, stream_),
            cudaSuccess);
  add(2);
  ASSERT_EQ(cudaMemcpyAsync(pinned_, device_, kBytes, cudaMemcpyDeviceToHost, stream_),
            cudaSuccess);
  EXPECT_EQ(pinned_[0], 1);
  pinned_[0] = 5;  // too early: the copy to the device reads it
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_EQ(pinned_[0], 7);
  EXPECT_EQ(pinned_[1], 3);
}

TEST_F(Cudart, PageableMemoryIsReadAtOnce) {
  std::vector<float> host(kCount, 1);
  ASSERT_EQ(cudaMemcpyAsync(device_, host.data(), kBytes, cudaMemcpyHostToDevice, stream_),
            cudaSuccess);
  host.assign(kCount, 9);
  EXPECT_EQ(fetch(), 1);
}

TEST_F(Cudart, SynchronousCopyDoesNotWaitForANonBlockingStream) {
  fill(1);
  float value = 0;
  ASSERT_EQ(cudaMemcpy(&value, device_, sizeof value, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_TRUE(std::isnan(value));
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  ASSERT_EQ(cudaMemcpy(&value, device_, sizeof value, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(value, 1);
}

TEST_F(Cudart, GraphIsReplayedOnWhatMemoryHolds) {
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  float summand = 2;
  add(summand);
  add(summand);
  ASSERT_EQ(cudaMemcpyAsync(pinned_, device_, kBytes, cudaMemcpyDeviceToHost, stream_),
            cudaSuccess);
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  ASSERT_EQ(cudaStreamIsCapturing(stream_, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  cudaGraphExec_t exec = instantiate(graph);
  summand = 100;  // arguments were taken by value

  fill(1);
  EXPECT_EQ(fetch(), 1);  // capture ran nothing
  ASSERT_EQ(cudaGraphLaunch(exec, stream_), cudaSuccess);
  EXPECT_EQ(fetch(), 5);
  EXPECT_EQ(pinned_[kCount - 1], 5);
  fill(10);
  ASSERT_EQ(cudaGraphLaunch(exec, stream_), cudaSuccess);
  ASSERT_EQ(cudaGraphLaunch(exec, stream_), cudaSuccess);
  EXPECT_EQ(fetch(), 18);
  ASSERT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
}

TEST_F(Cudart, SynchronisingWhileCapturingFails) {
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(graph, nullptr);
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);
}

TEST_F(Cudart, AllocatingWhileCapturingFails) {
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, 64), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(memory, nullptr);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);

  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&memory, 64), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
}

TEST_F(Cudart, MemoryHasALimit) {
  host_executor::set_device({.memory_bytes = 4096 + kBytes});
  std::size_t free = 0;
  std::size_t total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  EXPECT_EQ(free, 4096u);
  EXPECT_EQ(total, 4096u + kBytes);
  void* memory = nullptr;
  EXPECT_EQ(cudaMalloc(&memory, 4097), cudaErrorMemoryAllocation);
  EXPECT_STREQ(cudaGetErrorString(cudaGetLastError()), "out of memory");
  EXPECT_EQ(cudaMalloc(&memory, 4096), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(cudaFree(pinned_), cudaErrorInvalidValue);  // not of the device
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
}

TEST_F(Cudart, CopiesStayWithinTheirMemory) {
  std::vector<float> host(2 * kCount);
  EXPECT_EQ(cudaMemcpyAsync(device_, host.data(), kBytes + 1, cudaMemcpyHostToDevice, stream_),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host.data(), device_, kBytes, cudaMemcpyHostToDevice),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(host.data(), 0, kBytes, stream_), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(device_, 0, kBytes, stream_), cudaSuccess);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(fetch(), 0);
}

TEST_F(Cudart, EventsTakeTheTimeOfTheirPlace) {
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  ASSERT_EQ(cudaEventCreate(&begin), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&end, cudaEventDefault), cudaSuccess);
  fill(1);
  ASSERT_EQ(cudaEventRecord(begin, stream_), cudaSuccess);
  add(1);
  ASSERT_EQ(cudaEventRecord(end, stream_), cudaSuccess);
  float milliseconds = -1;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, begin, end), cudaErrorNotReady);
  EXPECT_EQ(cudaGetLastError(), cudaErrorNotReady);
  ASSERT_EQ(cudaEventSynchronize(end), cudaSuccess);
  ASSERT_EQ(cudaEventElapsedTime(&milliseconds, begin, end), cudaSuccess);
  EXPECT_GT(milliseconds, 0);
  EXPECT_EQ(cudaEventDestroy(begin), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(end), cudaSuccess);
}

TEST_F(Cudart, DeviceIsWhatTheTestMakesIt) {
  host_executor::set_device({.count = 1, .multiprocessors = 9, .compute_capability = 75});
  int value = 0;
  ASSERT_EQ(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0), cudaSuccess);
  EXPECT_EQ(value, 9);
  cudaDeviceProp properties;
  ASSERT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_EQ(properties.major * 10 + properties.minor, 75);
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  host_executor::set_device({.count = 0});
  int count = -1;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  EXPECT_EQ(count, 0);
  EXPECT_EQ(cudaGetLastError(), cudaErrorNoDevice);
}

}  // namespace
}  // namespace rooftop::gpu
