// Scopes travel through NVTX itself: the helper header calls NVTX, NVTX calls the handlers under
// test.
#include "profiler/capture/nvtx_scopes.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

namespace rooftop::capture {
namespace {

// An event with texts of its own.
struct Event : ScopeEvent {
  explicit Event(const ScopeEvent& event) : ScopeEvent(event), name(event.name), args(event.args) {}
  std::string name;
  std::string args;
};

std::vector<Event> drain() {
  std::vector<Event> events;
  drain_events(
      [](void* to, const ScopeEvent& e) { static_cast<std::vector<Event>*>(to)->emplace_back(e); },
      &events);
  return events;
}

class NvtxScopes : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scopes_heard());
    ASSERT_TRUE(start_recording());
    drain();
  }
  void TearDown() override {
    stop_recording();
    drain();
    take_dropped();
  }
};

TEST_F(NvtxScopes, RecordsStepsAndOperatorsWithPayloadsAndParents) {
  {
    nvtx::StepPayload step;
    step.phase = nvtx::kAr;
    step.batch = 3;
    step.length = 77;
    step.causal_pairs = 123;
    const nvtx::Step s(step, "decode");
    { const nvtx::Op op(nvtx::kQkv, 5, "qkv", 1ULL << nvtx::kRope); }
    { const nvtx::Op op(nvtx::kLmHead, -1, "lm_head"); }
  }
  const auto events = drain();
  ASSERT_EQ(events.size(), 3U);  // a scope is an event when it closes
  const Event& qkv = events[0];
  const Event& head = events[1];
  const Event& step = events[2];
  EXPECT_EQ(qkv.kind, ScopeEvent::Kind::kOp);
  EXPECT_EQ(qkv.payload.op.op, nvtx::kQkv);
  EXPECT_EQ(qkv.payload.op.layer, 5);
  EXPECT_EQ(qkv.payload.op.fused_mask, 1ULL << nvtx::kRope);
  EXPECT_EQ(qkv.name, "qkv");
  EXPECT_EQ(head.payload.op.layer, -1);
  EXPECT_EQ(step.kind, ScopeEvent::Kind::kStep);
  EXPECT_EQ(step.name, "decode");
  EXPECT_EQ(step.payload.step.batch, 3U);
  EXPECT_EQ(step.payload.step.length, 77U);
  EXPECT_EQ(step.payload.step.causal_pairs, 123U);
  EXPECT_EQ(qkv.parent, step.id);
  EXPECT_EQ(head.parent, step.id);
  EXPECT_EQ(step.parent, 0U);
  EXPECT_LE(step.begin, qkv.begin);
  EXPECT_LE(qkv.begin, qkv.end);
  EXPECT_LE(qkv.end, head.begin);
  EXPECT_LE(head.end, step.end);
}

TEST_F(NvtxScopes, CurrentOperatorIsThatOfTheInnermostScopeOfThisThread) {
  EXPECT_EQ(current_operator(), 0U);
  const nvtx::Step step({});
  EXPECT_EQ(current_operator(), 0U);
  {
    const nvtx::Op outer(nvtx::kQkPv, 3, "attention");
    EXPECT_EQ(current_operator(), static_cast<std::uint32_t>(nvtx::kQkPv));
    const nvtx::Op inner(nvtx::kQk, 3, "qk");
    EXPECT_EQ(current_operator(), static_cast<std::uint32_t>(nvtx::kQk));
    std::uint32_t elsewhere = 99;
    std::thread([&] { elsewhere = current_operator(); }).join();
    EXPECT_EQ(elsewhere, 0U);
  }
  EXPECT_EQ(current_operator(), 0U);
}

TEST_F(NvtxScopes, CurrentScopeIsTheInnermostOfThisThreadElseTheOpenStep) {
  EXPECT_EQ(current_scope(), 0U);
  ScopeId in_step = 0;
  ScopeId in_op = 0;
  ScopeId elsewhere = 0;
  ScopeId after_op = 0;
  {
    const nvtx::Step s(nvtx::StepPayload{}, "decode");
    in_step = current_scope();
    {
      const nvtx::Op op(nvtx::kQkv, 5, "qkv");
      in_op = current_scope();
      std::thread([&] { elsewhere = current_scope(); }).join();
    }
    after_op = current_scope();
  }
  EXPECT_EQ(current_scope(), 0U);
  const auto events = drain();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(in_op, events[0].id);
  EXPECT_EQ(in_step, events[1].id);
  EXPECT_EQ(after_op, in_step);
  EXPECT_EQ(elsewhere, in_step);
}

