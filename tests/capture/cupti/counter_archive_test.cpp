// Saved counters come back whole, or with a sentence.
#include "profiler/capture/cupti/counter_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "tests/capture/cupti/fake_profiler.h"

namespace rooftop::capture {
namespace {

using ::testing::HasSubstr;

class CounterArchive : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("counters_" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name = "a.rtcnt") const { return (folder_ / name).string(); }

  static SavedCounters example() {
    return {.cupti_version = 130001,
            .kind = CounterKind::kSass,
            .chip = "GH100",
            .metrics = {"a.sum", "b.sum"},
            .launches = {"gemm", ""},
            .availability = {1, 2, 3},
            .configuration = {4},
            .counters = {5, 6, 7, 8},
            .values = {1.5, -2, 3, 4e300}};
  }

  std::filesystem::path folder_;
};

TEST_F(CounterArchive, ComesBackAsItWas) {
  ASSERT_TRUE(save_counters(example(), path()).ok());
  const SavedCounters back = load_counters(path());
  const SavedCounters was = example();
  EXPECT_EQ(back.cupti_version, was.cupti_version);
  EXPECT_EQ(back.kind, was.kind);
  EXPECT_EQ(back.chip, was.chip);
  EXPECT_EQ(back.metrics, was.metrics);
  EXPECT_EQ(back.launches, was.launches);
  EXPECT_EQ(back.availability, was.availability);
  EXPECT_EQ(back.configuration, was.configuration);
  EXPECT_EQ(back.counters, was.counters);
  EXPECT_EQ(back.values, was.values);
}

TEST_F(CounterArchive, OverwritesNothing) {
  ASSERT_TRUE(save_counters(example(), path()).ok());
  EXPECT_FALSE(save_counters(example(), path()).ok());
}

TEST_F(CounterArchive, EveryFlippedByteAndEveryCutIsRefused) {
  ASSERT_TRUE(save_counters(example(), path()).ok());
  std::ifstream in(path(), std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  const auto refused = [&](const std::string& bytes) {
    std::ofstream(path("b"), std::ios::binary) << bytes;
    EXPECT_THROW(load_counters(path("b")), InputError);
  };
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    refused(damaged);
    refused(whole.substr(0, i));
  }
  refused(whole + "x");
}

TEST_F(CounterArchive, EvaluatesAgainWhatWasSaved) {
  testing::FakeProfiler fake;
  const CuptiApi api = testing::fake_profiler_api(fake);
  fake.ranges = 2;
  fake.max_ranges = 10;
  fake.value = [](const std::string& metric, std::size_t i) {
    return metric == "a.sum" ? 10.0 + static_cast<double>(i) : 20.0 + static_cast<double>(i);
  };
  std::vector<double> values;
  const Status status = evaluate_saved(api, example(), values);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_THAT(values, ::testing::ElementsAre(10, 20, 11, 21));
  EXPECT_EQ(fake.held(), 0U);
}

}  // namespace
}  // namespace rooftop::capture
