// Where the build had no CUPTI headers.
#include "profiler/capture/gpu_sources.h"

namespace rooftop::capture {
namespace {

class NoCupti : public RecordSource {
 public:
  Status start() noexcept override {
    return Status::failed(
        "this build records nothing of a GPU's kernels: configure it where CUDA's CUPTI headers "
        "are (CUPTI_INCLUDE_DIR)");
  }
  void drain(RecordSink& /*sink*/) override {}
  void stop() noexcept override {}
  void describe(Meta& /*meta*/) const override {}
};

}  // namespace

std::vector<SourceMaker> gpu_sources(const GpuSourceOptions& options) {
  if (options.capture == GpuCapture::kScopes) return {};
  return {[] { return std::make_unique<NoCupti>(); }};
}

int counter_repeats(const GpuSourceOptions& /*options*/) { return 1; }

}  // namespace rooftop::capture
