// The timeline from start to end against a table in CUPTI's place: the order of calls, scopes of
// launches and of graphs' kernels, drops, times, devices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "profiler/capture/cupti/callback_ids.h"
#include "profiler/capture/cupti/launch_scopes.h"
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
using testing::notes_of;
using testing::options;
using testing::ReplayCupti;
using testing::scope_here;
using testing::TimelineTest;

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

}  // namespace
}  // namespace rooftop::capture
