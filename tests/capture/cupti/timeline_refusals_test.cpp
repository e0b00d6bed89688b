// What the timeline does where it cannot have all: a second recording, pauses, refusals of every
// call, CUPTI's end, a forked child; and what it records only where asked to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "profiler/capture/cupti/activity_file.h"
#include "tests/capture/cupti/timeline_fixture.h"

namespace rooftop::capture {
namespace {

using ::testing::AllOf;
using testing::at;
using testing::BufferBuilder;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kernel;
using testing::MemorySink;
using ::testing::Not;
using testing::notes_of;
using testing::options;
using testing::ReplayCupti;
using testing::scope_here;
using testing::TimelineTest;

TEST_F(TimelineTest, SecondAtTheSameTimeIsRefusedAndTheFirstGoesOn) {
  start();
  const auto second = make_timeline(cupti.api, options());
  const Status status = second->start();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("another recording of GPU kernels"));
  second->stop();
  deliver_records(kernel(1));
  EXPECT_EQ(sink.kernels.size(), 1U);
  EXPECT_FALSE(timeline->start().ok());
  timeline->stop();
  const auto third = make_timeline(cupti.api, options());
  EXPECT_TRUE(third->start().ok());
  third->stop();
}

TEST_F(TimelineTest, SecondSessionForgetsScopesOfTheFirstAndSaysWhatIsDoubtful) {
  start();
  scope_here = 11;
  cupti.launch(1);
  cupti.node_created(101);
  timeline->stop();
  scope_here = 0;
  cupti.api.version = 130001;
  start();
  deliver_records(kernel(1), kernel(2, 101));
  EXPECT_EQ(sink.kernel(1).scope, 0U);
  EXPECT_EQ(sink.kernel(2).scope, 0U);
  EXPECT_THAT(notes_of(*timeline), Contains(HasSubstr("This process was recorded before")));
}

TEST_F(TimelineTest, PausedStepsHaveNoKernels) {
  start();
  EXPECT_TRUE(timeline->can_pause());
  timeline->pause();
  EXPECT_FALSE(cupti.enabled(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL));
  EXPECT_TRUE(cupti.enabled(CUPTI_ACTIVITY_KIND_MEMCPY));
  timeline->pause();
  timeline->resume();
  EXPECT_TRUE(cupti.enabled(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL));
  timeline->resume();
  EXPECT_THAT(notes_of(*timeline), IsEmpty());
  cupti.failures["cuptiActivityDisable"] = CUPTI_ERROR_INVALID_KIND;
  timeline->pause();
  EXPECT_THAT(notes_of(*timeline), Contains(HasSubstr("refused to stop recording kernels 1")));
  cupti.failures.clear();
  timeline->pause();
  timeline->stop();
  timeline->resume();
  EXPECT_FALSE(cupti.enabled(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL)) << "ended: nothing goes on";
}

TEST_F(TimelineTest, GraphLevelRecordsAGraphAsOne) {
  TimelineOptions o = options();
  o.graph_level = true;
  start(o);
  EXPECT_TRUE(cupti.enabled(CUPTI_ACTIVITY_KIND_GRAPH_TRACE));
  scope_here = 8;
  cupti.launch(4, CUPTI_DRIVER_TRACE_CBID_cuGraphLaunch);
  deliver_records(testing::make_graph(4, at(0), at(90)));
  ASSERT_EQ(sink.kernels.size(), 1U);
  EXPECT_EQ(sink.text(sink.kernels[0].name), "CUDA graph");
  EXPECT_EQ(sink.kernels[0].scope, 8U);
  EXPECT_THAT(notes_of(*timeline), Contains(HasSubstr("recorded as a whole")));
}

TEST_F(TimelineTest, ApiCallsAndOverheadAreSummedUp) {
  TimelineOptions o = options();
  o.api_calls = true;
  start(o);
  EXPECT_TRUE(cupti.enabled(CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION));
  EXPECT_FALSE(cupti.enabled(CUPTI_ACTIVITY_KIND_DRIVER)) << "launching calls alone";
  deliver_records(
      testing::make_external(5, 1),
      testing::make_call(CUPTI_ACTIVITY_KIND_DRIVER, 1, at(0), at(3'000'000)),
      testing::make_overhead(CUPTI_ACTIVITY_OVERHEAD_CUPTI_INSTRUMENTATION, at(0), at(2'000'000)),
      testing::make_overhead(CUPTI_ACTIVITY_OVERHEAD_CUPTI_BUFFER_FLUSH, at(0), at(500'000)));
  const auto notes = notes_of(*timeline);
  EXPECT_THAT(notes, Contains(AllOf(HasSubstr("1 launching calls, 3 ms"), HasSubstr("1 carried"))));
  EXPECT_THAT(notes, Contains(AllOf(HasSubstr("2.5 ms"), HasSubstr("instrumentation 2 ms"),
                                    HasSubstr("flushing buffers 0.5 ms"))));
}

TEST_F(TimelineTest, AllOfTheDriversCallsWhereSingleOnesAreNotOffered) {
  TimelineOptions o = options();
  o.api_calls = true;
  cupti.api.cuptiActivityEnableDriverApi = nullptr;
  start(o);
  EXPECT_TRUE(cupti.enabled(CUPTI_ACTIVITY_KIND_DRIVER));
  timeline->stop();
  EXPECT_FALSE(cupti.enabled(CUPTI_ACTIVITY_KIND_DRIVER));
}

TEST_F(TimelineTest, RawBuffersAreSavedAndReplayed) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("rooftop_tl_" + std::to_string(getpid()));
  fs::create_directories(folder);
  TimelineOptions o = options();
  o.save_buffers = folder.string();
  start(o);
  deliver_records(testing::make_kernel("_Z4gemmPf", 1, at(0), at(10)));
  deliver_records(kernel(2));
  const std::string first = (folder / (std::to_string(getpid()) + "-0.activity")).string();
  SavedActivity saved;
  load_activity(first, saved);
  EXPECT_EQ(saved.valid, sizeof(CUpti_ActivityKernel10));
  EXPECT_TRUE(fs::exists(folder / (std::to_string(getpid()) + "-1.activity")));
  fs::remove_all(folder);
  deliver_records(kernel(3));  // the folder is gone: said once, and recording goes on
  deliver_records(kernel(4));
  EXPECT_EQ(sink.kernels.size(), 4U);
  EXPECT_THAT(notes_of(*timeline), Contains(HasSubstr("Raw buffers were not saved")));
}

TEST_F(TimelineTest, AnotherProfilerIsNamedAndItsBuffersAreLeftAlone) {
  cupti.failures["cuptiSubscribe"] = CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED;
  timeline = make_timeline(cupti.api, options());
  const Status status = timeline->start();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("another profiler"), HasSubstr("CUPTI for Nsight Systems")));
  EXPECT_THAT(cupti.calls(), ElementsAre("cuptiSubscribe"));
}

// Each call without which there is no timeline, and codes that it is known to answer.
struct Refusal {
  const char* call;
  CUptiResult code;
};
class TimelineRefused : public ::testing::TestWithParam<Refusal> {};

TEST_P(TimelineRefused, OneSentenceAndEverythingOff) {
  ReplayCupti cupti;
  cupti.failures[GetParam().call] = GetParam().code;
  const auto timeline = make_timeline(cupti.api, options());
  const Status status = timeline->start();
  ASSERT_FALSE(status.ok());
  const std::string call(GetParam().call);
  EXPECT_THAT(status.message(), HasSubstr(call.substr(0, call.find(':')) + " failed"));
  EXPECT_EQ(status.message().find('\n'), std::string::npos);
  EXPECT_FALSE(cupti.subscribed());
  for (int kind = 0; kind < CUPTI_ACTIVITY_KIND_COUNT; ++kind)
    EXPECT_FALSE(cupti.enabled(static_cast<CUpti_ActivityKind>(kind))) << kind;
  MemorySink sink;
  timeline->flush();
  timeline->drain(sink);
  timeline->stop();
  EXPECT_THAT(sink.kernels, IsEmpty());
  // The right to record is free again.
  cupti.failures.clear();
  const auto next = make_timeline(cupti.api, options());
  EXPECT_TRUE(next->start().ok());
  next->stop();
}

constexpr CUptiResult kCodes[] = {CUPTI_ERROR_NOT_INITIALIZED, CUPTI_ERROR_INSUFFICIENT_PRIVILEGES,
                                  CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED,
                                  CUPTI_ERROR_NOT_COMPATIBLE, CUPTI_ERROR_UNKNOWN};
std::vector<Refusal> refusals() {
  std::vector<Refusal> out;
  for (const char* call : {"cuptiSubscribe", "cuptiActivityRegisterCallbacks",
                           "cuptiActivityEnable:10", "cuptiActivityEnable"}) {
    for (const CUptiResult code : kCodes) out.push_back({call, code});
  }
  return out;
}
INSTANTIATE_TEST_SUITE_P(Calls, TimelineRefused, ::testing::ValuesIn(refusals()),
                         [](const auto& one) { return std::to_string(one.index); });

// Each call that the timeline can do without: it records, and says what is missing where a reader
// of its figures must know.
struct Degraded {
  const char* call;
  const char* note;  // null: nobody need know
};
class TimelineDegraded : public ::testing::TestWithParam<Degraded> {};

TEST_P(TimelineDegraded, RecordsKernelsAllTheSame) {
  ReplayCupti cupti;
  cupti.failures[GetParam().call] = CUPTI_ERROR_NOT_SUPPORTED;
  TimelineOptions o = options();
  o.graph_level = true;
  o.api_calls = true;
  o.hardware_trace = true;
  const auto timeline = make_timeline(cupti.api, o);
  const Status status = timeline->start();
  ASSERT_TRUE(status.ok()) << status.message();
  MemorySink sink;
  BufferBuilder b;
  b.add(kernel(1));
  ASSERT_TRUE(cupti.deliver(b));
  timeline->drain(sink);
  timeline->stop();
  EXPECT_EQ(sink.kernels.size(), 1U);
  if (GetParam().note == nullptr) {
    EXPECT_THAT(notes_of(*timeline), IsEmpty());
  } else {
    EXPECT_THAT(notes_of(*timeline), ElementsAre(HasSubstr(GetParam().note)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Calls, TimelineDegraded,
    ::testing::Values(
        Degraded{"cuptiSetThreadIdType", nullptr}, Degraded{"cuptiActivitySetAttribute", nullptr},
        Degraded{"cuptiActivityRegisterTimestampCallback", nullptr},
        Degraded{"cuptiActivityEnableDriverApi", nullptr},
        Degraded{"cuptiActivityFlushAll", nullptr}, Degraded{"cuptiActivityDisable", nullptr},
        Degraded{"cuptiUnsubscribe", nullptr},
        Degraded{"cuptiEnableCallback:1.307", "launches are recorded without their scope"},
        Degraded{"cuptiEnableCallback:3.13", "graph's launch only"},
        Degraded{"cuptiActivityEnable:1", "Copies are not recorded"},
        Degraded{"cuptiActivityEnable:2", "Memsets are not recorded"},
        Degraded{"cuptiActivityEnable:22", "Copies between devices are not recorded"},
        Degraded{"cuptiActivityEnable:17", "CUPTI's own times are not recorded"},
        Degraded{"cuptiActivityEnable:51", "Graph launches as a whole are not recorded"},
        Degraded{"cuptiActivityEnable:39", "Launching calls are not recorded"},
        Degraded{"cuptiActivityEnableHWTrace", "Times are taken by CUPTI's instrumentation"}),
    [](const auto& one) { return std::to_string(one.index); });

// "CUPTI automatically invokes cuptiFinalize()": what came before is kept, nothing more is asked.
TEST_F(TimelineTest, FatalErrorEndsTheRecordingAndIsSaid) {
  start();
  BufferBuilder b;
  b.add(kernel(1));
  ASSERT_TRUE(cupti.deliver(b));
  cupti.fatal_error(CUPTI_ERROR_HARDWARE, "channel reset");
  cupti.fatal_error(CUPTI_ERROR_UNKNOWN, "and again");
  const std::size_t calls = cupti.calls().size();
  timeline->flush();
  timeline->pause();
  timeline->resume();
  timeline->drain(sink);
  timeline->stop();
  timeline->drain(sink);
  EXPECT_EQ(cupti.calls().size(), calls);
  EXPECT_EQ(sink.kernels.size(), 1U);
  EXPECT_FALSE(cupti.deliver(b));
  EXPECT_THAT(notes_of(*timeline),
              ElementsAre(AllOf(HasSubstr("CUPTI ended the recording"), HasSubstr("channel reset"),
                                Not(HasSubstr("again")))));
}

// A child of the host's has none of our threads: nothing is called, nothing hangs.
TEST_F(TimelineTest, ForkedChildDoesNothing) {
  start();
  BufferBuilder b;
  b.add(kernel(1));
  const std::size_t calls = cupti.calls().size();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    scope_here = 5;
    cupti.launch(9);
    bool quiet = !cupti.deliver(b);
    timeline->flush();
    timeline->pause();
    timeline->drain(sink);
    timeline->stop();
    quiet = quiet && sink.kernels.empty() && cupti.calls().size() == calls;
    _exit(quiet ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  deliver(b);
  EXPECT_EQ(sink.kernels.size(), 1U);
}

TEST_F(TimelineTest, DestroyedWithoutStopIsStopped) {
  start();
  timeline.reset();
  EXPECT_FALSE(cupti.subscribed());
  EXPECT_FALSE(cupti.enabled(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL));
}

TEST(TimelineOnThisMachine, StartsOrSaysWhyNot) {
  const CuptiApi* real = cupti().api;
  if (real == nullptr) GTEST_SKIP() << cupti().why.message();
  const auto timeline = make_timeline(*real, {});
  const Status status = timeline->start();
  if (!status.ok()) {
    EXPECT_THAT(status.message(), HasSubstr("failed ("));
  }
  MemorySink sink;
  timeline->flush();
  timeline->stop();
  timeline->drain(sink);
  EXPECT_THAT(sink.kernels, IsEmpty());
}

TEST(TimelineOptionsFromEnvironment, NamesTheFolderOfRawBuffers) {
  ASSERT_EQ(setenv("ROOFTOP_SAVE_ACTIVITY", "/some/folder", 1), 0);
  EXPECT_EQ(timeline_options_from_environment().save_buffers, "/some/folder");
  unsetenv("ROOFTOP_SAVE_ACTIVITY");
  EXPECT_EQ(timeline_options_from_environment().save_buffers, "");
}

}  // namespace
}  // namespace rooftop::capture
