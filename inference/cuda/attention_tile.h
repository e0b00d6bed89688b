// The tiles of attention_tiled.cu: their sizes, how they lie in shared memory and get there.
#pragma once

#include "inference/cuda/attention_device.h"

namespace rooftop::inference::cuda {

// What a block works on.
struct TileWork {
  PackedRows packed;
  KeyRange keys;
  std::int32_t split;
  std::int32_t first;  // packed row
  std::int32_t rows;   // packed rows of the tile that exist, or none: <= 0
  std::int64_t cache;  // where the KV head's keys, and its values, begin
};

// Sizes of a block. Keys and values pass through one ring of buffers, K0 V0 K1 V1 ...: with three
// buffers two tiles are on their way while one is used. The warps share out the rows; or, where
// there are rows for one warp only, the keys of each tile (kKeyWarps of them).
template <typename T, int kDimSize, int kRowTilesOfWarp, int kKeyWarpsOfBlock>
struct AttentionTile {
  static constexpr int kDim = kDimSize;               // head size, padded
  static constexpr int kRowTiles = kRowTilesOfWarp;   // of 16 rows
  static constexpr int kKeyWarps = kKeyWarpsOfBlock;  // 1 or all
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * gpu::kWarp;
  static constexpr int kWarpRows = 16 * kRowTiles;
  static constexpr int kRows = kWarpRows * kWarps / kKeyWarps;
  static constexpr int kKeys = kDim > 128 ? 32 : 64;
  static constexpr int kWarpKeys = kKeys / kKeyWarps;
  static constexpr int kChunks = kDim / 8;  // of 16 bytes, in a row
  static constexpr int kBuffers = 3;
  static constexpr int kBufferSize = kKeys * kDim;
  static constexpr bool kQueriesInRegisters = kDim <= 64;  // as far as there are registers
  static constexpr int kBlocks = kRowTiles == 1 && kDim <= 128 ? 3 : 2;  // of a multiprocessor
  static constexpr std::size_t kSharedBytes =
      gpu::shared_bytes<T>(kRows * kDim) + gpu::shared_bytes<T>(kBuffers * kBufferSize) +
      gpu::shared_bytes<TileWork>(1) + gpu::shared_bytes<std::int32_t>(kRows);
  static_assert(kWarpKeys % 16 == 0);

  // Where a chunk of a row lies in shared memory. Chunks are exchanged within a row such that the
  // same chunk of eight consecutive rows, which is what ldmatrix reads, covers all banks.
  __device__ static int offset(int row, int chunk) {
    const int exchange = kChunks >= 8 ? row & 7 : (row * kChunks / 8) & (kChunks - 1);
    return row * kDim + ((chunk ^ exchange) * 8);
  }
};

// Blocks start in the order of their index, z slowest: the last tiles of all sequences, which see
// the most keys, come first.
template <typename Shape>
__device__ TileWork work_of_block(const AttentionCall& call) {
  const auto split = static_cast<std::int32_t>(blockIdx.x) % call.splits;
  const auto kv_head = static_cast<std::int32_t>(blockIdx.x) / call.splits;
  const SequenceRows sequence = call.step.sequences[blockIdx.y];
  const PackedRows packed = packed_rows(call, sequence, kv_head);
  const std::int32_t tiles = (packed.count + Shape::kRows - 1) / Shape::kRows;
  const std::int32_t tile = tiles - 1 - static_cast<std::int32_t>(blockIdx.z);
  const std::int32_t first = tile * Shape::kRows;
  const std::int32_t rows = tile < 0 ? 0 : min(Shape::kRows, packed.count - first);
  KeyRange keys = keys_of_split(call, split, sequence.length);
  if (rows > 0) keys.end = min(keys.end, packed.position(first + rows - 1) + 1);
  return {packed, keys, split, first, rows, cache_offset(call, sequence.slot, kv_head)};
}

// The last key that each row of the tile sees. Rows that do not exist repeat the last one that
// does.
template <typename Shape>
__device__ void find_last_keys(const TileWork& work, std::int32_t* last_keys) {
  for (auto row = static_cast<int>(threadIdx.x); row < Shape::kRows; row += Shape::kThreads) {
    const std::int32_t existing = work.first + min(row, work.rows - 1);
    last_keys[row] = min(work.packed.position(existing), work.keys.end - 1);
  }
}

template <typename Shape, typename T>
__device__ void load_queries(const AttentionCall& call, const TileWork& work, T* queries) {
  const auto* const q = static_cast<const T*>(call.q);
  for (auto i = static_cast<int>(threadIdx.x); i < Shape::kRows * Shape::kChunks;
       i += Shape::kThreads) {
    const int row = i / Shape::kChunks;
    const int chunk = i % Shape::kChunks;
    const bool valid = row < work.rows && chunk * 8 < call.head_dim;
    const T* from = q;
    if (valid) {
      from += work.packed.row_head(call, work.first + row) * call.head_dim + chunk * 8;
    }
    gpu::copy_async16(queries + Shape::offset(row, chunk), from, valid);
  }
}

// Keys (or values) from `first` on; zeros from `end` on and beyond the head size.
template <typename Shape, typename T>
__device__ void load_tile(const T* cache, std::int32_t first, std::int32_t end,
                          std::int32_t head_dim, T* buffer) {
  constexpr int kRowsAtOnce = Shape::kThreads / Shape::kChunks;
  static_assert(Shape::kKeys % kRowsAtOnce == 0);
  const int row = static_cast<int>(threadIdx.x) / Shape::kChunks;
  const int chunk = static_cast<int>(threadIdx.x) % Shape::kChunks;
  const int valid_rows = chunk * 8 < head_dim ? end - first : 0;
  const T* from = cache + static_cast<std::int64_t>(first + row) * head_dim + chunk * 8;
#pragma unroll
  for (int i = 0; i < Shape::kKeys; i += kRowsAtOnce) {
    gpu::copy_async16(buffer + Shape::offset(row + i, chunk), from, row + i < valid_rows);
    from += kRowsAtOnce * head_dim;
  }
}

// Where in shared memory a lane's part of the first fragment lies. Along the dimensions the next
// fragments (`step` of 16) follow by exclusive or, since that is how chunks are exchanged.
//
// Queries and values: matrices in the order rows 0-7 and 8-15 of dimensions 0-7, then of 8-15.
template <typename Shape>
__device__ int fragment_by_rows(int lane) {
  return Shape::offset(lane % 16, lane / 16);
}
// Keys: dimensions 0-7 and 8-15 of rows 0-7, then of rows 8-15.
template <typename Shape>
__device__ int fragment_by_dimensions(int lane) {
  return Shape::offset(lane / 16 * 8 + lane % 8, lane / 8 % 2);
}
__device__ inline int fragment_at(int first, int step) { return first ^ (step * 16); }

}  // namespace rooftop::inference::cuda
