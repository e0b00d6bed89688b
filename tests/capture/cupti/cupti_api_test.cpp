// The door itself: the real library where there is one, refusals in words.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "profiler/capture/cupti/cuda_driver.h"
#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/capture/cupti/obstacle.h"
#include "profiler/capture/cupti/shared_object.h"
#include "tests/capture/cupti/fake_cupti.h"

namespace rooftop::capture {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Tests of the real library run wherever the build found its headers beside it.
const CuptiApi* real_cupti() {
  const CuptiLookup& lookup = cupti();
  return lookup.api;
}

TEST(CuptiApi, RealLibraryHasEveryFunction) {
  const CuptiApi* api = real_cupti();
  if (api == nullptr) GTEST_SKIP() << cupti().why.message();
  EXPECT_GE(api->version, 24U);
  EXPECT_TRUE(api->has_host());
  EXPECT_TRUE(api->has_ranges());
  EXPECT_TRUE(api->has_sampling());
  EXPECT_FALSE(api->path.empty());
}

TEST(CuptiApi, LoadedCopyIsShared) {
  const CuptiApi* api = real_cupti();
  if (api == nullptr) GTEST_SKIP() << cupti().why.message();
  const SharedObject again = open_shared("libcupti.so", {"/nonexistent/libcupti.so"});
  ASSERT_NE(again.handle, nullptr);
  EXPECT_EQ(dlsym(again.handle, "cuptiGetVersion"), reinterpret_cast<void*>(api->cuptiGetVersion));
}

TEST(CuptiApi, LibraryWithoutItsFunctionsIsRefused) {
  void* other = dlopen("libm.so.6", RTLD_NOW);
  ASSERT_NE(other, nullptr);
  CuptiApi api;
  const Status status = load_cupti(other, api);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), AllOf(HasSubstr("has no cupti"), HasSubstr("12.6 or newer")));
}

TEST(CuptiApi, MissingLibraryLeavesTheLinkersReason) {
  const SharedObject none = open_shared("libnothing.so", {"/nonexistent/libnothing.so"});
  EXPECT_EQ(none.handle, nullptr);
  EXPECT_THAT(none.path, HasSubstr("/nonexistent/libnothing.so"));
}

TEST(CuptiApi, PartsThatAreMissingAreTold) {
  CuptiApi api = testing::refusing_cupti();
  EXPECT_TRUE(api.has_ranges());
  EXPECT_TRUE(api.has_sampling());
  api.cuptiPmSamplingStart = nullptr;
  EXPECT_FALSE(api.has_sampling());
  EXPECT_TRUE(api.has_ranges());
  api.cuptiProfilerHostInitialize = nullptr;
  EXPECT_FALSE(api.has_host());
  EXPECT_FALSE(api.has_ranges());
}

TEST(Obstacle, EveryKnownRefusalSaysWhatToDo) {
  const CuptiApi api = testing::refusing_cupti();
  const std::pair<CUptiResult, const char*> cases[] = {
      {CUPTI_ERROR_INSUFFICIENT_PRIVILEGES, "NVreg_RestrictProfilingToAdminUsers=0"},
      {CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED, "another profiler"},
      {CUPTI_ERROR_HARDWARE_BUSY, "dcgmi profile --pause"},
      {CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED, "vGPU"},
      {CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES, "CAP_SYS_ADMIN"},
      {CUPTI_ERROR_CONFIDENTIAL_COMPUTING_NOT_SUPPORTED, "confidential"},
      {CUPTI_ERROR_CMP_DEVICE_NOT_SUPPORTED, "CMP"},
      {CUPTI_ERROR_MIG_DEVICE_NOT_SUPPORTED, "MIG"},
      {CUPTI_ERROR_SLI_DEVICE_NOT_SUPPORTED, "SLI"},
      {CUPTI_ERROR_WSL_DEVICE_NOT_SUPPORTED, "WSL"},
      {CUPTI_ERROR_NOT_SUPPORTED, "rooftop doctor"},
      {CUPTI_ERROR_INVALID_CHIP_NAME, "rooftop doctor"},
      {CUPTI_ERROR_OLD_PROFILER_API_INITIALIZED, "old event"},
      {CUPTI_ERROR_OUT_OF_MEMORY, "memory"},
      {CUPTI_ERROR_UNKNOWN, "driver"}};
  for (const auto& [code, advice] : cases) {
    EXPECT_THAT(refused(api, code, "cuptiSubscribe").message(),
                AllOf(HasSubstr("cuptiSubscribe failed (CUPTI error " +
                                std::to_string(static_cast<int>(code)) + ")"),
                      HasSubstr(advice)));
  }
  EXPECT_EQ(refused(api, CUPTI_ERROR_INVALID_PARAMETER, "cuptiX").message(),
            "cuptiX failed (CUPTI error 1)");
}

TEST(CudaDriver, AbsenceIsOneSentence) {
  const CudaDriverLookup& lookup = cuda_driver();
  if (lookup.driver != nullptr) GTEST_SKIP() << "this machine has a driver";
  EXPECT_THAT(lookup.why.message(), HasSubstr("no NVIDIA driver"));
}

}  // namespace
}  // namespace rooftop::capture
