// Attention for any number of rows (after FlashAttention-2): a block keeps a tile of packed query
// rows and walks over the keys in tiles; scores, probabilities and sums stay in registers.
//
// What bounds a prompt is shared memory: a warp's ldmatrix of keys and values feeds 16 rows for
// each m16n8k16 it is used in. Two such row tiles per warp halve those reads, which is what the
// tensor cores of sm_80 and newer need. Steps of few rows are bound by device memory: one row tile
// per warp, or one for all warps, which then share out the keys of each tile.
#include "inference/cuda/attention_device.h"
#include "inference/cuda/attention_join.h"
#include "inference/cuda/attention_launch.h"
#include "inference/cuda/attention_plan.h"
#include "inference/cuda/attention_warp.h"

namespace rooftop::inference::cuda {
namespace {

using gpu::kWarp;

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

// Several warps have taken keys of the same rows: they join in the memory that the tiles have left.
template <typename Shape, typename T>
__device__ void join_and_write(const AttentionCall& call, const TileWork& work, int warp, int lane,
                               const WarpState<Shape>& state, T* ring) {
  static_assert(Shape::kRowTiles == 1);
  constexpr int kResults = Shape::kKeyWarps * Shape::kRows;
  static_assert(kResults * (Shape::kDim + 2) * sizeof(float) <=
                Shape::kBuffers * Shape::kBufferSize * sizeof(T));
  auto* const out = reinterpret_cast<float*>(ring);
  float* const maximum = out + kResults * Shape::kDim;
  float* const sum = maximum + kResults;
  __syncthreads();  // all warps are done with the last tile
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = warp * Shape::kRows + half * 8 + lane / 4;
#pragma unroll
    for (int n = 0; n < Shape::kDim / 8; ++n) {
      *reinterpret_cast<float2*>(out + row * Shape::kDim + n * 8 + lane % 4 * 2) =
          make_float2(state.out[0][n][2 * half], state.out[0][n][2 * half + 1]);
    }
    if (lane % 4 == 0) {
      maximum[row] = state.maximum[0][half];
      sum[row] = state.sum[0][half];
    }
  }
  __syncthreads();
  join_warps<T, Shape::kKeyWarps, Shape::kRows, Shape::kDim>(
      call, work.packed, work.first, work.rows, work.split, {out, maximum, sum});
}

template <typename T, int kDim, int kRowTiles, int kKeyWarps>
__global__ void __launch_bounds__(AttentionTile<T, kDim, kRowTiles, kKeyWarps>::kThreads,
                                  (AttentionTile<T, kDim, kRowTiles, kKeyWarps>::kBlocks))
    attention_tiled(AttentionCall call, float scale) {
  using Shape = AttentionTile<T, kDim, kRowTiles, kKeyWarps>;
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
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warp_row = warp / kKeyWarps * Shape::kWarpRows;  // of the tile
  const int warp_key = warp % kKeyWarps * Shape::kWarpKeys;  // of each tile
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
  const int keys_at = fragment_by_dimensions<Shape>(lane) + warp_key * kDim;
  const int values_at = fragment_by_rows<Shape>(lane) + warp_key * kDim;
  QueryFragments<Shape> held;
  if constexpr (Shape::kQueriesInRegisters) {
    gpu::copy_async_wait<Shape::kBuffers - 2>();
    __syncthreads();
    load_query_fragments<Shape>(queries, queries_at, held);
  }
  for (int j = 0; j < key_tiles; ++j) {
    const std::int32_t first_key = work.keys.begin + j * Shape::kKeys + warp_key;
    Probabilities<Shape> probabilities;
    const int key_tile = take_step(2 * j);
    const bool visible =
        warp_row < work.rows && first_key <= last_keys[warp_row + Shape::kWarpRows - 1];
    if (visible) {
      Scores<Shape> scores;
      multiply_queries_keys<Shape>(queries, queries_at, held, ring, key_tile + keys_at, scores);
      if (first_key + Shape::kWarpKeys - 1 > last_keys[warp_row]) {
        mask<Shape>(last_keys + warp_row, first_key, lane, scores);
      }
      online_softmax<Shape, T>(scale, state, scores, probabilities);
    }
    const int value_tile = take_step(2 * j + 1);
    if (visible) add_weighted_values<Shape>(probabilities, ring, value_tile + values_at, state);
  }
  add_sums_of_row(state);
  if constexpr (kKeyWarps > 1) {
    join_and_write(call, work, warp, lane, state, ring);
  } else if (call.splits == 1) {
    write_output<Shape>(call, work, warp_row, lane, state, queries);
  } else {
    write_partial<Shape>(call, work, warp_row, lane, state);
  }
}

template <typename T, int kDim, int kRowTiles, int kKeyWarps = 1>
void launch_tile(const AttentionCall& call, std::int64_t packed, cudaStream_t stream) {
  using Shape = AttentionTile<T, kDim, kRowTiles, kKeyWarps>;
  const std::int64_t tiles = (packed + Shape::kRows - 1) / Shape::kRows;
  gpu::Launch where;
  where.name = "attention_tiled";
  where.grid = dim3(static_cast<unsigned>(call.kv_heads * call.splits),
                    static_cast<unsigned>(call.step.batch), static_cast<unsigned>(tiles));
  where.block = dim3(Shape::kThreads);
  where.shared_bytes = Shape::kSharedBytes;
  where.stream = stream;
  gpu::launch(where, attention_tiled<T, kDim, kRowTiles, kKeyWarps>, call,
              score_scale(call.head_dim));
}

template <typename T>
void launch_rows(const AttentionCall& call, cudaStream_t stream) {
  const std::int64_t packed =
      static_cast<std::int64_t>(call.step.most_rows) * (call.heads / call.kv_heads);
  const std::int32_t d = call.head_dim;
  switch (attention_tile_rows(d, packed)) {
    case 16:
      if (d <= 16) return launch_tile<T, 16, 1, 4>(call, packed, stream);
      if (d <= 64) return launch_tile<T, 64, 1, 4>(call, packed, stream);
      return launch_tile<T, 128, 1, 4>(call, packed, stream);
    case 128:
      if (d <= 64) return launch_tile<T, 64, 2>(call, packed, stream);
      return launch_tile<T, 128, 2>(call, packed, stream);
    default:
      if (d <= 16) return launch_tile<T, 16, 1>(call, packed, stream);
      if (d <= 64) return launch_tile<T, 64, 1>(call, packed, stream);
      if (d <= 128) return launch_tile<T, 128, 1>(call, packed, stream);
      return launch_tile<T, 256, 1>(call, packed, stream);
  }
}

}  // namespace

void launch_attention_tiled(const AttentionCall& call, cudaStream_t stream) {
  check_attention(call);
  if (call.step.batch == 0 || call.step.most_rows == 0) return;
  with_compute_type(call.dtype, [&](auto type) { launch_rows<decltype(type)>(call, stream); });
}

}  // namespace rooftop::inference::cuda
