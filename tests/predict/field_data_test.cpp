// How well the model predicts kernel times that others measured. The data are not part of the
// project: ROOFTOP_FIELD_DATA names the folder that has facts/operator_times.csv.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "profiler/predict/calibrate.h"

namespace rooftop::predict {
namespace {

class FieldData : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("ROOFTOP_FIELD_DATA");
    if (folder == nullptr) GTEST_SKIP() << "ROOFTOP_FIELD_DATA does not name the measured times";
    const std::filesystem::path facts = std::filesystem::path(folder) / "facts";
    const DeviceTable devices = DeviceTable::built_in();
    for (const char* file : {"operator_times.csv", "attention_times.csv"}) {
      add_samples(samples_, facts / file, devices);
    }
  }
  Samples samples_;
};

struct Limits {
  double median;
  double p90;
};

constexpr Limits kModelGoal{0.05, 0.12};
constexpr Limits kAttentionGoal{0.10, 0.25};
constexpr double kGpuGoalMedian = 0.12;

// Held-out models that miss the goal, by how much, as docs/predict.md says and explains.
const std::map<std::pair<std::string, std::string>, Limits> kMissed = {
    {{"Llama-2-7b-hf", "a100"}, {0.060, 0.170}},
    {{"Llama-2-7b-hf", "h100"}, {0.085, 0.225}},
    {{"Llama-2-70b-hf", "h100"}, {0.083, 0.215}},
};

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

TEST_F(FieldData, HeldOutErrorsMeetTheGoalsButForTheDocumentedExceptions) {
  std::map<std::string, std::size_t> rows;
  for (const HeldOut& row : cross_validate(samples_)) {
    SCOPED_TRACE(row.held + " on " + row.gpu + ", " + row.terms);
    if (row.terms == "attention") {
      EXPECT_LT(row.median, kAttentionGoal.median);
      EXPECT_LT(row.p90, kAttentionGoal.p90);
      ++rows["attention"];
    } else if (row.held == row.gpu) {
      EXPECT_LT(row.median, kGpuGoalMedian);
      ++rows["gpu"];
    } else {
      const auto missed = kMissed.find({row.held, row.gpu});
      const Limits limits = missed == kMissed.end() ? kModelGoal : missed->second;
      EXPECT_LT(row.median, limits.median);
      EXPECT_LT(row.p90, limits.p90);
      // An exception that is none any more has to go from the table and the page.
      if (missed != kMissed.end()) {
        EXPECT_GT(row.p90, kModelGoal.p90);
      }
      ++rows["model"];
    }
  }
  EXPECT_EQ(rows, (std::map<std::string, std::size_t>{{"attention", 4}, {"gpu", 3}, {"model", 5}}));
}

// How far apart the data themselves put products that tiles, waves and splits cannot tell apart:
// of two models, as many outputs and as long sums each, the rows of one at most twice the other's.
TEST_F(FieldData, LibraryChoosesDifferentlyForProductsOfEqualWork) {
  std::vector<double> apart;
  std::vector<double> again;  // the very same product, measured in two models
  for (std::size_t i = 0; i < samples_.gemms.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const GemmSample& a = samples_.gemms[i];
      const GemmSample& b = samples_.gemms[j];
      if (a.origin.gpu != "a100" || b.origin.gpu != "a100") continue;
      if (a.origin.model == b.origin.model || a.shape.k != b.shape.k) continue;
      if (a.shape.m * a.shape.n != b.shape.m * b.shape.n) continue;
      const double ratio = std::max(a.seconds, b.seconds) / std::min(a.seconds, b.seconds) - 1;
      const double least = std::min(a.shape.m, b.shape.m);
      if (a.shape.m == b.shape.m) {
        again.push_back(ratio);
      } else if (least >= 64 && std::max(a.shape.m, b.shape.m) <= 2 * least) {
        apart.push_back(ratio);
      }
    }
  }
  ASSERT_GT(apart.size(), 300U);
  ASSERT_GT(again.size(), 300U);
  EXPECT_NEAR(quantile(apart, 0.5), 0.115, 0.01);
  EXPECT_NEAR(quantile(apart, 0.9), 0.403, 0.02);
  EXPECT_NEAR(quantile(again, 0.5), 0.009, 0.002);
  EXPECT_NEAR(quantile(again, 0.9), 0.036, 0.005);
}

// What the terms cannot say even of samples that they were fitted to.
TEST_F(FieldData, ModelsThatMissTheGoalAreNearTheReachOfTheTerms) {
  for (const auto& [missed, held_out] : kMissed) {
    SCOPED_TRACE(missed.first + " on " + missed.second);
    std::vector<const GemmSample*> own;
    for (const GemmSample& s : samples_.gemms) {
      if (s.origin.model == missed.first && s.origin.gpu == missed.second) own.push_back(&s);
    }
    const GemmCoefficients fitted = fit_gemm(own);
    std::vector<double> errors;
    for (const GemmSample* s : own) {
      errors.push_back(
          std::abs(gemm_seconds(s->shape, s->origin.figures, fitted) / s->seconds - 1));
    }
    EXPECT_LT(quantile(errors, 0.5), 0.055);
    EXPECT_GT(quantile(errors, 0.9), kModelGoal.p90);
  }
}

// The coefficients that are compiled in against the same data, which they were fitted to.
TEST_F(FieldData, ShippedCoefficientsAreThoseOfTheData) {
  for (const GpuCalibration& gpu : built_in_calibration().gpus) {
    std::vector<double> errors;
    for (const GemmSample& s : samples_.gemms) {
      if (s.origin.gpu != gpu.name) continue;
      errors.push_back(std::abs(gemm_seconds(s.shape, gpu.figures, gpu.gemm) / s.seconds - 1));
    }
    ASSERT_FALSE(errors.empty()) << gpu.name;
    EXPECT_LT(quantile(errors, 0.5), 0.06) << gpu.name;
  }
}

}  // namespace
}  // namespace rooftop::predict
