#include "profiler/roofs/pinned_threads.h"

#include <omp.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace rooftop {
namespace {

std::vector<int> processors_of(const cpu_set_t& set) {
  std::vector<int> processors;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) processors.push_back(i);
  }
  return processors;
}

// How many threads OpenMP really gives (OMP_THREAD_LIMIT, OMP_DYNAMIC).
int team_size(int threads) {
  int size = 1;
#pragma omp parallel num_threads(threads)
#pragma omp single
  size = omp_get_num_threads();
  return size;
}

}  // namespace

PinnedThreads::PinnedThreads(int threads)
    : threads_(team_size(threads)), threads_before_(omp_get_max_threads()) {
  omp_set_num_threads(threads_);
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) != 0) return;
  const std::vector<int> processors = processors_of(usable);
  if (processors.size() < static_cast<std::size_t>(threads_)) return;
  masks_before_.resize(static_cast<std::size_t>(threads_), usable);
  run([&](int thread) {
    const auto i = static_cast<std::size_t>(thread);
    sched_getaffinity(0, sizeof masks_before_[i], &masks_before_[i]);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processors[i], &one);
    sched_setaffinity(0, sizeof one, &one);
  });
}

PinnedThreads::~PinnedThreads() {
  if (!masks_before_.empty()) {
    run([&](int thread) {
      const cpu_set_t& mask = masks_before_[static_cast<std::size_t>(thread)];
      sched_setaffinity(0, sizeof mask, &mask);
    });
  }
  omp_set_num_threads(threads_before_);
}

void PinnedThreads::run(const std::function<void(int)>& work) const {
#pragma omp parallel for schedule(static, 1) num_threads(threads_)
  for (int thread = 0; thread < threads_; ++thread) work(thread);
}

double seconds_waited() {
  double nanoseconds = 0;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream file(task.path() / "schedstat");  // time on a processor, time waiting, switches
    double on_processor = 0;
    double waiting = 0;
    if (file >> on_processor >> waiting) nanoseconds += waiting;
  }
  return nanoseconds * 1e-9;
}

Part part_of(std::uint64_t total, std::uint64_t unit, int i, int n) {
  const std::uint64_t units = total / unit;
  const auto share = static_cast<std::uint64_t>(n);
  const auto at = [&](std::uint64_t k) {
    return (units / share * k + std::min(units % share, k)) * unit;
  };
  const auto k = static_cast<std::uint64_t>(i);
  return {at(k), i + 1 == n ? total : at(k + 1)};
}

}  // namespace rooftop
