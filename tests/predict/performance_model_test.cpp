#include <gtest/gtest.h>

#include <cmath>

#include "profiler/core/error.h"
#include "profiler/predict/calibration.h"
#include "profiler/predict/predicted_trace.h"
#include "profiler/predict/predictor.h"

namespace rooftop::predict {
namespace {

constexpr GpuFigures kGpu{.bandwidth = 2e12, .peak = 300e12, .sm_count = 100, .l2_bytes = 40e6};

GemmShape product(double m, double n, double k, double reuse = 1e12) {
  return {.m = m, .n = n, .k = k, .reuse_bytes = reuse};
}

TEST(Gemm, OneRowTakesTheTimeOfItsWeights) {
  const GemmCoefficients c;
  const double bytes = 2 * (8192.0 * 8192 + 2 * 8192);
  const double least = c.launch_s + bytes / (kGpu.bandwidth * c.bandwidth_share);
  const double seconds = gemm_seconds(product(1, 8192, 8192), kGpu, c);
  EXPECT_GE(seconds, least);
  EXPECT_LT(seconds, least * 1.15);
}

TEST(Gemm, ManyRowsApproachTheBestTile) {
  const GemmCoefficients c;
  const double m = 1 << 17;
  const double rate = 2 * m * 8192 * 8192 / gemm_seconds(product(m, 8192, 8192), kGpu, c);
  EXPECT_GT(rate / kGpu.peak, 0.72);
  EXPECT_LT(rate / kGpu.peak, 0.8);
}

// 100 multiprocessors: 100 tiles are one wave, 101 are two.
TEST(Gemm, AnotherWaveIsAStep) {
  GpuFigures gpu = kGpu;
  gpu.bandwidth = 1e15;  // never in the way
  GemmCoefficients c;
  c.quantisation = 0.999;
  c.choice = 200;
  c.tile_share.fill(0.01);
  c.tile_share[2] = 0.7;  // 128 x 128
  c.split_s = 1;          // never worth it
  c.wave_s = 1e-9;
  const double k = 4096;
  const double one = gemm_seconds(product(128, 100 * 128, k), gpu, c) - c.launch_s;
  const double two = gemm_seconds(product(128, 101 * 128, k), gpu, c) - c.launch_s;
  const double full = gemm_seconds(product(128, 200 * 128, k), gpu, c) - c.launch_s;
  EXPECT_GT(two / one, 1.8);
  EXPECT_LT(full / two, 1.05);
}

TEST(Gemm, WeightsThatStayInL2AreFaster) {
  const GemmCoefficients c;
  const GemmShape cold = product(1, 1024, 4096, 1e12);
  const GemmShape warm = product(1, 1024, 4096, 8.4e6);
  EXPECT_LT(gemm_seconds(warm, kGpu, c), 0.92 * gemm_seconds(cold, kGpu, c));
  GpuFigures unknown = kGpu;
  unknown.l2_bytes = 0;
  EXPECT_EQ(gemm_seconds(warm, unknown, c), gemm_seconds(cold, unknown, c));
}

TEST(Gemm, IsFiniteAndPositiveEverywhere) {
  for (const double m : {1.0, 7.0, 129.0, 1e6}) {
    for (const double n : {1.0, 63.0, 4097.0}) {
      for (const double k : {1.0, 255.0, 30000.0}) {
        const double seconds = gemm_seconds(product(m, n, k), kGpu, {});
        EXPECT_TRUE(std::isfinite(seconds) && seconds > 0) << m << ' ' << n << ' ' << k;
      }
    }
  }
}

TEST(Attention, LongDecodeReadsTheCacheNearItsShareOfBandwidth) {
  const AttentionCoefficients c;
  const AttentionShape s{
      .batch = 64, .heads = 32, .kv_heads = 32, .head_dim = 128, .query_tokens = 1, .length = 8192};
  const double bytes = 64.0 * 32 * 2 * 128 * 8192 * 2;
  const double share = bytes / flash_attention_seconds(s, kGpu, c) / kGpu.bandwidth;
  EXPECT_GT(share, 0.85);
  EXPECT_LE(share, c.bandwidth_share);
}

TEST(Attention, GroupsOfHeadsReadTheirKeysOnce) {
  AttentionShape s{
      .batch = 16, .heads = 32, .kv_heads = 32, .head_dim = 128, .query_tokens = 1, .length = 8192};
  const double all = flash_attention_seconds(s, kGpu, {});
  s.kv_heads = 4;
  EXPECT_GT(all / flash_attention_seconds(s, kGpu, {}), 4);
}

TEST(Attention, SkippingTheMaskHalvesALongPrefill) {
  AttentionShape s{.batch = 1,
                   .heads = 32,
                   .kv_heads = 32,
                   .head_dim = 128,
                   .query_tokens = 8192,
                   .length = 8192};
  const double whole = flash_attention_seconds(s, kGpu, {});
  s.causal_skip = true;
  EXPECT_NEAR(flash_attention_seconds(s, kGpu, {}) / whole, 0.5, 0.02);
}

TEST(Choice, OwnDataThenARelativeThenNothing) {
  const DeviceTable devices = DeviceTable::built_in();
  const Calibration& c = built_in_calibration();
  const auto text = [&](const char* id) {
    return choose(c, devices, devices.require(id), "bf16").text();
  };
  EXPECT_EQ(text("a40"), "calibrated on a40");
  EXPECT_EQ(text("a100-80gb-sxm"), "calibrated on a100");
  EXPECT_EQ(text("a100-80gb-pcie"), "calibrated on a100");
  EXPECT_EQ(text("h100-sxm"), "calibrated on h100");
  EXPECT_EQ(text("a6000"), "transferred from a40");
  EXPECT_EQ(text("a6000-paper"), "transferred from a40");
  EXPECT_EQ(text("h200"), "transferred from h100");
  EXPECT_EQ(text("rtx-4090"), "uncalibrated");
  // The chart draws another peak; the card is the same.
  EXPECT_EQ(choose(c, devices, devices.require("a6000-paper"), "bf16").figures.peak, 154.8e12);
}

TEST(Coefficients, TextReadsBackTheSame) {
  const std::string text = to_text(built_in_calibration());
  EXPECT_EQ(to_text(parse_calibration(text, "copy")), text);
}

TEST(Coefficients, BadTextIsOneSentence) {
  const std::string good = to_text(built_in_calibration());
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), good.substr(0, good.size() / 2),
        std::string(good).replace(good.find("\"peak\": "), 8, "\"peak\": -")}) {
    try {
      (void)parse_calibration(bad, "my.json");
      ADD_FAILURE() << bad.substr(0, 60);
    } catch (const InputError& e) {
      EXPECT_EQ(std::string(e.what()).find("my.json"), 0U) << e.what();
    }
  }
}

