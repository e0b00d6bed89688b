// What is written is what is read: every record type, every edge of every integer.
#include <cmath>

#include "tests/trace/testing.h"

namespace rooftop::trace {
namespace {

using namespace testing;

class RoundTrip : public TraceTest {
 protected:
  void expect_same(const Records& written, const std::string& file) {
    Reader reader(file);
    const Result result = read_from(reader);
    EXPECT_TRUE(result.records == written);
    EXPECT_FALSE(result.recovery.truncated);
    EXPECT_EQ(result.recovery.bytes_read, std::filesystem::file_size(file));
    EXPECT_EQ(result.recovery.bytes_total, std::filesystem::file_size(file));
    EXPECT_TRUE(result.recovery.notes.empty());
  }
};

TEST_F(RoundTrip, RandomRecordsOfEveryType) {
  for (const std::size_t rows : {1, 2, 255, 256, 257, 1000}) {
    expect_same(write_small_trace(path(), rows, rows), path());
  }
}

TEST_F(RoundTrip, MoreThanOneChunk) {
  expect_same(write_small_trace(path(), kRowsPerChunk + 3, 5), path());
}

// Sequences that delta coding likes, up to where they wrap around.
TEST_F(RoundTrip, RegularSequences) {
  constexpr std::uint64_t kTop = std::numeric_limits<std::uint64_t>::max();
  Records records;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    KernelRecord k;
    k.id = i + 1;
    k.begin = {static_cast<std::int64_t>(1'790'000'000'000'000'000 + i * 5000 + i * i % 97)};
    k.end = {k.begin.ns + static_cast<std::int64_t>(i % 13)};
    k.correlation = kTop - 1500 + i;  // wraps
    k.graph_node = kTop - i * (kTop / 3000);
    k.scope = i / 10;
    k.stream = static_cast<std::uint32_t>(4'294'967'295U - i);
    records.kernels.push_back(k);
    ScopeRecord s;
    s.id = i + 1;
    s.begin = {std::numeric_limits<std::int64_t>::min() + static_cast<std::int64_t>(i * i)};
    s.end = {std::numeric_limits<std::int64_t>::max()};
    s.layer = static_cast<std::int32_t>(i) - 1500;
    records.scopes.push_back(s);
  }
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  add_all(writer, records);
  ASSERT_TRUE(writer.finish().ok());
  expect_same(records, path());
}

TEST_F(RoundTrip, NegativeDurations) {
  Records records;
  records.kernels.resize(300);
  for (std::size_t i = 0; i < records.kernels.size(); ++i) {
    records.kernels[i].begin = {static_cast<std::int64_t>(1000 * i)};
    records.kernels[i].end = {static_cast<std::int64_t>(1000 * i) - 77};
  }
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  add_all(writer, records);
  ASSERT_TRUE(writer.finish().ok());
  expect_same(records, path());
}

// Counters are mostly whole numbers, which are kept as integers: the edges of that.
TEST_F(RoundTrip, DoublesBitForBit) {
  const std::vector<std::vector<double>> columns = {
      {1, 2, 3, 1e9},
      {-5, 0, 5},
      {9007199254740992.0, -9007199254740992.0},
      {9007199254740994.0, 1},
      {0.0, -0.0},
      {std::nan(""), 1},
      {std::nan(""), std::nan("0x7")},
      {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()},
      {0.5, 1e-300, 1e300}};
  Records records;
  for (const auto& column : columns) {
    Writer writer;
    ASSERT_TRUE(writer.open(path(), {}).ok());
    records.counters.clear();
    for (const double value : column) {
      records.counters.push_back({.kernel = 1, .metric = 0, .value = value});
    }
    add_all(writer, records);
    ASSERT_TRUE(writer.finish().ok());
    expect_same(records, path());
  }
}

TEST_F(RoundTrip, EmptyTrace) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  ASSERT_TRUE(writer.finish().ok());
  expect_same({}, path());
}

TEST_F(RoundTrip, FlushesWithNothingInThemCostNothing) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  const auto before = std::filesystem::file_size(path());
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(writer.flush().ok());
  EXPECT_EQ(std::filesystem::file_size(path()), before);
}

// More frames than one INDEX frame holds.
TEST_F(RoundTrip, ManyShortChunks) {
  Records records;
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  for (std::uint64_t i = 1; i <= 9000; ++i) {
    KernelRecord k;
    k.id = i;
    k.begin = {static_cast<std::int64_t>(i)};
    k.end = {static_cast<std::int64_t>(2 * i)};
    records.kernels.push_back(k);
    ASSERT_TRUE(writer.add(k).ok());
    ASSERT_TRUE(writer.flush().ok());
  }
  ASSERT_TRUE(writer.finish().ok());
  expect_same(records, path());
}

TEST_F(RoundTrip, FromAPipe) {
  const Records written = write_small_trace(path(), 5000, 9);
  const std::string command = "cat '" + path() + "'";
  FILE* const pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  const Result result = read_path("/proc/self/fd/" + std::to_string(fileno(pipe)));
  pclose(pipe);
  EXPECT_TRUE(result.records == written);
  EXPECT_FALSE(result.recovery.truncated);
  EXPECT_EQ(result.recovery.bytes_total, std::filesystem::file_size(path()));
}

// A scope is written when it closes: what ran in a step stands before the step.
TEST_F(RoundTrip, StepsFollowWhatRanInThem) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  for (std::uint64_t step = 1; step <= 3 * kRowsPerChunk; ++step) {
    KernelRecord k;
    k.scope = step;
    ASSERT_TRUE(writer.add(k).ok());
    if (step % 3 == 0) {
      ASSERT_TRUE(writer.add(k).ok());
    }
    ScopeRecord s;
    s.id = step;
    s.kind = ScopeKind::kStep;
    ASSERT_TRUE(writer.add(s).ok());
  }
  ASSERT_TRUE(writer.finish().ok());
  struct Order : Visitor {
    std::uint64_t last_step = 0;
    std::uint64_t late = 0;
    void kernels(std::span<const KernelRecord> r) override {
      for (const auto& k : r) late += k.scope <= last_step ? 1 : 0;
    }
    void scopes(std::span<const ScopeRecord> r) override { last_step = r.back().id; }
  } order;
  Reader(path()).read(order);
  EXPECT_EQ(order.last_step, 3 * kRowsPerChunk);
  EXPECT_EQ(order.late, 0U);
}

}  // namespace
}  // namespace rooftop::trace
