// Published Llama-family models by name: what a random-weight run and a prediction need to know.
// Figures are those of each model's config.json on Hugging Face.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "profiler/core/meta.h"

namespace rooftop {

// Llama 3.1's frequency-dependent stretching of rotary positions ("rope_type": "llama3").
struct Llama3RopeScaling {
  double factor = 1;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  double original_max_positions = 8192;
};

struct NamedModel {
  ModelShape shape;               // shape.name is the name on the command line, "llama-7b"
  std::string_view display_name;  // as titles show it, "Llama 7B"
  double rope_theta = 1e4;
  double norm_eps = 1e-5;
  std::optional<Llama3RopeScaling> rope_scaling;  // none: default rotary positions
};

// All of them, smallest family first, in the order that help texts list them.
std::span<const NamedModel> named_models();

// nullptr where no model has that name (names are lower case and exact).
const NamedModel* find_named_model(std::string_view name);

// Like find_named_model(), but throws InputError with the nearest name and the list of names.
const NamedModel& named_model(std::string_view name);

// The known name that is the fewest edits away (case ignored), where that is near enough to be a
// plausible slip: at most half of the letters differ.
std::optional<std::string_view> nearest_model_name(std::string_view name);

// "llama-7b" -> "Llama 7B"; a name that is not in the table is shown as it is.
std::string display_name_of(const ModelShape& shape);

}  // namespace rooftop
