// The plugin inside a program that is not ours: what the program prints and how it ends is the same
// with and without it, and the trace holds what happened.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <chrono>
#include <set>
#include <thread>

#include "tests/plugin/host_run.h"

namespace rooftop::plugin::testing {
namespace {

namespace fs = std::filesystem;

class Host : public ::testing::Test {
 protected:
  // Runs a scenario both ways; the trace is in `folder`.
  Ended run_both_ways(const std::vector<std::string>& scenario) {
    const Ended alone = run_host(scenario, {});
    const Ended recorded = run_host(scenario, environment());
    EXPECT_EQ(recorded.out, alone.out);
    EXPECT_EQ(recorded.err, alone.err);
    EXPECT_EQ(recorded.status, alone.status);
    EXPECT_FALSE(alone.out.empty() && alone.status == 0);
    return recorded;
  }
  [[nodiscard]] Environment environment() const {
    Environment out = with_plugin(folder.path());
    out["ROOFTOP_MODE"] = "scopes";
    return out;
  }
  TraceContent only_trace() {
    const auto traces = traces_in(folder.path());
    EXPECT_EQ(traces.size(), 1U);
    return traces.size() == 1 ? read_trace(traces[0]) : TraceContent{};
  }
  Folder folder;
};

TEST_F(Host, RangesOfEveryFormAreRecordedWithNamesAndParents) {
  const Ended ended = run_both_ways({"forms"});
  EXPECT_EQ(WEXITSTATUS(ended.status), 7);
  const TraceContent trace = only_trace();
  EXPECT_FALSE(trace.truncated);
  EXPECT_EQ(trace.dropped, 0U);
  for (const char* name :
       {"outer", "wide é中", "registered", "registered wide é", "aten::mm", "decode", "qkv"})
    EXPECT_EQ(trace.count(name), 1U) << name;
  EXPECT_EQ(trace.scopes.size(), 7U);
  const NamedScope& outer = *trace.find("outer");
  EXPECT_EQ(outer.record.kind, ScopeKind::kForeign);
  EXPECT_EQ(outer.record.parent, 0U);
  EXPECT_EQ(trace.find("wide é中")->record.parent, outer.record.id);
  EXPECT_EQ(trace.find("registered wide é")->record.parent, trace.find("registered")->record.id);
  const NamedScope& mm = *trace.find("aten::mm");
  EXPECT_EQ(mm.args, "[16,32][32,8]");
  EXPECT_EQ(mm.record.parent, trace.find("registered")->record.id);
  EXPECT_GT(mm.record.end, trace.find("registered")->record.end);  // domains may cross
  const NamedScope& step = *trace.find("decode");
  EXPECT_EQ(step.record.kind, ScopeKind::kStep);
  EXPECT_EQ(step.record.batch, 3U);
  EXPECT_EQ(trace.find("qkv")->record.parent, step.record.id);
  EXPECT_TRUE(trace.kernels.empty());  // what runs on the host is no launch here
  EXPECT_EQ(trace.meta.command, "attach");
  EXPECT_EQ(trace.meta.run, "plugin_host");
  ASSERT_EQ(trace.meta.notes.size(), 1U);
  EXPECT_TRUE(trace.meta.notes[0].text.starts_with("1 NVTX range")) << trace.meta.notes[0].text;
}

TEST_F(Host, ModeCpuTakesInstrumentedOperatorsForLaunches) {
  Environment cpu = environment();
  cpu["ROOFTOP_MODE"] = "cpu";
  run_host({"forms"}, cpu);
  const TraceContent trace = only_trace();
  ASSERT_EQ(trace.kernels.size(), 1U);
  ASSERT_EQ(trace.meta.devices.size(), 1U);
  EXPECT_EQ(trace.meta.devices[0].kind, DeviceKind::kCpu);
}

TEST_F(Host, ManyThreadsAtATime) {
  run_both_ways({"threads", "1500"});
  const TraceContent trace = only_trace();
  EXPECT_EQ(trace.count("in a thread") + trace.dropped, 9000U);
  EXPECT_EQ(trace.dropped, 0U);
  std::set<std::uint32_t> threads;
  for (const NamedScope& scope : trace.scopes) threads.insert(scope.record.thread);
  EXPECT_EQ(threads.size(), 1500U);
}

TEST_F(Host, ManyThreadsOneAfterAnother) {
  run_both_ways({"short_threads", "3000"});
  const TraceContent trace = only_trace();
  EXPECT_EQ(trace.count("short-lived") + trace.dropped, 15000U);
  EXPECT_EQ(trace.dropped, 0U);
}

TEST_F(Host, AForkedChildIsNotRecorded) {
  run_both_ways({"fork"});
  const TraceContent trace = only_trace();
  EXPECT_FALSE(trace.truncated);
  EXPECT_EQ(trace.count("parent"), 20U);
  EXPECT_EQ(trace.scopes.size(), 20U);
}

TEST_F(Host, ForksWhileOtherThreadsOpenRanges) {
  run_both_ways({"fork_storm"});
  const TraceContent trace = only_trace();
  EXPECT_GT(trace.count("busy"), 0U);
  EXPECT_EQ(trace.count("child"), 0U);
}

TEST_F(Host, AForkedChildThatUsesCudaIsAProcessOfItsOwn) {
  run_both_ways({"cuda_in_child"});
  const auto traces = traces_in(folder.path());
  ASSERT_EQ(traces.size(), 2U);
  const TraceContent first = read_trace(traces[0]);
  const TraceContent second = read_trace(traces[1]);
  EXPECT_EQ(first.count("parent") + second.count("parent"), 5U);
  EXPECT_EQ(first.count("worker") + second.count("worker"), 5U);
  EXPECT_TRUE(first.count("worker") == 0 || first.count("parent") == 0);
  EXPECT_NE(first.meta.pid, second.meta.pid);
}

TEST_F(Host, AnExecutedProgramGetsAFileOfItsOwn) {
  run_both_ways({"exec"});
  const auto traces = traces_in(folder.path());
  ASSERT_EQ(traces.size(), 2U);
  const TraceContent first = read_trace(traces[0]);
  const TraceContent second = read_trace(traces[1]);
  EXPECT_EQ(first.meta.pid, second.meta.pid);
  EXPECT_NE(first.truncated, second.truncated);  // exec ends a process without a goodbye
  const TraceContent& after = first.truncated ? second : first;
  EXPECT_EQ(after.count("outer"), 1U);
}

TEST_F(Host, AFileNameIsNotTakenTwiceByOneProcess) {
  Environment named = environment();
  named["ROOFTOP_OUTPUT"] = folder / "t.rtrace";
  run_host({"exec"}, named);
  EXPECT_TRUE(read_trace(folder / "t.rtrace").truncated);
  EXPECT_EQ(traces_in(folder.path()).size(), 2U);
  // The kernel tells a process's start to a hundredth of a second; in doubt nothing is replaced.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  run_host({"forms"}, named);  // a later run replaces what an earlier one left
  EXPECT_EQ(read_trace(folder / "t.rtrace").count("outer"), 1U);
}

TEST_F(Host, SignalHandlersMayOpenRanges) {
  run_both_ways({"signals"});
  const TraceContent trace = only_trace();
  EXPECT_GT(trace.count("main"), 0U);
  EXPECT_GT(trace.count("in a handler"), 0U);
  for (const NamedScope& scope : trace.scopes) {
    EXPECT_LE(scope.record.begin, scope.record.end);
    EXPECT_TRUE(scope.name == "main" || scope.name == "in a handler" || scope.name == "first")
        << scope.name;
  }
}

TEST_F(Host, TheProgramsSignalsReachItsOwnThreadsOnly) {
  EXPECT_EQ(run_both_ways({"blocked_signals"}).out, "0 in foreign threads\n");
}

TEST_F(Host, ACancelledThreadUnwindsAsWithoutUs) { run_both_ways({"cancellation"}); }

TEST_F(Host, RangesInDestructorsAfterTheEndAreHarmless) {
  run_both_ways({"destructor"});
  const TraceContent trace = only_trace();
  EXPECT_FALSE(trace.truncated);
  EXPECT_EQ(trace.count("main"), 5U);
}

// Each leaves without a goodbye: what was recorded a quarter of a second before is there.
class HostEnds : public Host, public ::testing::WithParamInterface<const char*> {};
TEST_P(HostEnds, LeavesAReadableTrace) {
  run_both_ways({GetParam()});
  const TraceContent trace = only_trace();
  EXPECT_TRUE(trace.truncated);
  EXPECT_EQ(trace.count("before the end"), 5U);
}
INSTANTIATE_TEST_SUITE_P(Ways, HostEnds,
                         ::testing::Values("quick_exit", "_exit", "abort", "terminate",
                                           "segfault"));

TEST_F(Host, TwoCopiesOfThePluginAreOneTooMany) {
  const fs::path copy = folder / "librooftop_copy.so";
  fs::copy_file(plugin_path(), copy);
  Environment both = environment();
  both["HOST_SECOND_COPY"] = copy;
  const Ended ended = run_host({"second_copy"}, both);
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "with CUDA\n");
  EXPECT_NE(ended.err.find("a second copy of the plugin was loaded"), std::string::npos)
      << ended.err;
  EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1);
  EXPECT_EQ(traces_in(folder.path()).size(), 1U);
}

TEST_F(Host, WithoutADriverTheHostsRangesAreStillRecorded) {
  Environment automatic = with_plugin(folder.path());
  const Ended ended = run_host({"cuda"}, automatic);
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "with CUDA\n");
  EXPECT_EQ(only_trace().count("with CUDA"), 5U);
}

TEST_F(Host, AnotherNvtxToolLeavesCudaToUs) {
  Environment cuda_only = environment();
  cuda_only.erase("NVTX_INJECTION64_PATH");
  EXPECT_EQ(run_host({"cuda"}, cuda_only).out, "with CUDA\n");
  EXPECT_TRUE(only_trace().scopes.empty());
}

TEST_F(Host, RanksOfADistributedRunAreNoted) {
  Environment torchrun = environment();
  torchrun["RANK"] = "3";
  torchrun["WORLD_SIZE"] = "8";
  run_host({"forms"}, torchrun);
  const Meta meta = only_trace().meta;
  EXPECT_EQ(meta.rank, 3U);
  EXPECT_EQ(meta.world_size, 8U);
}

}  // namespace
}  // namespace rooftop::plugin::testing
