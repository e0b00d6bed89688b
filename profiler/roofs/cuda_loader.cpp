#include "profiler/roofs/cuda_loader.h"

#include <dlfcn.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "profiler/core/error.h"

namespace rooftop {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModuleFile = "rooftop_cuda.so";

CudaModuleLoad failed(std::string why_not) {
  CudaModuleLoad load;
  load.why_not = std::move(why_not);
  return load;
}

// A buffer for the module's sentence.
class Sentence {
 public:
  char* data() { return text_.data(); }
  [[nodiscard]] std::size_t size() const { return text_.size(); }
  // The module ends it with a zero; the last byte makes sure.
  [[nodiscard]] std::string text() {
    text_.back() = '\0';
    return text_.front() == '\0' ? "the CUDA module failed without a reason" : text_.data();
  }

 private:
  std::array<char, 512> text_{};
};

template <std::size_t n>
std::string text_of(const char (&field)[n]) {
  return std::string(field, strnlen(field, n));
}

extern "C" void forward_progress(const char* what, double done, void* user) noexcept {
  const auto& progress = *static_cast<const std::function<void(std::string_view, double)>*>(user);
  try {
    if (progress) progress(what, done);
  } catch (...) {  // must not cross the C interface; a progress line is not worth the measurement
  }
}

}  // namespace

fs::path find_cuda_module(std::string_view file) {
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& place : {folder, folder / ROOFTOP_CUDA_MODULE_FROM_BIN}) {
    const fs::path path = place / file;
    if (!folder.empty() && fs::exists(path, error)) return path;
  }
  return {};
}

CudaModuleLoad load_cuda_module() {
  const fs::path path = find_cuda_module(kModuleFile);
  if (!path.empty()) return load_cuda_module(path);
  return failed("this build has no CUDA module: configure with -DROOFTOP_CUDA=ON");
}

CudaModuleLoad load_cuda_module(const fs::path& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    return failed(fmt::format("the CUDA module cannot be loaded: {}; rebuild or reinstall it",
                              reason == nullptr ? path.c_str() : reason));
  }
  const auto entry =
      reinterpret_cast<RooftopCudaModuleEntry>(dlsym(library, ROOFTOP_CUDA_MODULE_ENTRY));
  const RooftopCudaModule* module = entry == nullptr ? nullptr : entry();
  if (module == nullptr) {
    return failed(
        fmt::format("{} is no CUDA module of rooftop: rebuild or reinstall it", path.string()));
  }
  if (module->abi != ROOFTOP_CUDA_MODULE_ABI) {
    return failed(fmt::format(
        "the CUDA module {} belongs to another version of rooftop (interface {}, not {}): rebuild "
        "or reinstall both",
        path.string(), module->abi, ROOFTOP_CUDA_MODULE_ABI));
  }
  CudaModuleLoad load;
  Sentence sentence;
  if (module->device_count(&load.devices, sentence.data(), sentence.size()) != 0) {
    return failed(sentence.text());
  }
  load.module = module;
  return load;
}

DeviceInfo describe_cuda_device(const RooftopCudaModule& module, std::uint32_t ordinal) {
  RooftopCudaDevice device{};
  Sentence sentence;
  if (module.describe_device(ordinal, &device, sentence.data(), sentence.size()) != 0) {
    throw InputError(sentence.text());
  }
  DeviceInfo info;
  info.kind = DeviceKind::kCuda;
  info.ordinal = ordinal;
  info.name = text_of(device.name);
  info.driver = text_of(device.driver);
  info.multiprocessors = device.multiprocessors;
  info.memory_bytes = device.memory_bytes;
  info.compute_major = device.compute_major;
  info.compute_minor = device.compute_minor;
  info.clock_hz = device.clock_hz;
  info.memory_clock_hz = device.memory_clock_hz;
  return info;
}

std::vector<RoofMeasurement> measure_cuda_roofs(
    const RooftopCudaModule& module, std::uint32_t ordinal, double seconds,
    const std::function<void(std::string_view what, double done)>& progress) {
  std::array<RooftopCudaRoof, 16> roofs{};
  std::size_t count = 0;
  Sentence sentence;
  auto forwarded = progress;  // the C interface takes a pointer to non-const
  if (module.measure_roofs(ordinal, seconds, forward_progress, &forwarded, roofs.data(),
                           roofs.size(), &count, sentence.data(), sentence.size()) != 0) {
    throw InputError(sentence.text());
  }
  std::vector<RoofMeasurement> measurements;
  for (std::size_t i = 0; i < std::min(count, roofs.size()); ++i) {
    RoofMeasurement measurement;
    measurement.roof.kind = text_of(roofs[i].kind);
    measurement.roof.dtype = text_of(roofs[i].dtype);
    measurement.roof.value = roofs[i].value;
    measurement.roof.clock_hz = roofs[i].clock_hz;
    measurement.method = text_of(roofs[i].method);
    if (roofs[i].temperature_c > 0) {
      measurement.method += fmt::format(", {:.0f} degrees Celsius", roofs[i].temperature_c);
    }
    measurements.push_back(std::move(measurement));
  }
  return measurements;
}

}  // namespace rooftop
