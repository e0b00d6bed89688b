// Where the build had no CUPTI headers.
#include "profiler/capture/doctor_gpus.h"

namespace rooftop::capture {

CuptiState look_at_gpus() {
  const auto why = Status::failed(
      "this build of Rooftop was made without CUPTI: build it where CUDA's headers are");
  CuptiState out;
  out.driver = why;
  out.cupti = why;
  out.timeline = why;
  return out;
}

}  // namespace rooftop::capture
