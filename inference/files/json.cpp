#include "inference/files/json.h"

#include <fmt/format.h>

#include <unordered_set>
#include <utility>
#include <vector>

#include "inference/files/text.h"
#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 64;

// Watches the parser's events for what nlohmann's own rules let pass.
class Watch {
 public:
  Watch(const std::string& name, std::size_t max_values) : name_(name), left_(max_values) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& value) {
    switch (event) {
      case Json::parse_event_t::object_start:
        enter(depth);
        keys_.emplace_back();
        break;
      case Json::parse_event_t::array_start:
        enter(depth);
        break;
      case Json::parse_event_t::key:
        if (!keys_.back().insert(value.get_ref<const std::string&>()).second) {
          throw InputError(fmt::format("{} is corrupt: the key {} stands twice.", name_,
                                       printable(value.get_ref<const std::string&>())));
        }
        break;
      case Json::parse_event_t::object_end:
        keys_.pop_back();
        break;
      case Json::parse_event_t::array_end:
        break;
      case Json::parse_event_t::value:
        count();
        break;
    }
    return true;
  }

 private:
  void enter(int depth) {
    if (depth >= kMaxDepth) {
      throw InputError(
          fmt::format("{} is corrupt: JSON nested deeper than {} levels.", name_, kMaxDepth));
    }
    count();
  }

  void count() {
    if (left_-- == 0) {
      throw InputError(fmt::format("{} holds more JSON values than any model needs.", name_));
    }
  }

  const std::string& name_;
  std::size_t left_;
  std::vector<std::unordered_set<std::string>> keys_;  // of each object that is open
};

[[noreturn]] void wrong_type(const char* key, const std::string& name, const char* wanted) {
  throw InputError(fmt::format("{}: \"{}\" is not {}; correct the file.", name, key, wanted));
}

}  // namespace

Json parse_json_object(std::string_view text, const std::string& name, std::size_t max_values) {
  Watch watch(name, max_values);
  try {
    Json json = Json::parse(text.begin(), text.end(), std::ref(watch));
    if (!json.is_object()) throw InputError(fmt::format("{} is not a JSON object.", name));
    return json;
  } catch (const Json::parse_error& error) {
    throw InputError(fmt::format("{} is not valid JSON: wrong at byte {}.", name, error.byte));
  } catch (const Json::exception&) {
    throw InputError(fmt::format("{} is not valid JSON: a number is out of range.", name));
  }
}

const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::optional<std::int64_t> integer_member(const Json& object, const char* key,
                                           const std::string& name) {
  const Json* value = member(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) wrong_type(key, name, "an integer");
  if (value->is_number_unsigned() && !std::in_range<std::int64_t>(value->get<std::uint64_t>())) {
    wrong_type(key, name, "an integer of 64 bits with a sign");
  }
  return value->get<std::int64_t>();
}

std::optional<double> number_member(const Json& object, const char* key, const std::string& name) {
  const Json* value = member(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) wrong_type(key, name, "a number");
  return value->get<double>();
}

std::optional<bool> boolean_member(const Json& object, const char* key, const std::string& name) {
  const Json* value = member(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) wrong_type(key, name, "true or false");
  return value->get<bool>();
}

std::optional<std::string> string_member(const Json& object, const char* key,
                                         const std::string& name) {
  const Json* value = member(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wrong_type(key, name, "a string");
  return value->get<std::string>();
}

}  // namespace rooftop::inference
