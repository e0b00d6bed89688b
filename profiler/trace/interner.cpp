#include "profiler/trace/interner.h"

#include <protozero/pbf_writer.hpp>
#include <utility>

#include "profiler/trace/format.h"
#include "profiler/trace/text.h"

namespace rooftop::trace {
namespace {
constexpr std::string_view kOverflow = "(more names than a trace holds)";
constexpr std::size_t kFrameBytes = std::size_t{1} << 20;
}  // namespace

StringId Interner::intern(std::string_view text) {
  if (text.empty()) return 0;
  text = text.substr(0, kMaxStringBytes);
  if (const auto found = ids_.find(text); found != ids_.end()) return found->second;
  if (overflow_ != 0) return overflow_;
  std::string valid = valid_utf8(text);
  if (valid.size() > kMaxStringBytes) valid.resize(utf8_prefix(valid, kMaxStringBytes).size());
  const bool room =
      next_ + 1 < kMaxStrings && bytes_ + valid.size() + kOverflow.size() <= kMaxStringTableBytes;
  if (room) return append(text, std::move(valid));
  return overflow_ = append(kOverflow, std::string(kOverflow));
}

StringId Interner::append(std::string_view key, std::string text) {
  const std::size_t size = text.size();
  keys_.emplace_back(key);
  try {
    pending_.push_back(std::move(text));
    try {
      ids_.emplace(keys_.back(), next_);
    } catch (...) {
      pending_.pop_back();
      throw;
    }
  } catch (...) {
    keys_.pop_back();
    throw;
  }
  bytes_ += size;
  return next_++;
}

std::uint32_t Interner::encode_pending(std::string& payload) const {
  protozero::pbf_writer table(payload);
  table.add_uint32(field::kFirstId, first_pending_);
  std::uint32_t count = 0;
  for (const std::string& text : pending_) {
    if (count == kMaxRowsPerFrame || (count > 0 && payload.size() + text.size() > kFrameBytes)) {
      break;
    }
    table.add_string(field::kText, text);
    ++count;
  }
  return count;
}

void Interner::mark_written(std::uint32_t count) {
  pending_.erase(pending_.begin(), pending_.begin() + count);
  first_pending_ += count;
}

}  // namespace rooftop::trace
