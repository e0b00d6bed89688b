#include "inference/cuda/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "profiler/core/error.h"

namespace rooftop::inference::cuda {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Config llama_7b() {
  Config c;
  c.name = "llama-7b";
  c.hidden = 4096;
  c.layers = 32;
  c.heads = c.kv_heads = 32;
  c.head_dim = 128;
  c.ffn = 11008;
  c.vocab = 32000;
  return c;
}

BackendOptions options() {
  BackendOptions o;
  o.dtype = DType::kBF16;
  o.max_length = 2048;
  o.max_rows = 2048;
  return o;
}

DeviceLimits device() { return {"cuda:0 (NVIDIA RTX A2000)", 86, 26, 6'000'000'000}; }

template <typename Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

TEST(CudaLimits, AModelTooLargeForTheCardIsRefusedWithTheNumbers) {
  const MemoryNeed need = cuda_memory_need(llama_7b(), options());
  const std::string message =
      refusal([&] { require_memory(llama_7b(), options(), need, device()); });
  EXPECT_THAT(message, AllOf(HasSubstr("llama-7b in bf16"), HasSubstr("weights 13.48"),
                             HasSubstr("cuda:0 (NVIDIA RTX A2000) has 6.00 GB free"),
                             HasSubstr("fewer layers")));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  DeviceLimits large = device();
  large.free_bytes = need.total();
  EXPECT_EQ(refusal([&] { require_memory(llama_7b(), options(), need, large); }), "");
}

TEST(CudaLimits, CountsWhatTheBackendAllocates) {
  const MemoryNeed base = memory_need(llama_7b(), options());
  const MemoryNeed need = cuda_memory_need(llama_7b(), options());
  EXPECT_EQ(need.weights, base.weights);
  EXPECT_EQ(need.kv_cache, base.kv_cache);
  // SwiGLU's result, cosines and sines, 512 MiB for cuBLASLt and splits.
  EXPECT_EQ(need.activations,
            base.activations + 2048 * 11008 * 2 + 2048 * 64 * 8 + (std::uint64_t{512} << 20));
}

TEST(CudaLimits, OldCardsAreRefused) {
  DeviceLimits turing = device();
  turing.capability = 75;
  EXPECT_THAT(refusal([&] { check_supported(llama_7b(), options(), turing); }),
              AllOf(HasSubstr("compute capability 7.5"), HasSubstr("8.0 or newer")));
  EXPECT_EQ(refusal([&] { check_supported(llama_7b(), options(), device()); }), "");
}

TEST(CudaLimits, TypesAndHeadSizesThatNoKernelRunsAreRefused) {
  BackendOptions f32 = options();
  f32.dtype = DType::kF32;
  EXPECT_THAT(refusal([&] { check_supported(llama_7b(), f32, device()); }),
              HasSubstr("use --dtype bf16"));
  for (const std::int64_t head_dim : {4, 20, 264, 512}) {
    Config config = llama_7b();
    config.head_dim = head_dim;
    EXPECT_THAT(refusal([&] { check_supported(config, options(), device()); }),
                HasSubstr("multiples of 8 up to 256"))
        << head_dim;
  }
  for (const std::int64_t head_dim : {8, 48, 64, 128, 256}) {
    Config config = llama_7b();
    config.head_dim = head_dim;
    EXPECT_EQ(refusal([&] { check_supported(config, options(), device()); }), "") << head_dim;
  }
}

}  // namespace
}  // namespace rooftop::inference::cuda
