// Text that came from outside (model, device and kernel names, notes) made fit for a terminal:
// valid UTF-8 without control characters, its width in columns, cut and wrapped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rooftop {

// Valid UTF-8 on one line: whatever could move a cursor, change a colour or reverse the reading
// direction (C0 and C1 controls, bidirectional and zero-width marks) becomes a space; bytes that
// are not UTF-8 become U+FFFD, or '?' where `unicode` is false (then every non-ASCII character
// does).
std::string clean_text(std::string_view text, bool unicode = true);

// Columns that clean text takes on a terminal: East Asian wide characters and emoji take two,
// combining marks none.
int display_width(std::string_view text);

// `text` in at most `width` columns; what is cut off is replaced by "…" ("..." without unicode).
std::string fit_text(std::string_view text, int width, bool unicode = true);

// `text` broken at spaces into lines of at most `width` columns; a longer word is cut.
std::vector<std::string> wrap_text(std::string_view text, int width);

// `text` with &, <, >, " and ' as HTML (and XML) character references.
std::string escape_html(std::string_view text);

}  // namespace rooftop
