#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "profiler/roofline/finding_rules.h"

namespace rooftop {
namespace {

struct Roofs {
  double bandwidth = 0;
  double peak = 0;
};

// What a point is made of, per step.
struct Work {
  double flops = 0;
  double weights = 0;  // bytes
  double cache = 0;
  double activations = 0;
  [[nodiscard]] double floor(const Roofs& roofs) const {
    return std::max(flops / roofs.peak, (weights + cache + activations) / roofs.bandwidth);
  }
};

double element_size(const std::string& dtype) { return dtype == "f32" ? 4 : 2; }

const Run* run_of(const Report& report, const Point& p) {
  const auto it = std::find_if(report.runs().begin(), report.runs().end(), [&](const Run& run) {
    return run.name() == p.run() && run.rank() == p.rank();
  });
  return it == report.runs().end() ? nullptr : &*it;
}

// Elements of weights that one layer (or the head) reads.
double weight_elements(const Point& p, const Run::Shape& s) {
  const double h = s.hidden();
  const double d = s.head_dim();
  const std::string& op = p.operator_();
  if (op == "qkv") return h * (s.heads() + 2.0 * s.kv_heads()) * d * p.layers();
  if (op == "o_proj") return h * s.heads() * d * p.layers();
  if (op == "up_gate_down") return 3.0 * h * s.ffn() * p.layers();
  if (op == "lm_head") return h * s.vocab();
  return 0;
}

Work work_of(const Point& p, const Run& run) {
  const double e = element_size(p.dtype());
  const auto& s = run.shape();
  Work work{.flops = p.flops(), .weights = e * weight_elements(p, s), .cache = 0, .activations = 0};
  if (p.operator_() == "qk_pv") {
    work.cache = e * 2.0 * p.batch() * s.kv_heads() * s.head_dim() * p.length() * p.layers();
  }
  work.weights = std::min(work.weights, p.dram_bytes());
  work.cache = std::min(work.cache, p.dram_bytes());
  work.activations = p.dram_bytes() - work.weights - work.cache;
  return work;
}

// The drawn roofs; none where either is missing.
std::optional<Roofs> drawn_roofs(const Report& report, const std::string& device) {
  Roofs roofs;
  for (const Roof& roof : report.roofs()) {
    if (!roof.drawn() || roof.device() != device) continue;
    (roof.kind() == "compute" ? roofs.peak : roofs.bandwidth) = roof.value();
  }
  return roofs.peak > 0 && roofs.bandwidth > 0 ? std::optional(roofs) : std::nullopt;
}

using Change = std::function<Work(const Point&, const Run&, Work)>;

struct Times {
  double before = 0;
  double after = 0;
  [[nodiscard]] double ratio() const { return after / before; }
};

// Short kernels far below the roof take the time of a launch, whatever they work on.
bool is_latency_bound(const Point& p) {
  return p.calls() > 0 && p.time_s() / p.calls() < kShortKernel &&
         p.roof_fraction() < kFarBelowRoof;
}

// A point's time now and after the change, its share of the roof unchanged; where it is
// latency-bound, what lies above the roof's time stays. Points without a place under roofs keep
// their time.
Times times_of(const Report& report, const Point& p, const Change& change, const Roofs& roofs,
               const Roofs& other) {
  const Run* run = run_of(report, p);
  if (run == nullptr || !p.has_roof_fraction() || !p.has_flops() || !p.has_dram_bytes()) {
    return {p.time_s(), p.time_s()};
  }
  const Work now = work_of(p, *run);
  const double floor = now.floor(roofs);
  if (floor <= 0) return {p.time_s(), p.time_s()};
  const double changed = change(p, *run, now).floor(other);
  if (is_latency_bound(p)) return {p.time_s(), p.time_s() - floor + changed};
  return {p.time_s(), p.time_s() * changed / floor};
}

class WhatIf {
 public:
  WhatIf(const Report& report, const Roofs& roofs, std::string device)
      : report_(report), roofs_(roofs), device_(std::move(device)) {}

  // All prefill steps of the device together; before == 0 where there are none.
  [[nodiscard]] Times prefill(const Change& change) const {
    Times sum;
    for (const Point& p : report_.points()) {
      if (p.phase() == "init" && p.device() == device_) add(sum, p, change, roofs_);
    }
    return sum;
  }
  // All plain decode steps, likewise.
  [[nodiscard]] Times decode(const Change& change) const { return decode(change, roofs_); }
  [[nodiscard]] Times decode(const Change& change, const Roofs& other) const {
    Times sum;
    for (const Point& p : report_.points()) {
      if (p.phase() != "ar" || p.query_tokens() != 1 || p.device() != device_) continue;
      add(sum, p, change, other);
    }
    return sum;
  }

