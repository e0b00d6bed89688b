#include "profiler/core/operator.h"

namespace rooftop {
namespace {

constexpr std::array<std::string_view, kOperatorCount> kOperatorNames = {
    "unclassified", "qkv",      "q",       "k",    "v",      "up_gate_down", "gate_up",
    "gate_up_act",  "gate",     "up",      "down", "qk_pv",  "qk",           "pv",
    "o_proj",       "lm_head",  "embed",   "norm", "rope",   "activation",   "residual",
    "kv_write",     "sampling", "softmax", "comm", "memcpy", "other"};

constexpr std::array<std::string_view, 4> kPhaseNames = {"unknown", "init", "ar", "mixed"};

constexpr std::array<std::string_view, 6> kSeriesNames = {
    "qkv mlp init", "qkv mlp ar", "up/gate/down init", "up/gate/down ar", "qk/pv init", "qk/pv ar"};

}  // namespace

std::string_view name_of(Operator op) {
  const auto i = static_cast<std::size_t>(op);
  return i < kOperatorNames.size() ? kOperatorNames[i] : kOperatorNames[0];
}

std::string_view name_of(Phase phase) {
  const auto i = static_cast<std::size_t>(phase);
  return i < kPhaseNames.size() ? kPhaseNames[i] : kPhaseNames[0];
}

std::optional<Operator> operator_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kOperatorNames.size(); ++i) {
    if (kOperatorNames[i] == name) return static_cast<Operator>(i);
  }
  return std::nullopt;
}

std::optional<Phase> phase_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kPhaseNames.size(); ++i) {
    if (kPhaseNames[i] == name) return static_cast<Phase>(i);
  }
  return std::nullopt;
}

SeriesFamily family_of(Operator op) {
  switch (op) {
    case Operator::kQkv:
    case Operator::kQ:
    case Operator::kK:
    case Operator::kV:
      return SeriesFamily::kQkvMlp;
    case Operator::kUpGateDown:
    case Operator::kGateUp:
    case Operator::kGateUpAct:
    case Operator::kGate:
    case Operator::kUp:
    case Operator::kDown:
      return SeriesFamily::kUpGateDown;
    case Operator::kQkPv:
    case Operator::kQk:
    case Operator::kPv:
      return SeriesFamily::kQkPv;
    default:
      return SeriesFamily::kNone;
  }
}

Operator row_of(Operator op) {
  switch (family_of(op)) {
    case SeriesFamily::kQkvMlp:
      return Operator::kQkv;
    case SeriesFamily::kUpGateDown:
      return Operator::kUpGateDown;
    case SeriesFamily::kQkPv:
      return Operator::kQkPv;
    case SeriesFamily::kNone:
      break;
  }
  return op;
}

std::string_view series_name(Operator op, Phase phase) {
  const SeriesFamily family = family_of(op);
  if (family == SeriesFamily::kNone || (phase != Phase::kInit && phase != Phase::kAr)) return {};
  const auto pair = static_cast<std::size_t>(family) - 1;
  return kSeriesNames[pair * 2 + (phase == Phase::kAr ? 1 : 0)];
}

const std::array<std::string_view, 6>& series_names() { return kSeriesNames; }

}  // namespace rooftop
