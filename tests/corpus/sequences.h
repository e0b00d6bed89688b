// Launches of whole steps with what each of them is: sequences as engines launch them, made of
// single kernel names that were seen in public recordings (sources: sequences.cpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiler/core/operator.h"

namespace rooftop::corpus {

struct LabelledLaunch {
  std::string name;
  Operator op = Operator::kUnclassified;  // unclassified: nothing can be known of it
  double microseconds = 1;
  std::int32_t layer = -1;
  std::int32_t step = -1;
  std::uint32_t grid_x = 1;
  bool memset = false;
  std::string range;  // foreign range around it; empty: none
  std::string args;
  std::uint32_t device = 0;
};

struct Sequence {
  std::string engine;
  std::vector<LabelledLaunch> launches;
  std::uint32_t layers = 0;
  std::uint32_t steps = 0;
  Phase phase = Phase::kUnknown;  // of all steps, where names or ranges can tell it
};

// One engine's step: what runs before the layers, in each of them, and behind them.
struct StepPattern {
  std::vector<LabelledLaunch> before;
  std::vector<LabelledLaunch> layer;
  std::vector<LabelledLaunch> behind;
};

// Steps of `layers` layers, with the pauses of an engine between them.
Sequence repeat(const std::string& engine, const StepPattern& pattern, std::uint32_t layers,
                std::uint32_t steps);

// Eager, compiled, graphs, tensor parallel, quantised; vLLM, SGLang, llama.cpp, TensorRT-LLM.
std::vector<Sequence> engines();

// The pattern of one engine by name, for tests that change it.
StepPattern pattern_of(const std::string& engine);

}  // namespace rooftop::corpus
