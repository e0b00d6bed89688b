// Templates over a Simd and a storage type: attention of one block of query rows (AttentionTask),
// built from one register-tiled product C[rows][N] (+)= A[rows][K] * B[K][N] of 32-bit lanes. A
// lane is a float, or, where the machine multiplies bf16 natively, a pair of bf16 neighbours along
// K. Included by the kernels_*.cpp files only.
#pragma once

#include "inference/cpu/kernels.h"
#include "inference/cpu/kernels_linear.h"

namespace rooftop::inference::cpu {

ROOFTOP_INLINE constexpr std::int64_t round_up(std::int64_t n, std::int64_t unit) {
  return (n + unit - 1) / unit * unit;
}
ROOFTOP_INLINE constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}

// The widest vector of any Simd: padding that suits all of them.
inline constexpr std::int64_t kLanePadding = 16;

// A task's scratch memory, in floats, each part a multiple of 64 bytes; attention_scratch() sums
// it up.
struct AttentionScratch {
  float* q;            // [rows][d]: the queries as lanes
  float* s;            // [rows][kKeyBlock]: scores, then probabilities as lanes
  float* o;            // [rows][d]: unnormalised output
  float* keys;         // [d][kKeyBlock]: a block of keys, transposed
  float* values;       // [kKeyBlock][d]
  float* top;          // [rows]: largest raw score so far
  float* sum;          // [rows]: sum of exponentials
  std::int64_t width;  // d, padded

  ROOFTOP_INLINE AttentionScratch(float* base, std::int64_t rows, std::int64_t d)
      : width(round_up(d, kLanePadding)) {
    const auto take = [&](std::int64_t floats) {
      float* const part = base;
      base += round_up(floats, kLanePadding);
      return part;
    };
    q = take(rows * width);
    s = take(rows * kKeyBlock);
    o = take(rows * width);
    keys = take(width * kKeyBlock);
    values = take(kKeyBlock * width);
    top = take(rows);
    sum = take(rows);
  }
};

template <typename S, bool kPairs>
ROOFTOP_INLINE typename S::F multiply_lanes(typename S::F a, typename S::F b, typename S::F c) {
  if constexpr (kPairs) {
    return S::dot_bf16(a, b, c);
  } else {
    return S::fma(a, b, c);
  }
}

template <typename S, bool kPairs, int M, int N>
ROOFTOP_INLINE void product_tile(const float* a, std::int64_t lda, const float* b, std::int64_t ldb,
                                 float* c, std::int64_t ldc, std::int64_t k, bool accumulate) {
  typename S::F acc[M * N];
#pragma GCC unroll 32
  for (int i = 0; i < M * N; ++i) {
    acc[i] = accumulate ? S::load(c + (i / N) * ldc + (i % N) * S::kWidth) : S::zero();
  }
  for (std::int64_t j = 0; j < k; ++j) {
    typename S::F columns[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) columns[n] = S::load(b + j * ldb + n * S::kWidth);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const auto row = S::broadcast(a + m * lda + j);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        acc[m * N + n] = multiply_lanes<S, kPairs>(row, columns[n], acc[m * N + n]);
      }
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < M * N; ++i) S::store(c + (i / N) * ldc + (i % N) * S::kWidth, acc[i]);
}

template <typename S, bool kPairs, int N>
void product_columns(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
                     std::int64_t ldc, std::int64_t rows, std::int64_t k, bool accumulate) {
  std::int64_t m = 0;
  for (; m + S::kTileRows <= rows; m += S::kTileRows) {
    product_tile<S, kPairs, S::kTileRows, N>(a + m * lda, lda, b, ldb, c + m * ldc, ldc, k,
                                             accumulate);
  }
  const auto rest = [&]<int M>() {
    product_tile<S, kPairs, M, N>(a + m * lda, lda, b, ldb, c + m * ldc, ldc, k, accumulate);
  };
  switch (rows - m) {
    case 1:
      return rest.template operator()<1>();
    case 2:
      return rest.template operator()<2>();
    case 3:
      return rest.template operator()<3>();
    case 4:
      return rest.template operator()<4>();
    case 5:
      return rest.template operator()<5>();
    default:
      return;
  }
}

