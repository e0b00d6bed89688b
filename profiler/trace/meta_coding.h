// Meta to a TraceMeta message and back. Inside the library only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "profiler/core/meta.h"

namespace rooftop::trace {

// Appends a TraceMeta message with what is set in `meta`. Throws std::bad_alloc only.
void encode_meta(const Meta& meta, std::string& out);

struct FormatVersion {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
};

// The version that a TraceMeta message gives. Throws protozero::exception.
FormatVersion format_version(std::string_view payload);

// Adds what a TraceMeta message says to `meta`: scalars that are set override, repeated fields are
// appended. Throws protozero::exception.
void merge_meta(std::string_view payload, Meta& meta);

}  // namespace rooftop::trace
