#include "profiler/predict/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <set>

#include "profiler/core/error.h"
#include "profiler/predict/terms.h"

namespace rooftop::predict {
namespace {

template <typename Sample>
using Pointers = std::vector<const Sample*>;

template <typename Sample>
Pointers<Sample> where(const std::vector<Sample>& samples,
                       const std::function<bool(const SampleOrigin&)>& keep) {
  Pointers<Sample> kept;
  for (const Sample& sample : samples) {
    if (keep(sample.origin)) kept.push_back(&sample);
  }
  return kept;
}

template <typename Sample>
std::set<std::string> names(const std::vector<Sample>& samples, std::string SampleOrigin::*member) {
  std::set<std::string> all;
  for (const Sample& sample : samples) all.insert(sample.origin.*member);
  return all;
}

double error_of(const GemmSample& s, const GemmCoefficients& c) {
  return std::abs(gemm_seconds(s.shape, s.origin.figures, c) / s.seconds - 1);
}
double error_of(const AttentionSample& s, const AttentionCoefficients& c) {
  return std::abs(flash_attention_seconds(s.shape, s.origin.figures, c) / s.seconds - 1);
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

// An error together with what it is of.
struct Miss {
  std::string op;
  double rows = 0;
  double error = 0;
};

double rows_of(const GemmSample& s) { return s.shape.m; }
double rows_of(const AttentionSample& s) { return s.shape.query_tokens; }

// Fits on `kept` and judges on `left`.
template <typename Sample, typename Fit>
std::vector<Miss> misses(const Pointers<Sample>& kept, const Pointers<Sample>& left,
                         const Fit& fit) {
  std::vector<Miss> all;
  if (kept.empty()) return all;
  const auto coefficients = fit(kept);
  for (const Sample* sample : left) {
    all.push_back({std::string(name_of(error_group(sample->origin.op))), rows_of(*sample),
                   error_of(*sample, coefficients)});
  }
  return all;
}

HeldOut summary(const std::vector<Miss>& all, std::string held, std::string gpu,
                std::string terms) {
  std::vector<double> errors;
  for (const Miss& miss : all) errors.push_back(miss.error);
  return {.held = std::move(held),
          .gpu = std::move(gpu),
          .terms = std::move(terms),
          .samples = errors.size(),
          .median = quantile(errors, 0.5),
          .p90 = quantile(errors, 0.9)};
}

// Which samples of a GPU are left out together: those of a model; of a GPU with a single model
// those of a degree of tensor parallelism, which are products of other shapes.
std::string group_of(const SampleOrigin& origin, bool by_model) {
  return by_model ? origin.model : std::to_string(origin.shards);
}

std::vector<Miss> left_out_gemms(const Samples& samples, const std::string& gpu) {
  std::set<std::string> models;
  std::set<std::string> groups;
  for (const GemmSample& s : samples.gemms) {
    if (s.origin.gpu == gpu) models.insert(s.origin.model);
  }
  const bool by_model = models.size() > 1;
  for (const GemmSample& s : samples.gemms) {
    if (s.origin.gpu == gpu) groups.insert(group_of(s.origin, by_model));
  }
  std::vector<Miss> all;
  for (const std::string& group : groups) {
    const auto is_left = [&](const SampleOrigin& o) { return group_of(o, by_model) == group; };
    const auto more = misses(
        where(samples.gemms, [&](const SampleOrigin& o) { return o.gpu == gpu && !is_left(o); }),
        where(samples.gemms, [&](const SampleOrigin& o) { return o.gpu == gpu && is_left(o); }),
        fit_gemm);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

// Attention has one model only: every third point is left out, three times.
std::vector<Miss> left_out_attention(const Samples& samples, const std::string& gpu) {
  const auto own = where(samples.attention, [&](const SampleOrigin& o) { return o.gpu == gpu; });
  constexpr std::size_t kParts = 3;
  std::vector<Miss> all;
  for (std::size_t part = 0; part < kParts && own.size() >= kParts; ++part) {
    Pointers<AttentionSample> kept;
    Pointers<AttentionSample> left;
    for (std::size_t i = 0; i < own.size(); ++i) {
      (i % kParts == part ? left : kept).push_back(own[i]);
    }
    const auto more = misses(kept, left, fit_attention);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

std::vector<ErrorBand> bands_of(const std::vector<Miss>& all) {
  // Decode on the vector and tensor units, the steps of few tiles, and the plateau.
  static constexpr std::array<std::array<double, 2>, 3> kRows = {{{1, 64}, {65, 512}, {513, 1e9}}};
  std::set<std::string> ops;
  for (const Miss& miss : all) ops.insert(miss.op);
  std::vector<ErrorBand> bands;
  for (const std::string& op : ops) {
    for (const auto& [from, to] : kRows) {
      std::vector<double> errors;
      for (const Miss& miss : all) {
        if (miss.op == op && miss.rows >= from && miss.rows <= to) errors.push_back(miss.error);
      }
      if (errors.empty()) continue;
      bands.push_back({.op = op,
                       .rows_from = from,
                       .rows_to = to,
                       .samples = errors.size(),
                       .median = quantile(errors, 0.5),
                       .p90 = quantile(errors, 0.9)});
    }
  }
  return bands;
}

GpuCalibration fit_all(const Samples& samples,
                       const std::function<bool(const SampleOrigin&)>& keep) {
  GpuCalibration gpu;
  gpu.gemm = fit_gemm(where(samples.gemms, keep));
  const auto attention = where(samples.attention, keep);
  if (!attention.empty()) gpu.attention = fit_attention(attention);
  for (const Operator op :
       {Operator::kNorm, Operator::kRope, Operator::kActivation, Operator::kResidual}) {
    const auto own =
        where(samples.streams, [&](const SampleOrigin& o) { return keep(o) && o.op == op; });
    if (!own.empty()) gpu.streams[std::string(name_of(op))] = fit_stream(own);
  }
  return gpu;
}

GpuCalibration calibrate_gpu(const Samples& samples, const std::string& name,
                             const DeviceTable& devices) {
  GpuCalibration gpu =
      fit_all(samples, [&](const SampleOrigin& origin) { return origin.gpu == name; });
  gpu.name = name;
  gpu.figures = where(samples.gemms, [&](const SampleOrigin& o) { return o.gpu == name; })
                    .front()
                    ->origin.figures;
  if (name == "a100") {
    gpu.devices = {"a100-80gb-pcie", "a100-80gb-sxm"};  // which one is not stated
    gpu.chip = devices.require(gpu.devices.front()).chip;
  } else if (const DeviceSpec* device =
                 name == "h100" ? devices.find("h100-sxm") : devices.find(name)) {
    gpu.devices = {device->id};
    gpu.chip = device->chip;
  }
  std::vector<Miss> all = left_out_gemms(samples, name);
  const std::vector<Miss> attention = left_out_attention(samples, name);
  all.insert(all.end(), attention.begin(), attention.end());
  gpu.errors = bands_of(all);
  return gpu;
}

}  // namespace

Calibration calibrate(const Samples& samples, const DeviceTable& devices,
                      const std::string& source) {
  if (samples.gemms.empty()) {
    throw InputError(
        "calibration needs times of linear layers (qkv, o_proj, gate_up, down): the given files "
        "hold none");
  }
  Calibration calibration;
  for (const std::string& gpu : names(samples.gemms, &SampleOrigin::gpu)) {
    calibration.gpus.push_back(calibrate_gpu(samples, gpu, devices));
    calibration.gpus.back().source = source;
  }
  calibration.generic = fit_all(samples, [](const SampleOrigin&) { return true; });
  calibration.generic.name = "generic";
  calibration.generic.source = source;
  return calibration;
}

std::vector<HeldOut> cross_validate(const Samples& samples) {
  std::vector<HeldOut> table;
  const auto add = [&](const auto& all, const auto& is_left, const auto& is_kept, const auto& fit,
                       const std::string& held, const std::string& gpu, const char* terms) {
    const auto kept = where(all, is_kept);
    const auto left = where(all, is_left);
    if (!kept.empty() && !left.empty()) {
      table.push_back(summary(misses(kept, left, fit), held, gpu, terms));
    }
  };
  const std::set<std::string> gpus = names(samples.gemms, &SampleOrigin::gpu);
  for (const std::string& gpu : gpus) {
    for (const std::string& model : names(samples.gemms, &SampleOrigin::model)) {
      add(
          samples.gemms, [&](const SampleOrigin& o) { return o.gpu == gpu && o.model == model; },
          [&](const SampleOrigin& o) { return o.gpu == gpu && o.model != model; }, fit_gemm, model,
          gpu, "linear");
    }
  }
  for (const std::string& gpu : gpus) {
    const auto is_left = [&](const SampleOrigin& o) { return o.gpu == gpu; };
    const auto is_kept = [&](const SampleOrigin& o) { return o.gpu != gpu; };
    add(samples.gemms, is_left, is_kept, fit_gemm, gpu, gpu, "linear");
    add(samples.attention, is_left, is_kept, fit_attention, gpu, gpu, "attention");
    const std::vector<Miss> thirds = left_out_attention(samples, gpu);
    if (!thirds.empty()) table.push_back(summary(thirds, "every third point", gpu, "attention"));
  }
  return table;
}

}  // namespace rooftop::predict
