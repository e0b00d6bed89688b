// What both kernels of the vector-matrix product are made of: reading W and x.
#pragma once

#include "inference/cuda/gemv_plan.h"
#include "inference/cuda/gpu.h"
#include "inference/cuda/kernels.h"

namespace rooftop::inference::cuda::gemv {

using gpu::kAllLanes;
using gpu::kWarp;

// What a kernel is started with.
template <typename T>
struct Problem {
  const T* x = nullptr;
  const T* norm_weight = nullptr;
  const T* w = nullptr;
  void* y = nullptr;
  float norm_eps = 0;
  int rows = 0;
  int n = 0;
  int k = 0;
  int groups = 0;
  int k_slices = 1;
  int stride = 0;  // of staged x
  Epilogue epilogue = Epilogue::kStore;
};

__device__ inline int warp_of_block() { return static_cast<int>(threadIdx.x) / kWarp; }
__device__ inline int lane_of_warp() { return static_cast<int>(threadIdx.x) % kWarp; }

template <typename T>
__device__ inline uint4 load16(const T* from) {
  return *reinterpret_cast<const uint4*>(from);
}

// The first output whose sums a lane adds up. A group has 2 * kHalf rows of W: gate and up rows of
// kHalf outputs, or rows of 2 * kHalf outputs. A lane reads two of them, kHalf (or where gated, n)
// apart.
template <int kHalf, typename T>
__device__ inline int first_output(const Problem<T>& problem, int group, int row_of_lane) {
  return group * (problem.epilogue == Epilogue::kSwiGlu ? kHalf : 2 * kHalf) + row_of_lane;
}

// Where the two rows begin, in 16-byte loads: that takes half the registers of pointers.
struct WeightRows {
  std::uint32_t first;
  std::uint32_t second;
};

template <int kHalf, typename T>
__device__ inline WeightRows weight_rows(const Problem<T>& problem, int group, int row_of_lane) {
  const int output = first_output<kHalf>(problem, group, row_of_lane);
  // Beyond the last output its row is read again, and what comes of it is not stored.
  const int last = problem.n - 1;
  const int first = min(output, last);
  const int second =
      problem.epilogue == Epilogue::kSwiGlu ? first + problem.n : min(output + kHalf, last);
  const auto loads = static_cast<std::uint32_t>(problem.k / kGemvLaneValues);
  return {static_cast<std::uint32_t>(first) * loads, static_cast<std::uint32_t>(second) * loads};
}

// A lane's part of the next chunks of its two rows: on their way, or there.
template <int kChunk>
struct Batch {
  static constexpr int kValues = kGemvBatchChunks * kChunk;  // of a row, over the warp

  uint4 first[kGemvBatchChunks];
  uint4 second[kGemvBatchChunks];

