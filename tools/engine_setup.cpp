#include "tools/engine_setup.h"

#include <fmt/format.h>

#include "inference/cpu/cpu_backend.h"
#include "profiler/core/error.h"
#include "profiler/core/machine.h"
#include "profiler/core/version.h"
#include "profiler/roofs/cuda_loader.h"
#include "profiler/roofs/roofs_cache.h"
#include "tools/cuda_engine.h"
#include "tools/device_choice.h"
#include "tools/model_choice.h"
#include "tools/progress.h"
#include "tools/run_again.h"

namespace rooftop::tools {
namespace {

using inference::DType;

void check_device(const EngineChoice& choice) {
  const DeviceChoice device = parse_device(choice.device);
  if (device.cuda) require_cuda_device(device.ordinal);
}

DType choose_dtype(const EngineChoice& choice, const inference::Config& config) {
  if (choice.dtype == "f32") return DType::kF32;
  if (choice.dtype == "bf16") return DType::kBF16;
  if (choice.dtype == "f16") return DType::kF16;
  if (parse_device(choice.device).cuda) {
    return config.checkpoint_dtype == "f16" ? DType::kF16 : DType::kBF16;
  }
  // No CPU that we know computes in f16 as fast as in f32, and quantised weights need more than
  // bf16 keeps.
  const bool bf16 = config.checkpoint_dtype == "bf16" && inference::cpu_has_fast_bf16();
  return bf16 ? DType::kBF16 : DType::kF32;
}

DeviceInfo describe_device(const EngineChoice& choice) {
  const DeviceChoice device = parse_device(choice.device);
  if (!device.cuda) return describe_cpu();
  const CudaModuleLoad load = load_cuda_module();
  if (load.module == nullptr) throw InputError(load.why_not);
  return describe_cuda_device(*load.module, device.ordinal);
}

// In a process of its own: measuring makes contexts and launches kernels, which a recording of this
// process would hold, too.
Meta measured_cuda_roofs(const EngineChoice& choice, Progress& progress) {
  const RoofsKey key = roofs_key(describe_device(choice), 0);
  const RoofsCache cache;
  std::optional<std::vector<RoofMeasurement>> roofs = cache.load(key);
  if (!roofs) {
    const ChildResult child = run_again({"roofs", "--device=" + choice.device}, progress);
    roofs = cache.load(key);
    if (!roofs)
      fmt::print(stderr, "rooftop: the GPU's roofs could not be measured: {}\n",
                 child.last_words.empty() ? "nothing was kept in the cache" : child.last_words);
  }
  Meta meta;
  if (roofs) meta.roofs = roofs_of(*roofs, 0);
  return meta;
}

capture::GpuCapture capture_of(const std::string& name) {
  if (name == "counters") return capture::GpuCapture::kCounters;
  if (name == "sampling") return capture::GpuCapture::kSampling;
  if (name == "scopes") return capture::GpuCapture::kScopes;
  return capture::GpuCapture::kTimeline;
}

}  // namespace

inference::BackendOptions backend_options(const EngineChoice& choice,
                                          const inference::Config& config) {
  check_device(choice);
  if (choice.layers > config.layers) {
    throw InputError(fmt::format("--layers {} is more than the {} layers of {}", choice.layers,
                                 config.layers, config.name));
  }
  inference::BackendOptions options;
  options.dtype = choose_dtype(choice, config);
  options.attention =
      choice.attention == "unfused" ? inference::Attention::kUnfused : inference::Attention::kFlash;
  options.layers = choice.layers;
  options.graphs = choice.graphs == "on";
  options.threads = choice.threads > 0 ? choice.threads : static_cast<int>(usable_cores());
  return options;
}

Meta engine_meta(const EngineChoice& choice, const inference::WeightSource& source,
                 const inference::BackendOptions& options, const std::string& command) {
  Meta meta = describe_machine();
  meta.tool_version = kVersion;
  meta.command = command;
  meta.devices = {describe_device(choice)};
  meta.model = shape_of(source.config());
  meta.weights = source.random() ? "random" : "file";
  meta.layers_run =
      static_cast<std::uint32_t>(choice.layers > 0 ? choice.layers : source.config().layers);
  meta.dtype = name_of(options.dtype);
  const auto element = static_cast<double>(inference::bytes_of(options.dtype));
  meta.weight_bytes = meta.activation_bytes = meta.kv_bytes = element;
  meta.attention = name_of(options.attention);
  meta.threads = static_cast<std::uint32_t>(options.threads);
  return meta;
}

Meta measured_roofs(const EngineChoice& choice) {
  Progress progress("Measuring this machine's roofs (once)");
  if (const DeviceChoice device = parse_device(choice.device); device.cuda)
    return measured_cuda_roofs(choice, progress);
  CpuRoofOptions options;
  options.threads = choice.threads;
  options.progress = [&](std::string_view what, double done) { progress.update(done, what); };
  Meta meta;
  meta.roofs = roofs_of(cached_cpu_roofs(options), 0);
  return meta;
}

std::unique_ptr<inference::Backend> load_backend(const EngineChoice& choice,
                                                 const inference::WeightSource& source,
                                                 const inference::BackendOptions& options) {
  Progress progress("Loading " + source.config().name);
  const auto update = [&](double fraction) { progress.update(fraction); };
  const DeviceChoice device = parse_device(choice.device);
  return device.cuda ? make_cuda_engine(source, options, device.ordinal, update)
                     : inference::make_cpu_backend(source, options, update);
}

EngineChoice decided(EngineChoice choice) {
  if (!choice.device.empty()) return choice;
  choice.device = load_cuda_module().devices > 0 ? "cuda" : "cpu";
  return choice;
}

RecordingPlan plan_recording(const EngineChoice& choice, const inference::BackendOptions& engine,
                             const Meta& meta, const std::string& output) {
  RecordingPlan plan;
  const bool cuda = parse_device(choice.device).cuda;
  const bool host_only = choice.capture == "auto" || choice.capture == "scopes";
  if (!cuda && !host_only)
    throw InputError(
        fmt::format("--capture {} is of a GPU's kernels: use --device cuda, or leave "
                    "it out",
                    choice.capture));
  if (!choice.scopes) {
    if (!output.empty()) throw InputError("--no-scopes leaves nothing to record: leave out -o");
    plan.records = false;
    return plan;
  }
  if (!cuda) return plan;
  capture::GpuSourceOptions gpu;
  gpu.capture = capture_of(choice.capture);
  gpu.devices = meta.devices;
  gpu.types = {std::string(name_of(engine.dtype))};
  gpu.replay = choice.replay;
  plan.options.host_kernels = false;
  plan.options.overhead_budget = choice.overhead;
  plan.options.sources = capture::gpu_sources(gpu);
  if (gpu.capture == capture::GpuCapture::kCounters)
    plan.counter_repeats = capture::counter_repeats(gpu);
  if (choice.capture == "auto") {
    plan.counters = choice;
    plan.counters->capture = "counters";
    // Kernel by kernel: a graph's launch is one range.
    plan.counters->graphs = "off";
    plan.counters->measure_roofs = false;
  }
  return plan;
}

}  // namespace rooftop::tools
