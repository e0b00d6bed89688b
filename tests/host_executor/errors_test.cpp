// Each thing that a kernel must not do ends the process, with a message that names it.
#include <gtest/gtest.h>

#include <cstdint>

#include "tests/host_executor/host_executor.h"
#include "tests/host_executor/run.h"

namespace rooftop::gpu {
namespace {

#define EXPECT_ERROR(statement, message)                                         \
  EXPECT_EXIT(statement, testing::ExitedWithCode(host_executor::kErrorExitCode), \
              testing::ContainsRegex(message))

constexpr std::size_t kShared = shared_bytes<float>(64);
alignas(16) float global[64];

TEST(Errors, MessageSaysWhere) {
  EXPECT_ERROR(run(
                   64, 0,
                   +[] {
                     if (thread() == 40) __syncwarp(1);
                   }),
               "kernel test, block \\(0,0,0\\), thread \\(40,0,0\\), warp 1 lane 8, "
               ".*errors_test.cpp:[0-9]+: .*seed");
}

// Not within the macro, whose argument is one line to the compiler.
// NOLINTBEGIN(bugprone-branch-clone): a barrier in each of two branches is what is wrong.
__global__ void barriers_in_branches() {
  if (thread() < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

TEST(Errors, BarrierInDivergentBranches) {
  EXPECT_ERROR(run(64, 0, barriers_in_branches), "divergent barrier");
}

TEST(Errors, LaneExitsBeforeTheBarrier) {
  EXPECT_ERROR(run(
                   64, 0,
                   +[] {
                     if (thread() == 63) return;
                     __syncthreads();
                   }),
               "early exit");
}

TEST(Errors, WarpsMayExitBeforeTheBarrier) {
  float out = 0;
  run(
      64, 0,
      +[](float* result) {
        if (thread() >= 32) return;
        __syncthreads();
        if (thread() == 0) *result = 1;
      },
      &out);
  EXPECT_EQ(out, 1);
}

TEST(Errors, BarrierAgainstCollective) {
  EXPECT_ERROR(run(
                   32, 0,
                   +[] {
                     if (thread() == 3) {
                       __syncthreads();
                     } else {
                       __syncwarp();
                     }
                   }),
               "deadlock");
}

TEST(Errors, MaskWithoutTheCaller) {
  EXPECT_ERROR(run(
                   32, 0, +[] { __syncwarp(0xFFFF); }),
               "mask 0000ffff leaves out");
}

TEST(Errors, MaskWithLanesThatAreNotThere) {
  EXPECT_ERROR(run(
                   16, 0, +[] { __syncwarp(0x1FFFF); }),
               "does not have");
}

__global__ void shuffles_in_branches() {
  if (thread() < 16) {
    __shfl_sync(kAllLanes, 1, 0);
  } else {
    __shfl_sync(kAllLanes, 1, 0);
  }
}

// NOLINTEND(bugprone-branch-clone)

TEST(Errors, CollectivesAtDifferentPlaces) {
  EXPECT_ERROR(run(32, 0, shuffles_in_branches), "divergent collective");
}

TEST(Errors, MasksThatDiffer) {
  EXPECT_ERROR(run(
                   32, 0,
                   +[] {
                     if (thread() < 2) __syncwarp(thread() == 0 ? 0x3u : 0x7u);
                   }),
               "divergent collective");
}

TEST(Errors, ShuffleFromALaneOutsideTheMask) {
  EXPECT_ERROR(run(
                   32, 0,
                   +[] {
                     if (thread() < 16) __shfl_sync(0xFFFFu, 1.0f, 20);
                   }),
               "reads lane 20");
}

TEST(Errors, ShuffleFromALaneThatExited) {
  EXPECT_ERROR(run(
                   32, 0,
                   +[] {
                     if (thread() == 31) return;
                     __shfl_xor_sync(kAllLanes, 1.0f, 1);
                   }),
               "lane 30 reads lane 31");
}

TEST(Errors, ShuffleWidth) {
  EXPECT_ERROR(run(
                   32, 0, +[] { __shfl_sync(kAllLanes, 1, 0, 12); }),
               "width 12");
}

TEST(Errors, MatrixProductOfPartOfAWarp) {
  EXPECT_ERROR(run(
                   32, 0,
                   +[] {
                     if (thread() == 5) return;
                     float d[4] = {};
                     const std::uint32_t a[4] = {};
                     mma<bf16>(d, a, 0, 0);
                   }),
               "mma: needs all 32 lanes");
}

TEST(Errors, LoadMatrixMisaligned) {
  EXPECT_ERROR(run(
                   32, kShared,
                   +[] {
                     ROOFTOP_DYNAMIC_SHARED(memory);
                     auto* const rows = memory.take<std::uint16_t>(128);
                     std::uint32_t r[4];
                     load_matrix_x4(r, rows + 4);
                   }),
               "ldmatrix: the address is not 16-byte aligned");
}

TEST(Errors, LoadMatrixOutsideSharedMemory) {
  EXPECT_ERROR(run(
                   32, 0,
                   +[] {
                     std::uint32_t r[4];
                     load_matrix_x4_transposed(r, global);
                   }),
               "ldmatrix: the address lies in no array of shared memory");
}

TEST(Errors, LoadMatrixBeyondItsArray) {
  EXPECT_ERROR(run(
                   32, kShared,
                   +[] {
                     ROOFTOP_DYNAMIC_SHARED(memory);
                     auto* const rows = memory.take<std::uint16_t>(31 * 4);
                     std::uint32_t r[4];
                     load_matrix_x4(r, rows + 31 / 2 * 8);
                   }),
               "ldmatrix: the address lies in no array");
}

TEST(Errors, CopyFromAMisalignedSource) {
  EXPECT_ERROR(run(
                   1, kShared,
                   +[] {
                     ROOFTOP_DYNAMIC_SHARED(memory);
                     copy_async16(memory.take<float>(64), global + 1, true);
                   }),
               "cp.async: source is not 16-byte aligned");
}

TEST(Errors, CopyToAMisalignedDestination) {
  EXPECT_ERROR(run(
                   1, kShared,
                   +[] {
                     ROOFTOP_DYNAMIC_SHARED(memory);
                     copy_async16(memory.take<float>(64) + 2, global, true);
                   }),
               "cp.async: destination is not 16-byte aligned");
}

TEST(Errors, CopyToSomewhereElse) {
  EXPECT_ERROR(run(
                   1, 0, +[] { copy_async16(global, global + 4, true); }),
               "cp.async: the address lies in no array");
}

TEST(Errors, MisalignedLoad) {
  EXPECT_ERROR(run(
                   1, 0, +[] { load_once16(global + 3); }),
               "load_once16: the address is not 16-byte aligned");
}

TEST(Errors, TooLittleSharedMemory) {
  EXPECT_ERROR(run(
                   1, kShared - 4,
                   +[] {
                     ROOFTOP_DYNAMIC_SHARED(memory);
                     memory.take<float>(64);
                   }),
               "too little shared memory");
}

TEST(Errors, ThreadsCarveDifferently) {
  EXPECT_ERROR(run(
                   2, kShared,
                   +[] {
                     ROOFTOP_DYNAMIC_SHARED(memory);
                     memory.take<float>(thread() == 0 ? 64u : 32u);
                   }),
               "carve shared memory differently");
}

TEST(Errors, LaunchesThatNoDeviceTakes) {
  EXPECT_ERROR(run(
                   1025, 0, +[] {}),
               "no block is \\(1025,1,1\\)");
  EXPECT_ERROR(run(
                   0, 0, +[] {}),
               "no block is \\(0,1,1\\)");
  EXPECT_ERROR(run(
                   1, 1 << 20, +[] {}),
               "1048576 bytes of shared memory");
  EXPECT_ERROR(launch(
                   {.name = "wide", .grid = dim3(1, 70000), .block = dim3(1)}, +[] {}),
               "kernel wide: no grid is \\(1,70000,1\\)");
}

}  // namespace
}  // namespace rooftop::gpu
