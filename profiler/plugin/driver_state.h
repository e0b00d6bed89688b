// The CUDA driver of this process, without its headers.
#pragma once

namespace rooftop::plugin {

// Whether libcuda is loaded and cuInit() has returned.
bool driver_is_ready() noexcept;

}  // namespace rooftop::plugin
