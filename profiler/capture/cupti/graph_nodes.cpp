#include "profiler/capture/cupti/graph_nodes.h"

#include <algorithm>
#include <exception>

namespace rooftop::capture {

void GraphNodes::created(std::uint64_t node, ScopeId scope) noexcept try {
  if (node == 0 || scope == 0) return;
  const std::lock_guard lock(mutex_);
  const auto it = nodes_.find(node);
  if (it != nodes_.end()) {
    if (!it->second.is_clone) it->second.scope = scope;
  } else if (nodes_.size() < most_) {
    nodes_.emplace(node, Node{scope, false});
  } else {
    ++lost_;
  }
} catch (const std::exception&) {
  // No memory: the node's kernels get the scope of their launch.
}

void GraphNodes::cloned(std::uint64_t node, std::uint64_t original) noexcept try {
  if (node == 0) return;
  const std::lock_guard lock(mutex_);
  const auto from = nodes_.find(original);
  if (from == nodes_.end()) return;
  const Node clone{from->second.scope, true};
  const auto it = nodes_.find(node);
  if (it != nodes_.end()) {
    it->second = clone;
  } else if (nodes_.size() < most_) {
    nodes_.emplace(node, clone);
  } else {
    ++lost_;
  }
} catch (const std::exception&) {
  // As above.
}

void GraphNodes::destroyed(std::uint64_t node, Timestamp when) noexcept try {
  const std::lock_guard lock(mutex_);
  if (nodes_.contains(node) && destroyed_.size() < most_) destroyed_.push_back({node, when});
} catch (const std::exception&) {
  // No memory: the node is kept.
}

ScopeId GraphNodes::find(std::uint64_t node) const noexcept {
  if (node == 0) return 0;
  const std::lock_guard lock(mutex_);
  const auto it = nodes_.find(node);
  return it != nodes_.end() ? it->second.scope : 0;
}

void GraphNodes::forget_destroyed(Timestamp before) noexcept {
  const std::lock_guard lock(mutex_);
  const auto kept = std::find_if(destroyed_.begin(), destroyed_.end(),
                                 [&](const Destroyed& d) { return !(d.when < before); });
  for (auto it = destroyed_.begin(); it != kept; ++it) nodes_.erase(it->node);
  destroyed_.erase(destroyed_.begin(), kept);
}

void GraphNodes::clear() noexcept {
  const std::lock_guard lock(mutex_);
  nodes_.clear();
  destroyed_.clear();
  lost_ = 0;
}

std::size_t GraphNodes::size() const noexcept {
  const std::lock_guard lock(mutex_);
  return nodes_.size();
}

std::uint64_t GraphNodes::lost() const noexcept {
  const std::lock_guard lock(mutex_);
  return lost_;
}

}  // namespace rooftop::capture
