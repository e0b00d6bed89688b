// What the backend says of devices that it cannot use, on invented ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inference/loop.h"
#include "profiler/core/error.h"
#include "tests/host_executor/cudart_on_host.h"
#include "tests/inference/cuda/engine_under_test.h"
#include "tests/inference/louder_weights.h"

namespace rooftop::inference::cuda {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Config config() {
  Config c;
  c.name = "small";
  c.hidden = 64;
  c.layers = 2;
  c.heads = c.kv_heads = 2;
  c.head_dim = 32;
  c.ffn = 128;
  c.vocab = 100;
  c.max_positions = 4096;
  return c;
}

BackendOptions options() {
  BackendOptions o;
  o.dtype = DType::kBF16;
  o.max_length = 64;
  o.max_rows = 16;
  o.threads = 1;
  return o;
}

class DeviceLimitsTest : public testing::Test {
 protected:
  void TearDown() override { host_executor::set_device({}); }
};

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

TEST_F(DeviceLimitsTest, AnOldDeviceIsRefused) {
  host_executor::Device device;
  device.compute_capability = 75;
  host_executor::set_device(device);
  const LouderWeights weights(config());
  EXPECT_THAT(refusal([&] { cuda_backend(weights, options()); }),
              AllOf(HasSubstr("compute capability 7.5"), HasSubstr("--device cpu")));
}

TEST_F(DeviceLimitsTest, AModelThatDoesNotFitIsRefusedWithTheNumbers) {
  host_executor::Device device;
  device.memory_bytes = std::size_t{1} << 20;
  host_executor::set_device(device);
  const LouderWeights weights(config());
  EXPECT_THAT(refusal([&] { cuda_backend(weights, options()); }),
              AllOf(HasSubstr("small in bf16"), HasSubstr("GB free")));
  EXPECT_EQ(host_executor::device_bytes_in_use(), 0U);
}

TEST_F(DeviceLimitsTest, CapacitiesThatDoNotFitLeaveABackendThatCanTryAgain) {
  host_executor::Device device;
  device.memory_bytes = std::size_t{800} << 20;
  host_executor::set_device(device);
  const LouderWeights weights(config());
  const auto backend = cuda_backend(weights, options());
  BackendOptions large = options();
  large.max_length = 1 << 20;
  EXPECT_THAT(refusal([&] { backend->reserve(large); }), HasSubstr("KV cache of 1 x 1048576"));
  backend->reserve(options());
  Loop loop(*backend, config(), options());
  loop.decode_cell(1, 9);
  EXPECT_EQ(backend->picked().size(), 1U);
}

TEST_F(DeviceLimitsTest, EverythingIsGivenBack) {
  const std::size_t bytes = host_executor::device_bytes_in_use();
  const std::size_t handles = host_executor::handles_in_use();
  {
    const LouderWeights weights(config());
    const auto backend = cuda_backend(weights, options());
    Loop loop(*backend, config(), options());
    for (int i = 0; i < 3; ++i) loop.decode_cell(1, 9);
    EXPECT_GT(host_executor::device_bytes_in_use(), bytes);
    EXPECT_GT(host_executor::handles_in_use(), handles);
  }
  EXPECT_EQ(host_executor::device_bytes_in_use(), bytes);
  EXPECT_EQ(host_executor::handles_in_use(), handles);
}

}  // namespace
}  // namespace rooftop::inference::cuda
