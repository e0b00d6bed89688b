#include "profiler/core/provenance.h"

#include <array>

namespace rooftop {
namespace {
constexpr std::array<std::string_view, 8> kNames = {"",        "MEASURED", "JOINED",    "MEMOISED",
                                                    "SAMPLED", "MODELLED", "PREDICTED", ""};
}  // namespace

std::string_view name_of(Provenance provenance) {
  const auto i = static_cast<std::size_t>(provenance);
  return i < kNames.size() ? kNames[i] : kNames[0];
}

std::optional<Provenance> provenance_from_name(std::string_view name) {
  for (std::size_t i = 1; i + 1 < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Provenance>(i);
  }
  return name.empty() ? std::optional(Provenance::kAbsent) : std::nullopt;
}

}  // namespace rooftop