TEST_F(NvtxScopes, StepListenerHearsEveryRecordedStepAroundItsTime) {
  struct Heard {
    std::vector<ScopeId> began;
    std::vector<ScopeId> ended;
    std::uint32_t batch = 0;
    Timestamp begin;
    Timestamp end;
  } heard;
  StepListener listener;
  listener.context = &heard;
  listener.begin = [](void* to, ScopeId id, const nvtx::StepPayload& step) noexcept {
    auto& h = *static_cast<Heard*>(to);
    h.began.push_back(id);
    h.batch = step.batch;
    h.begin = now();
  };
  listener.end = [](void* to, ScopeId id) noexcept {
    static_cast<Heard*>(to)->ended.push_back(id);
    static_cast<Heard*>(to)->end = now();
  };
  set_step_listener(&listener);
  {
    nvtx::StepPayload step;
    step.batch = 7;
    const nvtx::Step s(step, "decode");
    const nvtx::Op op(nvtx::kQkv, 5, "qkv");  // operators are not told
  }
  set_step_listener(nullptr);
  { const nvtx::Step s(nvtx::StepPayload{}, "decode"); }
  const auto events = drain();
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(heard.began, std::vector<ScopeId>{events[1].id});
  EXPECT_EQ(heard.ended, heard.began);
  EXPECT_EQ(heard.batch, 7U);
  EXPECT_LE(heard.begin, events[1].begin);
  EXPECT_GE(heard.end, events[1].end);
}

TEST_F(NvtxScopes, DescribesTheModel) {
  nvtx::ModelPayload model;
  model.hidden = 4096;
  model.weight_bytes = 0.625;
  nvtx::describe_model(model, "llama-7b");
  const auto events = drain();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, ScopeEvent::Kind::kModel);
  EXPECT_EQ(events[0].payload.model.hidden, 4096U);
  EXPECT_EQ(events[0].payload.model.weight_bytes, 0.625);
  EXPECT_EQ(events[0].name, "llama-7b");
}

TEST_F(NvtxScopes, CutsLongNamesAndCopiesThem) {
  {
    std::string name(3000, 'n');
    const nvtx::Op op(nvtx::kOther, 0, name.c_str());
    name.assign(3000, 'x');
  }
  const auto events = drain();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].name, std::string(1023, 'n'));
}

TEST_F(NvtxScopes, LeavesOtherDomainsAndPlainRangesAlone) {
  const nvtxDomainHandle_t other = nvtxDomainCreateA("someone else");
  nvtxEventAttributes_t plain{};
  plain.version = NVTX_VERSION;
  plain.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  nvtxDomainRangePushEx(other, &plain);
  nvtxRangePushA("default domain");
  nvtxDomainRangePushEx(nvtx::domain(), &plain);  // ours, but without a payload
  nvtxDomainRangePushEx(nvtx::domain(), nullptr);
  { const nvtx::Op op(nvtx::kQ, 1, "q"); }
  nvtxDomainRangePop(nvtx::domain());
  nvtxDomainRangePop(nvtx::domain());
  nvtxRangePop();
  nvtxDomainRangePop(other);
  nvtxDomainDestroy(other);
  const auto events = drain();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].payload.op.op, nvtx::kQ);
}

TEST_F(NvtxScopes, ReadsShorterPayloadsOfOlderHeaders) {
  nvtx::StepPayload step;
  step.phase = nvtx::kInit;
  step.batch = 9;
  step.length = 1234;  // beyond the 12 bytes that are handed over
  const nvtx::detail::Event event("short", nvtx::kStepSchema, &step, 12);
  nvtxDomainRangePushEx(nvtx::domain(), &event.attributes);
  nvtxDomainRangePop(nvtx::domain());
  const auto events = drain();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].payload.step.batch, 9U);
  EXPECT_EQ(events[0].payload.step.length, nvtx::StepPayload{}.length);
}

