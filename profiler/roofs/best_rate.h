// The one way in which a roof is timed: the best of many passes, within a time budget.
#pragma once

#include <functional>

namespace rooftop {

// Runs `pass`, which does `units` of work (bytes, FLOP), once unmeasured and then until `seconds`
// are over, at least three times. Returns the best pass's units per second: a roof is what the
// machine can do, and interruptions only ever slow a pass.
double best_rate(double units, double seconds, const std::function<void()>& pass);

}  // namespace rooftop
