#include "profiler/capture/gpu_sources.h"

#include "profiler/capture/cupti/cupti_api.h"
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

}  // namespace

std::vector<SourceMaker> gpu_sources(const GpuSourceOptions& options) {
  switch (options.capture) {
    case GpuCapture::kScopes:
      return {};
    case GpuCapture::kTimeline:
      return {timeline(options)};
    default:
      return {};
  }
}

int counter_repeats(const GpuSourceOptions& /*options*/) { return 3; }

}  // namespace rooftop::capture
