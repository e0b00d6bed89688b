#include "profiler/predict/samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "profiler/core/error.h"

namespace rooftop::predict {
namespace {

using ::testing::HasSubstr;

class File {
 public:
  explicit File(const std::string& text)
      : path_(std::filesystem::temp_directory_path() /
              ("rooftop-samples-" + std::to_string(getpid()) + ".csv")) {
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

constexpr char kHeader[] =
    "gpu,model,hidden,heads,kv_heads,ffn,tp,tokens,qkv_us,o_proj_us,gate_up_us,down_us,"
    "activation_us,rope_us,norm_us,residual_us\n";

Samples read(const std::string& text) {
  const File file(text);
  Samples samples;
  add_samples(samples, file.path(), DeviceTable::built_in());
  return samples;
}

std::string error_of(const std::string& text) {
  try {
    (void)read(text);
  } catch (const InputError& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    return e.what();
  }
  return "no error";
}

TEST(Samples, ARowOfLinearLayersIsFourProductsAndFourStreams) {
  const Samples s = read(std::string(kHeader) + "a40,tiny,1024,8,2,4096,2,16,10,5,20,8,3,2,2,1\n");
  ASSERT_EQ(s.gemms.size(), 4U);
  EXPECT_EQ(s.streams.size(), 4U);
  const GemmSample& qkv = s.gemms[0];
  EXPECT_EQ(qkv.origin.op, Operator::kQkv);
  EXPECT_EQ(qkv.origin.shards, 2);
  EXPECT_EQ(qkv.shape.m, 16);
  EXPECT_EQ(qkv.shape.n, (8 + 2 * 2) * 128 / 2);
  EXPECT_EQ(qkv.shape.k, 1024);
  EXPECT_DOUBLE_EQ(qkv.seconds, 10e-6);
  EXPECT_EQ(qkv.origin.figures.bandwidth, 696e9);
  EXPECT_EQ(s.gemms[3].shape.k, 2048);  // down: half of the FFN
}

TEST(Samples, AttentionCountsTheNewTokensAsKeys) {
  const Samples s = read(
      "gpu,model,tp,phase,batch,chunk,kv_cache,time_us\n"
      "a100,Llama-2-7b-hf,1,decode,4,0,128,17\n"
      "a100,Llama-2-7b-hf,1,prefill,1,128,512,40\n");
  ASSERT_EQ(s.attention.size(), 2U);
  EXPECT_EQ(s.attention[0].shape.length, 129);
  EXPECT_EQ(s.attention[1].shape.query_tokens, 128);
  EXPECT_EQ(s.attention[1].shape.length, 640);
}

TEST(Samples, BadTablesAreOneSentenceWithTheLine) {
  const std::string row = "a40,tiny,1024,8,2,4096,2,16,10,5,20,8,3,2,2,1\n";
  const std::string header = kHeader;
  EXPECT_THAT(error_of(header), HasSubstr("no rows"));
  EXPECT_THAT(error_of(header + "a40,tiny\n"), HasSubstr(".csv:2: the row has 2 cells"));
  EXPECT_THAT(error_of(header + row + "a40,tiny,x,8,2,4096,2,16,10,5,20,8,3,2,2,1\n"),
              HasSubstr(".csv:3: hidden is 'x'"));
  EXPECT_THAT(error_of(header + "a40,tiny,1024,8,2,4096,2,16,-1,5,20,8,3,2,2,1\n"),
              HasSubstr("qkv_us is '-1'"));
  EXPECT_THAT(error_of(header + "gpu9,tiny,1024,8,2,4096,2,16,1,5,20,8,3,2,2,1\n"),
              HasSubstr("unknown device 'gpu9'"));
  EXPECT_THAT(error_of("gpu,price\na40,1\n"), HasSubstr("no table of operator times"));
  EXPECT_THAT(error_of("gpu,model,price\na40,tiny,1\n"), HasSubstr("neither the columns"));
  EXPECT_THAT(error_of(std::string("\x0a\x05hello", 7)), Not(HasSubstr("no error")));
}

}  // namespace
}  // namespace rooftop::predict
