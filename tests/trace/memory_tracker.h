// Counts what operator new gives out in this executable, to test that memory is bounded.
#pragma once

#include <cstddef>

namespace rooftop::testing {

// False under sanitizers, which have an operator new of their own.
bool tracks_memory();

// The most that was in use at once since reset_peak(), in bytes above what was in use then.
void reset_peak();
std::size_t peak_bytes();

}  // namespace rooftop::testing
