// Why CUPTI refused, and what a user can do about it.
#pragma once

#include <string>

#include "profiler/capture/cupti/cupti_api.h"

namespace rooftop::capture {

// What to do about `code`, one clause; empty where nothing better is known than the code's name.
// Sources: CUPTI's documentation of CUptiResult; docs/capture.md.
std::string remedy(CUptiResult code);

// "cuptiSubscribe failed (CUPTI_ERROR_...): another profiler holds this process's CUPTI ...".
Status refused(const CuptiApi& api, CUptiResult code, const char* call);

}  // namespace rooftop::capture