TEST(Predictor, ErrorBarsOnlyWhereThereIsData) {
  const DeviceTable devices = DeviceTable::built_in();
  const Calibration& c = built_in_calibration();
  const ModelShape model{.name = "m",
                         .hidden = 4096,
                         .layers = 1,
                         .heads = 32,
                         .kv_heads = 32,
                         .head_dim = 128,
                         .ffn = 11008,
                         .vocab = 32000};
  const auto launches = [&](const char* id, bool unfused) {
    const DeviceSpec& device = devices.require(id);
    const EngineForm form{.unfused = unfused};
    const Choice choice = choose(c, devices, device, "bf16");
    const Meta meta = predicted_meta(model, device, "bf16", form, choice.text());
    return Predictor(meta, device, choice, c, form).launches({Phase::kAr, 4, 1, 512});
  };
  for (const PredictedLaunch& l : launches("a100-80gb-pcie", false)) {
    if (l.op == Operator::kQkv || l.op == Operator::kQkPv) {
      EXPECT_TRUE(l.error.has_value()) << name_of(l.op);
      EXPECT_EQ(l.basis, Basis::kCalibrated);
    }
    EXPECT_GT(l.seconds, 0) << name_of(l.op);
  }
  for (const PredictedLaunch& l : launches("a100-80gb-pcie", true)) {
    if (l.op != Operator::kQk && l.op != Operator::kPv) continue;
    EXPECT_FALSE(l.error.has_value());
    EXPECT_EQ(l.basis, Basis::kUncalibrated);
  }
  for (const PredictedLaunch& l : launches("a6000", false)) EXPECT_FALSE(l.error.has_value());
  for (const PredictedLaunch& l : launches("rtx-4090", false)) {
    EXPECT_EQ(l.basis, Basis::kUncalibrated) << name_of(l.op);
  }
}

}  // namespace
}  // namespace rooftop::predict
