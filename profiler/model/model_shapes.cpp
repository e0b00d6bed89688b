#include "profiler/model/model_shapes.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <numeric>
#include <vector>

#include "profiler/core/error.h"

namespace rooftop {
namespace {

// Dimensions in the order h, layers, n, g, d, i, V.
ModelShape shape(const char* name, std::uint32_t hidden, std::uint32_t layers, std::uint32_t heads,
                 std::uint32_t kv_heads, std::uint32_t head_dim, std::uint32_t ffn,
                 std::uint32_t vocab, std::uint32_t max_positions, bool tied = false) {
  return {.name = name,
          .hidden = hidden,
          .layers = layers,
          .heads = heads,
          .kv_heads = kv_heads,
          .head_dim = head_dim,
          .ffn = ffn,
          .vocab = vocab,
          .tied_embeddings = tied,
          .max_positions = max_positions};
}

const std::array<NamedModel, 10>& table() {
  static const std::array<NamedModel, 10> models = {{
      {shape("llama-7b", 4096, 32, 32, 32, 128, 11008, 32000, 2048), "Llama 7B", 1e4, 1e-6, {}},
      {shape("llama-13b", 5120, 40, 40, 40, 128, 13824, 32000, 2048), "Llama 13B", 1e4, 1e-6, {}},
      {shape("llama-33b", 6656, 60, 52, 52, 128, 17920, 32000, 2048), "Llama 33B", 1e4, 1e-6, {}},
      {shape("llama-65b", 8192, 80, 64, 64, 128, 22016, 32000, 2048), "Llama 65B", 1e4, 1e-5, {}},
      {shape("llama-2-7b", 4096, 32, 32, 32, 128, 11008, 32000, 4096), "Llama 2 7B", 1e4, 1e-5, {}},
      {shape("llama-2-70b", 8192, 80, 64, 8, 128, 28672, 32000, 4096),
       "Llama 2 70B",
       1e4,
       1e-5,
       {}},
      {shape("llama-3-8b", 4096, 32, 32, 8, 128, 14336, 128256, 8192), "Llama 3 8B", 5e5, 1e-5, {}},
      {shape("llama-3.2-1b", 2048, 16, 32, 8, 64, 8192, 128256, 131072, true), "Llama 3.2 1B", 5e5,
       1e-5, Llama3RopeScaling{.factor = 32}},
      {shape("tinyllama-1.1b", 2048, 22, 32, 4, 64, 5632, 32000, 2048),
       "TinyLlama 1.1B",
       1e4,
       1e-5,
       {}},
      {shape("smollm-135m", 576, 30, 9, 3, 64, 1536, 49152, 2048, true),
       "SmolLM 135M",
       1e4,
       1e-5,
       {}},
  }};
  return models;
}

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// Levenshtein distance, case ignored, in one row of memory.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
    }
  }
  return row[b.size()];
}

}  // namespace

std::span<const NamedModel> named_models() { return table(); }

const NamedModel* find_named_model(std::string_view name) {
  const auto& models = table();
  const auto it = std::find_if(models.begin(), models.end(),
                               [&](const NamedModel& m) { return m.shape.name == name; });
  return it == models.end() ? nullptr : &*it;
}

const NamedModel& named_model(std::string_view name) {
  if (const NamedModel* found = find_named_model(name)) return *found;
  std::vector<std::string_view> names;
  for (const NamedModel& m : table()) names.emplace_back(m.shape.name);
  const auto nearest = nearest_model_name(name);
  const std::string hint = nearest ? fmt::format(" (did you mean '{}'?)", *nearest) : "";
  throw InputError(fmt::format("There is no model named '{}'{}; the known names are {}.",
                               name.substr(0, 80), hint, fmt::join(names, ", ")));
}

std::optional<std::string_view> nearest_model_name(std::string_view name) {
  // No known name is anywhere near this long; comparing would only cost time.
  constexpr std::size_t kLongest = 64;
  if (name.empty() || name.size() > kLongest) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t best_distance = name.size() / 2 + 1;
  for (const NamedModel& m : table()) {
    const std::size_t distance = edit_distance(name, m.shape.name);
    if (distance < best_distance) {
      best_distance = distance;
      best = m.shape.name;
    }
  }
  return best;
}

std::string display_name_of(const ModelShape& shape) {
  const NamedModel* named = find_named_model(shape.name);
  return named != nullptr ? std::string(named->display_name) : shape.name;
}

}  // namespace rooftop
