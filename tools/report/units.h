// Figures as people read them: three significant digits and an SI prefix.
#pragma once

#include <string>
#include <string_view>

namespace rooftop {

// 1.61e9, "FLOP" -> "1.61 GFLOP"; with an empty unit "1.61 G". Powers of 1000 from 1 to 10^18;
// smaller figures keep three significant digits without a prefix ("0.0123"). "?" for a figure that
// is not finite.
std::string human_number(double value, std::string_view unit);

// Seconds as ns, µs ("us" without unicode), ms or s: "12.3 ms".
std::string human_time(double seconds, bool unicode = true);

// A fraction as percent with one decimal: "41.3 %"; "<0.1 %" for what would read 0.0, "0 %" for 0.
std::string human_percent(double fraction);

// Three significant digits, no exponent: "15.9", "0.667", "4100".
std::string human_ratio(double value);

// 28800 -> "28,800".
std::string human_count(double value);

}  // namespace rooftop
