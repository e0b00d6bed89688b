#include "rooftop/nvtx.h"

// Twice, as two headers of an engine would.
#include "rooftop/nvtx.h"

void open_scopes() {
  rooftop::nvtx::StepPayload payload;
  payload.phase = rooftop::nvtx::kAr;
  const rooftop::nvtx::Step step(payload);
  const rooftop::nvtx::Op op(rooftop::nvtx::kQkv, 0, "qkv");
}