  // From `element` on, zeros from `end` on.
  template <typename T>
  __device__ void load(const T* w, const WeightRows& rows, int element, int end) {
    const auto* const w16 = reinterpret_cast<const uint4*>(w);
#pragma unroll
    for (int c = 0; c < kGemvBatchChunks; ++c) {
      const int e = element + c * kChunk;
      const auto at = static_cast<std::uint32_t>(e) / kGemvLaneValues;
      first[c] = make_uint4(0, 0, 0, 0);
      second[c] = make_uint4(0, 0, 0, 0);
      if (e < end) {
        first[c] = gpu::load_once16(w16 + (rows.first + at));
        second[c] = gpu::load_once16(w16 + (rows.second + at));
      }
    }
  }
};

// RMSNorm as the kernel of that name rounds it: once, to T.
template <typename T>
__device__ inline uint4 normalise(const uint4& x, float scale, const uint4& weight) {
  float values[kGemvLaneValues];
  float by[kGemvLaneValues];
  gpu::unpack8<T>(x, values);
  gpu::unpack8<T>(weight, by);
#pragma unroll
  for (int i = 0; i < kGemvLaneValues; ++i) values[i] = values[i] * scale * by[i];
  return gpu::pack8<T>(values);
}

// Each warp's part of each row's sum of squares, into sums[row][warp]; also copies x to `staged`,
// unless that is null. All threads must call; a barrier must follow.
template <int kWarps, typename T>
__device__ inline void read_x(const Problem<T>& problem, T* staged, float* sums) {
  for (int m = 0; m < problem.rows; ++m) {
    float sum = 0;
    for (int e = static_cast<int>(threadIdx.x) * kGemvLaneValues; e < problem.k;
         e += kWarps * kWarp * kGemvLaneValues) {
      const uint4 packed = load16(problem.x + (m * problem.k + e));
      if (staged != nullptr) {
        *reinterpret_cast<uint4*>(staged + (m * problem.stride + e)) = packed;
      }
      float values[kGemvLaneValues];
      gpu::unpack8<T>(packed, values);
#pragma unroll
      for (int i = 0; i < kGemvLaneValues; ++i) sum = fmaf(values[i], values[i], sum);
    }
    if (problem.norm_weight == nullptr) continue;
    sum = gpu::warp_sum(sum);
    if (lane_of_warp() == 0) sums[m * kWarps + warp_of_block()] = sum;
  }
}

// 1 / rms of a row, from those sums.
template <int kWarps, typename T>
__device__ inline float row_scale(const Problem<T>& problem, const float* sums, int m) {
  float sum = 0;
#pragma unroll
  for (int w = 0; w < kWarps; ++w) sum += sums[m * kWarps + w];
  return rsqrtf(sum / static_cast<float>(problem.k) + problem.norm_eps);
}

// x in shared memory, normalised where wanted.
template <int kWarps, typename T>
class StagedX {
 public:
  static constexpr bool kStaged = true;

  // All threads must call.
  __device__ StagedX(const Problem<T>& problem, T* staged, float* sums, int /*m*/)
      : staged_(staged), stride_(problem.stride) {
    read_x<kWarps>(problem, staged, sums);
    if (problem.norm_weight != nullptr) {
      __syncthreads();
      for (int m = 0; m < problem.rows; ++m) {
        const float scale = row_scale<kWarps>(problem, sums, m);
        // Each thread normalises what it has put there itself.
        for (int e = static_cast<int>(threadIdx.x) * kGemvLaneValues; e < problem.k;
             e += kWarps * kWarp * kGemvLaneValues) {
          T* const at = staged + (m * stride_ + e);
          *reinterpret_cast<uint4*>(at) =
              normalise<T>(load16(at), scale, load16(problem.norm_weight + e));
        }
      }
    }
    __syncthreads();
  }

  __device__ uint4 read(int m, int e) const { return load16(staged_ + (m * stride_ + e)); }

 private:
  const T* staged_;
  int stride_;
};

// x where it is, for what shared memory does not hold: L1 keeps what the block's warps share.
template <int kWarps, typename T>
class DirectX {
 public:
  static constexpr bool kStaged = false;

  // Reads row `m` only. All threads must call.
  __device__ DirectX(const Problem<T>& problem, T* /*staged*/, float* sums, int m)
      : x_(problem.x), norm_weight_(problem.norm_weight), k_(problem.k) {
    if (norm_weight_ == nullptr) return;
    read_x<kWarps, T>(problem, nullptr, sums);
    __syncthreads();
    scale_ = row_scale<kWarps>(problem, sums, min(m, problem.rows - 1));
  }

  __device__ uint4 read(int m, int e) const {
    const uint4 packed = load16(x_ + (m * k_ + e));
    if (norm_weight_ == nullptr) return packed;
    return normalise<T>(packed, scale_, load16(norm_weight_ + e));
  }

 private:
  const T* x_;
  const T* norm_weight_;
  int k_;
  float scale_ = 0;
};

}  // namespace rooftop::inference::cuda::gemv
