// Shuffles, votes, mma and ldmatrix: what each lane gives, and what it gets back once the last lane
// has come. Layouts are those of the PTX ISA's "mma.m16n8k16" and "ldmatrix".
#include <cuda_fp16.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "tests/host_executor/block.h"

namespace rooftop::host_executor {
namespace {

struct ShuffleOperands {
  std::uint64_t given;
  std::uint64_t got;
  Shuffle kind;
  int argument;
  int width;
};
struct BallotOperands {
  bool given;
  unsigned got;
};
struct ReduceOperands {
  std::int64_t given;
  std::int64_t got;
  Reduction kind;
};
struct MultiplyOperands {
  const std::uint32_t* a;
  const std::uint32_t* b;
  float* d;
  bool is_bf16;
};
struct LoadOperands {
  std::array<std::uint32_t, 4> row;  // eight values of 16 bits
  std::array<std::uint32_t, 4> got;
  bool transposed;
};

template <typename T>
T& operands(Thread& lane) {
  return *static_cast<T*>(lane.operands);
}

template <typename Function>
void for_each_lane(unsigned mask, Function function) {
  for (; mask != 0; mask &= mask - 1) function(std::countr_zero(mask));
}

// The lane that a shuffle reads: its own where the source lies outside its group of `width`.
int shuffle_source(int lane, const ShuffleOperands& shuffle) {
  const int first = lane / shuffle.width * shuffle.width;
  const int end = first + shuffle.width;
  int source = lane;
  switch (shuffle.kind) {
    case Shuffle::kIndex:
      return first + (shuffle.argument & (shuffle.width - 1));
    case Shuffle::kUp:
      source = lane - shuffle.argument;
      break;
    case Shuffle::kDown:
      source = lane + shuffle.argument;
      break;
    case Shuffle::kXor:
      source = lane ^ shuffle.argument;
      break;
  }
  // An xor may reach into an earlier group, not into a later one.
  const bool reaches = source < end && (source >= first || shuffle.kind == Shuffle::kXor);
  return reaches ? source : lane;
}

void resolve_shuffle(Thread* lanes, unsigned mask) {
  for_each_lane(mask, [&](int lane) {
    auto& shuffle = operands<ShuffleOperands>(lanes[lane]);
    const Site site = lanes[lane].site;
    if (shuffle.width < 1 || shuffle.width > kLanes ||
        !std::has_single_bit(unsigned(shuffle.width))) {
      fail(site, "__shfl_sync: width %d is no power of two up to 32", shuffle.width);
    }
    const int source = shuffle_source(lane, shuffle);
    if (source < 0 || source >= kLanes || (mask >> source & 1) == 0) {
      fail(site, "__shfl_sync: lane %d reads lane %d, which does not take part (mask %08x)", lane,
           source, mask);
    }
    const auto& from = operands<ShuffleOperands>(lanes[source]);
    if (from.kind != shuffle.kind) fail(site, "__shfl_sync: shuffles of different kinds meet");
    shuffle.got = from.given;
  });
}

void resolve_ballot(Thread* lanes, unsigned mask) {
  unsigned votes = 0;
  for_each_lane(mask, [&](int lane) {
    votes |= operands<BallotOperands>(lanes[lane]).given ? 1u << lane : 0u;
  });
  for_each_lane(mask, [&](int lane) { operands<BallotOperands>(lanes[lane]).got = votes; });
}

std::int64_t reduce(Reduction kind, std::int64_t a, std::int64_t b) {
  switch (kind) {
    case Reduction::kAdd:
      return a + b;
    case Reduction::kMin:
      return a < b ? a : b;
    case Reduction::kMax:
      return a > b ? a : b;
    case Reduction::kAnd:
      return a & b;
    case Reduction::kOr:
      return a | b;
    case Reduction::kXor:
      return a ^ b;
  }
  return 0;
}

void resolve_reduce(Thread* lanes, unsigned mask) {
  const auto& first = operands<ReduceOperands>(lanes[std::countr_zero(mask)]);
  std::int64_t result = first.given;
  for_each_lane(mask & (mask - 1), [&](int lane) {
    result = reduce(first.kind, result, operands<ReduceOperands>(lanes[lane]).given);
  });
  for_each_lane(mask, [&](int lane) { operands<ReduceOperands>(lanes[lane]).got = result; });
}

float value_of(std::uint32_t packed, int half, bool is_bf16) {
  const auto bits = static_cast<std::uint16_t>(packed >> (16 * half));
  if (is_bf16) return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  __half_raw raw;
  raw.x = bits;
  return __half2float(__half(raw));
}

// Lane = 4 * group + t. Of a (16x16), register i holds row group + 8 * (i % 2) and columns
// 2t + 8 * (i / 2) and the next; of b (16x8), rows 2t + 8i and the next of column group; of d
// (16x8), row group + 8 * (i / 2) and column 2t + i % 2.
void resolve_multiply(Thread* lanes) {
  std::array<std::array<float, 16>, 16> a;
  std::array<std::array<float, 8>, 16> b;
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto& given = operands<MultiplyOperands>(lanes[lane]);
    const int group = lane / 4;
    const int t = lane % 4;
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 4; ++i) {
        const int column = 2 * t + 8 * (i / 2) + half;
        a[group + 8 * (i % 2)][column] = value_of(given.a[i], half, given.is_bf16);
      }
      for (int i = 0; i < 2; ++i) {
        b[2 * t + 8 * i + half][group] = value_of(given.b[i], half, given.is_bf16);
      }
    }
  }
  std::array<std::array<float, 8>, 16> product{};
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < 16; ++k) {
      for (int column = 0; column < 8; ++column) product[row][column] += a[row][k] * b[k][column];
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    float* const d = operands<MultiplyOperands>(lanes[lane]).d;
    for (int i = 0; i < 4; ++i) d[i] += product[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
  }
}

