// CUPTI behind one door: a table of its functions, found at run time. Everything that calls CUPTI
// calls through a table, so that tests hand over a table of their own.
#pragma once

#include <cupti.h>
#include <cupti_pmsampling.h>
#include <cupti_profiler_host.h>
#include <cupti_profiler_target.h>
#include <cupti_range_profiler.h>
#include <cupti_target.h>

#include <cstdint>
#include <string>

#include "profiler/capture/cupti/cupti_functions.h"
#include "profiler/core/error.h"

namespace rooftop::capture {

struct CuptiApi {
#define ROOFTOP_MEMBER(name) decltype(&::name) name = nullptr;
  ROOFTOP_CUPTI_REQUIRED(ROOFTOP_MEMBER)
  ROOFTOP_CUPTI_OPTIONAL(ROOFTOP_MEMBER)
#undef ROOFTOP_MEMBER

  std::uint32_t version = 0;  // CUPTI_API_VERSION of the library: 130001 for CUDA 13.0
  std::string path;           // of the library

  // Whether the library has what each way of recording calls.
  [[nodiscard]] bool has_host() const noexcept;      // planning of counters, offline
  [[nodiscard]] bool has_ranges() const noexcept;    // counters per kernel
  [[nodiscard]] bool has_sampling() const noexcept;  // PM sampling
};

struct CuptiLookup {
  const CuptiApi* api = nullptr;  // null: `why` says what is missing and what to do
  Status why;
};

// The process's CUPTI: the copy that it already holds (PyTorch brings one), else ROOFTOP_CUPTI (a
// path), else what the linker and CUDA's usual folders have. Looked up once.
const CuptiLookup& cupti() noexcept;

// The same, of a named library, each time anew: for tests and `doctor`.
Status load_cupti(void* library, CuptiApi& api) noexcept;

}  // namespace rooftop::capture
