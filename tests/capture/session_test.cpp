#include "profiler/capture/session.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "profiler/core/machine.h"
#include "profiler/trace/reader.h"
#include "rooftop/nvtx.h"

namespace rooftop::capture {
namespace {

struct Contents : trace::Visitor {
  std::vector<ScopeRecord> scope_records;
  std::vector<KernelRecord> kernel_records;
  std::uint64_t dropped = 0;
  Meta meta;
  trace::Recovery recovery;
  std::vector<std::string> kernel_names;

  explicit Contents(const std::string& path) {
    trace::Reader reader(path);
    reader.read(*this);
    meta = reader.meta();
    recovery = reader.recovery();
    for (const auto& k : kernel_records) kernel_names.emplace_back(reader.string(k.name));
  }
  void scopes(std::span<const ScopeRecord> r) override {
    scope_records.insert(scope_records.end(), r.begin(), r.end());
  }
  void kernels(std::span<const KernelRecord> r) override {
    kernel_records.insert(kernel_records.end(), r.begin(), r.end());
  }
  void drops(std::span<const DropRecord> r) override {
    for (const auto& d : r) dropped += d.count;
  }
};

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::temp_directory_path() / ("rooftop_session_" + std::to_string(getpid()));
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  SessionOptions options(const std::string& name = "t.rtrace") const {
    SessionOptions o;
    o.output = (directory_ / name).string();
    o.meta.run = "test";
    o.meta.devices = {describe_cpu()};
    return o;
  }
  std::filesystem::path directory_;
};

void one_step(nvtx::Phase phase, std::uint32_t query, std::uint32_t length) {
  nvtx::StepPayload payload;
  payload.phase = phase;
  payload.batch = 2;
  payload.query_tokens = query;
  payload.length = length;
  const nvtx::Step step(payload);
  const nvtx::Op op(nvtx::kQkv, 0, "qkv");
}

TEST_F(SessionTest, WritesScopesAndHostKernels) {
  Session session;
  const SessionOptions o = options();
  ASSERT_TRUE(session.start(o).ok());
  nvtx::ModelPayload model;
  model.hidden = 64;
  model.layers = 2;
  model.layers_run = 1;
  model.flash = 1;
  model.weight_bytes = 2;
  nvtx::describe_model(model, "tiny");
  one_step(nvtx::kInit, 4, 4);
  one_step(nvtx::kAr, 1, 5);
  const Status stopped = session.stop();
  ASSERT_TRUE(stopped.ok()) << stopped.message();

  const Contents contents(o.output);
  EXPECT_FALSE(contents.recovery.truncated);
  EXPECT_EQ(contents.meta.model.name, "tiny");
  EXPECT_EQ(contents.meta.model.hidden, 64U);
  EXPECT_EQ(contents.meta.layers_run, 1U);
  EXPECT_EQ(contents.meta.attention, "flash");
  EXPECT_EQ(contents.meta.run, "test");
  ASSERT_EQ(contents.meta.devices.size(), 1U);
  EXPECT_GT(contents.meta.scope_overhead_ns, 0);
  EXPECT_GT(contents.meta.overhead_fraction, 0);
  ASSERT_EQ(contents.scope_records.size(), 4U);
  ASSERT_EQ(contents.kernel_records.size(), 2U);
  const ScopeRecord& op = contents.scope_records[0];
  const ScopeRecord& step = contents.scope_records[1];
  EXPECT_EQ(op.kind, ScopeKind::kOp);
  EXPECT_EQ(op.op, Operator::kQkv);
  EXPECT_EQ(op.parent, step.id);
  EXPECT_EQ(step.phase, Phase::kInit);
  // Sums that the engine left out follow from batch, query tokens and length.
  EXPECT_EQ(step.total_query_tokens, 8U);
  EXPECT_EQ(step.total_keys, 8U);
  EXPECT_EQ(step.attention_pairs, 32U);
  EXPECT_EQ(step.causal_pairs, 20U);
  EXPECT_EQ(step.logit_rows, 2U);
  EXPECT_EQ(contents.kernel_records[0].scope, op.id);
  EXPECT_EQ(contents.kernel_records[0].begin, op.begin);
  EXPECT_EQ(contents.kernel_records[0].end, op.end);
  EXPECT_EQ(contents.kernel_names[0], "qkv");
}

TEST_F(SessionTest, OneAfterAnotherButNotTwoAtOnce) {
  Session first;
  ASSERT_TRUE(first.start(options("1.rtrace")).ok());
  Session second;
  const Status refused = second.start(options("2.rtrace"));
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(refused.message().find("another Rooftop session"), std::string::npos)
      << refused.message();
  EXPECT_TRUE(first.stop().ok());
  ASSERT_TRUE(second.start(options("3.rtrace")).ok());
  one_step(nvtx::kAr, 1, 1);
  EXPECT_TRUE(second.stop().ok());
  EXPECT_EQ(Contents(options("3.rtrace").output).kernel_records.size(), 1U);
}

TEST_F(SessionTest, AnUnwritablePathIsOneSentence) {
  Session session;
  SessionOptions o = options();
  o.output = (directory_ / "missing" / "t.rtrace").string();
  const Status status = session.start(o);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("missing"), std::string::npos) << status.message();
  one_step(nvtx::kAr, 1, 1);  // the engine is none the worse
}

