// Decoding of activity buffers: hand-made ones, walked by the real CUPTI where there is one, and by
// a walk of ours with other versions' strides; broken ones, and walks that lie.
#include "profiler/capture/cupti/activity_decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>
#include <cstdlib>
#include <random>
#include <string>

#include "profiler/capture/cupti/activity_names.h"
#include "tests/capture/cupti/activity_records.h"
#include "tests/capture/cupti/fake_cupti.h"
#include "tests/capture/cupti/timeline_sink.h"

namespace rooftop::capture {
namespace {

using testing::BufferBuilder;
using ::testing::ElementsAre;

struct Collector : ActivityVisitor {
  std::vector<GpuKernel> kernels;
  std::vector<GpuCopy> copies;
  std::vector<GpuGraph> graphs;
  std::vector<ApiCall> calls;
  std::vector<ExternalId> ids;
  std::vector<ProfilerOverhead> overheads;
  void visit(const GpuKernel& k) override { kernels.push_back(k); }
  void visit(const GpuCopy& c) override { copies.push_back(c); }
  void visit(const GpuGraph& g) override { graphs.push_back(g); }
  void visit(const ApiCall& c) override { calls.push_back(c); }
  void visit(const ExternalId& i) override { ids.push_back(i); }
  void visit(const ProfilerOverhead& o) override { overheads.push_back(o); }
  [[nodiscard]] std::size_t all() const {
    return kernels.size() + copies.size() + graphs.size() + calls.size() + ids.size() +
           overheads.size();
  }
};

CuptiApi walking(decltype(&::cuptiActivityGetNextRecord) walk) {
  CuptiApi api = testing::refusing_cupti();
  api.cuptiActivityGetNextRecord = walk;
  return api;
}

// One record of each kind, with graph node and device on the first two.
template <class Kernel, class Copy>
BufferBuilder mixed() {
  auto kernel = testing::make_kernel<Kernel>("_Z4gemmPf", 11, 1000, 2500);
  kernel.graphNodeId = (std::uint64_t{5} << 32) + 9;
  kernel.graphId = 5;
  kernel.deviceId = 2;
  auto copy = testing::make_copy<Copy>(CUPTI_ACTIVITY_MEMCPY_KIND_HTOD, 4096, 12, 3000, 3100);
  copy.graphNodeId = 77;
  CUpti_ActivityMemcpyPtoP4 peer{};
  peer.kind = CUPTI_ACTIVITY_KIND_MEMCPY2;
  peer.bytes = 512;
  peer.start = 5000;
  peer.end = 5001;
  peer.correlationId = 14;
  BufferBuilder b;
  b.add(testing::make_external(99, 11))
      .add(testing::make_call(CUPTI_ACTIVITY_KIND_DRIVER, 11, 900, 950))
      .add(kernel)
      .add(copy)
      .add(testing::make_memset(128, 13, 4000, 4010))
      .add(peer)
      .add(testing::make_call(CUPTI_ACTIVITY_KIND_RUNTIME, 15, 5500, 5600))
      .add(testing::make_overhead(CUPTI_ACTIVITY_OVERHEAD_CUPTI_BUFFER_FLUSH, 6000, 6500))
      .add(testing::make_graph(16, 7000, 9000));
  return b;
}

void expect_mixed(const Collector& seen) {
  ASSERT_EQ(seen.kernels.size(), 1U);
  const GpuKernel& k = seen.kernels[0];
  EXPECT_STREQ(k.name, "_Z4gemmPf");
  EXPECT_THAT(k.grid, ElementsAre(108, 2, 1));
  EXPECT_THAT(k.block, ElementsAre(256, 1, 1));
  EXPECT_EQ(k.dynamic_shared_bytes, 65536U);
  EXPECT_EQ(k.static_shared_bytes, 1024U);
  EXPECT_EQ(k.registers_per_thread, 128U);
  EXPECT_EQ(k.correlation, 11U);
  EXPECT_EQ(k.graph_node, (std::uint64_t{5} << 32) + 9);
  EXPECT_EQ(k.graph, 5U);
  EXPECT_EQ(k.device, 2U);
  EXPECT_EQ(k.context, 1U);
  EXPECT_EQ(k.stream, 7U);
  EXPECT_EQ(k.begin.ns, 1000);
  EXPECT_EQ(k.end.ns, 2500);
  ASSERT_EQ(seen.copies.size(), 3U);
  EXPECT_EQ(seen.copies[0].kind, MemcpyKind::kHostToDevice);
  EXPECT_EQ(seen.copies[0].bytes, 4096U);
  EXPECT_EQ(seen.copies[0].graph_node, 77U);
  EXPECT_EQ(seen.copies[0].stream, 13U);
  EXPECT_EQ(seen.copies[1].kind, MemcpyKind::kMemset);
  EXPECT_EQ(seen.copies[1].bytes, 128U);
  EXPECT_EQ(seen.copies[1].correlation, 13U);
  EXPECT_EQ(seen.copies[2].kind, MemcpyKind::kDeviceToDevice);
  EXPECT_EQ(seen.copies[2].correlation, 14U);
  ASSERT_EQ(seen.calls.size(), 2U);
  EXPECT_FALSE(seen.calls[0].runtime);
  EXPECT_TRUE(seen.calls[1].runtime);
  EXPECT_EQ(seen.calls[0].thread, 42U);
  EXPECT_EQ(seen.calls[0].function, CUPTI_DRIVER_TRACE_CBID_cuLaunchKernel);
  EXPECT_EQ(seen.calls[0].correlation, 11U);
  EXPECT_EQ(seen.calls[0].begin.ns, 900);
  ASSERT_EQ(seen.ids.size(), 1U);
  EXPECT_EQ(seen.ids[0].id, 99U);
  EXPECT_EQ(seen.ids[0].kind, CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM1);
  EXPECT_EQ(seen.ids[0].correlation, 11U);
  ASSERT_EQ(seen.overheads.size(), 1U);
  EXPECT_EQ(seen.overheads[0].kind, CUPTI_ACTIVITY_OVERHEAD_CUPTI_BUFFER_FLUSH);
  EXPECT_EQ((seen.overheads[0].end - seen.overheads[0].begin).ns, 500);
  ASSERT_EQ(seen.graphs.size(), 1U);
  EXPECT_EQ(seen.graphs[0].correlation, 16U);
  EXPECT_EQ(seen.graphs[0].graph, 3U);
}

TEST(ActivityDecode, EveryKindByTheRealWalk) {
  const CuptiApi* real = cupti().api;
  if (real == nullptr) GTEST_SKIP() << cupti().why.message();
  if (real->version < 130000) GTEST_SKIP() << "the records are of CUDA 13";
  BufferBuilder b = mixed<CUpti_ActivityKernel10, CUpti_ActivityMemcpy6>();
  Collector seen;
  ActivityDecoder decoder(*real);
  decoder.decode(b.data(), b.size(), seen);
  expect_mixed(seen);
  EXPECT_EQ(decoder.counts().records, 9U);
  EXPECT_EQ(decoder.counts().damaged, 0U);
}

TEST(ActivityDecode, EveryKindOfCuda13) {
  BufferBuilder b = mixed<CUpti_ActivityKernel10, CUpti_ActivityMemcpy6>();
  Collector seen;
  const CuptiApi api = walking(testing::walk<false>);
  ActivityDecoder(api).decode(b.data(), b.size(), seen);
  expect_mixed(seen);
}

TEST(ActivityDecode, EveryKindOfCuda12) {
  BufferBuilder b = mixed<CUpti_ActivityKernel9, CUpti_ActivityMemcpy5>();
  Collector seen;
  const CuptiApi api = walking(testing::walk<true>);
  ActivityDecoder(api).decode(b.data(), b.size(), seen);
  expect_mixed(seen);
}

// The last kernel of a buffer of CUDA 12 ends where CUDA 13's would go on: nothing behind is read.
TEST(ActivityDecode, ShorterKernelAtTheVeryEnd) {
  BufferBuilder b;
  b.add(testing::make_kernel<CUpti_ActivityKernel9>("a", 1, 10, 20));
  auto* exact = static_cast<std::uint8_t*>(std::malloc(b.size()));
  std::memcpy(exact, b.data(), b.size());
  Collector seen;
  const CuptiApi api = walking(testing::walk<true>);
  ActivityDecoder(api).decode(exact, b.size(), seen);
  std::free(exact);
  EXPECT_EQ(seen.kernels.size(), 1U);
}

TEST(ActivityDecode, TruncatedTailEndsTheWalkAtEveryLength) {
  const CuptiApi* real = cupti().api;
  if (real == nullptr) GTEST_SKIP() << cupti().why.message();
  BufferBuilder b;
  for (std::uint32_t i = 1; i <= 3; ++i) b.add(testing::make_kernel("k", i, 10 * i, 10 * i + 5));
  const std::size_t stride = sizeof(CUpti_ActivityKernel10);
  for (std::size_t valid = 1; valid <= b.size(); ++valid) {
    Collector seen;
    ActivityDecoder decoder(*real);
    decoder.decode(b.data(), valid, seen);
    ASSERT_LE(seen.kernels.size(), valid / sizeof(CUpti_ActivityKernel9)) << valid;
    ASSERT_GE(seen.kernels.size() + 1, valid / stride) << valid;
  }
}

TEST(ActivityDecode, InvalidKindEndsTheWalkAndIsCounted) {
  const CuptiApi* real = cupti().api;
  if (real == nullptr) GTEST_SKIP() << cupti().why.message();
  BufferBuilder b;
  b.add(testing::make_kernel("k", 1, 10, 20));
  CUpti_ActivityMemset4 wrong{};
  wrong.kind = static_cast<CUpti_ActivityKind>(0x7ffffff0);
  b.add(wrong).add(testing::make_kernel("never", 2, 30, 40));
  Collector seen;
  ActivityDecoder decoder(*real);
  decoder.decode(b.data(), b.size(), seen);
  EXPECT_EQ(seen.kernels.size(), 1U);
  EXPECT_EQ(decoder.counts().damaged, 1U);
}

TEST(ActivityDecode, KindsThatAreNotReadAreCounted) {
  const CuptiApi* real = cupti().api;
  if (real == nullptr) GTEST_SKIP() << cupti().why.message();
  CUpti_ActivitySynchronization2 sync2{};
  sync2.kind = CUPTI_ACTIVITY_KIND_SYNCHRONIZATION;
  BufferBuilder b;
  b.add(sync2);
  Collector seen;
  ActivityDecoder decoder(*real);
  decoder.decode(b.data(), b.size(), seen);
  EXPECT_EQ(seen.all(), 0U);
  EXPECT_EQ(decoder.counts().others, 1U);
}

TEST(ActivityDecode, ImpossibleTimesAreRejectedByReason) {
  struct Case {
    std::uint64_t start;
    std::uint64_t end;
    int reason;  // -1: accepted
  };
  const Case cases[] = {{0, 0, 0},
                        {0, 1500, 0},
                        {1500, 0, 0},
                        {1600, 1500, 1},
                        {999, 1500, 2},
                        {1500, 2001, 2},
                        {1000, 2000, -1},
                        {1500, 1500, -1},
                        {1500, UINT64_MAX, 2},
                        {UINT64_MAX, 5, 1},
                        {UINT64_MAX - 1, UINT64_MAX, 2}};
  const CuptiApi api = walking(testing::walk<false>);
  for (const Case& c : cases) {
    BufferBuilder b;
    b.add(testing::make_kernel("k", 1, c.start, c.end))
        .add(testing::make_copy(CUPTI_ACTIVITY_MEMCPY_KIND_DTOH, 1, 2, c.start, c.end))
        .add(testing::make_memset(1, 3, c.start, c.end))
        .add(testing::make_graph(4, c.start, c.end));
    Collector seen;
    ActivityDecoder decoder(api);
    decoder.set_clock({}, {1000}, {2000});
    decoder.decode(b.data(), b.size(), seen);
    EXPECT_EQ(seen.all(), c.reason < 0 ? 4U : 0U) << c.start << " " << c.end;
    for (int reason = 0; reason < static_cast<int>(kRejects); ++reason)
      EXPECT_EQ(decoder.counts().rejected[reason], reason == c.reason ? 4U : 0U)
          << c.start << " " << c.end << " reason " << reason;
  }
}

TEST(ActivityDecode, HostCallsWithoutTimesAreNoRejectedKernels) {
  const CuptiApi api = walking(testing::walk<false>);
  BufferBuilder b;
  b.add(testing::make_call(CUPTI_ACTIVITY_KIND_DRIVER, 1, 0, 0))
      .add(testing::make_overhead(CUPTI_ACTIVITY_OVERHEAD_UNKNOWN, 9, 3));
  Collector seen;
  ActivityDecoder decoder(api);
  decoder.decode(b.data(), b.size(), seen);
  EXPECT_EQ(seen.all(), 0U);
  EXPECT_EQ(decoder.counts().others, 2U);
  EXPECT_EQ(decoder.counts().rejected, (DecodeCounts{}.rejected));
}

TEST(ActivityDecode, ClockOffsetMovesTimesBeforeTheyAreJudged) {
  const CuptiApi api = walking(testing::walk<false>);
  BufferBuilder b;
  b.add(testing::make_kernel("k", 1, 100, 200));
  Collector seen;
  ActivityDecoder decoder(api);
  decoder.set_clock({5000}, {5000}, {6000});
  decoder.decode(b.data(), b.size(), seen);
  ASSERT_EQ(seen.kernels.size(), 1U);
  EXPECT_EQ(seen.kernels[0].begin.ns, 5100);
  EXPECT_EQ(seen.kernels[0].end.ns, 5200);
}

TEST(ActivityDecode, GraphThatBeginsOnTheHostIsOfTheDeviceWhereItEnds) {
  const CuptiApi api = walking(testing::walk<false>);
  auto g = testing::make_graph(4, 10, 20);
  g.deviceId = INT_MAX;
  g.contextId = INT_MAX;
  g.endDeviceId = 3;
  g.endContextId = 8;
  auto nowhere = g;
  nowhere.endDeviceId = INT_MAX;
  BufferBuilder b;
  b.add(g).add(nowhere);
  Collector seen;
  ActivityDecoder decoder(api);
  decoder.decode(b.data(), b.size(), seen);
  ASSERT_EQ(seen.graphs.size(), 1U);
  EXPECT_EQ(seen.graphs[0].device, 3U);
  EXPECT_EQ(seen.graphs[0].context, 8U);
  EXPECT_EQ(decoder.counts().rejected[static_cast<int>(Reject::kNoDevice)], 1U);
}

TEST(ActivityDecode, CopyKinds) {
  const std::pair<CUpti_ActivityMemcpyKind, MemcpyKind> cases[] = {
      {CUPTI_ACTIVITY_MEMCPY_KIND_HTOD, MemcpyKind::kHostToDevice},
      {CUPTI_ACTIVITY_MEMCPY_KIND_HTOA, MemcpyKind::kHostToDevice},
      {CUPTI_ACTIVITY_MEMCPY_KIND_DTOH, MemcpyKind::kDeviceToHost},
      {CUPTI_ACTIVITY_MEMCPY_KIND_ATOH, MemcpyKind::kDeviceToHost},
      {CUPTI_ACTIVITY_MEMCPY_KIND_DTOD, MemcpyKind::kDeviceToDevice},
      {CUPTI_ACTIVITY_MEMCPY_KIND_ATOD, MemcpyKind::kDeviceToDevice},
      {CUPTI_ACTIVITY_MEMCPY_KIND_PTOP, MemcpyKind::kDeviceToDevice},
      {CUPTI_ACTIVITY_MEMCPY_KIND_HTOH, MemcpyKind::kOther},
      {CUPTI_ACTIVITY_MEMCPY_KIND_UNKNOWN, MemcpyKind::kOther}};
  const CuptiApi api = walking(testing::walk<false>);
  for (const auto& [theirs, ours] : cases) {
    BufferBuilder b;
    b.add(testing::make_copy(theirs, 8, 1, 10, 20));
    Collector seen;
    ActivityDecoder(api).decode(b.data(), b.size(), seen);
    ASSERT_EQ(seen.copies.size(), 1U);
    EXPECT_EQ(seen.copies[0].kind, ours) << theirs;
  }
}

// Details of overhead belong to the client: a leak checker tells when they are not freed, and a
// second decoding of a recorded buffer must not free them.
TEST(ActivityDecode, DetailsOfOverheadAreFreedOnceAndOnlyWhereOwned) {
  const CuptiApi api = walking(testing::walk<false>);
  auto full = testing::make_overhead(CUPTI_ACTIVITY_OVERHEAD_COMMAND_BUFFER_FULL, 10, 20);
  full.overheadData = std::malloc(sizeof(CUpti_ActivityOverheadCommandBufferFullData));
  auto other = testing::make_overhead(CUPTI_ACTIVITY_OVERHEAD_CUPTI_RESOURCE, 10, 20);
  int not_on_the_heap = 0;
  other.overheadData = &not_on_the_heap;
  BufferBuilder b;
  b.add(full).add(other);
  Collector seen;
  ActivityDecoder recorded(api);
  recorded.decode(b.data(), b.size(), seen);
  ActivityDecoder live(api);
  live.set_owns_details(true);
  live.decode(b.data(), b.size(), seen);
  EXPECT_EQ(seen.overheads.size(), 4U);
}

// Any bytes at all in the fields of whole records: everything is visited, rejected or counted.
TEST(ActivityDecode, RandomFieldsAreAccountedFor) {
  constexpr CUpti_ActivityKind kKinds[] = {
      CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY,
      CUPTI_ACTIVITY_KIND_MEMCPY2,           CUPTI_ACTIVITY_KIND_MEMSET,
      CUPTI_ACTIVITY_KIND_GRAPH_TRACE,       CUPTI_ACTIVITY_KIND_DRIVER,
      CUPTI_ACTIVITY_KIND_OVERHEAD,          CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION};
  const CuptiApi api = walking(testing::walk<false>);
  std::mt19937_64 random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::uint64_t> words(512);
    for (auto& word : words) word = random() % 3 == 0 ? random() % 4096 : random();
    auto* bytes = reinterpret_cast<std::uint8_t*>(words.data());
    std::size_t at = 0;
    std::uint64_t records = 0;
    for (;;) {
      const CUpti_ActivityKind kind = kKinds[random() % std::size(kKinds)];
      const std::size_t stride = testing::record_stride(kind);
      if (at + stride > words.size() * 8) break;
      std::memcpy(bytes + at, &kind, sizeof kind);
      at += stride;
      ++records;
    }
    Collector seen;
    ActivityDecoder decoder(api);
    decoder.set_clock({}, {0}, {INT64_MAX});
    decoder.decode(bytes, at, seen);
    const DecodeCounts& counts = decoder.counts();
    std::uint64_t rejected = 0;
    for (const std::uint64_t n : counts.rejected) rejected += n;
    EXPECT_EQ(counts.records, records);
    EXPECT_EQ(seen.all() + rejected + counts.others, records);
    for (const GpuKernel& k : seen.kernels) {
      EXPECT_LE(k.begin, k.end);
      EXPECT_LT(k.device, 1024U);
      for (const std::uint32_t n : k.grid) EXPECT_LE(n, static_cast<std::uint32_t>(INT_MAX));
    }
  }
}

// Random bytes from the first record on: a walk of ours stops at a kind that is none.
TEST(ActivityDecode, RandomBytesNeverLeaveTheBuffer) {
  const CuptiApi api = walking(testing::walk<false>);
  std::mt19937_64 random(2);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t size = 1 + random() % 1500;
    auto* exact = static_cast<std::uint8_t*>(std::malloc(size));
    for (std::size_t i = 0; i < size; ++i)
      exact[i] = static_cast<std::uint8_t>(random() % 4 == 0 ? random() % 64 : 0);
    Collector seen;
    ActivityDecoder decoder(api);
    decoder.decode(exact, size, seen);
    EXPECT_LE(decoder.counts().damaged, 1U);
    std::free(exact);
  }
}

