// Parallel loops over OpenMP threads, the same pool as oneDNN's.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace rooftop::inference::cpu {

// Elements below which a row-wise operator costs less than waking the other threads.
inline constexpr std::int64_t kSerialElements = 16384;

// body(begin, end) once per thread, over contiguous parts of [0, n) that begin at multiples of
// `unit`: always the same part for the same thread, so that memory stays near it.
template <typename Body>
void parallel_ranges(int threads, std::int64_t n, std::int64_t unit, const Body& body) {
  const std::int64_t units = (n + unit - 1) / unit;
  if (threads == 1 || units <= 1) return body(std::int64_t{0}, n);
#pragma omp parallel num_threads(threads)
  {
    const std::int64_t thread = omp_get_thread_num();
    const std::int64_t count = omp_get_num_threads();
    const std::int64_t begin = units * thread / count * unit;
    const std::int64_t end = std::min(n, units * (thread + 1) / count * unit);
    if (begin < end) body(begin, end);
  }
}

// Row-wise operators: body(row) for every row, on one thread where there is little to do.
template <typename Body>
void for_rows(int threads, std::int64_t rows, std::int64_t elements_per_row, const Body& body) {
  const bool small = rows * elements_per_row < kSerialElements;
  parallel_ranges(small ? 1 : threads, rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) body(row);
  });
}

// body(item, thread) for every item, the next free thread taking the next one.
template <typename Body>
void for_items(int threads, std::int64_t items, const Body& body) {
  if (threads == 1 || items <= 1) {
    for (std::int64_t i = 0; i < items; ++i) body(i, 0);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::int64_t i = 0; i < items; ++i) body(i, omp_get_thread_num());
}

}  // namespace rooftop::inference::cpu
