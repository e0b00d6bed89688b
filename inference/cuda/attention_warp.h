// What a warp of attention_tiled.cu computes with a tile, in registers: scores, softmax, weighted
// sums of the values.
#pragma once

#include "inference/cuda/attention_tile.h"

namespace rooftop::inference::cuda {

// A warp's rows: their running maxima and sums, and the weighted sums of the values. A thread
// holds, of each row tile, rows lane / 4 and lane / 4 + 8, as in the fragments of mma.
template <typename Shape>
struct WarpState {
  float out[Shape::kRowTiles][Shape::kDim / 8][4];
  float maximum[Shape::kRowTiles][2];  // of the scaled scores
  float sum[Shape::kRowTiles][2];      // this thread's part
};

template <typename Shape>
__device__ void start(WarpState<Shape>& state) {
#pragma unroll
  for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      state.maximum[tile][half] = -INFINITY;
      state.sum[tile][half] = 0.0f;
    }
#pragma unroll
    for (int n = 0; n < Shape::kDim / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) state.out[tile][n][e] = 0.0f;
    }
  }
}

template <typename Shape>
using Scores = float[Shape::kRowTiles][Shape::kWarpKeys / 8][4];
// Probabilities as the left operand of mma: per 16 keys.
template <typename Shape>
using Probabilities = std::uint32_t[Shape::kRowTiles][Shape::kWarpKeys / 16][4];
template <typename Shape>
using QueryFragments =
    std::uint32_t[Shape::kRowTiles][Shape::kQueriesInRegisters ? Shape::kDim / 16 : 1][4];

// `at`: the lane's part of the warp's first fragment.
template <typename Shape, typename T>
__device__ void load_query_fragments(const T* queries, int at, QueryFragments<Shape>& held) {
#pragma unroll
  for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
#pragma unroll
    for (int step = 0; step < Shape::kDim / 16; ++step) {
      gpu::load_matrix_x4(held[tile][step],
                          queries + fragment_at(at, step) + tile * 16 * Shape::kDim);
    }
  }
}

// `queries_at`, `keys_at`: the lane's part of the first fragment of the warp's rows and of the
// keys.
template <typename Shape, typename T>
__device__ void multiply_queries_keys(const T* queries, int queries_at,
                                      const QueryFragments<Shape>& held, const T* ring, int keys_at,
                                      Scores<Shape>& scores) {
#pragma unroll
  for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
#pragma unroll
    for (int n = 0; n < Shape::kWarpKeys / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) scores[tile][n][e] = 0.0f;
    }
  }
#pragma unroll
  for (int step = 0; step < Shape::kDim / 16; ++step) {
    std::uint32_t a[Shape::kRowTiles][4];
#pragma unroll
    for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
      if constexpr (Shape::kQueriesInRegisters) {
#pragma unroll
        for (int e = 0; e < 4; ++e) a[tile][e] = held[tile][step][e];
      } else {
        gpu::load_matrix_x4(a[tile],
                            queries + fragment_at(queries_at, step) + tile * 16 * Shape::kDim);
      }
    }
#pragma unroll
    for (int pair = 0; pair < Shape::kWarpKeys / 16; ++pair) {
      std::uint32_t b[4];
      gpu::load_matrix_x4(b, ring + fragment_at(keys_at, step) + pair * 16 * Shape::kDim);
#pragma unroll
      for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
        gpu::mma<T>(scores[tile][2 * pair], a[tile], b[0], b[1]);
        gpu::mma<T>(scores[tile][2 * pair + 1], a[tile], b[2], b[3]);
      }
    }
  }
}

// Takes away what the causal mask and the end of the keys take away.
template <typename Shape>
__device__ void mask(const std::int32_t* last_keys, std::int32_t first_key, int lane,
                     Scores<Shape>& scores) {
#pragma unroll
  for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const std::int32_t last_key = last_keys[tile * 16 + half * 8 + lane / 4];
#pragma unroll
      for (int n = 0; n < Shape::kWarpKeys / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const std::int32_t key = first_key + n * 8 + lane % 4 * 2 + e;
          if (key > last_key) scores[tile][n][2 * half + e] = -INFINITY;
        }
      }
    }
  }
}

// Scores to probabilities relative to the new maxima; what was summed before is rescaled to them.
template <typename Shape, typename T>
__device__ void online_softmax(float scale, WarpState<Shape>& state, Scores<Shape>& scores,
                               Probabilities<Shape>& probabilities) {
#pragma unroll
  for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float maximum = -INFINITY;
#pragma unroll
      for (int n = 0; n < Shape::kWarpKeys / 8; ++n) {
        maximum = fmaxf(maximum, fmaxf(scores[tile][n][2 * half], scores[tile][n][2 * half + 1]));
      }
      // Four lanes share a row.
      maximum = fmaxf(maximum, __shfl_xor_sync(gpu::kAllLanes, maximum, 1));
      maximum = fmaxf(maximum, __shfl_xor_sync(gpu::kAllLanes, maximum, 2));
      maximum = fmaxf(state.maximum[tile][half], maximum * scale);
      const float base = finite_base(maximum);
      const float rescale = fast_exp2(state.maximum[tile][half] - base);
      state.maximum[tile][half] = maximum;
      float sum = state.sum[tile][half] * rescale;
#pragma unroll
      for (int n = 0; n < Shape::kWarpKeys / 8; ++n) {
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; ++e) {
          scores[tile][n][e] = fast_exp2(fmaf(scores[tile][n][e], scale, -base));
          sum += scores[tile][n][e];
        }
      }
      state.sum[tile][half] = sum;
#pragma unroll
      for (int n = 0; n < Shape::kDim / 8; ++n) {
        state.out[tile][n][2 * half] *= rescale;
        state.out[tile][n][2 * half + 1] *= rescale;
      }
    }
#pragma unroll
    for (int n = 0; n < Shape::kWarpKeys / 8; ++n) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        probabilities[tile][n / 2][n % 2 * 2 + half] =
            gpu::pack2<T>(scores[tile][n][2 * half], scores[tile][n][2 * half + 1]);
      }
    }
  }
}

template <typename Shape, typename T>
__device__ void add_weighted_values(const Probabilities<Shape>& probabilities, const T* ring,
                                    int values_at, WarpState<Shape>& state) {
#pragma unroll
  for (int step = 0; step < Shape::kWarpKeys / 16; ++step) {
#pragma unroll
    for (int pair = 0; pair < Shape::kDim / 16; ++pair) {
      std::uint32_t b[4];
      gpu::load_matrix_x4_transposed(b,
                                     ring + fragment_at(values_at, pair) + step * 16 * Shape::kDim);
#pragma unroll
      for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
        gpu::mma<T>(state.out[tile][2 * pair], probabilities[tile][step], b[0], b[1]);
        gpu::mma<T>(state.out[tile][2 * pair + 1], probabilities[tile][step], b[2], b[3]);
      }
    }
  }
}

// Sums of the four lanes that share a row, in each of them.
template <typename Shape>
__device__ void add_sums_of_row(WarpState<Shape>& state) {
#pragma unroll
  for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float& sum = state.sum[tile][half];
      sum += __shfl_xor_sync(gpu::kAllLanes, sum, 1);
      sum += __shfl_xor_sync(gpu::kAllLanes, sum, 2);
    }
  }
}

}  // namespace rooftop::inference::cuda