TEST_F(NvtxScopes, SurvivesSuperfluousPopsAndDeepNesting) {
  nvtxDomainRangePop(nvtx::domain());
  constexpr int kDeep = 200;
  const nvtx::OpPayload payload{nvtx::kOther, 0, 0};
  const nvtx::detail::Event event("deep", nvtx::kOpSchema, &payload, sizeof payload);
  for (int i = 0; i < kDeep; ++i) nvtxDomainRangePushEx(nvtx::domain(), &event.attributes);
  for (int i = 0; i < kDeep; ++i) nvtxDomainRangePop(nvtx::domain());
  EXPECT_EQ(drain().size() + take_dropped(), static_cast<std::size_t>(kDeep));
  { const nvtx::Op op(nvtx::kQ, 1, "q"); }
  EXPECT_EQ(drain().size(), 1U);
}

TEST_F(NvtxScopes, CountsWhatAFullRingLoses) {
  constexpr std::uint64_t kScopes = 50'000;
  for (std::uint64_t i = 0; i < kScopes; ++i) const nvtx::Op op(nvtx::kQ, 1, "q");
  const std::uint64_t kept = drain().size();
  EXPECT_GT(kept, 0U);
  EXPECT_LT(kept, kScopes);
  EXPECT_EQ(kept + take_dropped(), kScopes);
}

TEST_F(NvtxScopes, WorkersBelongToTheOpenStepAndIdsAreUnique) {
  constexpr int kThreads = 8;
  constexpr int kOps = 500;
  std::vector<std::thread> workers;
  {
    const nvtx::Step step(nvtx::StepPayload{});
    for (int t = 0; t < kThreads; ++t) {
      workers.emplace_back([] {
        for (int i = 0; i < kOps; ++i) const nvtx::Op op(nvtx::kDown, i, "down");
      });
    }
    for (auto& worker : workers) worker.join();
  }
  const auto events = drain();
  ASSERT_EQ(events.size(), kThreads * kOps + 1U);
  std::set<ScopeId> ids;
  std::set<std::uint32_t> threads;
  ScopeId step = 0;
  for (const auto& e : events) {
    ids.insert(e.id);
    if (e.kind == ScopeEvent::Kind::kStep) step = e.id;
  }
  for (const auto& e : events) {
    if (e.kind != ScopeEvent::Kind::kOp) continue;
    EXPECT_EQ(e.parent, step);
    threads.insert(e.thread);
  }
  EXPECT_EQ(ids.size(), events.size());
  EXPECT_EQ(threads.size(), static_cast<std::size_t>(kThreads));
}

TEST_F(NvtxScopes, ScopesOpenAtStartOrStopAreLeftOut) {
  stop_recording();
  {
    const nvtx::Op before(nvtx::kQ, 0, "before");
    ASSERT_TRUE(start_recording());
  }
  {
    const nvtx::Op across(nvtx::kQ, 0, "across");
    stop_recording();
  }
  EXPECT_TRUE(drain().empty());
  ASSERT_TRUE(start_recording());
  EXPECT_FALSE(start_recording());  // one recorder at a time
}

// All domains' ranges, as the plugin hears them.
class AllRanges : public NvtxScopes {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scopes_heard());
    ASSERT_TRUE(start_recording(Ranges::kAll));
    drain();
  }
};

nvtxEventAttributes_t named(const char* name) {
  nvtxEventAttributes_t attributes{};
  attributes.version = NVTX_VERSION;
  attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
  attributes.message.ascii = name;
  return attributes;
}

TEST_F(AllRanges, LevelsAreThoseOfTheDomainAndThread) {
  const nvtxDomainHandle_t other = nvtxDomainCreateA("levels");
  const auto attributes = named("x");
  EXPECT_EQ(nvtxRangePushA("a"), 0);
  EXPECT_EQ(nvtxRangePushA("b"), 1);
  EXPECT_EQ(nvtxDomainRangePushEx(other, &attributes), 0);
  EXPECT_EQ(nvtxRangePop(), 1);
  EXPECT_EQ(nvtxDomainRangePop(other), 0);
  EXPECT_EQ(nvtxRangePop(), 0);
  EXPECT_LT(nvtxRangePop(), 0);
  EXPECT_EQ(drain().size(), 3U);
}

