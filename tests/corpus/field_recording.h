// Field data that the project does not hold: found through the variable ROOFTOP_FIELD_DATA.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/corpus/sequences.h"

namespace rooftop::corpus {

// A file of the field data; none where the variable is unset or the file missing.
std::optional<std::string> field_file(const std::string& name);

enum class Hidden {
  kModules,  // operators with their shapes stay
  kRanges,   // names and order alone
};

// A PyTorch recording with module frames, of a model of the Llama family in Transformers: labels
// are made from the frames, and the frames hidden. Launches that no frame holds are left out.
std::vector<LabelledLaunch> labelled_by_frames(const std::string& recording, Hidden hidden);

// Kernel names with labels: engine, phase, name, label, confidence.
struct NamedKernel {
  std::string engine;
  std::string name;
  std::string label;
  std::string confidence;
  double microseconds = 0;
};
std::vector<NamedKernel> named_kernels(const std::string& table);

// "attention(+combine)" -> qk_pv, "rope+kv_write" -> rope; none for labels that name no one
// operator.
std::optional<Operator> operator_of_label(const std::string& label);

}  // namespace rooftop::corpus
