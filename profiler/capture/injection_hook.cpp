#include "profiler/capture/injection_hook.h"

namespace rooftop::capture {

void link_injection_hook() noexcept {}

}  // namespace rooftop::capture

extern "C" {
// Visible, so that it wins over the weak one of every file in the binary.
__attribute__((visibility("default"))) int (*InitializeInjectionNvtx2_fnptr)(
    rooftop::capture::InjectionExportTable) = rooftop::capture::initialize_injection;
}
