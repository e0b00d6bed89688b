// A recording whose counters come from a second process: here this test again, which writes what a
// counter run would.
#include "tools/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "profiler/core/machine.h"
#include "profiler/trace/reader.h"
#include "profiler/trace/writer.h"
#include "rooftop/nvtx.h"

namespace rooftop::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

nvtx::StepPayload decode_step() {
  nvtx::StepPayload step;
  step.phase = nvtx::kAr;
  step.batch = 1;
  step.query_tokens = 1;
  step.length = 9;
  return step;
}

Meta described() {
  Meta meta;
  meta.command = "run";
  meta.devices = {describe_cpu()};
  return meta;
}

std::string output_argument() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string line((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string option = "--output=";
  const std::size_t at = line.find(option) + option.size();
  return line.substr(at, line.find('\0', at) - at);
}

// The same step with one operator, and its counters.
TEST(CounterRun, DISABLED_Child) {
  const fs::path scopes = output_argument() + ".scopes";
  capture::Session session;
  ASSERT_TRUE(session.start({.output = scopes.string(), .meta = described()}).ok());
  {
    const nvtx::Step step(decode_step(), "decode");
    const nvtx::Op op(nvtx::kQkv, 0, "qkv");
  }
  ASSERT_TRUE(session.stop().ok());
  struct Copy : trace::Visitor {
    trace::Writer writer;
    trace::Reader* reader = nullptr;
    void scopes(std::span<const ScopeRecord> records) override {
      for (ScopeRecord r : records) {
        r.name = writer.intern(reader->string(r.name));
        ASSERT_TRUE(writer.add(r).ok());
      }
    }
    void kernels(std::span<const KernelRecord> records) override {
      for (KernelRecord r : records) {
        r.end = r.begin;  // a counter run has no times
        r.name = writer.intern(reader->string(r.name));
        ASSERT_TRUE(writer.add(r).ok());
        ASSERT_TRUE(
            writer
                .add(CounterRecord{
                    .kernel = r.id, .metric = writer.intern("dram__bytes_read.sum"), .value = 4096})
                .ok());
      }
    }
  } copy;
  Meta meta = described();
  meta.capture = "counters";
  ASSERT_TRUE(copy.writer.open(output_argument(), meta).ok());
  trace::Reader reader(scopes.string());
  copy.reader = &reader;
  reader.read(copy);
  ASSERT_TRUE(copy.writer.finish().ok());
  fs::remove(scopes);
}

TEST(CounterRun, DISABLED_Refused) {
  std::fputs("rooftop: this user may not read GPU counters\n", stderr);
  std::_Exit(2);
}

class RecordingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("rooftop_recording_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    trace_ = (folder_ / "t.rtrace").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Records one step, then asks the named child for counters.
  void record(const std::string& child) {
    Recording recording(trace_, described());
    {
      const nvtx::Step step(decode_step(), "decode");
      const nvtx::Op op(nvtx::kQkv, 0, "qkv");
    }
    recording.finish();
    recording.add_counters(
        {"--gtest_also_run_disabled_tests", "--gtest_filter=CounterRun.DISABLED_" + child});
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }

  fs::path folder_;
  std::string trace_;
};

struct Counters : trace::Visitor {
  std::vector<CounterRecord> records;
  std::size_t kernel_count = 0;
  void counters(std::span<const CounterRecord> r) override {
    records.insert(records.end(), r.begin(), r.end());
  }
  void kernels(std::span<const KernelRecord> r) override { kernel_count += r.size(); }
};

TEST_F(RecordingTest, CountersOfASecondRunAreJoined) {
  record("Child");
  trace::Reader reader(trace_);
  Counters seen;
  reader.read(seen);
  EXPECT_EQ(seen.kernel_count, 1U);
  ASSERT_EQ(seen.records.size(), 1U);
  EXPECT_EQ(seen.records[0].value, 4096);
  EXPECT_EQ(seen.records[0].source, Provenance::kJoined);
  EXPECT_THAT(reader.meta().capture, HasSubstr("counters"));
  EXPECT_EQ(files(), 1U);
}

TEST_F(RecordingTest, RefusedSecondRunLeavesTheTraceAndSaysWhy) {
  ::testing::internal::CaptureStderr();
  record("Refused");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("no hardware counters: its second run ended with status 2: this user may "
                        "not read GPU counters"));
  trace::Reader reader(trace_);
  Counters seen;
  reader.read(seen);
  EXPECT_EQ(seen.kernel_count, 1U);
  EXPECT_TRUE(seen.records.empty());
  EXPECT_EQ(files(), 1U);
}

}  // namespace
}  // namespace rooftop::tools
