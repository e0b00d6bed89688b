// What cuda_on_host.h asks of the executor: one function for each thing that a kernel cannot do by
// itself. Those with a Site are told where in the kernel's source they were called.
#pragma once

#include <vector_types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

struct CUstream_st;

namespace rooftop::host_executor {

struct Site {
  const char* file = nullptr;
  int line = 0;

  // As a default argument: where the function was called.
  static constexpr Site current(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

struct KernelLaunch {
  std::string name;
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;
  std::function<void()> body;  // one thread of the kernel
};

// Runs the kernel and returns when all its blocks are through.
void run_kernel(const KernelLaunch& launch);

// Does `work` in the stream's order: at once, unless the streams of cudart_on_host.h take it.
using StreamWork = std::function<void()>;
using StreamQueue = bool (*)(CUstream_st* stream, const StreamWork& work);
void enqueue(CUstream_st* stream, const StreamWork& work);
void set_stream_queue(StreamQueue queue);

// Ends the process: the message names kernel, block, thread and site.
[[noreturn]] void fail(Site site, const char* format, ...) __attribute__((format(printf, 2, 3)));

// __syncthreads and its kin: how many threads of the block gave a predicate that holds.
int block_barrier(bool predicate, Site site);

// Collectives of the lanes in `mask`; values travel as their bits.
enum class Shuffle : std::uint8_t { kIndex, kUp, kDown, kXor };
enum class Reduction : std::uint8_t { kAdd, kMin, kMax, kAnd, kOr, kXor };
void warp_barrier(unsigned mask, Site site);
std::uint64_t warp_shuffle(unsigned mask, std::uint64_t bits, Shuffle kind, int argument, int width,
                           Site site);
unsigned warp_ballot(unsigned mask, bool predicate, Site site);
std::int64_t warp_reduce(unsigned mask, std::int64_t value, Reduction kind, Site site);

// Of the whole warp. `load_matrices` takes the 16 bytes that the lane's address names.
void matrix_multiply(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     bool is_bf16, Site site);
void load_matrices(std::uint32_t (&fragment)[4], const uint4& row, bool transposed, Site site);

// Dynamic shared memory: the `index`th array that a thread carves, `offset` bytes from the start on
// the device. Each array has a guard zone on either side.
void* take_shared(std::size_t index, std::size_t offset, std::size_t bytes, Site site);
// A static shared array, which starts every block as NaN.
void declare_shared(void* array, std::size_t bytes);
// Fails unless the bytes lie in an array of shared memory.
void require_shared(const void* address, std::size_t bytes, const char* instruction, Site site);

// cp.async: recorded at issue, carried out when waited for.
void issue_copy16(void* to_shared, const void* from, bool valid, Site site);
void commit_copies();
void wait_for_copies(int pending_groups);

}  // namespace rooftop::host_executor
