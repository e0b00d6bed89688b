// Which scope a launching call was made in, by the call's correlation id.
//
// Correlation ids count up, so a table of the latest 2^20 calls needs no search, no lock and no
// clearing: a call writes the slot of its id, whichever thread it is on, and whoever wrote there
// 2^20 calls earlier is forgotten. The call is written down before the driver launches, so it is
// known before its kernel can be.
#pragma once

#include <cstddef>
#include <cstdint>

#include "profiler/core/records.h"

namespace rooftop::capture {

class LaunchScopes {
 public:
  static constexpr std::size_t kCalls = std::size_t{1} << 20;

  LaunchScopes() noexcept;
  ~LaunchScopes();
  LaunchScopes(const LaunchScopes&) = delete;
  LaunchScopes& operator=(const LaunchScopes&) = delete;

  [[nodiscard]] bool usable() const noexcept { return slots_ != nullptr; }  // else no memory

  // From any thread, also while others look up.
  void note(std::uint32_t correlation, ScopeId scope) noexcept;

  // 0: not noted, or forgotten.
  [[nodiscard]] ScopeId find(std::uint32_t correlation) const noexcept;

  // Forgets everything, and gives the memory back. Calls being noted meanwhile may stay.
  void clear() noexcept;

 private:
  struct Slot {
    std::uint64_t scope;
    std::uint64_t key;  // the scope, combined with the correlation id
  };
  Slot* slots_ = nullptr;  // 16 MiB of zero pages, touched as calls come
};

}  // namespace rooftop::capture
