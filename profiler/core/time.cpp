#include "profiler/core/time.h"

#include <ctime>

namespace rooftop {
namespace {

std::int64_t read_clock(clockid_t id) noexcept {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

Timestamp now() noexcept {
  static const std::int64_t epoch_offset = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC);
  return {read_clock(CLOCK_MONOTONIC) + epoch_offset};
}

}  // namespace rooftop
