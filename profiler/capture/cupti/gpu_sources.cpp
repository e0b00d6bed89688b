#include "profiler/capture/gpu_sources.h"

#include "profiler/capture/cupti/counters.h"
#include "profiler/capture/cupti/cuda_driver.h"
#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/capture/cupti/sampling.h"
#include "profiler/capture/cupti/timeline.h"

namespace rooftop::capture {
namespace {

// Says at start() why there is no source.
class Refusal : public RecordSource {
 public:
  explicit Refusal(Status why) : why_(std::move(why)) {}
  Status start() noexcept override { return why_; }
  void drain(RecordSink& /*sink*/) override {}
  void stop() noexcept override {}
  void describe(Meta& /*meta*/) const override {}

 private:
  Status why_;
};

// What `make` makes of this process's CUPTI.
template <class Make>
SourceMaker with_cupti(Make make) {
  return [make]() -> std::unique_ptr<RecordSource> {
    const CuptiLookup& lookup = cupti();
    if (lookup.api == nullptr) return std::make_unique<Refusal>(lookup.why);
    return make(*lookup.api);
  };
}

SourceMaker timeline(const GpuSourceOptions& options) {
  return with_cupti([devices = options.devices](const CuptiApi& api) {
    TimelineOptions how = timeline_options_from_environment();
    how.known_devices = devices;
    return make_timeline(api, std::move(how));
  });
}

// The same where the driver is needed, too.
template <class Make>
SourceMaker with_driver(Make make) {
  return with_cupti([make](const CuptiApi& api) -> std::unique_ptr<RecordSource> {
    const CudaDriverLookup& driver = cuda_driver();
    if (driver.driver == nullptr) return std::make_unique<Refusal>(driver.why);
    return make(api, *driver.driver);
  });
}

SourceMaker counters(const GpuSourceOptions& options) {
  return with_driver([options](const CuptiApi& api, const CudaDriver& driver) {
    CounterOptions how = counter_options_from_environment();
    how.known_devices = options.devices;
    how.types = options.types;
    how.replay = options.replay;
    how.allow_communication = options.allow_communication;
    how.max_steps = options.max_steps;
    return make_counters(api, driver, std::move(how));
  });
}

std::uint32_t ordinal_of(const GpuSourceOptions& options) {
  return options.devices.empty() ? 0 : options.devices.front().ordinal;
}

SourceMaker sampling(const GpuSourceOptions& options) {
  return with_driver([options](const CuptiApi& api,
                               const CudaDriver& driver) -> std::unique_ptr<RecordSource> {
    // Samples are of one device; of which one the kernels will be, nobody has said.
    int count = 0;
    if (options.devices.empty() && driver.cuDeviceGetCount(&count) == CUDA_SUCCESS && count > 1)
      return std::make_unique<Refusal>(Status::failed(
          "counters were not sampled: the process sees " + std::to_string(count) +
          " GPUs, and which of them it uses is not known: leave it one with CUDA_VISIBLE_DEVICES"));
    SamplingOptions how = sampling_options_from_environment();
    how.known_devices = options.devices;
    how.ordinal = ordinal_of(options);
    return make_sampling(api, driver, std::move(how));
  });
}

}  // namespace

std::vector<SourceMaker> gpu_sources(const GpuSourceOptions& options) {
  switch (options.capture) {
    case GpuCapture::kTimeline:
      return {timeline(options)};
    case GpuCapture::kCounters:
      return {counters(options)};
    case GpuCapture::kSampling:
      return {timeline(options), sampling(options)};
    default:
      return {};
  }
}

int counter_repeats(const GpuSourceOptions& options) {
  const CuptiLookup& lookup = cupti();
  const CudaDriverLookup& driver = cuda_driver();
  if (lookup.api == nullptr || driver.driver == nullptr) return 1;
  return steps_to_count(*lookup.api, *driver.driver, ordinal_of(options), options.types);
}

}  // namespace rooftop::capture
