#include "profiler/roofs/roofs_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <random>

#include "profiler/core/machine.h"

namespace rooftop {
namespace {

namespace fs = std::filesystem;

class RoofsCacheTest : public ::testing::Test {
 protected:
  RoofsCacheTest()
      : folder_(fs::temp_directory_path() / ("rooftop_cache_test_" + std::to_string(getpid()))),
        cache_(folder_ / "a" / "b") {}
  ~RoofsCacheTest() override { fs::remove_all(folder_); }

  static std::vector<RoofMeasurement> roofs() {
    return {{{0, "dram_read", "", 12.5e9, 2.6e9}, "loads \"quoted\"", 0},
            {{0, "compute", "bf16", 2.25e11, 0}, "oneDNN \xff", 0}};
  }
  static RoofsKey key() { return {"AMD EPYC", "AVX-512 BF16", 24ULL << 30, 0, 2, "0.1.0"}; }

  [[nodiscard]] std::string text() const {
    std::ifstream file(cache_.file_of(key()), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  void write(const std::string& text) const {
    std::ofstream(cache_.file_of(key()), std::ios::binary) << text;
  }

  fs::path folder_;
  RoofsCache cache_;
};

TEST_F(RoofsCacheTest, GivesBackWhatWasStored) {
  EXPECT_FALSE(cache_.load(key()).has_value());
  const Status stored = cache_.store(key(), roofs());
  ASSERT_TRUE(stored.ok()) << stored.message();
  const auto kept = cache_.load(key());
  ASSERT_TRUE(kept.has_value());
  ASSERT_EQ(kept->size(), 2U);
  EXPECT_EQ((*kept)[0].roof.kind, "dram_read");
  EXPECT_EQ((*kept)[0].roof.value, 12.5e9);
  EXPECT_EQ((*kept)[0].roof.clock_hz, 2.6e9);
  EXPECT_EQ((*kept)[0].method, "loads \"quoted\"");
  EXPECT_EQ((*kept)[1].roof.dtype, "bf16");
}

TEST_F(RoofsCacheTest, LeavesNothingBesideTheFile) {
  ASSERT_TRUE(cache_.store(key(), roofs()).ok());
  ASSERT_TRUE(cache_.store(key(), roofs()).ok());
  const fs::path folder = cache_.file_of(key()).parent_path();
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
}

TEST_F(RoofsCacheTest, EveryPartOfTheKeyCounts) {
  ASSERT_TRUE(cache_.store(key(), roofs()).ok());
  std::vector<RoofsKey> others(6, key());
  others[0].device = "AMD EPYC 2";
  others[1].driver = "AVX2 FMA";
  others[2].memory_bytes += 1;
  others[3].ordinal = 1;
  others[4].threads = 1;
  others[5].version = "0.2.0";
  for (const RoofsKey& other : others) EXPECT_FALSE(cache_.load(other).has_value());
}

TEST_F(RoofsCacheTest, AForeignKeyInTheFileIsNoMatch) {
  ASSERT_TRUE(cache_.store(key(), roofs()).ok());
  RoofsKey other = key();
  other.threads = 1;
  fs::copy_file(cache_.file_of(key()), cache_.file_of(other));
  EXPECT_FALSE(cache_.load(other).has_value());
}

TEST_F(RoofsCacheTest, DamageIsNoRoof) {
  ASSERT_TRUE(cache_.store(key(), roofs()).ok());
  const std::string good = text();
  ASSERT_TRUE(cache_.load(key()).has_value());
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string damaged = good;
    const auto at = damaged.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return damaged.replace(at, from.size(), to);
  };
  for (const std::string& damaged :
       {std::string(), std::string("{"), std::string("null"), std::string("[1,2]"),
        good.substr(0, good.size() / 2), std::string(100'000, '['), std::string(2 << 20, ' '),
        changed("\"format\": 1", "\"format\": 2"), changed("12500000000.0", "-1"),
        changed("12500000000.0", "0"), changed("12500000000.0", "1e999"),
        changed("12500000000.0", "\"fast\""), changed("\"dram_read\"", "\"\""),
        changed("\"kind\"", "\"kinds\""), changed("\"roofs\": [", "\"roofs\": [], \"x\": [")}) {
    write(damaged);
    EXPECT_FALSE(cache_.load(key()).has_value()) << damaged.substr(0, 200);
  }
  write(good);
  EXPECT_TRUE(cache_.load(key()).has_value());
}

TEST_F(RoofsCacheTest, SurvivesRandomDamage) {
  ASSERT_TRUE(cache_.store(key(), roofs()).ok());
  const std::string good = text();
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string damaged = good;
    damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
    write(damaged);
    if (const auto kept = cache_.load(key())) {
      for (const RoofMeasurement& roof : *kept) EXPECT_GT(roof.roof.value, 0);
    }
  }
}

TEST_F(RoofsCacheTest, AFolderThatCannotBeMadeCostsNothingButAMessage) {
  fs::create_directories(folder_);
  std::ofstream(folder_ / "file") << "in the way";
  const RoofsCache blocked(folder_ / "file" / "cache");
  const Status stored = blocked.store(key(), roofs());
  EXPECT_FALSE(stored.ok());
  EXPECT_NE(stored.message().find("not kept"), std::string::npos);
  EXPECT_FALSE(blocked.load(key()).has_value());
  const RoofsCache nowhere{fs::path()};
  EXPECT_FALSE(nowhere.store(key(), roofs()).ok());
  EXPECT_FALSE(nowhere.load(key()).has_value());
}

TEST_F(RoofsCacheTest, MeasuresOnceAndAgainWhenAsked) {
  int measurements = 0;
  const auto measure = [&] {
    ++measurements;
    return roofs();
  };
  const auto first = cached_roofs(key(), cache_, false, measure);
  EXPECT_EQ(measurements, 1);
  const auto second = cached_roofs(key(), cache_, false, measure);
  EXPECT_EQ(measurements, 1);
  ASSERT_EQ(second.size(), first.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(second[i].roof.value, first[i].roof.value) << "not a digit may be lost";
  }
  cached_roofs(key(), cache_, true, measure);
  EXPECT_EQ(measurements, 2);
}

TEST_F(RoofsCacheTest, KeepsNoRoofsOfABusyMachine) {
  int measurements = 0;
  const auto measure = [&] {
    ++measurements;
    auto busy = roofs();
    busy[1].waited = 0.5;
    return busy;
  };
  EXPECT_EQ(cached_roofs(key(), cache_, false, measure).size(), 2U);
  cached_roofs(key(), cache_, false, measure);
  EXPECT_EQ(measurements, 2);
}

TEST_F(RoofsCacheTest, TheCpusRoofsAreFoundUnderTheirKey) {
  CpuRoofOptions options;
  options.threads = 3;
  options.progress = [](std::string_view, double) { FAIL() << "measured although kept"; };
  ASSERT_TRUE(cache_.store(roofs_key(describe_cpu(), 3), roofs()).ok());
  EXPECT_EQ(cached_cpu_roofs(options, false, cache_).size(), 2U);
}

TEST(RoofsCacheFolder, FollowsTheEnvironment) {
  setenv("XDG_CACHE_HOME", "/cache/home", 1);
  EXPECT_EQ(RoofsCache::default_folder(), "/cache/home/rooftop/roofs");
  setenv("XDG_CACHE_HOME", "relative", 1);
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(RoofsCache::default_folder(), "/home/me/.cache/rooftop/roofs");
  unsetenv("XDG_CACHE_HOME");
  unsetenv("HOME");
  EXPECT_EQ(RoofsCache::default_folder(), "");
}

}  // namespace
}  // namespace rooftop
