#include "tools/import/names.h"

namespace rooftop::import {
namespace {

constexpr std::size_t kMaxNames = (std::size_t{1} << 20) - 2;
constexpr std::size_t kMaxBytes = std::size_t{60} << 20;
constexpr std::size_t kMaxTextBytes = std::size_t{32} << 10;

}  // namespace

Names::Names() { append({}); }

NameId Names::id(std::string_view text) {
  text = text.substr(0, kMaxTextBytes);
  if (const auto found = ids_.find(text); found != ids_.end()) return found->second;
  if (overflow_ != 0) return overflow_;
  if (texts_.size() < kMaxNames && bytes_ + text.size() <= kMaxBytes) return append(text);
  return overflow_ = append("(more names than a trace holds)");
}

NameId Names::append(std::string_view text) {
  const auto id = static_cast<NameId>(texts_.size());
  texts_.emplace_back(text);
  ids_.emplace(texts_.back(), id);
  bytes_ += text.size();
  return id;
}

}  // namespace rooftop::import
