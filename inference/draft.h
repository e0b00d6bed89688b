// Guesses for speculative decoding without a second model.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace rooftop::inference {

// `count` guesses of what follows `history` (not empty), by prompt lookup: what followed the most
// recent earlier occurrence of its last three tokens, else two, else one (a repeated pattern is
// taken to go on). Where there is none, the last token repeated fills up, so that all steps have
// the same shape.
// Saxena, "Prompt Lookup Decoding", 2023.
std::vector<std::int32_t> guess_next(std::span<const std::int32_t> history, std::int64_t count);

}  // namespace rooftop::inference
