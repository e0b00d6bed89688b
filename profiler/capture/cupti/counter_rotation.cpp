#include "profiler/capture/cupti/counter_rotation.h"

namespace rooftop::capture {
namespace {

constexpr std::size_t kMostShapes = 1U << 16U;
constexpr std::size_t kObservations = 2;

StepShape without_length(const StepShape& step) {
  StepShape out;
  out.phase = step.phase;
  out.batch = step.batch;
  out.query_tokens = step.query_tokens;
  out.total_query_tokens = step.total_query_tokens;
  return out;
}

}  // namespace

CounterRotation::Visits& CounterRotation::visit(const StepShape& step) {
  if (visits_.size() >= kMostShapes && !visits_.contains(step)) visits_.clear();
  Visits& visits = visits_[step];
  visits.of.resize(hardware_ + instructions_);
  return visits;
}

std::size_t CounterRotation::next(const StepShape& step) {
  if (alike_.size() >= kMostShapes) alike_.clear();
  Alike& alike = alike_[without_length(step)];
  Visits& visits = visit(step);
  bool is_new = true;
  for (const std::size_t count : visits.of) is_new = is_new && count == 0;

  std::size_t choice = 0;
  if (is_new) {
    const bool owed = alike.steps >= kObservations &&
                      alike.instructions < kObservations * instructions_ && !visits.known;
    if (owed) choice = hardware_ + alike.instructions % instructions_;
  } else {
    const std::size_t end = visits.known ? hardware_ : hardware_ + instructions_;
    // The least used. Instructions come right after the first: they make figures whole, the
    // others only rarer types.
    const auto rank = [&](std::size_t i) { return i == 0 ? 0 : i >= hardware_ ? 1 : 2; };
    for (std::size_t i = 1; i < end; ++i) {
      if (visits.of[i] < visits.of[choice] ||
          (visits.of[i] == visits.of[choice] && rank(i) < rank(choice)))
        choice = i;
    }
  }
  ++visits.of[choice];
  ++alike.steps;
  if (choice >= hardware_) ++alike.instructions;
  return choice;
}

}  // namespace rooftop::capture
