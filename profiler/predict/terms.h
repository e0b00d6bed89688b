// Which term of the performance model an operator is predicted with.
#pragma once

#include "profiler/core/operator.h"

namespace rooftop::predict {

// A product with weights.
constexpr bool is_linear(Operator op) {
  switch (op) {
    case Operator::kQkv:
    case Operator::kQ:
    case Operator::kK:
    case Operator::kV:
    case Operator::kGateUp:
    case Operator::kGateUpAct:
    case Operator::kGate:
    case Operator::kUp:
    case Operator::kDown:
    case Operator::kOProj:
    case Operator::kLmHead:
      return true;
    default:
      return false;
  }
}

// Operators are calibrated, and their errors known, in these groups.
constexpr Operator error_group(Operator op) {
  switch (op) {
    case Operator::kQ:
    case Operator::kK:
    case Operator::kV:
      return Operator::kQkv;
    case Operator::kGateUpAct:
    case Operator::kGate:
    case Operator::kUp:
      return Operator::kGateUp;
    case Operator::kLmHead:
      return Operator::kOProj;
    default:
      return op;
  }
}

}  // namespace rooftop::predict
