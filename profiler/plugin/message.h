// What the plugin says to the user of a process that is not its own.
#pragma once

#include <string_view>

namespace rooftop::plugin {

// One line on stderr: "rooftop: TEXT". Never blocks, raises no signal, and says nothing where
// ROOFTOP_QUIET=1.
void say(std::string_view text) noexcept;

void be_quiet() noexcept;

}  // namespace rooftop::plugin
