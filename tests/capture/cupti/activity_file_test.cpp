// Recorded buffers: what was written comes back, names included, and no damaged file is taken for a
// whole one.
#include "profiler/capture/cupti/activity_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "profiler/capture/cupti/activity_decode.h"
#include "profiler/capture/cupti/timeline_records.h"
#include "tests/capture/cupti/activity_records.h"
#include "tests/capture/cupti/fake_cupti.h"
#include "tests/capture/cupti/timeline_sink.h"

namespace rooftop::capture {
namespace {

namespace fs = std::filesystem;
using testing::BufferBuilder;
using ::testing::HasSubstr;

class ActivityFile : public ::testing::Test {
 protected:
  void SetUp() override {
    api.cuptiActivityGetNextRecord = testing::walk<false>;
    folder = fs::temp_directory_path() / ("rooftop_activity_" + std::to_string(getpid()));
    fs::create_directories(folder);
    path = (folder / "a.activity").string();
  }
  void TearDown() override { fs::remove_all(folder); }

  std::string bytes() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const std::string& to, const std::string& data) {
    std::ofstream(to, std::ios::binary) << data;
  }

  CuptiApi api = testing::refusing_cupti();
  fs::path folder;
  std::string path;
};

BufferBuilder sample() {
  static int somewhere = 0;
  BufferBuilder b;
  auto kernel = testing::make_kernel("_Z4gemmPf", 1, 100, 200);
  kernel.reserved0 = &somewhere;
  kernel.graphNodeId = 17;
  auto nameless = testing::make_kernel(nullptr, 2, 300, 400);
  auto overhead = testing::make_overhead(CUPTI_ACTIVITY_OVERHEAD_COMMAND_BUFFER_FULL, 1, 2);
  overhead.overheadData = &somewhere;
  b.add(testing::make_call(CUPTI_ACTIVITY_KIND_RUNTIME, 1, 90, 95))
      .add(kernel)
      .add(nameless)
      .add(testing::make_copy(CUPTI_ACTIVITY_MEMCPY_KIND_DTOH, 64, 3, 500, 600))
      .add(testing::make_memset(64, 4, 600, 700))
      .add(overhead)
      .add(testing::make_kernel("plain", 5, 800, 900));
  return b;
}

struct Replayed {
  testing::MemorySink sink;
  DecodeCounts counts;
};

void replay(const CuptiApi& api, SavedActivity& saved, Replayed& out) {
  const LaunchScopes launches;
  const GraphNodes nodes;
  TimelineRecords records({}, launches, nodes);
  records.set_sink(out.sink);
  ActivityDecoder decoder(api);
  decoder.decode(saved.buffer(), saved.valid, records);
  out.counts = decoder.counts();
}

TEST_F(ActivityFile, ComesBackWithItsNames) {
  {
    BufferBuilder b = sample();
    ASSERT_TRUE(save_activity(api, b.data(), b.size(), path).ok());
    std::memset(b.data(), 0xee, b.size());  // nothing of it is needed any more
  }
  SavedActivity saved;
  load_activity(path, saved);
  EXPECT_EQ(saved.cupti_version, api.version);
  Replayed out;
  replay(api, saved, out);
  ASSERT_EQ(out.sink.kernels.size(), 3U);
  EXPECT_EQ(out.sink.text(out.sink.kernels[0].name), "gemm(float*)");
  EXPECT_EQ(out.sink.kernels[0].graph_node, 17U);
  EXPECT_EQ(out.sink.text(out.sink.kernels[1].name), "");
  EXPECT_EQ(out.sink.text(out.sink.kernels[2].name), "plain");
  EXPECT_EQ(out.sink.kernels[2].begin.ns, 800);
  ASSERT_EQ(out.sink.copies.size(), 2U);
  EXPECT_EQ(out.counts.damaged, 0U);
  EXPECT_EQ(out.counts.records, 7U);
}

TEST_F(ActivityFile, IsWalkedByTheRealLibrary) {
  const CuptiApi* real = cupti().api;
  if (real == nullptr) GTEST_SKIP() << cupti().why.message();
  if (real->version < 130000) GTEST_SKIP() << "the records are of CUDA 13";
  BufferBuilder b = sample();
  ASSERT_TRUE(save_activity(*real, b.data(), b.size(), path).ok());
  SavedActivity saved;
  load_activity(path, saved);
  EXPECT_EQ(saved.cupti_version, real->version);
  Replayed out;
  replay(*real, saved, out);
  ASSERT_EQ(out.sink.kernels.size(), 3U);
  EXPECT_EQ(out.sink.text(out.sink.kernels[0].name), "gemm(float*)");
}

TEST_F(ActivityFile, HoldsNoAddressOfTheProcess) {
  BufferBuilder b = sample();
  ASSERT_TRUE(save_activity(api, b.data(), b.size(), path).ok());
  const std::string once = bytes();
  ASSERT_TRUE(save_activity(api, b.data(), b.size(), path + "2").ok());
  BufferBuilder other = sample();
  const std::string renamed = "_Z4gemmPf";  // the same names and facts at other addresses
  auto* kernel =
      reinterpret_cast<CUpti_ActivityKernel10*>(other.data() + sizeof(CUpti_ActivityAPI));
  kernel->name = renamed.c_str();
  kernel->reserved0 = kernel;
  ASSERT_TRUE(save_activity(api, other.data(), other.size(), path + "3").ok());
  path += "3";
  EXPECT_EQ(bytes(), once);
}

// Also of a buffer whose last record is cut off.
TEST_F(ActivityFile, TruncatedBufferComesBackAsItWas) {
  BufferBuilder b = sample();
  const std::size_t valid = b.size() - 100;
  ASSERT_TRUE(save_activity(api, b.data(), valid, path).ok());
  SavedActivity saved;
  load_activity(path, saved);
  EXPECT_EQ(saved.valid, valid);
  Replayed out;
  replay(api, saved, out);
  EXPECT_EQ(out.sink.kernels.size(), 2U);
  EXPECT_EQ(out.counts.damaged, 1U);
}

TEST_F(ActivityFile, EveryFlippedByteIsRefused) {
  BufferBuilder b = sample();
  ASSERT_TRUE(save_activity(api, b.data(), b.size(), path).ok());
  const std::string good = bytes();
  int refused = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    if (i >= 8 && i < 16) continue;  // CUPTI's version and a reserved word: any is read
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x41);
    write(path, bad);
    SavedActivity saved;
    EXPECT_THROW(load_activity(path, saved), InputError) << i;
    ++refused;
  }
  EXPECT_GT(refused, 1000);
}