TEST_F(AllRanges, CurrentScopeIsTheInnermostOpenRangeOfAnyDomain) {
  const nvtxDomainHandle_t other = nvtxDomainCreateA("innermost");
  const auto attributes = named("x");
  nvtxRangePushA("outer");
  const ScopeId outer = current_scope();
  nvtxDomainRangePushEx(other, &attributes);
  const ScopeId inner = current_scope();
  nvtxRangePop();  // the outer one ends first
  EXPECT_EQ(current_scope(), inner);
  nvtxDomainRangePop(other);
  EXPECT_EQ(current_scope(), 0U);
  const auto events = drain();
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].id, outer);
  EXPECT_EQ(events[1].id, inner);
  EXPECT_EQ(events[1].parent, outer);
}

TEST_F(AllRanges, OperatorsKeepTheirStepAsParent) {
  {
    const nvtx::Step step(nvtx::StepPayload{}, "decode");
    nvtxRangePushA("layer 3");
    { const nvtx::Op op(nvtx::kQkv, 3, "qkv"); }
    nvtxRangePop();
  }
  const auto events = drain();
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].parent, events[2].id);
  EXPECT_EQ(events[1].parent, events[2].id);
  EXPECT_EQ(events[1].kind, ScopeEvent::Kind::kForeign);
}

// Ranges of two domains that are closed in any order, against a plain account of them.
TEST_F(AllRanges, DomainsThatCrossKeepTheirOwnStacks) {
  const nvtxDomainHandle_t domains[] = {nvtxDomainCreateA("one"), nvtxDomainCreateA("two")};
  std::vector<std::string> open[2];
  std::vector<std::string> closed;
  std::uint32_t random = 12345;
  for (int i = 0; i < 4000; ++i) {
    random = random * 1664525U + 1013904223U;
    const std::size_t d = (random >> 20) & 1U;
    if (((random >> 24) & 1U) != 0 && open[0].size() + open[1].size() < 20) {
      open[d].push_back(std::to_string(i));
      const auto attributes = named(open[d].back().c_str());
      nvtxDomainRangePushEx(domains[d], &attributes);
    } else if (!open[d].empty()) {
      closed.push_back(open[d].back());
      open[d].pop_back();
      nvtxDomainRangePop(domains[d]);
    }
  }
  for (std::size_t d = 0; d < 2; ++d) {
    while (!open[d].empty()) {
      closed.push_back(open[d].back());
      open[d].pop_back();
      nvtxDomainRangePop(domains[d]);
    }
  }
  std::vector<std::string> heard;
  for (const auto& event : drain()) heard.push_back(event.name);
  EXPECT_EQ(heard, closed);
}

// Each range ends after the next of the other domain has begun: never more than two are open.
TEST_F(AllRanges, ForEverCrossingRangesFillNothing) {
  const nvtxDomainHandle_t domains[] = {nvtxDomainCreateA("left"), nvtxDomainCreateA("right")};
  const auto attributes = named("crossing");
  nvtxDomainRangePushEx(domains[0], &attributes);
  for (int i = 1; i <= 1000; ++i) {
    nvtxDomainRangePushEx(domains[i % 2], &attributes);
    EXPECT_EQ(nvtxDomainRangePop(domains[(i + 1) % 2]), 0);
  }
  nvtxDomainRangePop(domains[0]);
  const auto events = drain();
  EXPECT_EQ(events.size(), 1001U);
  EXPECT_EQ(take_dropped(), 0U);
  for (const auto& event : events) ASSERT_EQ(event.name, "crossing");
}

TEST_F(AllRanges, RangesStartedApartAreCounted) {
  nvtxRangeEnd(nvtxRangeStartA("apart"));
  EXPECT_EQ(skipped_ranges(), 1U);
  EXPECT_TRUE(drain().empty());
}

}  // namespace
}  // namespace rooftop::capture
