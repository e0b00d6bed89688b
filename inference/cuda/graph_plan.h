// Which steps become CUDA graphs. A graph is recorded once for a shape of step and replayed for
// every step of that shape: tokens, positions and lengths are read from device memory, so that
// nothing in it is updated.
#pragma once

#include <compare>
#include <cstdint>
#include <list>
#include <optional>
#include <vector>

#include "inference/backend.h"

namespace rooftop::inference::cuda {

// What the launches of a step depend on: all that must be equal for a replay.
struct StepShape {
  std::int32_t batch = 0;
  std::int32_t rows = 0;       // T
  std::int32_t most_rows = 0;  // of one sequence
  std::int32_t logit_rows = 0;
  std::int32_t splits = 1;  // of flash attention over the keys, see AttentionCall
  std::int32_t split_keys = 0;
  // Unfused attention only, whose matrix products have the lengths in their arguments.
  std::vector<SequenceRows> sequences;

  [[nodiscard]] bool operator==(const StepShape& other) const;
};

// A shape is computed when it is first seen (kernels are loaded, algorithms chosen, memory bound:
// what must not happen within a capture), recorded when it is seen again, then replayed. Keeps the
// `capacity` shapes that were used last.
class GraphPlan {
 public:
  explicit GraphPlan(std::size_t capacity = 32) : capacity_(capacity) {}

  struct Decision {
    StepWork work = StepWork::kCompute;
    std::uint64_t id = 0;                  // of the shape: kRecord and kReplay
    std::optional<std::uint64_t> evicted;  // a shape whose graph, if it has one, is to be freed
  };
  Decision decide(const StepShape& shape);

  void clear() { shapes_.clear(); }  // ids are never used again

 private:
  struct Known {
    StepShape shape;
    std::uint64_t id;
    bool recorded;
  };
  std::size_t capacity_;
  std::uint64_t next_id_ = 1;
  std::list<Known> shapes_;  // last used first
};

// Decode steps are worth a graph: many short kernels. Prefill is not: few long ones, shapes that
// hardly repeat. A step counts as decode where every sequence continues from a cache and the rows
// are few.
bool worth_a_graph(const StepInput& input);

// The keys that a graph's attention is planned for: `longest`, rounded up so that the graph serves
// the tokens that follow, by less than 128 or less than a quarter, so that few of its blocks find
// no keys. At most max_length.
std::int64_t planned_length(std::int64_t longest, std::int64_t max_length);

}  // namespace rooftop::inference::cuda
