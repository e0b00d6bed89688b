// tokenizer.json from arbitrary bytes; what is accepted must encode and decode.
// The input is the file, then a 0xff byte (which JSON cannot hold), then a text.
#include <cstdint>
#include <string>
#include <string_view>

#include "inference/tokenizer/loaders.h"
#include "inference/tokenizer/tokenizer.h"
#include "profiler/core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rooftop::inference;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view json = input.substr(0, input.find('\xff'));
  const std::string_view text =
      json.size() < input.size() ? input.substr(json.size() + 1) : "The roof's 2024 <s>\n";
  try {
    const Tokenizer tokenizer(tokenizer_from_json(json, "fuzz"));
    const auto ids = tokenizer.encode(text);
    for (const std::int32_t id : ids) {
      if (id < 0 || id >= tokenizer.vocab_size()) __builtin_trap();
    }
    static_cast<void>(tokenizer.decode(ids));
  } catch (const rooftop::InputError&) {
  }
  return 0;
}
