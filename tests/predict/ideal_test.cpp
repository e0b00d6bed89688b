// Predictions on the roof against closed forms written down once more, over random shapes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "profiler/predict/predicted_trace.h"
#include "profiler/roofline/report.h"

namespace rooftop::predict {
namespace {

class TemporaryTrace {
 public:
  TemporaryTrace()
      : path_(std::filesystem::temp_directory_path() /
              ("rooftop-ideal-" + std::to_string(getpid()) + ".rtrace")) {}
  ~TemporaryTrace() { std::filesystem::remove(path_); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

struct Expected {
  double flops = 0;
  double bytes = 0;
};

// The table of the closed forms: b sequences of s new tokens that see L keys each.
Expected closed_form(const std::string& op, const ModelShape& m, const EngineForm& form, double b,
                     double s, double L) {
  const double h = m.hidden, n = m.heads, g = m.kv_heads, d = m.head_dim, i = m.ffn, e = 2;
  const double T = b * s;
  if (op == "qkv") {
    const double c = form.separate ? 3 : 1;
    return {2 * T * h * (n + 2 * g) * d,
            e * (h * (n + 2 * g) * d + c * T * h + T * (n + 2 * g) * d)};
  }
  if (op == "up_gate_down") {
    return {6 * T * h * i,
            form.separate ? e * (3 * h * i + 3 * T * (h + i)) : e * (3 * h * i + 2 * T * (h + i))};
  }
  const double pairs = form.causal_skip ? s * L - s * (s - 1) / 2 : s * L;
  double elements = 2 * n * d * s + 2 * g * d * L;
  if (form.unfused) elements += 2 * n * pairs;
  return {4 * b * n * d * pairs, e * b * elements};
}

Report ideal_report(const ModelShape& model, const EngineForm& form, const DeviceSpec& device,
                    const std::vector<PredictedStep>& steps) {
  const DeviceTable devices = DeviceTable::built_in();
  const Calibration& calibration = built_in_calibration();
  const Choice choice = choose(calibration, devices, device, "bf16");
  const Meta meta = predicted_meta(model, device, "bf16", form, "ideal");
  const Predictor predictor(meta, device, choice, calibration, form);
  const TemporaryTrace trace;
  write_predicted_trace(trace.path(), meta, device, predictor, steps);
  return build_report({trace.path()}, {});
}

TEST(Ideal, PointsAreTheClosedFormsOnTheRoof) {
  std::mt19937 random(7);
  const auto pick = [&](std::uint32_t low, std::uint32_t high) {
    return std::uniform_int_distribution<std::uint32_t>(low, high)(random);
  };
  const DeviceTable devices = DeviceTable::built_in();
  for (int trial = 0; trial < 60; ++trial) {
    ModelShape model{.name = "random", .hidden = 64 * pick(8, 80), .layers = pick(1, 3)};
    model.kv_heads = pick(1, 8);
    model.heads = model.kv_heads * pick(1, 8);
    model.head_dim = 16 * pick(4, 8);
    model.ffn = 64 * pick(8, 200);
    model.vocab = 32000;
    const EngineForm form{.ideal = true,
                          .separate = trial % 2 == 0,
                          .unfused = trial % 4 < 2,
                          .causal_skip = trial % 8 < 4};
    const DeviceSpec& device = devices.devices()[pick(0, 11)];
    const std::uint32_t length = pick(128, 4000);
    const std::uint32_t batch = pick(8, 64);
    const std::uint32_t rows = pick(1, 64);
    const Report report =
        ideal_report(model, form, device,
                     {{Phase::kInit, batch, length, length}, {Phase::kAr, batch, rows, length}});
    int seen = 0;
    for (const Point& p : report.points()) {
      if (p.series().empty()) continue;
      SCOPED_TRACE(p.series() + " " + device.id + " trial " + std::to_string(trial));
      const Expected one = closed_form(p.operator_(), model, form, batch, p.query_tokens(), length);
      const double layers = model.layers;
      EXPECT_NEAR(p.flops() / (one.flops * layers), 1, 1e-12);
      EXPECT_NEAR(p.dram_bytes() / (one.bytes * layers), 1, 1e-12);
      const double intensity = one.flops / one.bytes;
      EXPECT_NEAR(p.intensity() / intensity, 1, 1e-12);
      const double roof = std::min(device.peak("bf16")->flops, device.bandwidth * intensity);
      EXPECT_NEAR(p.flops_per_s() / roof, 1, 1e-3) << "a trace holds whole nanoseconds";
      EXPECT_EQ(p.flops_source() + p.bytes_source() + p.time_source(),
                "PREDICTEDPREDICTEDPREDICTED");
      EXPECT_EQ(p.calibration(), "ideal");
      ++seen;
    }
    EXPECT_EQ(seen, 6);
  }
}

TEST(Ideal, WorkedExamplesOfLlama7B) {
  const DeviceTable devices = DeviceTable::built_in();
  const ModelShape model{.name = "llama-7b",
                         .hidden = 4096,
                         .layers = 32,
                         .heads = 32,
                         .kv_heads = 32,
                         .head_dim = 128,
                         .ffn = 11008,
                         .vocab = 32000};
  const EngineForm form{.ideal = true, .separate = true, .unfused = true};
  const Report report = ideal_report(
      model, form, devices.require("a6000-paper"),
      {{Phase::kInit, 1, 512, 512}, {Phase::kInit, 1, 1024, 1024}, {Phase::kAr, 16, 1, 512}});
  const auto intensity = [&](const char* series, std::uint32_t length) {
    for (const Point& p : report.points()) {
      if (p.series() == series && p.length() == length) return p.intensity();
    }
    return 0.0;
  };
  EXPECT_NEAR(intensity("up/gate/down init", 512), 437, 0.5);
  EXPECT_NEAR(intensity("qk/pv init", 1024), 102.4, 0.05);
  EXPECT_NEAR(intensity("qkv mlp ar", 512), 15.9, 0.05);
}

TEST(Predicted, CellsThatDoNotFitAreMarkedAndKept) {
  const DeviceTable devices = DeviceTable::built_in();
  const ModelShape model{.name = "llama-33b",
                         .hidden = 6656,
                         .layers = 60,
                         .heads = 52,
                         .kv_heads = 52,
                         .head_dim = 128,
                         .ffn = 17920,
                         .vocab = 32000};
  const Report report =
      ideal_report(model, {.ideal = true}, devices.require("a40"), {{Phase::kAr, 1, 1, 128}});
  ASSERT_EQ(report.runs(0).skipped_size(), 1);
  EXPECT_NE(report.runs(0).skipped(0).reason().find("the card has 51.5"), std::string::npos);
  int marked = 0;
  for (const Point& p : report.points()) marked += p.does_not_fit() ? 1 : 0;
  EXPECT_EQ(marked, report.points_size());
}

}  // namespace
}  // namespace rooftop::predict
