#include "profiler/roofs/cuda/gemm_roofs.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <vector>

#include "profiler/roofs/cuda/gemm.h"
#include "profiler/roofs/cuda/kernels.h"
#include "profiler/roofs/cuda/owners.h"
#include "profiler/roofs/cuda/timing.h"

namespace rooftop::cuda {
namespace {

struct GemmType {
  const char* dtype;
  Value value;  // of the random data
  cudaDataType_t input;
  cudaDataType_t output;
  cublasComputeType_t compute;
  int input_bytes;
  int output_bytes;
  int least_capability;  // 10 * major + minor
};

constexpr GemmType kTypes[] = {
    {"bf16", Value::kBF16, CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F, 2, 2, 80},
    {"f16", Value::kF16, CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_32F, 2, 2, 70},
    {"tf32", Value::kF32, CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32, 4, 4, 80},
    {"f32", Value::kF32, CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F, 4, 4, 70},
    {"fp8", Value::kFP8, CUDA_R_8F_E4M3, CUDA_R_16BF, CUBLAS_COMPUTE_32F, 1, 2, 89},
    {"int8", Value::kInt8, CUDA_R_8I, CUDA_R_32I, CUBLAS_COMPUTE_32I, 1, 4, 75},
};

// Largest first: the roof is what a large product reaches; smaller ones may be the faster where the
// power limit is low.
constexpr std::int64_t kSizes[] = {8192, 4096};
constexpr std::uint64_t kMostBytes = std::uint64_t{8192} * 8192 * 4;  // of a matrix

int capability(int device) {
  int major = 0;
  int minor = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
        "tell the compute capability");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device),
        "tell the compute capability");
  return 10 * major + minor;
}

GemmProblem square(const GemmType& type, std::int64_t n) {
  GemmProblem problem;
  problem.input = type.input;
  problem.output = type.output;
  problem.compute = type.compute;
  problem.m = problem.n = problem.k = problem.lda = problem.ldb = problem.ldd = n;
  return problem;
}

// What cuBLASLt cannot do on this device leaves no roof; a failure of the device is one.
template <typename Measure>
void unless_unsupported(const Measure& measure) {
  try {
    measure();
  } catch (const CudaError&) {
    throw;
  } catch (const std::runtime_error&) {
    return;
  }
}

class GemmMeasurement {
 public:
  explicit GemmMeasurement(int device)
      : workspace_(GemmContext::kWorkspaceBytes),
        context_(workspace_.data(), GemmContext::kWorkspaceBytes),
        timer_(device),
        a_(kMostBytes),
        b_(kMostBytes),
        d_(kMostBytes) {}

  // Whether the type can be measured at all; fills in the roof.
  bool measure(const GemmType& type, double seconds, RooftopCudaRoof& roof) {
    fill(type);
    for (const std::int64_t n : kSizes) {
      unless_unsupported([&] { try_size(type, n, seconds / std::size(kSizes), roof); });
    }
    return roof.value > 0;
  }

 private:
  void fill(const GemmType& type) {
    const auto count = kMostBytes / static_cast<std::uint64_t>(type.input_bytes);
    launch_fill_values(type.value, a_.data(), count, 1, timer_.stream().get());
    launch_fill_values(type.value, b_.data(), count, 2, timer_.stream().get());
    timer_.stream().wait();
  }

  void try_size(const GemmType& type, std::int64_t n, double seconds, RooftopCudaRoof& roof) {
    Gemm gemm(context_, square(type, n));
    const auto run = [&](cudaStream_t stream) {
      gemm.run(1, a_.data(), b_.data(), 0, d_.data(), stream);
    };
    std::size_t best_candidate = 0;
    double best_seconds = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < gemm.candidates(); ++i) {
      unless_unsupported([&] {
        gemm.choose(i);
        const double time = timer_.best(seconds / static_cast<double>(gemm.candidates()), run);
        if (time >= best_seconds) return;
        best_seconds = time;
        best_candidate = i;
      });
    }
    const double size = static_cast<double>(n);
    const double flops = 2 * size * size * size / best_seconds;
    if (flops <= roof.value) return;
    gemm.choose(best_candidate);
    const Nvml::State state = timer_.under_load(best_seconds, run);
    std::snprintf(roof.kind, sizeof roof.kind, "compute");
    std::snprintf(roof.dtype, sizeof roof.dtype, "%s", type.dtype);
    std::snprintf(roof.method, sizeof roof.method,
                  "cuBLASLt, Gaussian data, %lld^3, best of %zu algorithms",
                  static_cast<long long>(n), gemm.candidates());
    roof.value = flops;
    roof.clock_hz = state.sm_hz;
    roof.temperature_c = state.temperature_c;
  }

  DeviceMemory workspace_;
  GemmContext context_;
  PassTimer timer_;
  DeviceMemory a_;
  DeviceMemory b_;
  DeviceMemory d_;
};

bool have_cublaslt() {
  try {
    CublasLt::get();
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

}  // namespace

std::size_t measure_gemms(std::uint32_t ordinal, double seconds, const RoofProgress& progress,
                          RooftopCudaRoof* roofs, std::size_t capacity) {
  const int device = static_cast<int>(ordinal);
  const CurrentDevice current(device);
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  check(cudaMemGetInfo(&free_bytes, &total_bytes), "tell the free memory");
  constexpr std::uint64_t kReserve = std::uint64_t{256} << 20;
  if (!have_cublaslt() || free_bytes < 3 * kMostBytes + kReserve) return 0;

  std::vector<const GemmType*> types;
  for (const GemmType& type : kTypes) {
    if (capability(device) >= type.least_capability) types.push_back(&type);
  }
  GemmMeasurement measurement(device);
  const auto total = static_cast<double>(types.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < types.size() && count < capacity; ++i) {
    progress.tell(types[i]->dtype, static_cast<double>(i) / total);
    RooftopCudaRoof roof{};
    if (measurement.measure(*types[i], seconds / total, roof)) roofs[count++] = roof;
  }
  return count;
}

}  // namespace rooftop::cuda
