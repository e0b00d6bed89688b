// The two ways in which a warp multiplies a batch of W with x: by CUDA cores or by tensor cores.
// Both end with pairs of sums per lane: row m of x with the first and with the second of the lane's
// rows of W.
#pragma once

#include "inference/cuda/gemv_device.h"

namespace rooftop::inference::cuda::gemv {

// All lanes read the same two rows of W, each lane every 32nd piece of 8 values.
template <typename T, int kRows>
class Dot {
 public:
  static constexpr GemvShape kShape = kGemvDotShape;
  static constexpr int kHalf = 1;
  static constexpr int kPairs = 1;          // of a lane
  static constexpr int kPairLanes = kRows;  // the other lanes have none

  __device__ static int row_of_lane() { return 0; }
  __device__ static int value_of_lane() { return lane_of_warp() * kGemvLaneValues; }
  __device__ static int x_row_of_pair(int /*pair*/) { return lane_of_warp(); }

  // `element` is the lane's own.
  template <typename X>
  __device__ void multiply(const Batch<kShape.chunk>& batch, const X& x, int /*rows*/, int element,
                           int end) {
#pragma unroll
    for (int c = 0; c < kGemvBatchChunks; ++c) {
      const int e = element + c * kShape.chunk;
      float first[kGemvLaneValues];
      float second[kGemvLaneValues];
      gpu::unpack8<T>(batch.first[c], first);
      gpu::unpack8<T>(batch.second[c], second);
#pragma unroll
      for (int m = 0; m < kRows; ++m) {
        uint4 packed = make_uint4(0, 0, 0, 0);
        if (e < end) packed = x.read(m, e);
        float in[kGemvLaneValues];
        gpu::unpack8<T>(packed, in);
#pragma unroll
        for (int i = 0; i < kGemvLaneValues; ++i) {
          sums_[m].x = fmaf(first[i], in[i], sums_[m].x);
          sums_[m].y = fmaf(second[i], in[i], sums_[m].y);
        }
      }
    }
  }

  // All lanes must call.
  __device__ void finish(float2 (&pairs)[kPairs]) const {
    pairs[0] = make_float2(0, 0);
#pragma unroll
    for (int m = 0; m < kRows; ++m) {
      const float2 sum = make_float2(gpu::warp_sum(sums_[m].x), gpu::warp_sum(sums_[m].y));
      if (lane_of_warp() == m) pairs[0] = sum;
    }
  }

 private:
  float2 sums_[kRows] = {};
};

// m16n8k16 with 16 rows of W as its rows and up to 8 rows of x as its columns. Lane 4i + t holds of
// a fragment rows i and i + 8, and x's row i. A product adds up in any order, so that the
// fragment's columns 2t, 2t + 1, 2t + 8 and 2t + 9 need not be neighbours in k: the lane gives them
// four consecutive values, the same of W and of x, and the next four in a second instruction.
template <typename T>
class Mma {
 public:
  static constexpr GemvShape kShape = kGemvMmaShape;
  static constexpr int kHalf = 8;
  static constexpr int kPairs = 2;
  static constexpr int kPairLanes = kWarp;

  __device__ static int row_of_lane() { return lane_of_warp() / 4; }
  __device__ static int value_of_lane() { return lane_of_warp() % 4 * kGemvLaneValues; }
  __device__ static int x_row_of_pair(int pair) { return lane_of_warp() % 4 * 2 + pair; }

  // All lanes must call.
  template <typename X>
  __device__ void multiply(const Batch<kShape.chunk>& batch, const X& x, int rows, int element,
                           int end) {
#pragma unroll
    for (int c = 0; c < kGemvBatchChunks; ++c) {
      const int e = element + c * kShape.chunk;
      uint4 in = make_uint4(0, 0, 0, 0);
      if (e < end && row_of_lane() < rows) in = x.read(row_of_lane(), e);
      const uint4& first = batch.first[c];
      const uint4& second = batch.second[c];
      gpu::mma<T>(sums_, {first.x, second.x, first.y, second.y}, in.x, in.y);
      gpu::mma<T>(sums_, {first.z, second.z, first.w, second.w}, in.z, in.w);
    }
  }

  __device__ void finish(float2 (&pairs)[kPairs]) const {
    pairs[0] = make_float2(sums_[0], sums_[2]);
    pairs[1] = make_float2(sums_[1], sums_[3]);
  }

 private:
  float sums_[4] = {};
};

}  // namespace rooftop::inference::cuda::gemv
