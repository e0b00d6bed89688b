// The real CUDA module: on a machine with a GPU it measures, on any other it says what is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "profiler/core/error.h"
#include "profiler/roofs/cuda_loader.h"
#include "tests/module_path.h"

namespace rooftop {
namespace {

#if defined(ROOFTOP_HAVE_CUDA_MODULE)

TEST(CudaModule, LoadsWithoutADriverAndSaysWhatIsMissing) {
  const CudaModuleLoad load = load_cuda_module(build_file("tools/rooftop_cuda.so"));
  if (load.module != nullptr) {
    EXPECT_GE(load.devices, 1U);
    EXPECT_EQ(load.why_not, "");
    return;
  }
  EXPECT_THAT(load.why_not, ::testing::AnyOf(::testing::HasSubstr("no NVIDIA driver was found"),
                                             ::testing::HasSubstr("driver is too old"),
                                             ::testing::HasSubstr("no CUDA device")));
  EXPECT_EQ(load.why_not.find('\n'), std::string::npos);
}

class CudaDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    load_ = load_cuda_module(build_file("tools/rooftop_cuda.so"));
    if (load_.module == nullptr) GTEST_SKIP() << load_.why_not;
  }
  CudaModuleLoad load_;
};

TEST_F(CudaDevice, IsDescribed) {
  for (std::uint32_t i = 0; i < load_.devices; ++i) {
    const DeviceInfo device = describe_cuda_device(*load_.module, i);
    EXPECT_NE(device.name, "");
    EXPECT_GT(device.multiprocessors, 0U);
    EXPECT_GT(device.memory_bytes, 1ULL << 30);
    EXPECT_GE(device.compute_major, 7U);
    EXPECT_NE(device.driver, "");
  }
  EXPECT_THROW(describe_cuda_device(*load_.module, load_.devices), InputError);
}

TEST_F(CudaDevice, HasPlausibleRoofs) {
  std::map<std::string, double> value;
  for (const RoofMeasurement& roof : measure_cuda_roofs(*load_.module, 0, 1.0)) {
    EXPECT_NE(roof.method, "");
    if (roof.roof.kind == "compute") {
      // From a small card's f32 to a large one's fp8.
      EXPECT_GT(roof.roof.value, 1e12) << roof.roof.dtype;
      EXPECT_LT(roof.roof.value, 20e15) << roof.roof.dtype;
    } else {
      value[roof.roof.kind] = roof.roof.value;
    }
  }
  ASSERT_TRUE(value.contains("dram_read") && value.contains("dram_write") &&
              value.contains("dram_copy"));
  // No GPU that CUDA 13 supports lies outside these, whatever else runs on it.
  for (const auto& [kind, bandwidth] : value) {
    EXPECT_GT(bandwidth, 10e9) << kind;
    EXPECT_LT(bandwidth, 100e12) << kind;
  }
  EXPECT_THROW(measure_cuda_roofs(*load_.module, 0, -1), InputError);
  EXPECT_THROW(measure_cuda_roofs(*load_.module, load_.devices, 1), InputError);
}

#else

TEST(CudaModule, IsPartOfThisBuild) {
  GTEST_SKIP() << "this build has no CUDA module: configure with -DROOFTOP_CUDA=ON";
}

#endif

}  // namespace
}  // namespace rooftop
