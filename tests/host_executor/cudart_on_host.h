// The functions of the CUDA runtime that the CUDA backend calls, on the host: its unchanged sources
// link against rooftop_cudart_on_host in place of cudart, and its kernels run in the host executor.
//
// Device memory is the host's, from an allocator that ASan watches, and NaN when new. Work of a
// stream is done when something waits for it, as late as CUDA may: a result that is read too early
// is not there yet. Work of the null stream is done at once. While a stream captures, its work goes
// into the graph; what CUDA forbids then fails as there. Calls come from one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rooftop::host_executor {

// An invented small GPU.
struct Device {
  int count = 1;
  std::size_t memory_bytes = std::size_t{1} << 30;
  int multiprocessors = 4;
  int compute_capability = 80;  // 10 * major + minor
  int driver_version = 13000;   // as cudaDriverGetVersion says it
};

// The device from here on; memory that is in use stays so.
void set_device(const Device& device);

// How many bytes of device memory, and how many streams, events and graphs, are in use.
std::size_t device_bytes_in_use();
std::size_t handles_in_use();

}  // namespace rooftop::host_executor
