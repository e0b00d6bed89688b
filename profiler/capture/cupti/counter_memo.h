// Which operations a kernel executes, once that is known: instructions are counted on a kernel
// until two observations agree, and remembered for its later launches.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "rooftop/nvtx.h"

namespace rooftop::capture {

// All that the work of a step depends on, as its payload says.
struct StepShape {
  std::uint32_t phase = 0;
  std::uint32_t batch = 0;
  std::uint32_t query_tokens = 0;
  std::uint32_t length = 0;
  std::uint64_t total_query_tokens = 0;
  std::uint64_t total_keys = 0;
  std::uint64_t attention_pairs = 0;
  std::uint64_t logit_rows = 0;
  auto operator<=>(const StepShape&) const = default;
};
StepShape shape_of(const nvtx::StepPayload& step);

// What a kernel's work depends on. Kernels of operators whose work follows from their rows alone
// are known at every length; attention, and kernels of no known operator, at equal steps only.
struct LaunchSignature {
  std::string name;
  std::array<std::uint32_t, 3> grid{};
  std::array<std::uint32_t, 3> block{};
  std::uint32_t dynamic_shared_bytes = 0;
  std::uint32_t op = 0;
  StepShape shape;
  auto operator<=>(const LaunchSignature&) const = default;
};
// `step` reduced to what the work of `op` depends on.
StepShape shape_for(std::uint32_t op, const StepShape& step);

class FlopMemo {
 public:
  // `configuration` tells sets of metrics apart; values are in its metrics' order.
  void observe(const LaunchSignature& launch, std::size_t configuration,
               std::span<const double> values);

  // Null: not known, or never the same twice.
  [[nodiscard]] const std::vector<double>* find(const LaunchSignature& launch,
                                                std::size_t configuration) const;

  // Whether another observation may still teach something.
  [[nodiscard]] bool wants(const LaunchSignature& launch, std::size_t configuration) const;

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::vector<double> values;
    bool settled = false;
    int disagreements = 0;
  };
  using Key = std::pair<LaunchSignature, std::size_t>;
  std::map<Key, Entry> entries_;
};

}  // namespace rooftop::capture