TEST_F(ActivityFile, EveryShorterFileIsRefused) {
  BufferBuilder b = sample();
  ASSERT_TRUE(save_activity(api, b.data(), b.size(), path).ok());
  const std::string good = bytes();
  for (std::size_t length = 0; length < good.size(); length += 3) {
    write(path, good.substr(0, length));
    SavedActivity saved;
    EXPECT_THROW(load_activity(path, saved), InputError) << length;
  }
  write(path, good + "x");
  SavedActivity saved;
  EXPECT_THROW(load_activity(path, saved), InputError);
}

TEST_F(ActivityFile, RefusalsSayWhatToDo) {
  SavedActivity saved;
  try {
    load_activity((folder / "none").string(), saved);
    FAIL();
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("check the path"));
  }
  BufferBuilder b = sample();
  ASSERT_TRUE(save_activity(api, b.data(), b.size(), path).ok());
  EXPECT_THAT(save_activity(api, b.data(), b.size(), path).message(),
              HasSubstr("could not be created: File exists"));
  EXPECT_THAT(save_activity(api, b.data(), b.size(), "/proc/none/a").message(),
              HasSubstr("could not be created"));
  EXPECT_THROW(load_activity(folder.string(), saved), InputError);
}

}  // namespace
}  // namespace rooftop::capture
