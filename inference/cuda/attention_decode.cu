// Attention of few query rows: bound by reading keys and values once. Several lanes share a key, 16
// bytes each; the lanes of a warp and the warps of a block take different keys, each with its own
// running maximum, and are joined at the end.
#include "inference/cuda/attention_device.h"
#include "inference/cuda/attention_join.h"
#include "inference/cuda/attention_launch.h"
#include "inference/cuda/attention_plan.h"

namespace rooftop::inference::cuda {
namespace {

using gpu::kAllLanes;
using gpu::kWarp;

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kKeysInFlight = 4;  // of a lane, and as many values

// A lane's 8 dimensions of each packed row, over the keys that it saw.
template <int kRows>
struct DecodeState {
  float out[kRows][8];
  float maximum[kRows];  // of the scores, in powers of two
  float sum[kRows];
};

template <typename T, int kRows>
__device__ void load_query(const AttentionCall& call, const PackedRows& packed, float scale,
                           int first_dim, float (&query)[kRows][8]) {
#pragma unroll
  for (int row = 0; row < kRows; ++row) {
    uint4 values = make_uint4(0, 0, 0, 0);
    if (row < packed.count && first_dim < call.head_dim) {
      const T* const from =
          static_cast<const T*>(call.q) + packed.row_head(call, row) * call.head_dim + first_dim;
      values = *reinterpret_cast<const uint4*>(from);
    }
    gpu::unpack8<T>(values, query[row]);
#pragma unroll
    for (int i = 0; i < 8; ++i) query[row][i] *= scale;
  }
}

template <int kLanes>
__device__ float dot(const float (&a)[8], const float (&b)[8]) {
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < 8; ++i) sum = fmaf(a[i], b[i], sum);
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, distance);
  }
  return sum;
}

// One row's scores of a lane's keys join its state.
template <typename T, int kRows>
__device__ void add_keys(int row, const float (&scores)[kKeysInFlight],
                         const uint4 (&values)[kKeysInFlight], DecodeState<kRows>& state) {
  float maximum = state.maximum[row];
#pragma unroll
  for (int i = 0; i < kKeysInFlight; ++i) maximum = fmaxf(maximum, scores[i]);
  const float base = finite_base(maximum);
  const float rescale = fast_exp2(state.maximum[row] - base);
  state.maximum[row] = maximum;
  state.sum[row] *= rescale;
#pragma unroll
  for (int d = 0; d < 8; ++d) state.out[row][d] *= rescale;
#pragma unroll
  for (int i = 0; i < kKeysInFlight; ++i) {
    const float weight = fast_exp2(scores[i] - base);
    state.sum[row] += weight;
    float value[8];
    gpu::unpack8<T>(values[i], value);
#pragma unroll
    for (int d = 0; d < 8; ++d) state.out[row][d] = fmaf(weight, value[d], state.out[row][d]);
  }
}

// Joins the lanes of a warp that hold the same dimensions.
template <int kLanes, int kRows>
__device__ void join_lanes(DecodeState<kRows>& state) {
#pragma unroll
  for (int row = 0; row < kRows; ++row) {
    float maximum = state.maximum[row];
#pragma unroll
    for (int distance = kLanes; distance < kWarp; distance *= 2) {
      maximum = fmaxf(maximum, __shfl_xor_sync(kAllLanes, maximum, distance));
    }
    const float rescale = fast_exp2(state.maximum[row] - finite_base(maximum));
    state.maximum[row] = maximum;
    state.sum[row] *= rescale;
#pragma unroll
    for (int d = 0; d < 8; ++d) state.out[row][d] *= rescale;
#pragma unroll
    for (int distance = kLanes; distance < kWarp; distance *= 2) {
      state.sum[row] += __shfl_xor_sync(kAllLanes, state.sum[row], distance);
#pragma unroll
      for (int d = 0; d < 8; ++d) {
        state.out[row][d] += __shfl_xor_sync(kAllLanes, state.out[row][d], distance);
      }
    }
  }
}

// The lane's keys from `first` on, `step` apart; zeros from `end` on.
template <typename T>
__device__ void load_lines(const T* cache, std::int32_t first, std::int32_t step, std::int32_t end,
                           std::int32_t head_dim, uint4 (&lines)[kKeysInFlight]) {
#pragma unroll
  for (int i = 0; i < kKeysInFlight; ++i) {
    const std::int32_t key = first + i * step;
    lines[i] = make_uint4(0, 0, 0, 0);
    if (key < end) lines[i] = gpu::load_once16(cache + static_cast<std::int64_t>(key) * head_dim);
  }
}

