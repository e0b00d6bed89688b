#include "rooftop/nvtx.h"

int main() {
  const rooftop::nvtx::Step step(rooftop::nvtx::StepPayload{});
  const rooftop::nvtx::Op op(rooftop::nvtx::kQkv, 0, "qkv");
  return 0;
}
