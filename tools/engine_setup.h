// From the options that run and sweep share to an engine: compute type, device, the facts for a
// trace's META.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "inference/backend.h"
#include "inference/model.h"
#include "profiler/core/meta.h"
#include "tools/commands.h"
#include "tools/recording.h"

namespace rooftop::tools {

// Compute type, attention, layers and threads as chosen; capacities are the caller's. Throws
// InputError for a device that cannot run the engine, and for more layers than the model has.
inference::BackendOptions backend_options(const EngineChoice& choice,
                                          const inference::Config& config);

// What is known before any heavy work: machine, device, model, types.
Meta engine_meta(const EngineChoice& choice, const inference::WeightSource& source,
                 const inference::BackendOptions& options, const std::string& command);

// Roofs of the device (cached from earlier runs, else measured now, with progress), as facts to add
// to a trace.
Meta measured_roofs(const EngineChoice& choice);

// Loads the weights onto the chosen device, with progress.
std::unique_ptr<inference::Backend> load_backend(const EngineChoice& choice,
                                                 const inference::WeightSource& source,
                                                 const inference::BackendOptions& options);

// The choice with what it leaves open decided: the device.
EngineChoice decided(EngineChoice choice);

// How the command records what the engine does. Throws InputError where nothing is recorded
// although `output` asks for it.
struct RecordingPlan {
  bool records = true;
  RecordingOptions options;
  // Of a run on a GPU: hardware counters come from a second run, whose choice this is.
  std::optional<EngineChoice> counters;
  // This is such a second run: each step is repeated so often, and nothing is printed.
  int counter_repeats = 0;
};
RecordingPlan plan_recording(const EngineChoice& choice, const inference::BackendOptions& engine,
                             const Meta& meta, const std::string& output);

}  // namespace rooftop::tools