// All lanes of a warp go through the same rounds, since they exchange scores.
template <typename T, int kLanes, int kRows>
__device__ void walk_keys(const AttentionCall& call, const PackedRows& packed, float scale,
                          std::int32_t slot, KeyRange keys, DecodeState<kRows>& state) {
  constexpr int kKeysAtOnce = kWarp / kLanes;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int first_dim = lane % kLanes * 8;
  const std::int64_t offset = cache_offset(call, slot, packed.kv_head) + first_dim;
  const T* const key_cache = static_cast<const T*>(call.keys) + offset;
  const T* const value_cache = static_cast<const T*>(call.values) + offset;
  // Lanes beyond the head size read nothing, and count as zeros.
  const std::int32_t end = first_dim < call.head_dim ? keys.end : 0;
  float query[kRows][8];
  load_query<T>(call, packed, scale, first_dim, query);
  std::int32_t last_key[kRows];
#pragma unroll
  for (int row = 0; row < kRows; ++row) {
    last_key[row] = min(packed.position(min(row, packed.count - 1)), keys.end - 1);
  }
  for (std::int32_t round = keys.begin + warp * kKeysAtOnce * kKeysInFlight; round < keys.end;
       round += kWarps * kKeysAtOnce * kKeysInFlight) {
    const std::int32_t first = round + lane / kLanes;
    uint4 key_lines[kKeysInFlight];
    uint4 value_lines[kKeysInFlight];
    load_lines(key_cache, first, kKeysAtOnce, end, call.head_dim, key_lines);
    load_lines(value_cache, first, kKeysAtOnce, end, call.head_dim, value_lines);
    float scores[kRows][kKeysInFlight];
#pragma unroll
    for (int i = 0; i < kKeysInFlight; ++i) {
      float key[8];
      gpu::unpack8<T>(key_lines[i], key);
#pragma unroll
      for (int row = 0; row < kRows; ++row) {
        const float score = dot<kLanes>(query[row], key);
        scores[row][i] = first + i * kKeysAtOnce <= last_key[row] ? score : -INFINITY;
      }
    }
#pragma unroll
    for (int row = 0; row < kRows; ++row) add_keys<T>(row, scores[row], value_lines, state);
  }
}

// kLanes lanes share a key: head sizes up to kLanes * 8. Up to kRows packed rows.
template <typename T, int kLanes, int kRows>
__global__ void __launch_bounds__(kThreads) attention_decode(AttentionCall call, float scale) {
  ROOFTOP_SHARED(float, warp_out, [kWarps * kRows * kLanes * 8]);
  ROOFTOP_SHARED(float, warp_maximum, [kWarps * kRows]);
  ROOFTOP_SHARED(float, warp_sum, [kWarps * kRows]);

  const auto split = static_cast<std::int32_t>(blockIdx.x);
  const SequenceRows sequence = call.step.sequences[blockIdx.z];
  const PackedRows packed = packed_rows(call, sequence, static_cast<std::int32_t>(blockIdx.y));
  if (packed.count <= 0) return;
  const KeyRange keys = keys_of_split(call, split, sequence.length);
  if (keys.begin >= keys.end) {
    write_no_keys(call, packed, 0, packed.count, split);
    return;
  }
  DecodeState<kRows> state;
#pragma unroll
  for (int row = 0; row < kRows; ++row) {
    state.maximum[row] = -INFINITY;
    state.sum[row] = 0.0f;
#pragma unroll
    for (int d = 0; d < 8; ++d) state.out[row][d] = 0.0f;
  }
  walk_keys<T, kLanes>(call, packed, scale, sequence.slot, keys, state);
  join_lanes<kLanes>(state);

  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (lane < kLanes) {
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
#pragma unroll
      for (int d = 0; d < 8; ++d) {
        warp_out[((warp * kRows + row) * kLanes + lane) * 8 + d] = state.out[row][d];
      }
      if (lane == 0) {
        warp_maximum[warp * kRows + row] = state.maximum[row];
        warp_sum[warp * kRows + row] = state.sum[row];
      }
    }
  }
  __syncthreads();
  join_warps<T, kWarps, kRows, kLanes * 8>(call, packed, 0, packed.count, split,
                                           {warp_out, warp_maximum, warp_sum});
}

template <typename T, int kLanes, int kRows>
void launch_decode(const AttentionCall& call, cudaStream_t stream) {
  gpu::Launch where;
  where.name = "attention_decode";
  where.grid = dim3(static_cast<unsigned>(call.splits), static_cast<unsigned>(call.kv_heads),
                    static_cast<unsigned>(call.step.batch));
  where.block = dim3(kThreads);
  where.stream = stream;
  gpu::launch(where, attention_decode<T, kLanes, kRows>, call, score_scale(call.head_dim));
}

template <typename T, int kLanes>
void launch_rows(const AttentionCall& call, std::int32_t packed, cudaStream_t stream) {
  if (packed == 1) return launch_decode<T, kLanes, 1>(call, stream);
  if (packed == 2) return launch_decode<T, kLanes, 2>(call, stream);
  launch_decode<T, kLanes, kMostDecodeRows>(call, stream);
}

}  // namespace

void launch_attention_decode(const AttentionCall& call, cudaStream_t stream) {
  check_attention(call);
  if (call.step.batch == 0 || call.step.most_rows == 0) return;
  const std::int32_t packed = call.step.most_rows * (call.heads / call.kv_heads);
  if (packed > kMostDecodeRows) {
    throw std::invalid_argument("launch_attention_decode: " + std::to_string(packed) +
                                " rows of a KV head, at most " + std::to_string(kMostDecodeRows));
  }
  with_compute_type(call.dtype, [&](auto type) {
    using T = decltype(type);
    if (call.head_dim <= 16) return launch_rows<T, 2>(call, packed, stream);
    if (call.head_dim <= 64) return launch_rows<T, 8>(call, packed, stream);
    if (call.head_dim <= 128) return launch_rows<T, 16>(call, packed, stream);
    launch_rows<T, 32>(call, packed, stream);
  });
}

}  // namespace rooftop::inference::cuda
