// JSON from files that are not to be trusted. Include in .cpp files only: nlohmann/json.hpp is slow
// to compile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace rooftop::inference {

// Parses `text`; `name` stands in messages. Throws InputError for what is no JSON object, for
// nesting beyond 64 levels, for a key that stands twice in an object, and for more than
// `max_values` values (each costs some tens of bytes).
nlohmann::json parse_json_object(std::string_view text, const std::string& name,
                                 std::size_t max_values);

// A member by name; nullptr where it is absent or null, which Transformers means as the same.
const nlohmann::json* member(const nlohmann::json& object, const char* key);

// Members of a type, nullopt where absent or null. Throw InputError where it has another type.
std::optional<std::int64_t> integer_member(const nlohmann::json& object, const char* key,
                                           const std::string& name);
std::optional<double> number_member(const nlohmann::json& object, const char* key,
                                    const std::string& name);
std::optional<bool> boolean_member(const nlohmann::json& object, const char* key,
                                   const std::string& name);
std::optional<std::string> string_member(const nlohmann::json& object, const char* key,
                                         const std::string& name);

}  // namespace rooftop::inference
