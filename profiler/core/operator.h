// The vocabulary of a Llama step: operators, phases, and the six series of the roofline charts.
//
// Numeric values are stored in trace files and in NVTX payloads: they are never renumbered, only
// added to.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rooftop {

// What a step does for its sequences, whatever its number of rows: prompt tokens appended (init,
// "prefill"), tokens generated (ar, "auto-regressive decode", candidate rows of speculative
// decoding included), or both at once.
enum class Phase : std::uint8_t { kUnknown = 0, kInit = 1, kAr = 2, kMixed = 3 };

enum class Operator : std::uint8_t {
  kUnclassified = 0,
  // Series "qkv mlp": the projections of the attention input.
  kQkv = 1,  // fused
  kQ = 2,
  kK = 3,
  kV = 4,
  // Series "up/gate/down": the three linear layers of the MLP.
  kUpGateDown = 5,  // the row in a report; a launch is one of the five below
  kGateUp = 6,      // gate and up as one product
  kGateUpAct = 7,   // gate, up and SwiGLU in one kernel
  kGate = 8,
  kUp = 9,
  kDown = 10,
  // Series "qk/pv": attention.
  kQkPv = 11,  // fused (flash), or the row in a report
  kQk = 12,
  kPv = 13,
  // Named rows outside the six series.
  kOProj = 14,
  kLmHead = 15,
  kEmbed = 16,
  kNorm = 17,
  kRope = 18,
  kActivation = 19,
  kResidual = 20,
  kKvWrite = 21,
  kSampling = 22,
  kSoftmax = 23,
  kComm = 24,
  kMemcpy = 25,
  kOther = 26,
};
inline constexpr int kOperatorCount = 27;

// The three pairs of series that the charts draw.
enum class SeriesFamily : std::uint8_t { kNone = 0, kQkvMlp = 1, kUpGateDown = 2, kQkPv = 3 };

// One of the six series, in the charts' order and colours.
struct Series {
  SeriesFamily family = SeriesFamily::kNone;
  Phase phase = Phase::kUnknown;
};

// Names as in points.csv and kernels.csv: "qkv", "up_gate_down", "o_proj", "init".
std::string_view name_of(Operator op);
std::string_view name_of(Phase phase);
std::optional<Operator> operator_from_name(std::string_view name);
std::optional<Phase> phase_from_name(std::string_view name);

// The row of a report that a launch's operator belongs to: Q, K, V -> qkv; gate, up, down ->
// up_gate_down; QK, PV -> qk_pv; every other operator is its own row.
Operator row_of(Operator op);
SeriesFamily family_of(Operator op);

// "qkv mlp init", "up/gate/down ar", ...; empty for named rows, and for phases other than init and
// ar.
std::string_view series_name(Operator op, Phase phase);

// All six series' names in the charts' order.
const std::array<std::string_view, 6>& series_names();

}  // namespace rooftop