// Walks that a healthy library does not make.
std::uint8_t* lie_base = nullptr;
int lie_calls = 0;
CUptiResult CUPTIAPI lie_same(std::uint8_t* buffer, std::size_t, CUpti_Activity** record) {
  *record = reinterpret_cast<CUpti_Activity*>(buffer);
  return CUPTI_SUCCESS;
}
CUptiResult CUPTIAPI lie_backward(std::uint8_t* buffer, std::size_t, CUpti_Activity** record) {
  *record = reinterpret_cast<CUpti_Activity*>(lie_calls++ == 0 ? buffer + 216 : buffer);
  return CUPTI_SUCCESS;
}
CUptiResult CUPTIAPI lie_outside(std::uint8_t*, std::size_t, CUpti_Activity** record) {
  *record = reinterpret_cast<CUpti_Activity*>(lie_base);
  return CUPTI_SUCCESS;
}
CUptiResult CUPTIAPI lie_at_the_end(std::uint8_t* buffer, std::size_t valid,
                                    CUpti_Activity** record) {
  *record = reinterpret_cast<CUpti_Activity*>(buffer + valid - 8);
  return CUPTI_SUCCESS;
}
CUptiResult CUPTIAPI lie_null(std::uint8_t*, std::size_t, CUpti_Activity** record) {
  *record = nullptr;
  return CUPTI_SUCCESS;
}