// C[rows][n] = A * B, or += where `accumulate`; n a multiple of kWidth, k counted in lanes.
template <typename S, bool kPairs>
void product(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* c,
             std::int64_t ldc, std::int64_t rows, std::int64_t n, std::int64_t k, bool accumulate) {
  constexpr int kTile = S::kTileVectors * S::kWidth;
  std::int64_t j = 0;
  for (; j + kTile <= n; j += kTile) {
    product_columns<S, kPairs, S::kTileVectors>(a, lda, b + j, ldb, c + j, ldc, rows, k,
                                                accumulate);
  }
  for (; j < n; j += S::kWidth) {
    product_columns<S, kPairs, 1>(a, lda, b + j, ldb, c + j, ldc, rows, k, accumulate);
  }
}

template <typename T>
inline constexpr bool kIsBf16 = false;
template <>
inline constexpr bool kIsBf16<BF16> = true;

template <typename S, typename T>
struct AttentionKernels {
  using F = typename S::F;
  static constexpr bool kPairs = S::kNativeBf16 && kIsBf16<T>;
  static constexpr std::int64_t kLaneValues = kPairs ? 2 : 1;  // values of K in a lane

  // Values as they lie in memory -> lanes, zeros behind: a pair is copied, anything else widened.
  ROOFTOP_INLINE static F load_lanes(const T* p, int lanes) {
    if constexpr (kPairs) {
      return S::load_n(reinterpret_cast<const float*>(p), lanes);
    } else {
      return lanes == S::kWidth ? S::load(p) : S::load_n(p, lanes);
    }
  }

  static void copy_lanes(const T* from, float* to, std::int64_t lanes) {
    for (std::int64_t i = 0; i < lanes; i += S::kWidth) {
      S::store(to + i,
               load_lanes(from + i * kLaneValues, static_cast<int>(smaller(S::kWidth, lanes - i))));
    }
  }

  static void pack_queries(const AttentionTask& t, float* q, std::int64_t width) {
    for (std::int64_t p = 0; p < t.positions; ++p) {
      for (std::int64_t h = 0; h < t.group; ++h) {
        copy_lanes(static_cast<const T*>(t.q) + p * t.q_stride + h * t.head_dim, q,
                   t.head_dim / kLaneValues);
        q += width;
      }
    }
  }

  // keys [count][d] -> [d as lanes][kKeyBlock], zeros behind the last key.
  static void pack_keys(const T* keys, std::int64_t count, std::int64_t d, float* out) {
    const std::int64_t lanes = d / kLaneValues;
    for (std::int64_t key = 0; key < kKeyBlock; key += S::kWidth) {
      for (std::int64_t j = 0; j < lanes; j += S::kWidth) {
        const int n = static_cast<int>(smaller(S::kWidth, lanes - j));
        F block[S::kWidth];
        if (key + S::kWidth <= count && n == S::kWidth) {
#pragma GCC unroll 16
          for (int i = 0; i < S::kWidth; ++i) {
            block[i] = load_lanes(keys + (key + i) * d + j * kLaneValues, S::kWidth);
          }
        } else {
          for (int i = 0; i < S::kWidth; ++i) {
            block[i] =
                key + i < count ? load_lanes(keys + (key + i) * d + j * kLaneValues, n) : S::zero();
          }
        }
        S::transpose(block);
        for (int i = 0; i < n; ++i) S::store(out + (j + i) * kKeyBlock + key, block[i]);
      }
    }
  }

  // values [count][d] -> [count as lanes][width], zeros behind d and behind the last key.
  static void pack_values(const T* values, std::int64_t count, std::int64_t d, float* out,
                          std::int64_t width) {
    for (std::int64_t key = 0; key < count; key += kLaneValues) {
      const T* row = values + key * d;
      for (std::int64_t i = 0; i < d; i += S::kWidth) {
        const int n = static_cast<int>(smaller(S::kWidth, d - i));
        if constexpr (kPairs) {
          S::store(out + i, S::interleave_n(row + i, key + 1 < count ? row + d + i : nullptr, n));
        } else {
          S::store(out + i, n == S::kWidth ? S::load(row + i) : S::load_n(row + i, n));
        }
      }
      out += width;
    }
  }

