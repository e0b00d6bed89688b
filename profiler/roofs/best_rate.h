// How a roof is timed: many passes within a time budget.
#pragma once

#include <functional>

namespace rooftop {

// Runs `pass`, which does `units` of work (bytes, FLOP), once unmeasured and then until `seconds`
// are over, at least three times. Returns the best pass's units per second: a roof is what the
// machine can do, and interruptions only ever slow a pass that is done by all threads together.
double best_rate(double units, double seconds, const std::function<void()>& pass);

// The same, but the median pass: for one thread among others that do not wait for it. Neither an
// interruption nor a moment in which a neighbour left it more than its share changes the median.
double median_rate(double units, double seconds, const std::function<void()>& pass);

}  // namespace rooftop
