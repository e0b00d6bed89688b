// How well the model predicts kernel times that others measured. The data are not part of the
// project: ROOFTOP_FIELD_DATA names the folder that has facts/operator_times.csv.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

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

// What docs/predict.md says, with a little room for another compiler's rounding.
TEST_F(FieldData, HeldOutErrorsAreWhatTheDocumentationSays) {
  std::size_t models = 0;
  for (const HeldOut& row : cross_validate(samples_)) {
    SCOPED_TRACE(row.held + " on " + row.gpu + ", " + row.terms);
    if (row.terms == "attention") {
      EXPECT_LT(row.median, 0.11);
      EXPECT_LT(row.p90, 0.32);
    } else if (row.held == row.gpu) {
      EXPECT_LT(row.median, 0.12) << "the goal for a GPU that was held out";
    } else {
      EXPECT_LT(row.median, 0.09);
      EXPECT_LT(row.p90, 0.27);
      ++models;
    }
  }
  EXPECT_EQ(models, 5U);
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
    std::nth_element(errors.begin(),
                     errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2), errors.end());
    EXPECT_LT(errors[errors.size() / 2], 0.06) << gpu.name;
  }
}

}  // namespace
}  // namespace rooftop::predict
