#include "profiler/roofs/cpu.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

#include "profiler/core/error.h"
#include "profiler/core/machine.h"
#include "profiler/roofs/best_rate.h"
#include "profiler/roofs/cpu_bandwidth.h"
#include "profiler/roofs/cpu_fma.h"
#include "profiler/roofs/cpu_gemm.h"
#include "profiler/roofs/cpu_isa.h"
#include "profiler/roofs/cpu_memory.h"
#include "profiler/roofs/pinned_threads.h"

namespace rooftop {
namespace {

constexpr int kMostThreads = 4096;

struct Rate {
  double per_second = 0;
  std::string method;
};

Rate larger(Rate a, Rate b) { return a.per_second >= b.per_second ? std::move(a) : std::move(b); }

std::string threads_text(int threads) {
  return fmt::format("{} thread{}", threads, threads == 1 ? "" : "s");
}

std::string_view loads_text(VectorIsa isa) {
  if (isa >= VectorIsa::kAvx512) return "512-bit loads";
  return isa == VectorIsa::kAvx2Fma ? "256-bit loads" : "plain loads";
}

std::string size_text(std::uint64_t bytes) {
  return bytes >= (1U << 20) ? fmt::format("{} MiB", bytes >> 20)
                             : fmt::format("{} KiB", bytes >> 10);
}

// All measurements of one call: the threads, and where the time goes.
class CpuRoofs {
 public:
  explicit CpuRoofs(const CpuRoofOptions& options)
      : options_(options),
        isa_(best_vector_isa()),
        team_(thread_count(options)),
        caches_(read_cache_sizes()) {}

  std::vector<RoofMeasurement> measure() {
    dram();
    cache_read("l2_read", caches_.l2_per_core / 2);
    // Only what lies beyond the L2s is read from the L3.
    const std::uint64_t l3_share = caches_.l3_total / 2 / static_cast<std::uint64_t>(team_.count());
    cache_read("l3_read", l3_share >= 2 * caches_.l2_per_core ? l3_share : 0);
    compute();
    note_waiting();
    return std::move(roofs_);
  }

 private:
  // Shares of the time. A fifth is left for what is not measured: first touch, warm-up, data.
  static constexpr double kShareOfBandwidth = 0.08;  // each of five kernels over DRAM
  static constexpr double kShareOfCache = 0.04;
  static constexpr double kShareOfLoop = 0.04;
  static constexpr double kShareOfProduct = 0.12;

  void announce(std::string_view what, double share) {
    if (options_.progress) options_.progress(what, std::min(done_, 1.0));
    done_ += share;
  }

  void add(std::string kind, std::string dtype, Rate rate) {
    MeasuredRoof roof;
    roof.kind = std::move(kind);
    roof.dtype = std::move(dtype);
    roof.value = rate.per_second;
    roof.clock_hz = describe_cpu().clock_hz;
    roofs_.push_back({std::move(roof), std::move(rate.method)});
  }

  // The best rate of `bytes` a pass, every thread working on its part of [0, length).
  template <class Work>
  double over_parts(double bytes, std::uint64_t length, double share, const Work& work) {
    return best_rate(bytes, share * options_.seconds, [&] {
      team_.run([&](int thread) { work(part_of(length, kBandwidthUnit, thread, team_.count())); });
    });
  }