TEST(ActivityDecode, WalksThatLieEndAndAreCounted) {
  for (const auto walk : {lie_same, lie_backward, lie_outside, lie_at_the_end, lie_null}) {
    BufferBuilder b;
    for (std::uint32_t i = 1; i <= 4; ++i) b.add(testing::make_kernel("k", i, 10, 20));
    lie_base = b.data() + b.size() + 64;
    lie_calls = 0;
    Collector seen;
    const CuptiApi api = walking(walk);
    ActivityDecoder decoder(api);
    decoder.decode(b.data(), b.size(), seen);
    EXPECT_LE(seen.kernels.size(), 1U);
    EXPECT_EQ(decoder.counts().damaged, 1U);
  }
}

TEST(ActivityDecode, NothingIsNoBuffer) {
  const CuptiApi api = walking(testing::walk<false>);
  Collector seen;
  ActivityDecoder decoder(api);
  decoder.decode(nullptr, 100, seen);
  std::uint64_t word = 0;
  decoder.decode(reinterpret_cast<std::uint8_t*>(&word), 0, seen);
  EXPECT_EQ(decoder.counts().damaged, 0U);
}

TEST(ActivityNames, AreDemangledOnceAndFoundByText) {
  testing::MemorySink sink;
  ActivityNames names;
  std::string first = "_Z6decodeIfEvPKT_i";
  const StringId id = names.intern(first.c_str(), sink);
  EXPECT_EQ(sink.text(id), "void decode<float>(float const*, int)");
  // The same text at another address, as when a module was loaded again; other text at the same.
  const std::string again = first;
  EXPECT_EQ(names.intern(again.c_str(), sink), id);
  first = "ampere_bf16_s16816gemm_bf16_128x64_ldg8_f2f_stages_64x3_tn";
  EXPECT_EQ(sink.text(names.intern(first.c_str(), sink)), first);
  EXPECT_EQ(sink.text(names.intern("_Znonsense", sink)), "_Znonsense");
  EXPECT_EQ(names.intern(nullptr, sink), 0U);
  EXPECT_EQ(names.intern("", sink), 0U);
  EXPECT_EQ(sink.interned(), 3U);
}

}  // namespace
}  // namespace rooftop::capture
