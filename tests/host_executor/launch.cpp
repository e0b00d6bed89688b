// From a launch to its blocks: options, limits, the order of the blocks, the stream that takes it.
#include <cstdlib>
#include <mutex>
#include <numeric>

#include "tests/host_executor/block.h"
#include "tests/host_executor/cuda_names.h"
#include "tests/host_executor/shared_memory.h"

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

namespace rooftop::host_executor {
namespace {

Options options_of_environment() {
  Options options;
  if (const char* const seed = std::getenv("ROOFTOP_HOST_EXECUTOR_SEED")) {
    options.seed = std::strtoull(seed, nullptr, 0);
  }
  return options;
}

struct State {
  Options options = options_of_environment();
  Random random{options.seed};
  StreamQueue queue = nullptr;
  std::mutex one_kernel;  // blocks of two launches never mix
};

State& state() {
  static State the_state;
  return the_state;
}

void check_limits(const KernelLaunch& launch) {
  constexpr unsigned kMostGridYZ = 65535;
  const char* const name = launch.name.c_str();
  const dim3 b = launch.block;
  const dim3 g = launch.grid;
  const std::uint64_t threads = std::uint64_t{b.x} * b.y * b.z;
  if (threads < 1 || threads > kMostThreads || b.z > 64) {
    fail({}, "kernel %s: no block is (%u,%u,%u)", name, b.x, b.y, b.z);
  }
  if (g.x == 0 || g.x > 0x7FFFFFFFu || g.y == 0 || g.z == 0 || g.y > kMostGridYZ ||
      g.z > kMostGridYZ) {
    fail({}, "kernel %s: no grid is (%u,%u,%u)", name, g.x, g.y, g.z);
  }
  if (launch.shared_bytes > kMostSharedBytes) {
    fail({}, "kernel %s: %zu bytes of shared memory, and no device has more than %zu", name,
         launch.shared_bytes, kMostSharedBytes);
  }
}

// A walk over 0 .. count - 1: up, down, or by a random step that has no divisor in common with it.
struct Order {
  std::uint64_t first = 0;
  std::uint64_t step = 1;
};

Order order_of_blocks(std::uint64_t count, Schedule schedule, Random& random) {
  if (schedule == Schedule::kAscending || count == 1) return {};
  if (schedule == Schedule::kDescending) return {count - 1, count - 1};
  Order order{random() % count, 1 + random() % count};
  while (std::gcd(order.step, count) != 1) order.step = 1 + random() % count;
  return order;
}

}  // namespace

void set_options(const Options& options) {
  const std::scoped_lock lock(state().one_kernel);
  state().options = options;
  state().random = Random(options.seed);
}

const Options& options() { return state().options; }

void run_kernel(const KernelLaunch& launch) {
  const std::scoped_lock lock(state().one_kernel);
  check_limits(launch);
  const dim3 grid = launch.grid;
  blockDim = launch.block;
  gridDim = grid;
  Random& random = state().random;
  const Schedule schedule = state().options.schedule;
  const std::uint64_t count = std::uint64_t{grid.x} * grid.y * grid.z;
  const Order order = order_of_blocks(count, schedule, random);
  std::uint64_t at = order.first;
  for (std::uint64_t i = 0; i < count; ++i, at = (at + order.step) % count) {
    const uint3 index{static_cast<unsigned>(at % grid.x),
                      static_cast<unsigned>(at / grid.x % grid.y),
                      static_cast<unsigned>(at / grid.x / grid.y)};
    shared_memory().begin_block(launch.shared_bytes);
    block().run(launch, index, schedule, random);
    shared_memory().end_block();
  }
}

void set_stream_queue(StreamQueue queue) { state().queue = queue; }

void enqueue(CUstream_st* stream, const StreamWork& work) {
  if (state().queue != nullptr && state().queue(stream, work)) return;
  work();
}

}  // namespace rooftop::host_executor
