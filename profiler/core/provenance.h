// Where a number comes from. Every FLOP count, byte count and duration of a report carries one of
// these.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rooftop {

// Strongest first; kAbsent means that there is no number (which is never the same as zero).
// Values are stored in trace files: never renumbered.
enum class Provenance : std::uint8_t {
  kMeasured = 1,   // counter or timestamp of this very launch
  kJoined = 2,     // measured on the matching launch of another step
  kMemoised = 3,   // measured earlier on a kernel with the same signature
  kSampled = 4,    // periodic counters split over the kernels they overlap
  kModelled = 5,   // closed form
  kPredicted = 6,  // no run at all
  kAbsent = 7,
};

// "MEASURED", "JOINED", ...; empty for kAbsent.
std::string_view name_of(Provenance provenance);
std::optional<Provenance> provenance_from_name(std::string_view name);

// A sum is as weak as its weakest part.
constexpr Provenance weakest(Provenance a, Provenance b) { return std::max(a, b); }

// A figure with its source; a kAbsent figure has no value.
struct Figure {
  double value = 0;
  Provenance source = Provenance::kAbsent;
  [[nodiscard]] constexpr bool present() const { return source != Provenance::kAbsent; }
};

}  // namespace rooftop
