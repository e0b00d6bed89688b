// Which configuration the next step is counted in.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "profiler/capture/cupti/counter_memo.h"

namespace rooftop::capture {

// Steps of equal shape take one configuration after the other. A step of a new shape takes the
// first, for its bytes; but decode steps grow and are never equal, so that of those that are alike
// but for their length a few count instructions instead.
class CounterRotation {
 public:
  // Configurations are numbered: hardware ones from 0, then those that count instructions.
  CounterRotation(std::size_t hardware, std::size_t instructions)
      : hardware_(hardware), instructions_(instructions) {}

  std::size_t next(const StepShape& step);

  // Nothing more is to be learned of the instructions of such steps.
  void instructions_known(const StepShape& step, bool known) { visit(step).known = known; }

 private:
  struct Visits {
    std::vector<std::size_t> of;  // of each configuration
    bool known = false;
  };
  struct Alike {
    std::size_t steps = 0;
    std::size_t instructions = 0;
  };

  Visits& visit(const StepShape& step);

  std::size_t hardware_;
  std::size_t instructions_;
  std::map<StepShape, Visits> visits_;
  std::map<StepShape, Alike> alike_;
};

}  // namespace rooftop::capture
