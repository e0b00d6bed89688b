#include <fmt/format.h>

#include "tests/tools/import/imported.h"

namespace rooftop::import::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// One linear layer within a module within a step: its kernel, a memset and a copy.
constexpr std::string_view kLinear = R"json({
  "schemaVersion": 1,
  "deviceProperties": [
    {"id": 0, "name": "NVIDIA A100-SXM4-80GB", "totalGlobalMem": 85000000000,
     "computeMajor": 8, "computeMinor": 0, "numSms": 108},
    {"id": 1, "name": "NVIDIA H100 80GB HBM3"}],
  "distributedInfo": {"backend": "nccl", "rank": 3, "world_size": 8},
  "baseTimeNanoseconds": 1700000000000000000,
  "traceEvents": [
    {"ph": "X", "cat": "kernel", "name": "gemm", "pid": 0, "tid": 7, "ts": 130.250, "dur": 20.5,
     "args": {"External id": 2, "device": 0, "context": 1, "stream": 7, "correlation": 11,
              "registers per thread": 96, "shared memory": 49152, "grid": [88, 5, 1],
              "block": [256, 1, 1], "graph node id": 4242}},
    {"ph": "X", "cat": "gpu_memset", "name": "Memset (Device)", "pid": 0, "tid": 7, "ts": 129,
     "dur": 1, "args": {"device": 0, "stream": 7, "correlation": 10, "bytes": 64}},
    {"ph": "X", "cat": "gpu_memcpy", "name": "Memcpy HtoD (Pageable -> Device)", "pid": 0,
     "tid": 9, "ts": 99, "dur": 2,
     "args": {"device": 0, "stream": 9, "correlation": 9, "bytes": 4096}},
    {"ph": "X", "cat": "gpu_user_annotation", "name": "step", "pid": 0, "tid": 7, "ts": 129,
     "dur": 22},
    {"ph": "X", "cat": "user_annotation", "name": "step", "pid": 5, "tid": 6, "ts": 100,
     "dur": 100, "args": {"External id": 1}},
    {"ph": "X", "cat": "python_function", "name": "nn.Module: Linear_0", "pid": 5, "tid": 6,
     "ts": 101, "dur": 90, "args": {"Python id": 3}},
    {"ph": "X", "cat": "python_function", "name": "/home/alice/model.py(12): forward", "pid": 5,
     "tid": 6, "ts": 102, "dur": 80, "args": {}},
    {"ph": "X", "cat": "cpu_op", "name": "aten::linear", "pid": 5, "tid": 6, "ts": 103, "dur": 50,
     "args": {"External id": 2, "Input Dims": [[16, 559, 1024], [2816, 1024], []],
              "Input type": ["c10::BFloat16", "c10::BFloat16", ""]}},
    {"ph": "X", "cat": "cpu_op", "name": "aten::view", "pid": 5, "tid": 6, "ts": 160, "dur": 5},
    {"ph": "X", "cat": "cuda_runtime", "name": "cudaMemsetAsync", "pid": 5, "tid": 6, "ts": 110,
     "dur": 3, "args": {"correlation": 10}},
    {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 5, "tid": 6, "ts": 120,
     "dur": 5, "args": {"correlation": 11, "cbid": 211}},
    {"ph": "s", "id": 11, "pid": 5, "tid": 6, "ts": 120, "cat": "ac2g", "name": "ac2g"}
  ]
})json";