  // scores[rows][kKeyBlock] of keys [first, first + count).
  static void block_scores(const AttentionTask& t, const AttentionScratch& a, std::int64_t first,
                           std::int64_t count) {
    pack_keys(static_cast<const T*>(t.keys) + first * t.head_dim, count, t.head_dim, a.keys);
    product<S, kPairs>(a.q, a.width, a.keys, kKeyBlock, a.s, kKeyBlock, t.positions * t.group,
                       round_up(count, S::kWidth), t.head_dim / kLaneValues, false);
  }

  // o[rows][d] += probabilities * values of keys [first, first + count).
  static void block_output(const AttentionTask& t, const AttentionScratch& a, std::int64_t first,
                           std::int64_t count, bool accumulate) {
    pack_values(static_cast<const T*>(t.values) + first * t.head_dim, count, t.head_dim, a.values,
                a.width);
    product<S, kPairs>(a.s, kKeyBlock, a.values, a.width, a.o, a.width, t.positions * t.group,
                       round_up(t.head_dim, S::kWidth), (count + kLaneValues - 1) / kLaneValues,
                       accumulate);
  }

  // Raw scores -> exponentials as lanes, in place; keeps the running maximum and sum of one row.
  ROOFTOP_INLINE static void online_softmax(const AttentionTask& t, const AttentionScratch& a,
                                            std::int64_t row, std::int64_t visible) {
    float* s = a.s + row * kKeyBlock;
    F best = S::set1(a.top[row]);
    for (std::int64_t i = 0; i < visible; i += S::kWidth) {
      best = S::max(best, S::first_or(S::load(s + i), static_cast<int>(visible - i), a.top[row]));
    }
    const float top = S::max_of(best);
    const F shift = S::set1(top);
    const F scale = S::set1(t.scale);
    F total = S::zero();
    for (std::int64_t i = 0; i < kKeyBlock; i += S::kWidth) {
      const auto e = S::first_or(exp_of<S>(S::mul(S::sub(S::load(s + i), shift), scale)),
                                 static_cast<int>(visible - i), 0.0F);
      total = S::add(total, e);
      if constexpr (kPairs) {
        S::store(reinterpret_cast<BF16*>(s) + i, e);
      } else {
        S::store(s + i, e);
      }
    }
    if (top > a.top[row]) {  // what was summed so far is now worth less
      const float decay = S::max_of(exp_of<S>(S::set1((a.top[row] - top) * t.scale)));
      a.sum[row] *= decay;
      float* o = a.o + row * a.width;
      for (std::int64_t i = 0; i < t.head_dim; i += S::kWidth) {
        S::store(o + i, S::mul(S::load(o + i), S::set1(decay)));
      }
      a.top[row] = top;
    }
    a.sum[row] += S::sum(total);
  }

  static void flash(const AttentionTask& t) {
    const std::int64_t rows = t.positions * t.group;
    const AttentionScratch a(t.scratch, rows, t.head_dim);
    pack_queries(t, a.q, a.width);
    for (std::int64_t i = 0; i < rows; ++i) {
      a.top[i] = kNothing;
      a.sum[i] = 0;
    }
    for (std::int64_t i = 0; i < rows * a.width; i += S::kWidth) S::store(a.o + i, S::zero());
    for (std::int64_t key = t.key_begin; key < t.key_end; key += kKeyBlock) {
      const std::int64_t count = smaller(kKeyBlock, t.key_end - key);
      block_scores(t, a, key, count);
      for (std::int64_t p = 0; p < t.positions; ++p) {
        const std::int64_t visible = smaller(count, t.first_position + p + 1 - key);
        for (std::int64_t row = p * t.group; row < (p + 1) * t.group; ++row) {
          online_softmax(t, a, row, visible);
        }
      }
      block_output(t, a, key, count, true);
    }
    finish(t, a);
  }