// Matrix i has its rows in lanes 8i .. 8i + 7. Lane 4 * group + t gets columns 2t and 2t + 1 of row
// `group`, or, transposed, rows 2t and 2t + 1 of column `group`.
void resolve_load(Thread* lanes) {
  const auto element = [&](int matrix, int row, int column) {
    const auto& given = operands<LoadOperands>(lanes[8 * matrix + row]).row;
    return given[column / 2] >> (16 * (column % 2)) & 0xFFFFu;
  };
  for (int lane = 0; lane < kLanes; ++lane) {
    auto& load = operands<LoadOperands>(lanes[lane]);
    const int group = lane / 4;
    const int t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      const std::uint32_t low =
          load.transposed ? element(i, 2 * t, group) : element(i, group, 2 * t);
      const std::uint32_t high =
          load.transposed ? element(i, 2 * t + 1, group) : element(i, group, 2 * t + 1);
      load.got[i] = low | high << 16;
    }
  }
}

}  // namespace

void resolve_collective(Thread* lanes, unsigned mask) {
  switch (lanes[std::countr_zero(mask)].collective) {
    case Collective::kBarrier:
      break;
    case Collective::kShuffle:
      resolve_shuffle(lanes, mask);
      break;
    case Collective::kBallot:
      resolve_ballot(lanes, mask);
      break;
    case Collective::kReduce:
      resolve_reduce(lanes, mask);
      break;
    case Collective::kMultiply:
      resolve_multiply(lanes);
      break;
    case Collective::kLoad:
      resolve_load(lanes);
      break;
  }
}

int block_barrier(bool predicate, Site site) { return block().barrier(predicate, site); }

void warp_barrier(unsigned mask, Site site) { block().warp_barrier(mask, site); }

std::uint64_t warp_shuffle(unsigned mask, std::uint64_t bits, Shuffle kind, int argument, int width,
                           Site site) {
  ShuffleOperands shuffle{bits, 0, kind, argument, width};
  block().meet(Collective::kShuffle, mask, &shuffle, site);
  return shuffle.got;
}

unsigned warp_ballot(unsigned mask, bool predicate, Site site) {
  BallotOperands ballot{predicate, 0};
  block().meet(Collective::kBallot, mask, &ballot, site);
  return ballot.got;
}

std::int64_t warp_reduce(unsigned mask, std::int64_t value, Reduction kind, Site site) {
  ReduceOperands reduction{value, 0, kind};
  block().meet(Collective::kReduce, mask, &reduction, site);
  return reduction.got;
}

void matrix_multiply(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     bool is_bf16, Site site) {
  MultiplyOperands multiply{a, b, d, is_bf16};
  block().meet(Collective::kMultiply, kAllLanes, &multiply, site);
}

void load_matrices(std::uint32_t (&fragment)[4], const uint4& row, bool transposed, Site site) {
  LoadOperands load{{row.x, row.y, row.z, row.w}, {}, transposed};
  block().meet(Collective::kLoad, kAllLanes, &load, site);
  std::ranges::copy(load.got, fragment);
}

}  // namespace rooftop::host_executor
