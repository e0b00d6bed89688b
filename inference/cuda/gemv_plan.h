// How a vector-matrix product is shared out over the card: plain arithmetic, tested without one.
//
// A product is bound by reading W once, so what counts is bytes on their way: about 40 KB per
// multiprocessor cover the latency of an H100's DRAM. A warp has 4 KB (8 loads of 16 bytes per
// lane) on their way, a multiprocessor 16 to 24 such warps. W's rows are dealt evenly over one wave
// of blocks; a block takes neighbouring groups of rows, and its warps take one group each or share
// one by slices of k.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rooftop::inference::cuda {

// The two ways to multiply. Each lane reads its part of two rows of W.
enum class GemvKernel : std::uint8_t {
  kDot,  // 1 or 2 rows of x: a warp reads 512 consecutive bytes of a row, products by CUDA cores
  kMma,  // 1 to 8 rows: a warp reads 64 bytes each of 8 rows, products by tensor cores
};

inline constexpr int kGemvLaneValues = 8;   // of a 16-byte load
inline constexpr int kGemvBatchChunks = 4;  // loads of each of the two rows on their way
inline constexpr int kGemvMostDotRows = 2;  // beyond that CUDA cores would be the bound
// Bytes of x in shared memory, beside the kernels' own: every card has that much.
inline constexpr std::size_t kGemvMostStaged = 80UL * 1024;

// What a kernel is built for. Values of a row that a warp loads at once, rows of W in a group,
// warps of a block, and blocks per multiprocessor that its registers leave room for.
struct GemvShape {
  int chunk = 0;
  int group_rows = 0;
  int warps = 0;
  int resident = 0;
};
inline constexpr GemvShape kGemvDotShape = {256, 2, 8, 3};
inline constexpr GemvShape kGemvMmaShape = {32, 16, 16, 1};
constexpr GemvShape gemv_shape(GemvKernel kernel) {
  return kernel == GemvKernel::kDot ? kGemvDotShape : kGemvMmaShape;
}

// From one row of staged x to the next: half a line beyond a multiple of 128 bytes, so that a
// tensor core's rows lie in different banks.
constexpr std::int32_t gemv_stride(std::int32_t k) { return (k + 63) / 64 * 64 + 32; }

struct GemvPlan {
  GemvKernel kernel = GemvKernel::kDot;
  bool staged = false;      // x fits into shared memory: else it is read through L1
  std::int32_t groups = 0;  // of rows of W
  std::int32_t blocks = 0;
  std::int32_t k_slices = 1;  // warps that share a group: a power of two
};

// `weight_rows`: n, or 2n where each output has a gate and an up row.
GemvPlan plan_gemv(std::int32_t rows, std::int64_t weight_rows, std::int32_t k,
                   std::int32_t multiprocessors);

}  // namespace rooftop::inference::cuda