 private:
  void add(Times& sum, const Point& p, const Change& change, const Roofs& other) const {
    const Times one = times_of(report_, p, change, roofs_, other);
    sum.before += one.before;
    sum.after += one.after;
  }

  const Report& report_;
  Roofs roofs_;
  std::string device_;
};

Work same(const Point& /*p*/, const Run& /*run*/, Work work) { return work; }

Change weights_of(double bytes_per_element) {
  return [=](const Point& p, const Run&, Work work) {
    work.weights *= std::min(1.0, bytes_per_element / element_size(p.dtype()));
    return work;
  };
}

// Products with weights of another type on its own peak, `speedup` times that of the run's type.
Change products_in(double bytes_per_element, double speedup) {
  return [=](const Point& p, const Run& run, Work work) {
    if (work.weights > 0) work.flops /= speedup;
    return weights_of(bytes_per_element)(p, run, work);
  };
}

Work batch_doubled(const Point& /*p*/, const Run& /*run*/, Work work) {
  return {.flops = 2 * work.flops,
          .weights = work.weights,
          .cache = 2 * work.cache,
          .activations = 2 * work.activations};
}

Work context_times_four(const Point& p, const Run& /*run*/, Work work) {
  if (p.operator_() != "qk_pv" && p.operator_() != "softmax") return work;
  work.flops *= 4;
  work.cache *= 4;
  return work;
}

constexpr double kGroupedHeads = 8;

Work grouped_heads(const Point& p, const Run& run, Work work) {
  const double heads = run.shape().heads();
  const double kv_heads = run.shape().kv_heads();
  if (kv_heads <= kGroupedHeads) return work;
  work.cache *= kGroupedHeads / kv_heads;
  if (p.operator_() == "qkv") {
    const double part = (heads + 2 * kGroupedHeads) / (heads + 2 * kv_heads);
    work.flops *= part;
    work.weights *= part;
  }
  return work;
}

// k rows a sequence in place of one: weights and cache are read as before.
Change candidates(double k) {
  return [=](const Point&, const Run&, Work work) {
    work.flops *= k;
    work.activations *= k;
    return work;
  };
}

const DeviceSpec* other_device(const DeviceTable& devices, const std::string& device) {
  return devices.find(device == "h100-sxm" ? "b200" : "h100-sxm");
}

// The device of the drawn roofs.
std::string drawn_device(const Report& report) {
  for (const Roof& roof : report.roofs()) {
    if (roof.drawn()) return roof.device();
  }
  return {};
}

using CellKey3 = std::tuple<std::string, std::uint32_t, std::uint32_t>;  // run, batch, length

// Step times by candidates.
std::map<CellKey3, std::map<std::uint32_t, double>> decode_steps(const Report& report) {
  std::map<CellKey3, std::map<std::uint32_t, double>> cells;
  for (const Point& p : report.points()) {
    if (p.phase() != "ar") continue;
    cells[{p.run(), p.batch(), p.length()}][p.query_tokens()] += p.time_s();
  }
  return cells;
}

void say_speculation(Report& report, std::uint32_t batch, std::uint32_t length, double k,
                     double ratio, bool is_what_if) {
  add_finding(
      report, "speculation",
      fmt::format("At batch {} and length {}, a step of {:g} candidates a sequence {} {:.2f} "
                  "times the plain step: it pays where more than {:.2f} tokens are accepted{}.",
                  batch, length, k, is_what_if ? "would take" : "takes", ratio, ratio,
                  is_what_if ? " (what if)" : ""));
}

// Of one batch, over its lengths.
struct BreakEven {
  std::uint32_t shortest = 0, longest = 0;
  double lowest = 0, highest = 0;
  void add(std::uint32_t length, double ratio) {
    const bool first = lowest == 0;
    shortest = first ? length : std::min(shortest, length);
    longest = std::max(longest, length);
    lowest = first ? ratio : std::min(lowest, ratio);
    highest = std::max(highest, ratio);
  }
};

void add_speculation_what_ifs(Report& report) {
  constexpr double kCandidates = 16;
  const auto roofs = drawn_roofs(report, drawn_device(report));
  if (!roofs) return;
  std::map<CellKey3, Times> cells;
  for (const Point& p : report.points()) {
    if (p.phase() != "ar" || p.query_tokens() != 1) continue;
    const Times one = times_of(report, p, candidates(kCandidates), *roofs, *roofs);
    Times& sum = cells[{p.run(), p.batch(), p.length()}];
    sum.before += one.before;
    sum.after += one.after;
  }
  std::map<std::pair<std::string, std::uint32_t>, BreakEven> batches;
  for (const auto& [cell, times] : cells) {
    const auto& [run, batch, length] = cell;
    if (times.before > 0) batches[{run, batch}].add(length, times.ratio());
  }
  for (const auto& [key, even] : batches) {
    if (even.shortest == even.longest) {
      say_speculation(report, key.second, even.longest, kCandidates, even.highest, true);
      continue;
    }
    const std::string lowest = fmt::format("{:.2f}", even.lowest);
    const std::string highest = fmt::format("{:.2f}", even.highest);
    add_finding(report, "speculation",
                fmt::format("At batch {} and lengths {} to {}, a step of {:g} candidates a "
                            "sequence would take {} times the plain step: it pays where more "
                            "tokens than that are accepted (what if).",
                            key.second, even.shortest, even.longest, kCandidates,
                            lowest == highest ? lowest : lowest + " to " + highest));
  }
}

// What weights and arithmetic of fewer bits would give, for the types of which the device table
// has a peak on this device: the drawn one times the table's ratio of the two.
void add_narrow_types(Report& report, const WhatIf& what_if, const DeviceSpec* device) {
  if (device == nullptr || report.points().empty()) return;
  const std::string dtype = report.points(0).dtype();
  const Peak* own = device->peak(dtype);
  if (own == nullptr) return;
  for (const auto& [type, bytes] : {std::pair{"fp8", 1.0}, {"int8", 1.0}, {"fp4", 0.5}}) {
    const Peak* peak = device->peak(type);
    if (peak == nullptr || peak->flops <= own->flops) continue;
    const double speedup = peak->flops / own->flops;
    const Change change = products_in(bytes, speedup);
    std::vector<std::string> steps;
    for (const auto& [name, times] : {std::pair{"prefill", what_if.prefill(change)},
                                      std::pair{"decode", what_if.decode(change)}}) {
      if (times.before <= 0) continue;
      steps.push_back(fmt::format("{} steps would take {:.2f} times as long", name, times.ratio()));
    }
    if (steps.empty()) continue;
    add_finding(report, "what_if",
                fmt::format("What if: products with weights in {} as a whole, on a compute roof "
                            "of {:.4g} TFLOP/s ({:.3g} times that of {}), {} (every operator at "
                            "its share of the roof).",
                            type, peak->flops / 1e12, speedup, dtype, fmt::join(steps, " and ")));
  }
}

}  // namespace

void add_what_ifs(Report& report, const DeviceTable& devices) {
  const std::string device = drawn_device(report);
  const auto roofs = drawn_roofs(report, device);
  if (!roofs) return;
  const WhatIf what_if(report, *roofs, device);
  const auto say = [&](std::string_view what, const Times& times, double tokens) {
    if (times.before <= 0) return;
    std::string text = fmt::format("What if: {}, decode steps would take {:.2f} times as long",
                                   what, times.ratio());
    if (tokens != 1)
      text += fmt::format(", {:.2f} times the tokens a second", tokens / times.ratio());
    add_finding(report, "what_if", text + " (every operator at its share of the roof).");
  };
  say("weights in fp8", what_if.decode(weights_of(1)), 1);
  say("weights in int4", what_if.decode(weights_of(0.5)), 1);
  add_narrow_types(report, what_if, devices.find(device));
  say("batch x2", what_if.decode(batch_doubled), 2);
  say("context x4", what_if.decode(context_times_four), 1);
  const bool is_grouped = std::ranges::all_of(
      report.runs(), [](const Run& run) { return run.shape().kv_heads() <= kGroupedHeads; });
  if (!is_grouped) say("8 KV heads (GQA)", what_if.decode(grouped_heads), 1);
  const DeviceSpec* other = other_device(devices, device);
  const Peak* peak =
      other == nullptr || report.points().empty() ? nullptr : other->peak(report.points(0).dtype());
  if (peak != nullptr) {
    say("on " + other->display_name, what_if.decode(same, {other->bandwidth, peak->flops}), 1);
  }
}

void add_speculation(Report& report) {
  constexpr std::size_t kMostLines = 12;
  const auto cells = decode_steps(report);
  std::size_t said = 0;
  for (const auto& [cell, by_candidates] : cells) {
    const auto plain = by_candidates.find(1);
    if (plain == by_candidates.end() || plain->second <= 0) continue;
    for (const auto& [k, seconds] : by_candidates) {
      if (k == 1 || said++ >= kMostLines) continue;
      say_speculation(report, std::get<1>(cell), std::get<2>(cell), k, seconds / plain->second,
                      false);
    }
  }
  if (said > kMostLines) {
    add_finding(report, "speculation",
                fmt::format("{} more cells have steps with candidates: points.csv has their times.",
                            said - kMostLines));
  }
  if (said == 0) add_speculation_what_ifs(report);
}

}  // namespace rooftop
