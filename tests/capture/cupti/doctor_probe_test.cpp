// What the doctor asks of a driver and of CUPTI, against tables in their place: which calls it
// makes after which answers. They stand for no hardware.
#include "profiler/capture/cupti/doctor_probe.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/capture/cupti/fake_cupti.h"

namespace rooftop::capture {
namespace {

CUresult init_result = CUDA_SUCCESS;
int devices = 1;
int crashing_calls = 0;
CUptiResult availability = CUPTI_SUCCESS;
CUpti_Profiler_Support_Level support = CUPTI_PROFILER_CONFIGURATION_SUPPORTED;

CudaDriver fake_driver() {
  CudaDriver driver;
  driver.cuInit = [](unsigned) { return init_result; };
  driver.cuDriverGetVersion = [](int* version) {
    *version = 13000;
    return CUDA_SUCCESS;
  };
  driver.cuDeviceGetCount = [](int* count) {
    *count = devices;
    return CUDA_SUCCESS;
  };
  driver.cuDeviceGet = [](CUdevice* device, int i) {
    *device = i;
    return CUDA_SUCCESS;
  };
  driver.cuDeviceGetName = [](char* name, int size, CUdevice) {
    std::strncpy(name, "NVIDIA H100 MIG 3g.40gb", static_cast<std::size_t>(size));
    return CUDA_SUCCESS;
  };
  driver.cuDeviceGetAttribute = [](int* value, CUdevice_attribute, CUdevice) {
    *value = 9;
    return CUDA_SUCCESS;
  };
  driver.cuDeviceTotalMem = [](std::size_t*, CUdevice) { return CUDA_ERROR_INVALID_DEVICE; };
  return driver;
}

CuptiApi willing_cupti() {
  CuptiApi api = testing::refusing_cupti();
  api.version = 130001;
  api.path = "/x/libcupti.so.13";
  api.cuptiActivityEnable = [](CUpti_ActivityKind) { return CUPTI_SUCCESS; };
  api.cuptiActivityDisable = [](CUpti_ActivityKind) { return CUPTI_SUCCESS; };
  api.cuptiProfilerInitialize = [](CUpti_Profiler_Initialize_Params*) { return CUPTI_SUCCESS; };
  api.cuptiDeviceGetChipName = [](CUpti_Device_GetChipName_Params* parameters) {
    ++crashing_calls;
    parameters->pChipName = "GH100";
    return CUPTI_SUCCESS;
  };
  api.cuptiProfilerDeviceSupported = [](CUpti_Profiler_DeviceSupported_Params* parameters) {
    parameters->isSupported = support;
    parameters->confidentialCompute = support;
    parameters->architecture = parameters->sli = parameters->vGpu = parameters->cmp =
        parameters->wsl = CUPTI_PROFILER_CONFIGURATION_SUPPORTED;
    return CUPTI_SUCCESS;
  };
  api.cuptiPmSamplingGetCounterAvailability = [](CUpti_PmSampling_GetCounterAvailability_Params*) {
    return availability;
  };
  return api;
}

class DoctorProbe : public ::testing::Test {
 protected:
  void SetUp() override {
    init_result = CUDA_SUCCESS;
    devices = 1;
    crashing_calls = 0;
    availability = CUPTI_SUCCESS;
    support = CUPTI_PROFILER_CONFIGURATION_SUPPORTED;
  }
  [[nodiscard]] CuptiState look() const { return probe({&driver, {}}, {&api, {}}); }
  CudaDriver driver = fake_driver();
  CuptiApi api = willing_cupti();
};

TEST_F(DoctorProbe, ReadsAWillingMachine) {
  const CuptiState state = look();
  EXPECT_TRUE(state.driver.ok() && state.cupti.ok() && state.timeline.ok());
  EXPECT_EQ(state.driver_cuda, "13.0");
  EXPECT_EQ(state.version, "13.0 (130001)");
  ASSERT_EQ(state.gpus.size(), 1U);
  EXPECT_EQ(state.gpus[0].chip, "GH100");
  EXPECT_TRUE(state.gpus[0].mig);
  EXPECT_TRUE(state.gpus[0].counters.ok() && state.gpus[0].sampling.ok());
}

TEST_F(DoctorProbe, NeitherDriverNorCupti) {
  const CuptiState state =
      probe({nullptr, Status::failed("no driver: a")}, {nullptr, Status::failed("no CUPTI: b")});
  EXPECT_EQ(state.driver.message(), "no driver: a");
  EXPECT_EQ(state.cupti.message(), "no CUPTI: b");
  EXPECT_TRUE(state.gpus.empty());
}

TEST_F(DoctorProbe, GpusAreDescribedWithoutCupti) {
  const CuptiState state = probe({&driver, {}}, {nullptr, Status::failed("no CUPTI: b")});
  ASSERT_EQ(state.gpus.size(), 1U);
  EXPECT_EQ(state.gpus[0].compute_major, 9U);
}

TEST_F(DoctorProbe, EveryFailureOfTheDriverIsASentence) {
  for (const CUresult code :
       {CUDA_ERROR_NO_DEVICE, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, CUDA_ERROR_SYSTEM_NOT_READY,
        CUDA_ERROR_STUB_LIBRARY, CUDA_ERROR_UNKNOWN}) {
    init_result = code;
    const CuptiState state = look();
    EXPECT_FALSE(state.driver.ok());
    EXPECT_NE(state.driver.message().find(": "), std::string::npos);
    EXPECT_TRUE(state.gpus.empty());
  }
}

// CUPTI's calls that crash where its profiler did not start are not made.
TEST_F(DoctorProbe, AfterARefusedProfilerNothingMoreIsAsked) {
  api.cuptiProfilerInitialize = [](CUpti_Profiler_Initialize_Params*) {
    return CUPTI_ERROR_INSUFFICIENT_PRIVILEGES;
  };
  const CuptiState state = look();
  EXPECT_EQ(crashing_calls, 0);
  ASSERT_EQ(state.gpus.size(), 1U);
  EXPECT_FALSE(state.gpus[0].counters.ok());
  EXPECT_NE(state.gpus[0].counters.message().find("CAP_SYS_ADMIN"), std::string::npos);
  EXPECT_TRUE(state.timeline.ok());
}

TEST_F(DoctorProbe, EachErrorOfSamplingIsToldWithItsRemedy) {
  for (const CUptiResult code :
       {CUPTI_ERROR_INSUFFICIENT_PRIVILEGES, CUPTI_ERROR_HARDWARE_BUSY,
        CUPTI_ERROR_VIRTUALIZED_DEVICE_NOT_SUPPORTED, CUPTI_ERROR_MIG_DEVICE_NOT_SUPPORTED,
        CUPTI_ERROR_CONFIDENTIAL_COMPUTING_NOT_SUPPORTED}) {
    availability = code;
    const CuptiState state = look();
    ASSERT_EQ(state.gpus.size(), 1U);
    EXPECT_FALSE(state.gpus[0].sampling.ok());
    EXPECT_NE(state.gpus[0].sampling.message().find(": "), std::string::npos);
    EXPECT_TRUE(state.gpus[0].counters.ok());
  }
}

TEST_F(DoctorProbe, ADeviceThatDeclinesIsNotAskedForMore) {
  support = CUPTI_PROFILER_CONFIGURATION_UNSUPPORTED;
  const CuptiState state = look();
  ASSERT_EQ(state.gpus.size(), 1U);
  EXPECT_FALSE(state.gpus[0].counters.ok());
  EXPECT_FALSE(state.gpus[0].sampling.ok());
}

TEST_F(DoctorProbe, ARefusedTimelineIsSaidSo) {
  api.cuptiActivityEnable = [](CUpti_ActivityKind) {
    return CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED;
  };
  EXPECT_NE(look().timeline.message().find("another profiler"), std::string::npos);
}

}  // namespace
}  // namespace rooftop::capture
