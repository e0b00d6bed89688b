// Fits find the coefficients that made their data, and cross-validation holds out what it says.
#include "profiler/predict/calibrate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "profiler/core/error.h"
#include "profiler/predict/least_squares.h"

namespace rooftop::predict {
namespace {

TEST(LeastSquares, FindsALineAmongOutliers) {
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, 0.01);
  std::vector<double> x, y;
  for (int i = 0; i < 200; ++i) {
    x.push_back(i / 100.0);
    y.push_back(0.5 + 2 * x.back() + noise(random) + (i % 20 == 0 ? 3 : 0));
  }
  LeastSquaresProblem problem;
  problem.residual_count = x.size();
  problem.prior = {0, 0};
  problem.prior_weight = {1e-3, 1e-3};
  problem.residuals = [&](std::span<const double> p, std::span<double> r) {
    for (std::size_t i = 0; i < x.size(); ++i) r[i] = p[0] + p[1] * x[i] - y[i];
  };
  const auto solution = solve(problem);
  EXPECT_NEAR(solution[0], 0.5, 0.03);
  EXPECT_NEAR(solution[1], 2.0, 0.03);
}

GemmSample sample_of(const std::string& gpu, const std::string& model, double m, double n, double k,
                     const GemmCoefficients& truth, double factor) {
  GemmSample s;
  s.origin.gpu = gpu;
  s.origin.model = model;
  s.origin.op = Operator::kQkv;
  s.origin.figures = {.bandwidth = 1e12, .peak = 150e12, .sm_count = 84, .l2_bytes = 6e6};
  s.shape = {.m = m, .n = n, .k = k, .reuse_bytes = 1e12};
  s.seconds = factor * gemm_seconds(s.shape, s.origin.figures, truth);
  return s;
}

Samples synthetic(const GemmCoefficients& truth) {
  Samples samples;
  std::mt19937 random(3);
  std::normal_distribution<double> noise(0, 0.02);
  const auto add = [&](const char* gpu, const char* model, double n, double k) {
    for (double m = 1; m <= 4096; m *= 1.7) {
      samples.gemms.push_back(
          sample_of(gpu, model, std::ceil(m), n, k, truth, std::exp(noise(random))));
    }
  };
  for (const char* gpu : {"a40", "h100"}) {
    add(gpu, "small", 12288, 4096);
    add(gpu, "small", 4096, 11008);
    add(gpu, "large", 10240, 8192);
    add(gpu, "large", 8192, 28672);
  }
  return samples;
}

TEST(Calibrate, RecoversWhatMadeTheData) {
  GemmCoefficients truth;
  truth.launch_s = 3e-6;
  truth.bandwidth_share = 0.72;
  for (double& share : truth.tile_share) share *= 0.85;
  const Samples samples = synthetic(truth);
  std::vector<const GemmSample*> all;
  for (const GemmSample& s : samples.gemms) all.push_back(&s);
  const GemmCoefficients fitted = fit_gemm(all);
  EXPECT_NEAR(fitted.bandwidth_share / truth.bandwidth_share, 1, 0.05);
  double worst = 0;
  for (const GemmSample* s : all) {
    const double ratio = gemm_seconds(s->shape, s->origin.figures, fitted) /
                         gemm_seconds(s->shape, s->origin.figures, truth);
    worst = std::max(worst, std::abs(ratio - 1));
  }
  EXPECT_LT(worst, 0.08);
}

TEST(Calibrate, HoldsOutEveryModelAndEveryGpu) {
  const Samples samples = synthetic({});
  const std::vector<HeldOut> table = cross_validate(samples);
  ASSERT_EQ(table.size(), 6U);  // two models on each of two GPUs, and each GPU
  for (const HeldOut& row : table) {
    EXPECT_EQ(row.terms, "linear");
    EXPECT_LT(row.median, 0.05) << row.held;
    EXPECT_GT(row.samples, 20U);
  }
}

TEST(Calibrate, CarriesErrorsOfWhatWasLeftOut) {
  const Calibration c = calibrate(synthetic({}), DeviceTable::built_in(), "synthetic");
  ASSERT_EQ(c.gpus.size(), 2U);
  EXPECT_EQ(c.gpus[0].name, "a40");
  EXPECT_EQ(c.gpus[0].devices, std::vector<std::string>{"a40"});
  EXPECT_EQ(c.gpus[1].devices, std::vector<std::string>{"h100-sxm"});
  const auto error = c.gpus[0].error(Operator::kQ, 16);
  ASSERT_TRUE(error.has_value());
  EXPECT_GT(*error, 0.005);
  EXPECT_LT(*error, 0.2);
  EXPECT_FALSE(c.gpus[0].error(Operator::kQkPv, 16).has_value());
}

TEST(Calibrate, NeedsLinearLayers) {
  EXPECT_THROW((void)calibrate({}, DeviceTable::built_in(), "nothing"), InputError);
}

}  // namespace
}  // namespace rooftop::predict
