#include "profiler/roofs/best_rate.h"

#include <algorithm>
#include <chrono>

namespace rooftop {

double best_rate(double units, double seconds, const std::function<void()>& pass) {
  using Clock = std::chrono::steady_clock;
  constexpr int kLeastPasses = 3;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const Clock::time_point begin = Clock::now();
  pass();
  double best = 0;
  for (int passes = 0; passes < kLeastPasses || since(begin) < seconds; ++passes) {
    const Clock::time_point start = Clock::now();
    pass();
    // A pass below the clock's resolution counts as one tick: never a division by zero.
    best = std::max(best, units / std::max(since(start), 1e-9));
  }
  return best;
}

}  // namespace rooftop
