// Attention for any number of rows (after FlashAttention-2): a block keeps a tile of packed query
// rows and walks over the keys in tiles; scores, probabilities and sums stay in registers.
//
// What bounds it is shared memory: a warp's ldmatrix of keys and values feeds 16 rows for each
// m16n8k16 it is used in. Two such row tiles per warp halve those reads, which is what the tensor
// cores of sm_80 and newer need; one row tile per warp is for steps of few rows, which are bound by
// device memory.
#include "inference/cuda/attention_device.h"
#include "inference/cuda/attention_launch.h"
#include "inference/cuda/attention_plan.h"
#include "inference/cuda/attention_tile.h"

namespace rooftop::inference::cuda {
namespace {

using gpu::kAllLanes;
using gpu::kWarp;

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
using Scores = float[Shape::kRowTiles][Shape::kKeys / 8][4];
// Probabilities as the left operand of mma: per 16 keys.
template <typename Shape>
using Probabilities = std::uint32_t[Shape::kRowTiles][Shape::kKeys / 16][4];
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
    for (int n = 0; n < Shape::kKeys / 8; ++n) {
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
    for (int pair = 0; pair < Shape::kKeys / 16; ++pair) {
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
      for (int n = 0; n < Shape::kKeys / 8; ++n) {
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
      for (int n = 0; n < Shape::kKeys / 8; ++n) {
        maximum = fmaxf(maximum, fmaxf(scores[tile][n][2 * half], scores[tile][n][2 * half + 1]));
      }
      // Four lanes share a row.
      maximum = fmaxf(maximum, __shfl_xor_sync(kAllLanes, maximum, 1));
      maximum = fmaxf(maximum, __shfl_xor_sync(kAllLanes, maximum, 2));
      maximum = fmaxf(state.maximum[tile][half], maximum * scale);
      const float base = finite_base(maximum);
      const float rescale = fast_exp2(state.maximum[tile][half] - base);
      state.maximum[tile][half] = maximum;
      float sum = state.sum[tile][half] * rescale;
#pragma unroll
      for (int n = 0; n < Shape::kKeys / 8; ++n) {
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
    for (int n = 0; n < Shape::kKeys / 8; ++n) {
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
  for (int step = 0; step < Shape::kKeys / 16; ++step) {
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

// One split: results in T, through the warp's own rows of `staging` so that whole rows are written
// 16 bytes at a time.
template <typename Shape, typename T>
__device__ void write_output(const AttentionCall& call, const TileWork& work, int warp_row,
                             int lane, const WarpState<Shape>& state, T* staging) {
  __syncwarp();  // all lanes have read their queries from these rows
#pragma unroll
  for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = warp_row + tile * 16 + half * 8 + lane / 4;
      const float sum = state.sum[tile][half];
      const float inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
#pragma unroll
      for (int n = 0; n < Shape::kDim / 8; ++n) {
        *reinterpret_cast<std::uint32_t*>(staging + Shape::offset(row, n) + lane % 4 * 2) =
            gpu::pack2<T>(state.out[tile][n][2 * half] * inverse,
                          state.out[tile][n][2 * half + 1] * inverse);
      }
    }
  }
  __syncwarp();
  for (int i = lane; i < Shape::kWarpRows * Shape::kChunks; i += kWarp) {
    const int row = warp_row + i / Shape::kChunks;
    const int chunk = i % Shape::kChunks;
    if (row >= work.rows || chunk * 8 >= call.head_dim) continue;
    T* const to = static_cast<T*>(call.a) +
                  work.packed.row_head(call, work.first + row) * call.head_dim + chunk * 8;
    *reinterpret_cast<uint4*>(to) =
        *reinterpret_cast<const uint4*>(staging + Shape::offset(row, chunk));
  }
}

template <typename Shape>
__device__ void write_partial(const AttentionCall& call, const TileWork& work, int warp_row,
                              int lane, const WarpState<Shape>& state) {
#pragma unroll
  for (int tile = 0; tile < Shape::kRowTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = warp_row + tile * 16 + half * 8 + lane / 4;
      if (row >= work.rows) continue;
      const std::int64_t index =
          partial_index(call, work.packed.row_head(call, work.first + row), work.split);
      const float sum = state.sum[tile][half];
      const float inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
      if (lane % 4 == 0) {
        call.partial_log_sum[index] =
            sum > 0.0f ? state.maximum[tile][half] + log2f(sum) : -INFINITY;
      }
#pragma unroll
      for (int n = 0; n < Shape::kDim / 8; ++n) {
        if (n * 8 >= call.head_dim) continue;
        *reinterpret_cast<float2*>(call.partial + index * call.head_dim + n * 8 + lane % 4 * 2) =
            make_float2(state.out[tile][n][2 * half] * inverse,
                        state.out[tile][n][2 * half + 1] * inverse);
      }
    }
  }
}

template <typename T, int kDim, int kRowTiles>
__global__ void __launch_bounds__(AttentionTile<T, kDim, kRowTiles>::kThreads,
                                  (AttentionTile<T, kDim, kRowTiles>::kBlocks))
    attention_tiled(AttentionCall call, float scale) {
  using Shape = AttentionTile<T, kDim, kRowTiles>;
  ROOFTOP_DYNAMIC_SHARED(memory);
  T* const queries = memory.template take<T>(Shape::kRows * kDim);
  T* const ring = memory.template take<T>(Shape::kBuffers * Shape::kBufferSize);
  auto* const last_keys = memory.template take<std::int32_t>(Shape::kRows);

  // In shared memory, since the loop below needs every register.
  TileWork& work = *memory.template take<TileWork>(1);
  if (threadIdx.x == 0) work = work_of_block<Shape>(call);
  __syncthreads();
  if (work.rows <= 0) return;
  if (work.keys.begin >= work.keys.end) {
    write_no_keys(call, work.packed, work.first, work.rows, work.split);
    return;
  }
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp_row = static_cast<int>(threadIdx.x) / kWarp * Shape::kWarpRows;
  const int key_tiles = (work.keys.end - work.keys.begin + Shape::kKeys - 1) / Shape::kKeys;

  // Step 2j brings the keys of tile j, step 2j + 1 its values.
  const auto load_step = [&](int step) {
    if (step < 2 * key_tiles) {
      const auto* const cache = static_cast<const T*>(step % 2 == 0 ? call.keys : call.values);
      load_tile<Shape>(cache + work.cache, work.keys.begin + step / 2 * Shape::kKeys, work.keys.end,
                       call.head_dim, ring + step % Shape::kBuffers * Shape::kBufferSize);
    }
    gpu::copy_async_commit();  // also where empty: waiting counts groups
  };
  // Waits for a step. The barrier also says that all warps are done with the step before, whose
  // buffer the next load may take.
  const auto take_step = [&](int step) {
    gpu::copy_async_wait<Shape::kBuffers - 2>();
    __syncthreads();
    load_step(step + Shape::kBuffers - 1);
    return step % Shape::kBuffers * Shape::kBufferSize;
  };

  load_queries<Shape>(call, work, queries);  // in the group of step 0
  for (int step = 0; step < Shape::kBuffers - 1; ++step) load_step(step);
  WarpState<Shape> state;
  start(state);
  find_last_keys<Shape>(work, last_keys);  // read after the barrier of step 0
  const int queries_at = fragment_by_rows<Shape>(lane) + warp_row * kDim;
  const int keys_at = fragment_by_dimensions<Shape>(lane);
  const int values_at = fragment_by_rows<Shape>(lane);
  QueryFragments<Shape> held;
  if constexpr (Shape::kQueriesInRegisters) {
    gpu::copy_async_wait<Shape::kBuffers - 2>();
    __syncthreads();
    load_query_fragments<Shape>(queries, queries_at, held);
  }
  for (int j = 0; j < key_tiles; ++j) {
    const std::int32_t first_key = work.keys.begin + j * Shape::kKeys;
    Probabilities<Shape> probabilities;
    const int key_tile = take_step(2 * j);
    const bool visible =
        warp_row < work.rows && first_key <= last_keys[warp_row + Shape::kWarpRows - 1];
    if (visible) {
      Scores<Shape> scores;
      multiply_queries_keys<Shape>(queries, queries_at, held, ring, key_tile + keys_at, scores);
      if (first_key + Shape::kKeys - 1 > last_keys[warp_row]) {
        mask<Shape>(last_keys + warp_row, first_key, lane, scores);
      }
      online_softmax<Shape, T>(scale, state, scores, probabilities);
    }
    const int value_tile = take_step(2 * j + 1);
    if (visible) add_weighted_values<Shape>(probabilities, ring, value_tile + values_at, state);
  }
#pragma unroll
  for (int tile = 0; tile < kRowTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float& sum = state.sum[tile][half];
      sum += __shfl_xor_sync(kAllLanes, sum, 1);
      sum += __shfl_xor_sync(kAllLanes, sum, 2);
    }
  }
  if (call.splits == 1) {
    write_output<Shape>(call, work, warp_row, lane, state, queries);
  } else {
    write_partial<Shape>(call, work, warp_row, lane, state);
  }
}

template <typename T, int kDim, int kRowTiles>
void launch_tile(const AttentionCall& call, cudaStream_t stream) {
  using Shape = AttentionTile<T, kDim, kRowTiles>;
  const std::int32_t packed = call.step.most_rows * (call.heads / call.kv_heads);
  const std::int32_t tiles = (packed + Shape::kRows - 1) / Shape::kRows;
  gpu::Launch where;
  where.name = "attention_tiled";
  where.grid = dim3(static_cast<unsigned>(call.kv_heads * call.splits),
                    static_cast<unsigned>(call.step.batch), static_cast<unsigned>(tiles));
  where.block = dim3(Shape::kThreads);
  where.shared_bytes = Shape::kSharedBytes;
  where.stream = stream;
  gpu::launch(where, attention_tiled<T, kDim, kRowTiles>, call, score_scale(call.head_dim));
}

template <typename T, int kDim>
void launch_rows(const AttentionCall& call, cudaStream_t stream) {
  const std::int64_t packed =
      static_cast<std::int64_t>(call.step.most_rows) * (call.heads / call.kv_heads);
  if (attention_tile_rows(call.head_dim, packed) == AttentionTile<T, kDim, 2>::kRows) {
    return launch_tile<T, kDim, 2>(call, stream);
  }
  launch_tile<T, kDim, 1>(call, stream);
}

}  // namespace

void launch_attention_tiled(const AttentionCall& call, cudaStream_t stream) {
  check_attention(call);
  if (call.step.batch == 0 || call.step.most_rows == 0) return;
  with_compute_type(call.dtype, [&](auto type) {
    using T = decltype(type);
    if (call.head_dim <= 16) return launch_tile<T, 16, 1>(call, stream);
    if (call.head_dim <= 64) return launch_rows<T, 64>(call, stream);
    if (call.head_dim <= 128) return launch_rows<T, 128>(call, stream);
    launch_tile<T, 256, 1>(call, stream);
  });
}

}  // namespace rooftop::inference::cuda
