// Which scope a node of a CUDA graph was captured in. Learned when nodes are made and cloned
// (instantiating a graph clones its nodes, and a kernel names the clone), and kept for as long as
// the node may run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "profiler/core/records.h"

namespace rooftop::capture {

class GraphNodes {
 public:
  // About 56 bytes a node; an engine with 70 graphs of 1,000 nodes has 140,000 with their clones.
  static constexpr std::size_t kMost = std::size_t{1} << 20;

  explicit GraphNodes(std::size_t most = kMost) : most_(most) {}

  // On the thread that captures or instantiates. A clone's scope is its original's, also where the
  // making of the clone is told as well, before or after.
  void created(std::uint64_t node, ScopeId scope) noexcept;
  void cloned(std::uint64_t node, std::uint64_t original) noexcept;
  // Records of its last run may still be on their way: forgotten by forget_destroyed().
  void destroyed(std::uint64_t node, Timestamp when) noexcept;

  [[nodiscard]] ScopeId find(std::uint64_t node) const noexcept;  // 0: none is known
  void forget_destroyed(Timestamp before) noexcept;
  void clear() noexcept;

  [[nodiscard]] std::size_t size() const noexcept;
  // Nodes that there was no room for.
  [[nodiscard]] std::uint64_t lost() const noexcept;

 private:
  struct Node {
    ScopeId scope = 0;
    bool is_clone = false;
  };
  struct Destroyed {
    std::uint64_t node;
    Timestamp when;
  };
  mutable std::mutex mutex_;
  const std::size_t most_;
  std::unordered_map<std::uint64_t, Node> nodes_;
  std::vector<Destroyed> destroyed_;  // oldest first
  std::uint64_t lost_ = 0;
};

}  // namespace rooftop::capture
