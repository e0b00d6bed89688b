// A forked child has neither CUPTI's threads nor ours: everything that CUPTI may still call there
// asks first, and does nothing.
#pragma once

namespace rooftop::capture {

// Called once before anything is registered with CUPTI.
void watch_forks() noexcept;

// Whether this process was forked from one that called watch_forks().
bool in_forked_child() noexcept;

}  // namespace rooftop::capture
