#include "inference/files/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "profiler/core/error.h"

namespace rooftop::inference {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string file_of(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t size = header.size();
  std::string out(sizeof size, '\0');
  std::memcpy(out.data(), &size, sizeof size);
  return out + header + std::string(data_bytes, '\1');
}

std::vector<SafeTensor> parse(const std::string& bytes) {
  return parse_safetensors({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()},
                           "m.safetensors");
}

std::string error_of(const std::string& bytes) {
  try {
    static_cast<void>(parse(bytes));
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

testing::Matcher<std::string> names(const std::string& what) {
  return AllOf(HasSubstr("m.safetensors"), HasSubstr(what));
}

const char* const kTwo = R"({"__metadata__":{"format":"pt"},)"
                         R"("b":{"dtype":"F16","shape":[3],"data_offsets":[24,30]},)"
                         R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}   )";

TEST(Safetensors, ReadsTensorsInOrderOfTheirData) {
  const std::string file = file_of(kTwo, 30);
  const auto tensors = parse(file);
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(tensors[0].encoding, Encoding::kF32);
  EXPECT_EQ(tensors[0].shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(tensors[0].data.size(), 24u);
  EXPECT_EQ(tensors[1].name, "b");
  EXPECT_EQ(static_cast<const void*>(tensors[1].data.data()), file.data() + file.size() - 6);
}

std::string with_entry(const std::string& entry, std::size_t data_bytes) {
  return error_of(file_of("{\"t\":" + entry + "}", data_bytes));
}

TEST(Safetensors, RefusesLies) {
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 7),
              names("ends at byte 8 of 7"));
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 9),
              names("1 bytes after the last tensor"));
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})", 8),
              names("do not fit its shape"));
  EXPECT_THAT(with_entry(R"({"dtype":"BF16","shape":[2],"data_offsets":[0,8]})", 8),
              names("do not fit its shape"));
  EXPECT_THAT(with_entry(R"({"dtype":"I8","shape":[8],"data_offsets":[0,8]})", 8),
              names("\"I8\", which is not supported yet"));
  EXPECT_THAT(with_entry(R"({"shape":[8],"data_offsets":[0,8]})", 8), names("of type \"\""));
  EXPECT_THAT(with_entry(R"({"dtype":7,"shape":[8],"data_offsets":[0,8]})", 8), names("dtype"));
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})", 8),
              names("non-negative"));
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})", 8),
              names("non-negative"));
  EXPECT_THAT(
      with_entry(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})", 8),
      names("impossible shape"));
  EXPECT_THAT(
      with_entry(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]})", 8),
      names("non-negative"));
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]})", 8),
              names("too many dimensions"));
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":[0],"data_offsets":[0,0]})", 0),
              names("impossible shape"));
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})", 8),
              names("in order"));
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})", 8),
              names("in order"));
  EXPECT_THAT(
      with_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]})", 8),
      names("ends at byte"));
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})", 8), names("lacks"));
  EXPECT_THAT(with_entry(R"({"dtype":"F32","shape":[2]})", 8), names("lacks"));
  EXPECT_THAT(with_entry("[]", 8), names("not described"));
}

TEST(Safetensors, RefusesOverlapsGapsAndDuplicates) {
  const auto two = [](const char* a, const char* b, std::size_t bytes) {
    return error_of(file_of(std::string(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)") + a +
                                R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + b + "}}",
                            bytes));
  };
  EXPECT_EQ(two("[0,8]", "[8,16]", 16), "accepted");
  EXPECT_THAT(two("[0,8]", "[0,8]", 8), names("overlaps"));
  EXPECT_THAT(two("[0,8]", "[4,12]", 12), names("overlaps"));
  EXPECT_THAT(two("[0,8]", "[12,20]", 20), names("does not follow"));
  EXPECT_THAT(two("[4,12]", "[12,20]", 20), names("does not follow"));
  const std::string entry = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  EXPECT_THAT(error_of(file_of("{" + entry + "," + entry + "}", 8)), names("stands twice"));
}

TEST(Safetensors, RefusesBadHeaders) {
  EXPECT_THAT(error_of(""), names("too short"));
  EXPECT_THAT(error_of("1234567"), names("too short"));
  EXPECT_THAT(error_of(std::string(8, '\xff') + "{}"), names("claims"));
  EXPECT_THAT(error_of(file_of("", 0)), names("not valid JSON"));
  EXPECT_THAT(error_of(file_of("[]", 0)), names("not a JSON object"));
  EXPECT_THAT(error_of(file_of("{\"a\":1e999}", 0)), names("not valid JSON"));
  EXPECT_THAT(error_of(file_of(std::string(1 << 20, '['), 0)), names("nested deeper"));
  std::string many = "{\"a\":[";
  for (int i = 0; i < 1'200'000; ++i) many += "0,";
  EXPECT_THAT(error_of(file_of(many + "0]}", 0)), names("more JSON values"));
  // A header of 100,000,001 bytes is refused before it is looked at.
  EXPECT_THAT(error_of(file_of(std::string(100'000'001, ' '), 0)), names("claims"));
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string good = file_of(kTwo, 30);
  ASSERT_EQ(error_of(good), "accepted");
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_NE(error_of(good.substr(0, size)), "accepted") << size;
  }
}

TEST(Safetensors, SurvivesRandomDamage) {
  const std::string good = file_of(kTwo, 30);
  std::mt19937 random(2);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bad = good;
    const bool digit = random() % 2 != 0;
    bad[random() % bad.size()] = static_cast<char>(digit ? '0' + random() % 10 : random());
    try {
      for (const SafeTensor& t : parse(bad)) {
        std::vector<float> out(t.data.size());
        to_float(t.encoding, t.data.data(),
                 static_cast<std::int64_t>(t.data.size()) / facts(t.encoding).block_bytes,
                 out.data());
      }
      ++accepted;
    } catch (const InputError&) {
    }
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace rooftop::inference
