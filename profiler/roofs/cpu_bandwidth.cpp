#include "profiler/roofs/cpu_bandwidth.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rooftop {
namespace {

// Portable kernels: what the compiler makes of plain loops.

std::uint64_t read_portable(const std::byte* from, std::uint64_t bytes) {
  std::uint64_t sums[8] = {};
  const auto* words = reinterpret_cast<const std::uint64_t*>(from);
  for (std::uint64_t i = 0; i < bytes / 8; i += 8) {
    for (std::uint64_t k = 0; k < 8; ++k) sums[k] += words[i + k];
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t part : sums) sum += part;
  return sum;
}

void write_portable(std::byte* to, std::uint64_t bytes, std::uint64_t word) {
  auto* words = reinterpret_cast<std::uint64_t*>(to);
  for (std::uint64_t i = 0; i < bytes / 8; ++i) words[i] = word;
}

#if defined(__x86_64__)

// Eight vectors a turn: enough loads in flight, and 512 bytes divide kBandwidthUnit. Non-temporal
// stores are fenced at the end, so that a pass ends when its data has left the core.

__attribute__((target("avx512f"))) std::uint64_t read_avx512(const std::byte* from,
                                                             std::uint64_t bytes) {
  __m512i s0 = _mm512_setzero_si512();
  __m512i s1 = s0;
  __m512i s2 = s0;
  __m512i s3 = s0;
  const std::byte* const end = from + bytes;
  for (; from != end; from += 512) {
    const auto* v = reinterpret_cast<const __m512i*>(from);
    s0 = _mm512_add_epi64(s0, _mm512_add_epi64(_mm512_load_si512(v), _mm512_load_si512(v + 1)));
    s1 = _mm512_add_epi64(s1, _mm512_add_epi64(_mm512_load_si512(v + 2), _mm512_load_si512(v + 3)));
    s2 = _mm512_add_epi64(s2, _mm512_add_epi64(_mm512_load_si512(v + 4), _mm512_load_si512(v + 5)));
    s3 = _mm512_add_epi64(s3, _mm512_add_epi64(_mm512_load_si512(v + 6), _mm512_load_si512(v + 7)));
  }
  s0 = _mm512_add_epi64(_mm512_add_epi64(s0, s1), _mm512_add_epi64(s2, s3));
  alignas(64) std::uint64_t sums[8];
  _mm512_store_si512(sums, s0);
  std::uint64_t sum = 0;
  for (const std::uint64_t part : sums) sum += part;
  return sum;
}

__attribute__((target("avx2"))) std::uint64_t read_avx2(const std::byte* from,
                                                        std::uint64_t bytes) {
  __m256i s0 = _mm256_setzero_si256();
  __m256i s1 = s0;
  __m256i s2 = s0;
  __m256i s3 = s0;
  const std::byte* const end = from + bytes;
  for (; from != end; from += 256) {
    const auto* v = reinterpret_cast<const __m256i*>(from);
    s0 = _mm256_add_epi64(s0, _mm256_add_epi64(_mm256_load_si256(v), _mm256_load_si256(v + 1)));
    s1 = _mm256_add_epi64(s1, _mm256_add_epi64(_mm256_load_si256(v + 2), _mm256_load_si256(v + 3)));
    s2 = _mm256_add_epi64(s2, _mm256_add_epi64(_mm256_load_si256(v + 4), _mm256_load_si256(v + 5)));
    s3 = _mm256_add_epi64(s3, _mm256_add_epi64(_mm256_load_si256(v + 6), _mm256_load_si256(v + 7)));
  }
  s0 = _mm256_add_epi64(_mm256_add_epi64(s0, s1), _mm256_add_epi64(s2, s3));
  alignas(32) std::uint64_t sums[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(sums), s0);
  return sums[0] + sums[1] + sums[2] + sums[3];
}

template <Stores stores>
__attribute__((target("avx512f"))) void write_avx512(std::byte* to, std::uint64_t bytes,
                                                     std::uint64_t word) {
  const __m512i value = _mm512_set1_epi64(static_cast<long long>(word));
  for (const std::byte* const end = to + bytes; to != end; to += 64) {
    auto* v = reinterpret_cast<__m512i*>(to);
    if constexpr (stores == Stores::kNonTemporal) {
      _mm512_stream_si512(v, value);
    } else {
      _mm512_store_si512(v, value);
    }
  }
  if constexpr (stores == Stores::kNonTemporal) _mm_sfence();
}

template <Stores stores>
__attribute__((target("avx2"))) void write_avx2(std::byte* to, std::uint64_t bytes,
                                                std::uint64_t word) {
  const __m256i value = _mm256_set1_epi64x(static_cast<long long>(word));
  for (const std::byte* const end = to + bytes; to != end; to += 32) {
    auto* v = reinterpret_cast<__m256i*>(to);
    if constexpr (stores == Stores::kNonTemporal) {
      _mm256_stream_si256(v, value);
    } else {
      _mm256_store_si256(v, value);
    }
  }
  if constexpr (stores == Stores::kNonTemporal) _mm_sfence();
}

template <Stores stores>
__attribute__((target("avx512f"))) void copy_avx512(const std::byte* from, std::byte* to,
                                                    std::uint64_t bytes) {
  for (const std::byte* const end = to + bytes; to != end; to += 64, from += 64) {
    const __m512i value = _mm512_load_si512(from);
    if constexpr (stores == Stores::kNonTemporal) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(to), value);
    } else {
      _mm512_store_si512(to, value);
    }
  }
  if constexpr (stores == Stores::kNonTemporal) _mm_sfence();
}