  void dram() {
    const std::uint64_t length = dram_buffer_bytes(caches_, available_memory());
    const Buffer from(length);
    const Buffer to(length);
    const auto bytes = static_cast<double>(length);
    const std::string where = fmt::format("{}, {}", size_text(length), threads_text(team_.count()));
    announce("DRAM write", 2 * kShareOfBandwidth);
    const auto written = [&](Stores stores) {
      return over_parts(bytes, length, kShareOfBandwidth, [&](Part part) {
        write_memory(isa_, stores, from.data() + part.begin, part.size(), 0x0123456789ABCDEF);
      });
    };
    // Each buffer is first touched by the thread that works on it: the first write does so for one,
    // the copy's unmeasured pass for the other.
    const Rate write = larger({written(Stores::kRegular), "regular stores, " + where},
                              {written(Stores::kNonTemporal), "non-temporal stores, " + where});
    announce("DRAM read", kShareOfBandwidth);
    std::atomic<std::uint64_t> checksum = 0;
    const double read = over_parts(bytes, length, kShareOfBandwidth, [&](Part part) {
      checksum += read_memory(isa_, from.data() + part.begin, part.size());
    });
    announce("DRAM copy", 2 * kShareOfBandwidth);
    const auto copied = [&](Stores stores) {
      return over_parts(2 * bytes, length, kShareOfBandwidth, [&](Part part) {
        copy_memory(isa_, stores, from.data() + part.begin, to.data() + part.begin, part.size());
      });
    };
    const Rate copy = larger({copied(Stores::kRegular), "regular stores, " + where},
                             {copied(Stores::kNonTemporal), "non-temporal stores, " + where});
    add("dram_read", "", {read, fmt::format("{}, {}", loads_text(isa_), where)});
    add("dram_write", "", write);
    add("dram_copy", "", copy);
  }

  // The rate of all threads together, each doing passes of `units` by itself: the sum of their
  // medians, as they run side by side but need not start together. Threads that share processors
  // have to be timed together.
  template <class Pass>
  double side_by_side(double units, double share, const Pass& pass) {
    const double seconds = share * options_.seconds;
    if (!team_.pinned()) {
      return best_rate(units * team_.count(), seconds, [&] { team_.run(pass); });
    }
    std::vector<double> rates(static_cast<std::size_t>(team_.count()));
    team_.run([&](int thread) {
      rates[static_cast<std::size_t>(thread)] = median_rate(units, seconds, [&] { pass(thread); });
    });
    return std::accumulate(rates.begin(), rates.end(), 0.0);
  }

  // Every thread reads a working set of its own again and again.
  void cache_read(const char* kind, std::uint64_t set_bytes) {
    set_bytes -= set_bytes % kBandwidthUnit;
    if (set_bytes == 0) return;
    announce(kind, kShareOfCache);
    const Buffer buffer(set_bytes * static_cast<std::uint64_t>(team_.count()));
    const auto turns = std::max<std::uint64_t>((16U << 20) / set_bytes, 1);
    std::atomic<std::uint64_t> checksum = 0;
    const double rate =
        side_by_side(static_cast<double>(set_bytes * turns), kShareOfCache, [&](int thread) {
          std::byte* set = buffer.data() + set_bytes * static_cast<std::uint64_t>(thread);
          std::uint64_t sum = 0;
          for (std::uint64_t turn = 0; turn < turns; ++turn) {
            // A write in between: no compiler may take the sums of two turns to be the same.
            write_memory(VectorIsa::kPortable, Stores::kRegular, set, 64, turn);
            sum += read_memory(isa_, set, set_bytes);
          }
          checksum += sum;
        });
    add(kind, "",
        {rate, fmt::format("{}, {} each of {}", loads_text(isa_), size_text(set_bytes),
                           threads_text(team_.count()))});
  }

  double loop_rate(const FmaLoop& loop) {
    static constexpr float kStarts[kFmaChains] = {};
    // 10^8 FLOP: below a millisecond for one core, so that few passes are interrupted.
    const auto turns = static_cast<std::int64_t>(1e8 / loop.flops_per_turn);
    std::atomic<double> sum = 0;
    return side_by_side(loop.flops_per_turn * static_cast<double>(turns), kShareOfLoop,
                        [&](int) { sum = loop.run(turns, 0.5F, 1.0F, kStarts); });
  }

