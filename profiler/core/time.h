// Strong types for time: a point on the timeline and a length of it never mix by accident.
#pragma once

#include <compare>
#include <cstdint>

namespace rooftop {

// A length of time in nanoseconds.
struct Duration {
  std::int64_t ns = 0;

  [[nodiscard]] constexpr double seconds() const { return static_cast<double>(ns) * 1e-9; }
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration& operator+=(Duration other) {
    ns += other.ns;
    return *this;
  }
};

// Nanoseconds since the Unix epoch, on the clock that CUPTI's default timestamps use
// (CLOCK_REALTIME), so that host scopes and device records lie on one timeline.
struct Timestamp {
  std::int64_t ns = 0;
  constexpr auto operator<=>(const Timestamp&) const = default;
};

constexpr Duration operator-(Timestamp a, Timestamp b) { return {a.ns - b.ns}; }
constexpr Timestamp operator+(Timestamp t, Duration d) { return {t.ns + d.ns}; }
constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }

// The present moment. Monotonic within a process: the epoch offset is taken once, so that a clock
// that is set during a run cannot make a scope end before it began. About 25 ns a call.
Timestamp now() noexcept;

}  // namespace rooftop