  static void finish(const AttentionTask& t, const AttentionScratch& a) {
    const std::int64_t rows = t.positions * t.group;
    if (t.partial == nullptr) return write_output(t, a.o, a.width, a.sum);
    for (std::int64_t row = 0; row < rows; ++row) {
      float* part = t.partial + row * (t.head_dim + 2);
      part[0] = a.top[row];
      part[1] = a.sum[row];
      for_vectors<S>(
          t.head_dim, [&](std::int64_t i) { S::store(part + 2 + i, S::load(o_of(a, row) + i)); },
          [&](std::int64_t i, int n) {
            S::store_n(part + 2 + i, S::load_n(o_of(a, row) + i, n), n);
          });
    }
  }
  ROOFTOP_INLINE static const float* o_of(const AttentionScratch& a, std::int64_t row) {
    return a.o + row * a.width;
  }

  // out = o / sum, or o where there are no sums; row m goes to token m / group, head m % group.
  static void write_output(const AttentionTask& t, const float* o, std::int64_t stride,
                           const float* sum) {
    for (std::int64_t p = 0; p < t.positions; ++p) {
      for (std::int64_t h = 0; h < t.group; ++h) {
        const F factor = S::set1(sum == nullptr ? 1.0F : 1.0F / sum[p * t.group + h]);
        T* out = static_cast<T*>(t.out) + p * t.out_stride + h * t.head_dim;
        for_vectors<S>(
            t.head_dim, [&](std::int64_t i) { S::store(out + i, S::mul(S::load(o + i), factor)); },
            [&](std::int64_t i, int n) {
              S::store_n(out + i, S::mul(S::load_n(o + i, n), factor), n);
            });
        o += stride;
      }
    }
  }

  static void join(const AttentionTask& t, const float* parts, std::int64_t part_count,
                   std::int64_t part_stride) {
    const std::int64_t rows = t.positions * t.group;
    const AttentionScratch a(t.scratch, rows, t.head_dim);
    for (std::int64_t row = 0; row < rows; ++row) {
      const float* first = parts + row * (t.head_dim + 2);
      float top = kNothing;
      for (std::int64_t i = 0; i < part_count; ++i) {
        top = first[i * part_stride] > top ? first[i * part_stride] : top;
      }
      a.sum[row] = 0;
      float* o = a.o + row * a.width;
      for (std::int64_t i = 0; i < a.width; i += S::kWidth) S::store(o + i, S::zero());
      for (std::int64_t i = 0; i < part_count; ++i) {
        const float* part = first + i * part_stride;
        if (part[1] == 0.0F) continue;  // the row sees none of this part's keys
        const float weight = S::max_of(exp_of<S>(S::set1((part[0] - top) * t.scale)));
        a.sum[row] += weight * part[1];
        const auto take = [&](std::int64_t j, F value) {
          S::store(o + j, S::fma(S::set1(weight), value, S::load(o + j)));
        };
        for_vectors<S>(
            t.head_dim, [&](std::int64_t j) { take(j, S::load(part + 2 + j)); },
            [&](std::int64_t j, int n) { take(j, S::load_n(part + 2 + j, n)); });
      }
    }
    write_output(t, a.o, a.width, a.sum);
  }

  ROOFTOP_INLINE static T* scores_row(const AttentionTask& t, std::int64_t p, std::int64_t h) {
    return static_cast<T*>(t.scores) + h * t.scores_head_stride + p * t.length;
  }

