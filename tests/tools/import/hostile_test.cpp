// Damaged and hostile input: what could be read is reported with what was lost, or one sentence;
// memory stays bounded.
#include <fmt/format.h>

#include "tests/tools/import/imported.h"
#include "tests/trace/memory_tracker.h"

namespace rooftop::import::testing {
namespace {

using ::testing::HasSubstr;

std::string kernel_event(int n) {
  return fmt::format(
      R"({{"ph":"X","cat":"kernel","name":"kernel","pid":0,"tid":7,"ts":{},"dur":1,)"
      R"("args":{{"device":0,"stream":7,"correlation":{},"grid":[{},1,1],"block":[32,1,1]}}}})",
      n * 2, n, n % 10 + 1);
}

std::string kernels(int count) {
  std::string json = "{\"traceEvents\": [";
  for (int i = 0; i < count; ++i) json += (i > 0 ? "," : "") + kernel_event(i);
  return json + "]}";
}

TEST(Hostile, ATruncatedTraceIsReadUpToItsEnd) {
  const std::string whole = kernels(50);
  const std::size_t one = kernel_event(1).size();
  for (std::size_t cut = 2 * one; cut < whole.size() - 2; cut += 37) {
    const Trace t = import_json(std::string_view(whole).substr(0, cut));
    EXPECT_GE(t.kernel_records.size() * (one + 8) + one + 40, cut);
    EXPECT_THAT(t.notes(), HasSubstr("breaks off"));
  }
}

TEST(Hostile, DamageInTheMiddleKeepsWhatCameBefore) {
  std::string json = kernels(50);
  json[json.size() / 2] = '\x01';
  const Trace t = import_json(json);
  EXPECT_GT(t.kernel_records.size(), 20U);
  EXPECT_LT(t.kernel_records.size(), 27U);
  EXPECT_THAT(t.notes(), HasSubstr("damaged at byte"));
}

TEST(Hostile, BrokenPackedDataKeepWhatCameBefore) {
  const TestFolder folder;
  std::string packed = gzip(kernels(5000));
  const std::string torn = folder.write("torn", packed.substr(0, packed.size() / 2));
  EXPECT_GT(import_file(torn, folder.file("t.rtrace"), {}).kernels, 1000U);
  EXPECT_THAT(read_trace(folder.file("t.rtrace")).notes(), HasSubstr("compressed data break off"));
}

TEST(Hostile, NothingToImportIsOneSentenceAndNoFile) {
  const auto error = [](std::string_view json) { return error_of([&] { import_json(json); }); };
  EXPECT_THAT(error(""), HasSubstr("without trace events"));
  EXPECT_THAT(error("{"), HasSubstr("without trace events"));
  EXPECT_THAT(error("{\"model_type\": \"llama\"}"), HasSubstr("without trace events"));
  EXPECT_THAT(error("{\"traceEvents\": []}"), HasSubstr("without trace events"));
  EXPECT_THAT(error("{\"traceEvents\": {\"a\": 1}}"), HasSubstr("without trace events"));
  EXPECT_THAT(error(R"([{"ph":"X","name":"other","ts":1,"dur":1}])"), HasSubstr("no GPU kernels"));
  const TestFolder folder;
  const std::string file = folder.write("a.json", "{\"traceEvents\": []}");
  EXPECT_THROW(import_file(file, folder.file("t.rtrace"), {}), InputError);
  EXPECT_FALSE(std::filesystem::exists(folder.file("t.rtrace")));
  EXPECT_FALSE(std::filesystem::exists(folder.file("t.rtrace.part")));
}

TEST(Hostile, OddValuesAreNoCrash) {
  for (const char* value : {"null", "true", "[]", "{}", "-1", "1e400", "99999999999999999999999",
                            "\"text\"", "NaN", "[[[[[[[[1]]]]]]]]", "{\"a\":[{\"b\":2}]}"}) {
    std::string json = "[" + kernel_event(1);
    for (const char* key : {"ph", "cat", "name", "pid", "tid", "ts", "dur", "args"}) {
      json += fmt::format(R"(,{{"ph":"X","cat":"kernel","name":"k","ts":1,"dur":1,"{}":{}}})", key,
                          value);
    }
    for (const char* key : {"grid", "block", "device", "stream", "correlation", "Input Dims",
                            "Input type", "External id", "bytes", "graph node id"}) {
      json += fmt::format(
          R"(,{{"ph":"X","cat":"kernel","name":"k","ts":1,"dur":1,"args":{{"{}":{}}}}})", key,
          value);
    }
    EXPECT_GE(import_json(json + "]").kernel_records.size(), 1U) << value;
  }
}

TEST(Hostile, TimesThatNoTraceHoldsAreLeftOut) {
  const Trace t = import_json(
      "[" + kernel_event(1) +
      R"(,{"ph":"X","cat":"kernel","name":"a","ts":1,"dur":-5,"args":{"grid":[1,1,1]}})"
      R"(,{"ph":"X","cat":"kernel","name":"b","ts":1,"dur":0,"args":{"grid":[1,1,1]}})"
      R"(,{"ph":"X","cat":"kernel","name":"c","ts":1e30,"dur":1,"args":{"grid":[1,1,1]}})"
      R"(,{"ph":"X","cat":"kernel","name":"d","dur":1,"args":{"grid":[1,1,1]}}])");
  EXPECT_EQ(t.kernel_records.size(), 2U);
  EXPECT_THAT(t.notes(), HasSubstr("1 events that end before they begin"));
  EXPECT_THAT(t.notes(), HasSubstr("1 events on the device have a duration of zero"));
  EXPECT_THAT(t.notes(), HasSubstr("2 events without a usable time"));
}

TEST(Hostile, DeepNestingEndsTheReading) {
  const std::string deep(100'000, '[');
  const Trace t = import_json("{\"traceEvents\": [" + kernel_event(1) + "], \"x\": " + deep);
  EXPECT_EQ(t.kernel_records.size(), 1U);
  EXPECT_THAT(t.notes(), HasSubstr("damaged"));
}

TEST(Hostile, AnEndlessNameEndsTheReading) {
  const Trace t =
      import_json("[" + kernel_event(1) + ",{\"name\":\"" + std::string(20 << 20, 'x') + "\"}]");
  EXPECT_EQ(t.kernel_records.size(), 1U);
  EXPECT_THAT(t.notes(), HasSubstr("longer than 16 MiB"));
}

// Writes events without end, as far as they are asked for.
class EndlessKernels : public ByteStream {
 public:
  explicit EndlessKernels(int count) : count_(count) {}
  std::size_t read(std::span<char> out) override {
    while (part_.size() - at_ < out.size() && next_ <= count_) {
      part_.erase(0, at_);
      at_ = 0;
      part_ += next_ == 0 ? "[" : next_ == count_ ? "{}]" : kernel_event(next_) + ",";
      ++next_;
    }
    const std::size_t n = std::min(out.size(), part_.size() - at_);
    std::copy_n(part_.begin() + static_cast<std::ptrdiff_t>(at_), n, out.begin());
    at_ += n;
    return n;
  }
  void rewind() override { next_ = 0; }
  [[nodiscard]] double fraction() const override { return 0; }

 private:
  int count_;
  int next_ = 0;
  std::string part_;
  std::size_t at_ = 0;
};

TEST(Hostile, MemoryPerKernelIsSmall) {
  if (!rooftop::testing::tracks_memory()) GTEST_SKIP() << "a sanitizer counts memory itself";
  constexpr int kCount = 300'000;
  const TestFolder folder;
  EndlessKernels input(kCount);
  rooftop::testing::reset_peak();
  const ImportResult result = import_pytorch(input, "x", folder.file("t.rtrace"), {});
  EXPECT_EQ(result.kernels, static_cast<std::uint64_t>(kCount - 1));
  // 32 bytes an event, and a fixed sum for buffers and one chunk of a trace.
  EXPECT_LT(rooftop::testing::peak_bytes(), 40U * kCount + (24U << 20));
}

}  // namespace
}  // namespace rooftop::import::testing
