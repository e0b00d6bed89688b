#include "profiler/roofs/best_rate.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace rooftop {
namespace {

// Seconds of each measured pass.
std::vector<double> pass_times(double seconds, const std::function<void()>& pass) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kLeastPasses = 3;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const Clock::time_point begin = Clock::now();
  pass();
  std::vector<double> times;
  while (times.size() < kLeastPasses || since(begin) < seconds) {
    const Clock::time_point start = Clock::now();
    pass();
    // A pass below the clock's resolution counts as one tick: never a division by zero.
    times.push_back(std::max(since(start), 1e-9));
  }
  return times;
}

}  // namespace

double best_rate(double units, double seconds, const std::function<void()>& pass) {
  const std::vector<double> times = pass_times(seconds, pass);
  return units / *std::min_element(times.begin(), times.end());
}

double median_rate(double units, double seconds, const std::function<void()>& pass) {
  std::vector<double> times = pass_times(seconds, pass);
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return units / *middle;
}

}  // namespace rooftop