TEST_F(SessionTest, AFullDiskStopsTheRecordingNotTheEngine) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "/dev/full is not there";
  Session session;
  SessionOptions o = options();
  o.output = "/dev/full";
  Status status = session.start(o);
  for (int i = 0; i < 1000; ++i) one_step(nvtx::kAr, 1, 1);
  if (status.ok()) status = session.stop();
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(status.message().empty());
}

TEST_F(SessionTest, AForkedChildLeavesTheFileAlone) {
  Session session;
  const SessionOptions o = options();
  ASSERT_TRUE(session.start(o).ok());
  one_step(nvtx::kAr, 1, 1);
  const pid_t child = fork();
  if (child == 0) {
    one_step(nvtx::kAr, 1, 2);
    _exit(session.stop().ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  one_step(nvtx::kAr, 1, 3);
  ASSERT_TRUE(session.stop().ok());
  const Contents contents(o.output);
  EXPECT_EQ(contents.kernel_records.size(), 2U);
  EXPECT_FALSE(contents.recovery.truncated);
}

TEST_F(SessionTest, SigkillCostsThreeTenthsOfASecond) {
  const SessionOptions o = options();
  const pid_t child = fork();
  if (child == 0) {
    Session session;
    if (!session.start(o).ok()) _exit(1);
    for (;;) {
      one_step(nvtx::kAr, 1, 1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(900));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  const Contents contents(o.output);
  EXPECT_TRUE(contents.recovery.truncated);
  EXPECT_GT(contents.kernel_records.size(), 50U);
}

// A source that yields one kernel for each drain between start and stop, and one more after it.
class OneKernelADrain : public RecordSource {
 public:
  struct Log {
    int started = 0;
    int stopped = 0;
    int paused = 0;
    int resumed = 0;
    std::uint64_t given = 0;
  };
  explicit OneKernelADrain(Log& log, std::string refusal = {})
      : log_(log), refusal_(std::move(refusal)) {}
  Status start() noexcept override {
    if (!refusal_.empty()) return Status::failed(refusal_);
    ++log_.started;
    return {};
  }
  void drain(RecordSink& sink) override {
    KernelRecord kernel;
    kernel.id = sink.next_kernel();
    kernel.name = sink.intern("kernel");
    kernel.begin = kernel.end = now();
    sink.add(kernel);
    sink.add(CounterRecord{
        .kernel = kernel.id, .metric = sink.intern("dram__bytes_read.sum"), .value = 5});
    sink.add(DropRecord{.when = now(), .source = sink.intern("source"), .count = 2});
    ++log_.given;
  }
  [[nodiscard]] bool can_pause() const noexcept override { return true; }
  void pause() noexcept override { ++log_.paused; }
  void resume() noexcept override { ++log_.resumed; }
  void stop() noexcept override { ++log_.stopped; }
  void describe(Meta& meta) const override {
    meta.capture = "timeline";
    meta.notes.push_back({"described"});
  }

 private:
  Log& log_;
  std::string refusal_;
};

TEST_F(SessionTest, SourcesRecordBesideTheScopes) {
  OneKernelADrain::Log log;
  SessionOptions o = options();
  o.host_kernels = false;
  o.sources = {[&] { return std::make_unique<OneKernelADrain>(log); },
               [] { return std::unique_ptr<RecordSource>(); }};
  {
    Session session;
    ASSERT_TRUE(session.start(o).ok());
    one_step(nvtx::kInit, 5, 5);
    EXPECT_TRUE(session.notes().empty());
    ASSERT_TRUE(session.stop().ok());
  }
  EXPECT_EQ(log.started, 1);
  EXPECT_EQ(log.stopped, 1);
  EXPECT_GE(log.given, 1U);
  const Contents contents(o.output);
  EXPECT_EQ(contents.kernel_records.size(), log.given);
  EXPECT_EQ(contents.dropped, 2 * log.given);
  EXPECT_EQ(contents.scope_records.size(), 2U);
  EXPECT_EQ(contents.meta.capture, "timeline");
  ASSERT_EQ(contents.meta.notes.size(), 1U);
  EXPECT_EQ(contents.meta.notes[0].text, "described");
}

TEST_F(SessionTest, SourceThatCannotStartIsLeftOutWithItsReason) {
  OneKernelADrain::Log log;
  OneKernelADrain::Log other;
  SessionOptions o = options();
  o.host_kernels = false;
  o.sources = {[&] { return std::make_unique<OneKernelADrain>(log, "no permission"); },
               [&] { return std::make_unique<OneKernelADrain>(other); }};
  {
    Session session;
    ASSERT_TRUE(session.start(o).ok());
    ASSERT_EQ(session.notes().size(), 1U);
    EXPECT_EQ(session.notes()[0].text, "no permission");
    ASSERT_TRUE(session.stop().ok());
  }
  EXPECT_EQ(log.given, 0U);
  EXPECT_EQ(log.stopped, 0);
  EXPECT_GE(other.given, 1U);
  const Contents contents(o.output);
  ASSERT_EQ(contents.meta.notes.size(), 2U);
  EXPECT_EQ(contents.meta.notes[0].text, "no permission");
}

TEST_F(SessionTest, BudgetThatNoStepCanKeepIsSaid) {
  OneKernelADrain::Log log;
  SessionOptions o = options();
  o.overhead_budget = 0.01;
  o.sources = {[&] { return std::make_unique<OneKernelADrain>(log); }};
  Session session;
  ASSERT_TRUE(session.start(o).ok());
  ASSERT_TRUE(session.stop().ok());
  const Contents contents(o.output);
  EXPECT_TRUE(std::any_of(contents.meta.notes.begin(), contents.meta.notes.end(),
                          [](const Note& note) { return note.text.starts_with("The overhead"); }));
}

TEST_F(SessionTest, BudgetLeavesOutStepsAndMarksThem) {
  OneKernelADrain::Log log;
  SessionOptions o = options();
  o.host_kernels = false;
  o.overhead_budget = 0.01;
  o.sources = {[&] { return std::make_unique<OneKernelADrain>(log); }};
  {
    Session session;
    ASSERT_TRUE(session.start(o).ok());
    for (int i = 0; i < 64; ++i) one_step(nvtx::kAr, 1, 9);
    ASSERT_TRUE(session.stop().ok());
  }
  EXPECT_GT(log.paused, 0);
  EXPECT_GT(log.resumed, 0);
  const Contents contents(o.output);
  std::size_t left_out = 0;
  std::size_t steps = 0;
  for (const ScopeRecord& scope : contents.scope_records) {
    if (scope.kind != ScopeKind::kStep) continue;
    ++steps;
    if ((scope.flags & kStepUntraced) != 0) ++left_out;
  }
  EXPECT_EQ(steps, 64U);
  EXPECT_GE(left_out, 8U);
  EXPECT_LT(left_out, 64U);
  const bool told =
      std::any_of(contents.meta.notes.begin(), contents.meta.notes.end(), [&](const Note& note) {
        return note.text == std::to_string(left_out) +
                                " steps were not recorded, to keep within the overhead allowed";
      });
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace rooftop::capture
