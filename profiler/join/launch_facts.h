// The launches of a trace file as the join needs them: 32 bytes each, all of a trace at once.
// Inside the library only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "profiler/core/meta.h"
#include "profiler/join/counter_join.h"
#include "profiler/join/signatures.h"
#include "profiler/trace/reader.h"

namespace rooftop::join {

inline constexpr std::uint32_t kNoStep = 0xFFFFFFFF;

struct LaunchFact {
  KernelId id = 0;
  std::int64_t begin_ns = 0;
  SignatureId signature = 0;
  std::uint32_t step = kNoStep;  // index into TraceFacts::steps, warm-up steps are kNoStep
  Operator op = Operator::kUnclassified;
};

struct StepFact {
  StepKey key;
  std::vector<std::uint32_t> launches;  // indices into TraceFacts::launches, in order of begin
};

struct TraceFacts {
  Meta meta;
  trace::Recovery recovery;
  bool has_steps = false;  // else `steps` is the one that holds everything
  std::vector<StepFact> steps;
  std::vector<LaunchFact> launches;  // in file order

  [[nodiscard]] std::vector<StepLaunch> sequence(const StepFact& step) const;
};

// Two readings: scopes, then kernels. `whole`: take the trace as one step, whatever it holds.
TraceFacts read_facts(const std::string& path, Signatures& signatures, bool whole);

// True where the trace holds a step.
bool has_steps(const std::string& path);

}  // namespace rooftop::join
