// A table in CUPTI's place: every function refuses with CUPTI_ERROR_NOT_SUPPORTED until a test puts
// one of its own there. It stands for no hardware: it shows what our side does with an answer.
#pragma once

#include "profiler/capture/cupti/cupti_api.h"

namespace rooftop::capture::testing {

template <class Function>
struct Refusing;
template <class... Arguments>
struct Refusing<CUptiResult (*)(Arguments...)> {
  static CUptiResult CUPTIAPI call(Arguments... /*arguments*/) { return CUPTI_ERROR_NOT_SUPPORTED; }
};

inline CUptiResult CUPTIAPI fake_result_string(CUptiResult code, const char** text) {
  static thread_local std::string last;
  last = "CUPTI error " + std::to_string(static_cast<int>(code));
  *text = last.c_str();
  return CUPTI_SUCCESS;
}

inline CuptiApi refusing_cupti() {
  CuptiApi api;
#define ROOFTOP_REFUSE(name) api.name = Refusing<decltype(api.name)>::call;
  ROOFTOP_CUPTI_REQUIRED(ROOFTOP_REFUSE)
  ROOFTOP_CUPTI_OPTIONAL(ROOFTOP_REFUSE)
#undef ROOFTOP_REFUSE
  api.cuptiGetResultString = fake_result_string;
  api.version = CUPTI_API_VERSION;
  return api;
}

}  // namespace rooftop::capture::testing