template <Stores stores>
__attribute__((target("avx2"))) void copy_avx2(const std::byte* from, std::byte* to,
                                               std::uint64_t bytes) {
  for (const std::byte* const end = to + bytes; to != end; to += 32, from += 32) {
    const __m256i value = _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
    if constexpr (stores == Stores::kNonTemporal) {
      _mm256_stream_si256(reinterpret_cast<__m256i*>(to), value);
    } else {
      _mm256_store_si256(reinterpret_cast<__m256i*>(to), value);
    }
  }
  if constexpr (stores == Stores::kNonTemporal) _mm_sfence();
}

#endif

}  // namespace

std::uint64_t read_memory(VectorIsa isa, const std::byte* from, std::uint64_t bytes) {
#if defined(__x86_64__)
  if (isa >= VectorIsa::kAvx512) return read_avx512(from, bytes);
  if (isa == VectorIsa::kAvx2Fma) return read_avx2(from, bytes);
#endif
  (void)isa;
  return read_portable(from, bytes);
}

void write_memory(VectorIsa isa, Stores stores, std::byte* to, std::uint64_t bytes,
                  std::uint64_t word) {
#if defined(__x86_64__)
  const bool streaming = stores == Stores::kNonTemporal;
  if (isa >= VectorIsa::kAvx512) {
    return streaming ? write_avx512<Stores::kNonTemporal>(to, bytes, word)
                     : write_avx512<Stores::kRegular>(to, bytes, word);
  }
  if (isa == VectorIsa::kAvx2Fma) {
    return streaming ? write_avx2<Stores::kNonTemporal>(to, bytes, word)
                     : write_avx2<Stores::kRegular>(to, bytes, word);
  }
#endif
  (void)isa;
  (void)stores;
  write_portable(to, bytes, word);
}

void copy_memory(VectorIsa isa, Stores stores, const std::byte* from, std::byte* to,
                 std::uint64_t bytes) {
#if defined(__x86_64__)
  const bool streaming = stores == Stores::kNonTemporal;
  if (isa >= VectorIsa::kAvx512) {
    return streaming ? copy_avx512<Stores::kNonTemporal>(from, to, bytes)
                     : copy_avx512<Stores::kRegular>(from, to, bytes);
  }
  if (isa == VectorIsa::kAvx2Fma) {
    return streaming ? copy_avx2<Stores::kNonTemporal>(from, to, bytes)
                     : copy_avx2<Stores::kRegular>(from, to, bytes);
  }
#endif
  (void)isa;
  (void)stores;
  std::memcpy(to, from, bytes);
}

}  // namespace rooftop
