// The timeline from start to end against a table in CUPTI's place: the order of calls, scopes of
// launches and of graphs' kernels, drops, refusals, pauses.
#include "profiler/capture/cupti/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <thread>

#include "profiler/capture/cupti/activity_file.h"
#include "profiler/capture/cupti/callback_ids.h"
#include "profiler/capture/cupti/launch_scopes.h"
#include "tests/capture/cupti/timeline_replay.h"
#include "tests/capture/cupti/timeline_sink.h"

namespace rooftop::capture {
namespace {

using ::testing::AllOf;
using testing::BufferBuilder;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MemorySink;
using ::testing::Not;
using testing::ReplayCupti;

thread_local ScopeId scope_here = 0;
ScopeId test_scope() noexcept { return scope_here; }

TimelineOptions options() {
  TimelineOptions o;
  o.current_scope = test_scope;
  o.buffer_bytes = 1 << 16;
  o.total_buffer_bytes = 4 << 16;
  return o;
}

// Times that pass for ones of this run.
std::uint64_t at(std::int64_t ns) {
  static const Timestamp base = now();
  return static_cast<std::uint64_t>(base.ns + ns);
}

CUpti_ActivityKernel10 kernel(std::uint32_t correlation, std::uint64_t node = 0) {
  auto k = testing::make_kernel("k", correlation, at(0), at(1000));
  k.graphNodeId = node;
  return k;
}

std::vector<std::string> notes_of(const Timeline& timeline) {
  Meta meta;
  timeline.describe(meta);
  std::vector<std::string> out;
  for (const Note& note : meta.notes) out.push_back(note.text);
  return out;
}

class TimelineTest : public ::testing::Test {
 protected:
  void start(const TimelineOptions& o = options()) {
    timeline = make_timeline(cupti.api, o);
    const Status status = timeline->start();
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void deliver(BufferBuilder& b) {
    ASSERT_TRUE(cupti.deliver(b));
    timeline->drain(sink);
  }
  template <class... Records>
  void deliver_records(const Records&... records) {
    BufferBuilder b;
    (b.add(records), ...);
    deliver(b);
  }
  void TearDown() override { scope_here = 0; }

  ReplayCupti cupti;
  MemorySink sink;
  std::unique_ptr<Timeline> timeline;
};

TEST_F(TimelineTest, CallsComeInTheDocumentedOrder) {
  start();
  const auto before = [&](const std::string& a, const std::string& b) {
    ASSERT_NE(cupti.position(a), ReplayCupti::npos) << a;
    ASSERT_NE(cupti.position(b), ReplayCupti::npos) << b;
    EXPECT_LT(cupti.position(a), cupti.position(b)) << a << " " << b;
  };
  const std::string kernels =
      "cuptiActivityEnable:" + std::to_string(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
  EXPECT_EQ(cupti.position("cuptiSubscribe"), 0U);
  before("cuptiActivityRegisterTimestampCallback", kernels);
  before("cuptiActivityRegisterCallbacks", kernels);
  before(
      "cuptiActivitySetAttribute:" + std::to_string(CUPTI_ACTIVITY_ATTR_ZEROED_OUT_ACTIVITY_BUFFER),
      "cuptiActivityRegisterCallbacks");
  EXPECT_FALSE(cupti.enabled(CUPTI_ACTIVITY_KIND_GRAPH_TRACE))
      << "it suppresses the kernels of graphs";
  EXPECT_FALSE(cupti.enabled(CUPTI_ACTIVITY_KIND_KERNEL)) << "it serialises kernels";
  timeline->stop();
  before("cuptiActivityFlushAll:0",
         "cuptiActivityDisable:" + std::to_string(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL));
  before("cuptiActivityDisable:" + std::to_string(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL),
         "cuptiActivityFlushAll:1");
  before("cuptiActivityFlushAll:1", "cuptiUnsubscribe");
  for (int kind = 0; kind < CUPTI_ACTIVITY_KIND_COUNT; ++kind)
    EXPECT_FALSE(cupti.enabled(static_cast<CUpti_ActivityKind>(kind))) << kind;
}

TEST_F(TimelineTest, KernelsCopiesAndMemsetsBecomeRecords) {
  start();
  scope_here = 31;
  cupti.launch(1);
  cupti.launch(2, CUPTI_DRIVER_TRACE_CBID_cuMemcpyHtoDAsync_v2);
  auto k = testing::make_kernel("_Z4gemmPf", 1, at(0), at(500));
  deliver_records(k, testing::make_copy(CUPTI_ACTIVITY_MEMCPY_KIND_HTOD, 77, 2, at(0), at(5)),
                  testing::make_memset(88, 3, at(0), at(5)));
  ASSERT_EQ(sink.kernels.size(), 1U);
  const KernelRecord& r = sink.kernels[0];
  EXPECT_EQ(r.id, 1U);
  EXPECT_EQ(sink.text(r.name), "gemm(float*)");
  EXPECT_THAT(r.grid, ElementsAre(108, 2, 1));
  EXPECT_THAT(r.block, ElementsAre(256, 1, 1));
  EXPECT_EQ(r.dynamic_shared_bytes, 65536U);
  EXPECT_EQ(r.static_shared_bytes, 1024U);
  EXPECT_EQ(r.registers_per_thread, 128U);
  EXPECT_EQ(r.stream, 7U);
  EXPECT_EQ(r.correlation, 1U);
  EXPECT_EQ(r.begin.ns, static_cast<std::int64_t>(k.start));
  EXPECT_EQ(r.scope, 31U);
  EXPECT_EQ(r.launch_scope, 0U);
  ASSERT_EQ(sink.copies.size(), 2U);
  EXPECT_EQ(sink.copies[0].bytes, 77U);
  EXPECT_EQ(sink.copies[0].scope, 31U);
  EXPECT_EQ(sink.copies[1].kind, MemcpyKind::kMemset);
  EXPECT_EQ(sink.copies[1].scope, 0U) << "its call was not told of";
  EXPECT_EQ(timeline->counts().kernels, 1U);
  EXPECT_EQ(timeline->counts().copies, 2U);
}

TEST_F(TimelineTest, EveryWatchedCallTellsItsScope) {
  start();
  std::uint32_t correlation = 0;
  BufferBuilder b;
  for (const WatchedCall& call : kLaunches) {
    scope_here = 1000 + ++correlation;
    cupti.launch(correlation, call.id);
    b.add(kernel(correlation));
  }
  scope_here = 0;
  deliver(b);
  for (std::uint32_t c = 1; c <= correlation; ++c) EXPECT_EQ(sink.kernel(c).scope, 1000 + c);
}

// Kernels arrive in the order in which they ended, buffer by buffer, not in that of their launches.
TEST_F(TimelineTest, RecordsOutOfOrderFindTheirScopes) {
  start();
  constexpr std::uint32_t kCount = 2000;
  std::vector<std::uint32_t> order;
  for (std::uint32_t c = 1; c <= kCount; ++c) {
    scope_here = std::uint64_t{c} * 2;
    cupti.launch(c);
    order.push_back(c);
  }
  std::shuffle(order.begin(), order.end(), std::mt19937(7));
  for (std::size_t i = 0; i < order.size(); i += 100) {
    BufferBuilder b;
    for (std::size_t j = i; j < i + 100; ++j) b.add(kernel(order[j]));
    deliver(b);
  }
  ASSERT_EQ(sink.kernels.size(), kCount);
  for (const KernelRecord& k : sink.kernels) ASSERT_EQ(k.scope, k.correlation * 2);
  EXPECT_EQ(timeline->counts().without_scope, 0U);
}

TEST_F(TimelineTest, GraphsKernelsHaveTheScopeOfTheirCaptureAndOfTheirLaunch) {
  start();
  scope_here = 11;  // an operator of the step in which the graph was captured
  cupti.node_created(101);
  scope_here = 12;
  cupti.node_created(102);
  scope_here = 0;
  for (const std::uint64_t node : {101, 102}) {
    cupti.node_cloned(node + 100, node);        // instantiated
    cupti.node_cloned(node + 200, node + 100);  // and once more
  }
  scope_here = 900;  // a later step
  cupti.launch(5, CUPTI_DRIVER_TRACE_CBID_cuGraphLaunch);
  deliver_records(kernel(5, 201), kernel(5, 302), kernel(5, 999));
  ASSERT_EQ(sink.kernels.size(), 3U);
  EXPECT_EQ(sink.kernels[0].scope, 11U);
  EXPECT_EQ(sink.kernels[0].launch_scope, 900U);
  EXPECT_EQ(sink.kernels[0].graph_node, 201U);
  EXPECT_EQ(sink.kernels[1].scope, 12U);
  EXPECT_EQ(sink.kernels[1].launch_scope, 900U);
  EXPECT_EQ(sink.kernels[2].scope, 900U) << "captured before recording: its launch is known";
  EXPECT_EQ(sink.kernels[2].launch_scope, 0U);
}

TEST_F(TimelineTest, GraphLaunchedInTheScopeOfItsCaptureNamesItOnce) {
  start();
  scope_here = 11;
  cupti.node_created(101);
  cupti.launch(5, CUPTI_DRIVER_TRACE_CBID_cuGraphLaunch);
  deliver_records(kernel(5, 101));
  EXPECT_EQ(sink.kernels.at(0).scope, 11U);
  EXPECT_EQ(sink.kernels.at(0).launch_scope, 0U);
}

TEST_F(TimelineTest, NodesOfDestroyedGraphsAreKnownForAWhile) {
  start();
  scope_here = 11;
  cupti.node_created(101);
  cupti.node_destroyed(101);
  scope_here = 0;
  deliver_records(kernel(5, 101));
  EXPECT_EQ(sink.kernels.at(0).scope, 11U);
}

TEST_F(TimelineTest, ManyThreadsLaunchAtOnce) {
  start();
  constexpr std::uint32_t kThreads = 2000;
  constexpr std::uint32_t kLaunchesEach = 10;
  std::atomic<std::uint32_t> correlation{0};
  std::vector<ScopeId> scope_of(kThreads * kLaunchesEach + 1);
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      scope_here = t + 1;
      for (std::uint32_t i = 0; i < kLaunchesEach; ++i) {
        const std::uint32_t id = ++correlation;
        scope_of[id] = t + 1;
        cupti.launch(id);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (std::uint32_t id = 1; id < scope_of.size();) {
    BufferBuilder b;
    for (int i = 0; i < 200 && id < scope_of.size(); ++i) b.add(kernel(id++));
    deliver(b);
  }
  ASSERT_EQ(sink.kernels.size(), kThreads * kLaunchesEach);
  for (const KernelRecord& k : sink.kernels) ASSERT_EQ(k.scope, scope_of[k.correlation]);
}

TEST_F(TimelineTest, LaunchesTooFarBackAreWithoutScopeAndCounted) {
  start();
  scope_here = 3;
  cupti.launch(1);
  cupti.launch(1 + static_cast<std::uint32_t>(LaunchScopes::kCalls));
  deliver_records(kernel(1));
  EXPECT_EQ(sink.kernels.at(0).scope, 0U);
  EXPECT_EQ(timeline->counts().without_scope, 1U);
}

TEST_F(TimelineTest, DropsAreRecorded) {
  start();
  cupti.dropped = 17;
  timeline->drain(sink);
  timeline->drain(sink);
  ASSERT_EQ(sink.drops.size(), 1U);
  EXPECT_EQ(sink.drops[0].count, 17U);
  EXPECT_EQ(sink.text(sink.drops[0].source), "CUPTI activity");
  EXPECT_EQ(timeline->counts().dropped, 17U);
}

TEST_F(TimelineTest, ExhaustedBuffersAreDeclinedThenUsedAgain) {
  start();
  BufferBuilder b;
  b.add(kernel(1));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(cupti.deliver(b));
  EXPECT_FALSE(cupti.deliver(b));
  timeline->drain(sink);
  EXPECT_EQ(sink.kernels.size(), 4U);
  EXPECT_TRUE(cupti.deliver(b));
  timeline->drain(sink);
  EXPECT_EQ(sink.kernels.size(), 5U);
  timeline->stop();
  EXPECT_THAT(notes_of(*timeline), Contains(HasSubstr("1 times for a buffer")));
}

TEST_F(TimelineTest, BuffersHeldUntilTheForcedFlushAreNotLost) {
  start();
  BufferBuilder b;
  b.add(kernel(1));
  ASSERT_TRUE(cupti.hold(b));
  timeline->flush();
  timeline->drain(sink);
  EXPECT_THAT(sink.kernels, IsEmpty());
  timeline->stop();
  timeline->drain(sink);
  EXPECT_EQ(sink.kernels.size(), 1U);
  EXPECT_FALSE(cupti.deliver(b)) << "ended: CUPTI gets no more buffers";
}

TEST_F(TimelineTest, ImpossibleTimesAreLeftOutAndSaid) {
  start();
  const std::uint64_t year = 365ULL * 24 * 3600 * 1'000'000'000;
  deliver_records(testing::make_kernel("k", 1, 0, 0), testing::make_kernel("k", 2, at(9), at(3)),
                  testing::make_kernel("k", 3, at(0) - year, at(0)),
                  testing::make_kernel("k", 4, at(0), at(0) + year), kernel(5));
  EXPECT_EQ(sink.kernels.size(), 1U);
  EXPECT_EQ(timeline->counts().rejected, 4U);
  EXPECT_THAT(notes_of(*timeline),
              Contains(AllOf(HasSubstr("1 without times"), HasSubstr("1 that end before"),
                             HasSubstr("2 outside the time"))));
}

TEST_F(TimelineTest, OwnClockNeedsNoOffset) {
  cupti.clock_ahead = 1'000'000'000;
  start();
  deliver_records(kernel(1));
  EXPECT_EQ(cupti.position("cuptiGetTimestamp"), ReplayCupti::npos);
}

TEST_F(TimelineTest, OtherClocksAreMeasuredAgainstOurs) {
  constexpr std::int64_t kAhead = 3'600'000'000'000;
  cupti.failures["cuptiActivityRegisterTimestampCallback"] = CUPTI_ERROR_NOT_INITIALIZED;
  cupti.clock_ahead = kAhead;
  start();
  const auto begin = static_cast<std::uint64_t>(now().ns);
  deliver_records(testing::make_kernel("k", 1, begin + kAhead, begin + kAhead + 700));
  ASSERT_EQ(sink.kernels.size(), 1U);
  EXPECT_NEAR(static_cast<double>(sink.kernels[0].begin.ns - static_cast<std::int64_t>(begin)), 0,
              1e8)
      << "of an hour";
  EXPECT_EQ((sink.kernels[0].end - sink.kernels[0].begin).ns, 700);
}

TEST_F(TimelineTest, DevicesOfMetaAreNamedOthersAppended) {
  TimelineOptions o = options();
  DeviceInfo cpu;
  cpu.kind = DeviceKind::kCpu;
  DeviceInfo gpu;
  gpu.kind = DeviceKind::kCuda;
  gpu.ordinal = 3;
  o.known_devices = {cpu, gpu};
  start(o);
  auto on = [](std::uint32_t device, std::uint32_t correlation) {
    auto k = kernel(correlation);
    k.deviceId = device;
    return k;
  };
  deliver_records(on(3, 1), on(0, 2), on(5, 3), on(0, 4), on(4000, 5));
  EXPECT_EQ(sink.kernel(1).device, 1U);
  EXPECT_EQ(sink.kernel(2).device, 2U);
  EXPECT_EQ(sink.kernel(3).device, 3U);
  EXPECT_EQ(sink.kernel(4).device, 2U);
  EXPECT_EQ(sink.kernels.size(), 4U) << "device 4000 cannot be";
  Meta meta;
  timeline->describe(meta);
  ASSERT_EQ(meta.devices.size(), 2U);
  EXPECT_EQ(meta.devices[0].ordinal, 0U);
  EXPECT_EQ(meta.devices[1].ordinal, 5U);
  EXPECT_EQ(meta.devices[0].kind, DeviceKind::kCuda);
  EXPECT_EQ(meta.capture, "timeline");
}

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
