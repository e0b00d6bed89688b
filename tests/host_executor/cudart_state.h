// What the functions of cudart_on_host.h share.
#pragma once

#include <cuda_runtime_api.h>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tests/host_executor/cudart_on_host.h"
#include "tests/host_executor/executor.h"

// CUDA's handles point to these.
struct CUstream_st {
  using Work = rooftop::host_executor::StreamWork;
  enum class Capture { kNone, kActive, kInvalid };

  bool blocking = true;  // for the null stream
  std::vector<Work> queue;
  Capture capture = Capture::kNone;
  bool strict_capture = false;  // forbids unsafe calls to all
  std::vector<Work> captured;
};
struct CUevent_st {
  struct Mark {  // a place in a stream's work
    bool reached = false;
    std::chrono::steady_clock::time_point time;
  };

  cudaStream_t stream = nullptr;  // in which it was last recorded
  std::shared_ptr<Mark> mark;     // null until then; of a graph: never reached
  bool captured = false;
  bool timed = true;
};
struct CUgraph_st {
  std::vector<CUstream_st::Work> work;
};
struct CUgraphExec_st {
  std::vector<CUstream_st::Work> work;
};

namespace rooftop::host_executor {

// Blocks of memory by their first byte.
class Allocations {
 public:
  // Null where the host has no more. Filled with NaN.
  void* allocate(std::size_t bytes);
  [[nodiscard]] bool release(void* memory);
  [[nodiscard]] bool hold(const void* memory, std::size_t bytes) const;
  [[nodiscard]] bool touch(const void* memory) const { return hold(memory, 0); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::map<const char*, std::size_t> blocks_;
  std::size_t bytes_ = 0;
};

struct Runtime {
  Device device;
  Allocations device_memory;
  Allocations pinned_memory;
  std::set<cudaStream_t> streams;
  std::size_t other_handles = 0;  // events and graphs
  int strict_captures = 0;        // how many go on
  cudaError_t last_error = cudaSuccess;
};
Runtime& runtime();

// Notes a failure for cudaGetLastError.
cudaError_t result(cudaError_t code);

// Gives work to a stream, also while it captures.
void add_work(cudaStream_t stream, CUstream_st::Work work);
// Does what the stream has yet to do; false while it captures, which then becomes invalid.
bool drain(cudaStream_t stream);
void drain_all();

// Whether an unsafe call (allocation, synchronous copy) must fail because a stream captures: that
// invalidates the captures.
bool forbidden_by_capture();

}  // namespace rooftop::host_executor