  static void qk(const AttentionTask& t) {
    const AttentionScratch a(t.scratch, t.positions * t.group, t.head_dim);
    pack_queries(t, a.q, a.width);
    const F scale = S::set1(t.scale);
    for (std::int64_t key = t.key_begin; key < t.key_end; key += kKeyBlock) {
      const std::int64_t count = smaller(kKeyBlock, t.key_end - key);
      block_scores(t, a, key, count);
      for (std::int64_t p = 0; p < t.positions; ++p) {
        for (std::int64_t h = 0; h < t.group; ++h) {
          const float* s = a.s + (p * t.group + h) * kKeyBlock;
          T* out = scores_row(t, p, h) + key;
          for_vectors<S>(
              count, [&](std::int64_t i) { S::store(out + i, S::mul(S::load(s + i), scale)); },
              [&](std::int64_t i, int n) {
                S::store_n(out + i, S::mul(S::load(s + i), scale), n);
              });
        }
      }
    }
  }

  static void pv(const AttentionTask& t) {
    const AttentionScratch a(t.scratch, t.positions * t.group, t.head_dim);
    for (std::int64_t key = t.key_begin; key < t.key_end; key += kKeyBlock) {
      const std::int64_t count = smaller(kKeyBlock, t.key_end - key);
      for (std::int64_t p = 0; p < t.positions; ++p) {
        for (std::int64_t h = 0; h < t.group; ++h) {
          copy_scores(scores_row(t, p, h) + key, count, a.s + (p * t.group + h) * kKeyBlock);
        }
      }
      block_output(t, a, key, count, key != t.key_begin);
    }
    write_output(t, a.o, a.width, nullptr);
  }

  // One row's probabilities of a block of keys as lanes; an odd last key is paired with a zero.
  static void copy_scores(const T* scores, std::int64_t count, float* lanes) {
    if constexpr (kPairs) {
      for (std::int64_t i = 0; i < count; i += 2 * S::kWidth) {
        S::store(lanes + i / 2,
                 S::load_pairs_n(scores + i, static_cast<int>(smaller(2 * S::kWidth, count - i))));
      }
    } else {
      copy_lanes(scores, lanes, count);
    }
  }

  static void softmax(void* row_in, std::int64_t visible, std::int64_t length) {
    T* row = static_cast<T*>(row_in);
    F best = S::set1(kNothing);
    for_vectors<S>(
        visible, [&](std::int64_t i) { best = S::max(best, S::load(row + i)); },
        [&](std::int64_t i, int n) {
          best = S::max(best, S::first_or(S::load_n(row + i, n), n, kNothing));
        });
    const F top = S::set1(S::max_of(best));
    F total = S::zero();
    const auto exponential = [&](F v) { return exp_of<S>(S::sub(v, top)); };
    for_vectors<S>(
        visible, [&](std::int64_t i) { total = S::add(total, exponential(S::load(row + i))); },
        [&](std::int64_t i, int n) {
          total = S::add(total, S::first_or(exponential(S::load_n(row + i, n)), n, 0.0F));
        });
    const F factor = S::set1(1.0F / S::sum(total));
    const auto share = [&](F v) { return S::mul(exponential(v), factor); };
    for_vectors<S>(
        visible, [&](std::int64_t i) { S::store(row + i, share(S::load(row + i))); },
        [&](std::int64_t i, int n) { S::store_n(row + i, share(S::load_n(row + i, n)), n); });
    for_vectors<S>(
        length - visible, [&](std::int64_t i) { S::store(row + visible + i, S::zero()); },
        [&](std::int64_t i, int n) { S::store_n(row + visible + i, S::zero(), n); });
  }

  // Stands for "no key seen yet": below every real score, and its differences stay finite.
  static constexpr float kNothing = -1e30F;
};

template <typename S>
constexpr Kernels make_kernels(const char* name) {
  const auto typed = []<typename T>() {
    using L = LinearKernels<S, T>;
    using A = AttentionKernels<S, T>;
    return TypedKernels{L::gemv,   L::rms_norm, L::rope, L::swiglu, L::add,     L::widen,
                        L::narrow, A::flash,    A::join, A::qk,     A::softmax, A::pv};
  };
  return Kernels{name,
                 S::kNativeBf16,
                 {typed.template operator()<float>(), typed.template operator()<BF16>(),
                  typed.template operator()<F16>()}};
}

}  // namespace rooftop::inference::cpu