  // Products twice as large as long as three of them fit the time: the larger, the less their edges
  // and starts cost.
  std::optional<Rate> product_rate(GemmType type) {
    constexpr std::int64_t kSmallest = 512;
    constexpr std::int64_t kLargest = 8192;
    Rate best;
    double seconds = kShareOfProduct * options_.seconds;
    for (std::int64_t size = kSmallest; size <= kLargest && seconds > 0; size *= 2) {
      const Clock::time_point begin = Clock::now();
      std::optional<SquareGemm> gemm;
      try {
        gemm.emplace(type, size);
      } catch (const InputError&) {
        return std::nullopt;  // oneDNN has no kernel for this type here
      }
      const double rate = best_rate(gemm->flops(), seconds / 4, [&] { gemm->run(); });
      best = larger(best,
                    {rate, fmt::format("oneDNN {}, product of size {}, {}", gemm->implementation(),
                                       size, threads_text(team_.count()))});
      seconds -= std::chrono::duration<double>(Clock::now() - begin).count();
      const double next_flops = 8 * gemm->flops();
      if (4 * next_flops / rate > seconds) break;
    }
    return best;
  }

  Rate loop_peak(const FmaLoop& loop) {
    return {loop_rate(loop),
            fmt::format("{} in registers, {}", loop.name, threads_text(team_.count()))};
  }

  void compute() {
    announce("f32 peak", kShareOfLoop + kShareOfProduct);
    Rate f32 = loop_peak(f32_loop(isa_));
    if (auto product = product_rate(GemmType::kF32)) f32 = larger(f32, *product);
    add("compute", "f32", f32);
    // No product of f16 exists here: operands are widened and multiplied as f32.
    add("compute", "f16", {f32.per_second, "f16 is multiplied as f32: " + f32.method});

    announce("bf16 peak", kShareOfLoop + kShareOfProduct);
    const std::optional<FmaLoop> loop = bf16_loop(isa_);
    if (!loop && !amx_bf16_granted()) {
      // bf16 operands are widened and multiplied as f32: there is no other unit to do it.
      f32.method = "no bf16 instructions, so the f32 peak: " + f32.method;
      add("compute", "bf16", f32);
      return;
    }
    Rate bf16 = loop ? loop_peak(*loop) : Rate{};
    if (auto product = product_rate(GemmType::kBf16)) bf16 = larger(bf16, *product);
    add("compute", "bf16", bf16);
  }

  // A busy machine is said to be one: its roofs are too low. More threads than processors wait for
  // one another, which says nothing about other programs.
  void note_waiting() {
    if (!team_.pinned()) return;
    const double wall = std::chrono::duration<double>(Clock::now() - begin_).count();
    const double waited = (seconds_waited() - waited_before_) / (wall * team_.count());
    for (RoofMeasurement& measurement : roofs_) {
      measurement.waited = std::clamp(waited, 0.0, 1.0);
      if (measurement.waited > kBusyShare) {
        measurement.method += fmt::format(", perhaps too low: threads waited {:.0f} % of the time",
                                          100 * measurement.waited);
      }
    }
  }

  using Clock = std::chrono::steady_clock;

  const CpuRoofOptions& options_;
  VectorIsa isa_;
  PinnedThreads team_;
  CacheSizes caches_;
  Clock::time_point begin_ = Clock::now();
  double waited_before_ = seconds_waited();
  double done_ = 0;
  std::vector<RoofMeasurement> roofs_;
};

}  // namespace

int thread_count(const CpuRoofOptions& options) {
  if (options.threads < 0 || options.threads > kMostThreads) {
    throw InputError(fmt::format("{} threads are not possible: give 1 to {}, or 0 for all cores",
                                 options.threads, kMostThreads));
  }
  return options.threads > 0 ? options.threads : static_cast<int>(usable_cores());
}

std::vector<RoofMeasurement> measure_cpu_roofs(const CpuRoofOptions& options) {
  if (!std::isfinite(options.seconds) || options.seconds < 0 || options.seconds > 3600) {
    throw InputError(fmt::format("{} seconds are not possible: give 0 to 3600", options.seconds));
  }
  return CpuRoofs(options).measure();
}

}  // namespace rooftop