TEST(Pytorch, KernelsKnowWhereTheyWereLaunched) {
  const Trace t = import_json(kLinear);
  ASSERT_EQ(t.kernel_records.size(), 1U);
  const KernelRecord& k = t.kernel_records[0];
  EXPECT_EQ(t.text(k.name), "gemm");
  EXPECT_EQ(k.begin.ns, 1'700'000'000'000'130'250);
  EXPECT_EQ(k.end.ns - k.begin.ns, 20'500);
  EXPECT_EQ(k.grid, (std::array<std::uint32_t, 3>{88, 5, 1}));
  EXPECT_EQ(k.block, (std::array<std::uint32_t, 3>{256, 1, 1}));
  EXPECT_EQ(k.registers_per_thread, 96U);
  EXPECT_EQ(k.dynamic_shared_bytes, 49152U);
  EXPECT_EQ(k.stream, 7U);
  EXPECT_EQ(k.correlation, 11U);
  EXPECT_EQ(k.graph_node, 4242U);
  EXPECT_EQ(t.chain(k.scope), "aten::linear < nn.Module: Linear_0 < step");
  EXPECT_EQ(t.text(t.scope(k.scope).args), "[16,559,1024]bf16[2816,1024]bf16");
  EXPECT_EQ(t.scope(k.scope).kind, ScopeKind::kForeign);
  EXPECT_EQ(t.scope(k.scope).thread, 6U);
}

TEST(Pytorch, CopiesAreKept) {
  const Trace t = import_json(kLinear);
  ASSERT_EQ(t.copies.size(), 2U);
  EXPECT_EQ(t.copies[0].kind, MemcpyKind::kHostToDevice);
  EXPECT_EQ(t.copies[0].bytes, 4096U);
  EXPECT_EQ(t.copies[0].scope, 0U) << "its launch is not in the recording";
  EXPECT_EQ(t.copies[1].kind, MemcpyKind::kMemset);
  EXPECT_EQ(t.chain(t.copies[1].scope), "aten::linear < nn.Module: Linear_0 < step");
  EXPECT_THAT(t.notes(), HasSubstr("1 of 3 events on the device have no launch"));
}

TEST(Pytorch, OnlyRangesAroundLaunchesAreKept) {
  const Trace t = import_json(kLinear);
  EXPECT_EQ(t.scope_records.size(), 3U);
  for (const std::string& text : t.strings) {
    EXPECT_NE(text, "aten::view");
    EXPECT_THAT(text, Not(HasSubstr("alice")));
  }
}

TEST(Pytorch, MetaSaysWhatWasRecorded) {
  const Meta meta = import_json(kLinear).meta;
  EXPECT_EQ(meta.capture, "PyTorch profiler");
  EXPECT_EQ(meta.run, "test");
  EXPECT_EQ(meta.command, "import");
  EXPECT_EQ(meta.rank, 3U);
  EXPECT_EQ(meta.world_size, 8U);
  EXPECT_EQ(meta.dtype, "bf16");
  ASSERT_EQ(meta.devices.size(), 1U) << "of two devices, one did something";
  EXPECT_EQ(meta.devices[0].table_id, "a100-80gb-sxm");
  EXPECT_EQ(meta.devices[0].multiprocessors, 108U);
  EXPECT_EQ(meta.devices[0].compute_major, 8U);
  EXPECT_EQ(meta.devices[0].memory_bytes, 85'000'000'000U);
}

TEST(Pytorch, OldSpellingsAndMissingCategoriesAreUnderstood) {
  const auto trace = [](std::string_view kernel, std::string_view launch, std::string_view op) {
    return fmt::format(
        R"([{{"ph":"X","name":"k","pid":0,"tid":7,"ts":9,"dur":1{},"args":{{"grid":[2,1,1],)"
        R"("stream":7,"correlation":1}}}},)"
        R"({{"ph":"X","name":"cudaLaunchKernel","pid":1,"tid":1,"ts":3,"dur":1{},)"
        R"("args":{{"correlation":1,"external id":5}}}},)"
        R"({{"ph":"X","name":"aten::mm","pid":1,"tid":1,"ts":2,"dur":3{},"args":{{}}}}])",
        kernel, launch, op);
  };
  for (const std::string& json :
       {trace(R"(,"cat":"Kernel")", R"(,"cat":"Runtime")", R"(,"cat":"Operator")"),
        trace("", "", "")}) {
    const Trace t = import_json(json);
    ASSERT_EQ(t.kernel_records.size(), 1U) << json;
    EXPECT_EQ(t.chain(t.kernel_records[0].scope), "aten::mm");
    EXPECT_EQ(t.meta.devices.at(0).name, "") << "no device is described, and none is made up";
  }
}

TEST(Pytorch, ShapesOfListsTypesAndScalars) {
  const auto args_of = [](std::string_view args) {
    const Trace t = import_json(fmt::format(
        R"([{{"ph":"X","cat":"cpu_op","name":"aten::cat","pid":1,"tid":1,"ts":2,"dur":3,)"
        R"("args":{{{}}}}}])",
        args));
    return t.text(t.scope_records.at(0).args);
  };
  EXPECT_EQ(args_of(R"("Input Dims": [[[1,5],[2,5]],[]], "Input type": ["TensorList","Scalar"])"),
            "{[1,5][2,5]}");
  EXPECT_EQ(args_of(R"("Input type": ["","c10::Half"], "Input Dims": [[],[4,8]])"), "[][4,8]f16");
  EXPECT_EQ(args_of(R"("Input Dims": [[4],[3]], "Input type": ["float","secret type"])"),
            "[4]f32[3]");
  EXPECT_EQ(args_of(R"("Input Dims": [])"), "");
  EXPECT_EQ(args_of(R"("Input Dims": [["key=hunter2", 4], {"a": [7]}])"), "[4]");
  std::string many = R"("Input Dims": [[1])";
  for (int i = 0; i < 5000; ++i) many += ",[123,456]";
  EXPECT_LE(args_of(many + "]").size(), 1024U);
}

TEST(Pytorch, ATraceWithoutGpuShowsOutermostOperators) {
  const Trace t = import_json(R"([
    {"ph":"X","cat":"user_annotation","name":"prefill","pid":1,"tid":3,"ts":1,"dur":50},
    {"ph":"X","cat":"cpu_op","name":"aten::linear","pid":1,"tid":3,"ts":2,"dur":10},
    {"ph":"X","cat":"cpu_op","name":"aten::addmm","pid":1,"tid":3,"ts":3,"dur":8},
    {"ph":"X","cat":"cpu_op","name":"aten::mul","pid":1,"tid":3,"ts":20,"dur":4}])");
  ASSERT_EQ(t.kernel_records.size(), 2U);
  EXPECT_EQ(t.text(t.kernel_records[0].name), "aten::linear");
  EXPECT_EQ(t.chain(t.kernel_records[0].scope), "aten::linear < prefill");
  EXPECT_EQ(t.kernel_records[0].stream, 3U);
  EXPECT_EQ(t.meta.devices.at(0).kind, DeviceKind::kCpu);
  EXPECT_THAT(t.notes(), HasSubstr("no GPU kernels"));
}

// Everything of the metadata, of unknown events and of unknown arguments that could tell who
// recorded what where.
TEST(Pytorch, SecretsAreNotCopied) {
  std::string json(kLinear);
  const auto insert = [&](std::string_view before, std::string_view text) {
    json.insert(json.find(before), text);
  };
  insert("\"schemaVersion\"",
         R"("env": {"AWS_SECRET_ACCESS_KEY": "SECRET0", "list": ["SECRET1", {"a": "SECRET2"}]},
            "host_name": "SECRET3", "user": "SECRET4", "traceName": "/home/SECRET5/t.json",
            "baseTimeNanosecondsX": "SECRET6",)");
  insert("\"backend\"", R"("SECRET7": "SECRET8", "pg_config": [{"desc": "SECRET9"}],)");
  insert("\"totalGlobalMem\"", R"("uuid": "SECRET10",)");
  insert("\"context\": 1", R"("Call stack": "/home/SECRET11/x.py", "Concrete Inputs": ["SECRET12"],
            "SECRET13": {"x": "SECRET14"},)");
  insert("{\"ph\": \"s\"",
         R"({"ph": "M", "name": "process_name", "pid": 5, "args": {"name": "SECRET15"}},
            {"ph": "X", "cat": "SECRET16", "name": "SECRET17", "pid": 5, "tid": 6, "ts": 104,
             "dur": 30},
            {"ph": "i", "name": "SECRET18", "ts": 1},
            {"ph": "X", "cat": "Trace", "name": "SECRET19", "pid": "SECRET20", "tid": "SECRET21",
             "ts": 1, "dur": 1000},)");
  const Trace t = import_json(json);
  EXPECT_EQ(t.kernel_records.size(), 1U);
  EXPECT_THAT(t.bytes, Not(HasSubstr("SECRET")));
  EXPECT_THAT(t.bytes, Not(HasSubstr("alice")));
  for (const std::string& text : t.strings) EXPECT_THAT(text, Not(HasSubstr("SECRET")));
}

TEST(Pytorch, PackedAndPlainAreTheSame) {
  const TestFolder folder;
  const std::string file = folder.write("t", gzip(kLinear));
  const ImportResult result = import_file(file, folder.file("t.rtrace"), {.run = "test"});
  EXPECT_EQ(result.kernels, 1U);
  EXPECT_EQ(result.copies, 2U);
  EXPECT_EQ(result.ranges, 3U);
  const Trace t = read_trace(folder.file("t.rtrace"));
  EXPECT_EQ(t.chain(t.kernel_records.at(0).scope), "aten::linear < nn.Module: Linear_0 < step");
}

TEST(Pytorch, RealTraceOfACpu) {
  const TestFolder folder;
  const ImportResult result = import_file(
      ROOFTOP_TEST_DATA "/fixtures/recordings/pytorch_cpu.json.gz", folder.file("t.rtrace"), {});
  EXPECT_EQ(result.kernels, 47U);
  const Trace t = read_trace(folder.file("t.rtrace"));
  EXPECT_EQ(t.meta.dtype, "f32");
  std::map<std::string, int> names;
  for (const KernelRecord& k : t.kernel_records) ++names[t.text(k.name)];
  EXPECT_EQ(names["aten::linear"], 2 * 7 + 1);
  EXPECT_EQ(names["aten::scaled_dot_product_attention"], 2);
  EXPECT_EQ(names["aten::addmm"], 0) << "it is part of a launch";
  const KernelRecord& last = t.kernel_records.back();
  EXPECT_THAT(t.chain(last.scope),
              ::testing::MatchesRegex("aten::linear < nn.Module: Linear_[0-9]+ < nn.Module: "
                                      "Decoder_0 < prefill"));
  EXPECT_EQ(t.text(t.scope(last.scope).args), "[1,64]f32[128,64]f32");
}

}  // namespace
}  // namespace rooftop::import::testing
