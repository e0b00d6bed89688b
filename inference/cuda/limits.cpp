#include "inference/cuda/limits.h"

#include <fmt/format.h>

#include "profiler/core/error.h"

namespace rooftop::inference::cuda {
namespace {

constexpr std::int32_t kLeastCapability = 80;  // bf16 tensor cores and cp.async
constexpr std::int64_t kMostHeadDim = 256;
// cuBLASLt's workspace and kernels, which load when they are first used; split attention's results.
constexpr std::int64_t kWorkspaceBytes = std::int64_t{512} << 20;
constexpr const char* kAdvice = "choose fewer layers, a smaller batch or length";

double gigabytes(std::uint64_t bytes) { return static_cast<double>(bytes) * 1e-9; }

}  // namespace

void check_supported(const Config& config, const BackendOptions& options,
                     const DeviceLimits& device) {
  if (options.dtype == DType::kF32) {
    throw InputError(fmt::format(
        "{} computes in bf16 or f16, not in f32: use --dtype bf16, or --device cpu.", device.name));
  }
  if (device.capability < kLeastCapability) {
    throw InputError(
        fmt::format("{} has compute capability {}.{}, and the kernels need 8.0 or newer (Ampere): "
                    "use --device cpu.",
                    device.name, device.capability / 10, device.capability % 10));
  }
  if (config.head_dim % 8 != 0 || config.head_dim > kMostHeadDim) {
    throw InputError(
        fmt::format("The head size of {} is {}: the CUDA kernels run multiples of 8 up to {}; use "
                    "--device cpu.",
                    config.name, config.head_dim, kMostHeadDim));
  }
}

MemoryNeed cuda_memory_need(const Config& config, const BackendOptions& options) {
  MemoryNeed need = memory_need(config, options);
  const std::int64_t swiglu = options.max_rows * config.ffn * bytes_of(options.dtype);
  const std::int64_t rotary = options.max_length * config.head_dim * 4;
  need.activations += static_cast<std::uint64_t>(swiglu + rotary + kWorkspaceBytes);
  return need;
}

void require_memory(const Config& config, const BackendOptions& options, const MemoryNeed& need,
                    const DeviceLimits& device) {
  if (need.total() <= device.free_bytes) return;
  throw InputError(fmt::format("{}, but {} has {:.2f} GB free: {}.",
                               describe_need(config, options, need), device.name,
                               gigabytes(device.free_bytes), kAdvice));
}

void refuse_allocation(const Config& config, const BackendOptions& options, const MemoryNeed& need,
                       const DeviceLimits& device) {
  throw InputError(fmt::format("{}, which {} did not grant although {:.2f} GB seemed free: {}.",
                               describe_need(config, options, need), device.name,
                               gigabytes(device.free_bytes), kAdvice));
}

}  // namespace rooftop::inference::cuda
