#include "profiler/roofs/cuda_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "profiler/core/error.h"

namespace rooftop {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(CudaLoader, SaysThatTheBuildHasNoModule) {
  // The test program lies in a folder of its own, without a module beside it.
  const CudaModuleLoad load = load_cuda_module();
  EXPECT_EQ(load.module, nullptr);
  EXPECT_EQ(load.why_not, "this build has no CUDA module: configure with -DROOFTOP_CUDA=ON");
}

TEST(CudaLoader, SaysWhatIsWrongWithAFile) {
  EXPECT_THAT(load_cuda_module("/nowhere/rooftop_cuda.so").why_not,
              AllOf(StartsWith("the CUDA module cannot be loaded: /nowhere/"),
                    HasSubstr("rebuild or reinstall")));
  EXPECT_THAT(load_cuda_module("/proc/version").why_not,
              StartsWith("the CUDA module cannot be loaded: /proc/version"));
  EXPECT_THAT(load_cuda_module(STAND_IN_NO_MODULE).why_not,
              HasSubstr("is no CUDA module of rooftop"));
  const CudaModuleLoad other = load_cuda_module(STAND_IN_OTHER_VERSION);
  EXPECT_EQ(other.module, nullptr);
  EXPECT_THAT(other.why_not, HasSubstr("another version of rooftop (interface 999, not 2)"));
}

TEST(CudaLoader, DescribesDevices) {
  const CudaModuleLoad load = load_cuda_module(STAND_IN_MODULE);
  ASSERT_NE(load.module, nullptr) << load.why_not;
  EXPECT_EQ(load.why_not, "");
  EXPECT_EQ(load.devices, 2U);
  const DeviceInfo device = describe_cuda_device(*load.module, 1);
  EXPECT_EQ(device.kind, DeviceKind::kCuda);
  EXPECT_EQ(device.ordinal, 1U);
  EXPECT_EQ(device.name, "NVIDIA Stand-in");
  EXPECT_EQ(device.driver, "1.2.3, CUDA 13.0");
  EXPECT_EQ(device.multiprocessors, 11U);
  EXPECT_EQ(device.memory_bytes, 1000U);
  EXPECT_EQ(device.compute_major, 9U);
  EXPECT_EQ(device.clock_hz, 1.5e9);
  EXPECT_EQ(device.memory_clock_hz, 2.5e9);
  EXPECT_EQ(message_of([&] { describe_cuda_device(*load.module, 2); }),
            "there is no CUDA device 2");
}

TEST(CudaLoader, TakesRoofsAndDistrustsTheirBounds) {
  const CudaModuleLoad load = load_cuda_module(STAND_IN_MODULE);
  ASSERT_NE(load.module, nullptr) << load.why_not;
  int calls = 0;
  const auto roofs = measure_cuda_roofs(*load.module, 0, 1, [&](std::string_view what, double) {
    ++calls;
    EXPECT_EQ(what, "a roof");
    throw std::runtime_error("a progress line that fails must not end a measurement");
  });
  ASSERT_EQ(roofs.size(), 16U);
  EXPECT_EQ(calls, 16);
  EXPECT_EQ(roofs[2].roof.value, 3e9);
  EXPECT_EQ(roofs[2].roof.kind, std::string(32, 'k'));
  EXPECT_EQ(roofs[2].method, "method");
  EXPECT_EQ(message_of([&] { measure_cuda_roofs(*load.module, 0, -1); }),
            "the CUDA module failed without a reason");
  EXPECT_EQ(message_of([&] { measure_cuda_roofs(*load.module, 0, 101); }).size(), 511U);
}

}  // namespace
}  // namespace rooftop
