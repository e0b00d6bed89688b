// Real exports are not public: these databases follow the documented schema of
// `nsys export --type sqlite`.
#include <sqlite3.h>

#include <memory>

#include "tests/tools/import/imported.h"
#include "tools/import/torch_nvtx.h"

namespace rooftop::import::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kStrings =
    "CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL);"
    "INSERT INTO StringIds VALUES (1, 'void gemm<float>()'), (2, 'gemm'), (3, 'layer 0'),"
    " (4, '/home/SECRET1/engine');";
constexpr std::string_view kKernels =
    "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER NOT NULL, end INTEGER NOT NULL,"
    " deviceId INTEGER NOT NULL, contextId INTEGER NOT NULL, streamId INTEGER NOT NULL,"
    " correlationId INTEGER, globalPid INTEGER, demangledName INTEGER NOT NULL,"
    " shortName INTEGER NOT NULL, registersPerThread INTEGER NOT NULL, gridX INTEGER NOT NULL,"
    " gridY INTEGER NOT NULL, gridZ INTEGER NOT NULL, blockX INTEGER NOT NULL,"
    " blockY INTEGER NOT NULL, blockZ INTEGER NOT NULL, staticSharedMemory INTEGER NOT NULL,"
    " dynamicSharedMemory INTEGER NOT NULL, graphNodeId INTEGER);"
    "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES"
    " (2000, 2500, 0, 1, 7, 11, 0x1000005000000, 1, 2, 96, 88, 5, 1, 256, 1, 1, 1024, 49152, NULL),"
    " (3000, 3100, 0, 1, 7, 12, 0x1000005000000, 99, 2, 96, 1, 1, 1, 32, 1, 1, 0, 0, 4294967301),"
    " (2600, 2700, 0, 1, 7, 11, 0x1000009000000, 1, 2, 96, 2, 1, 1, 32, 1, 1, 0, 0, NULL);";
constexpr std::string_view kRuntime =
    "CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INTEGER NOT NULL, end INTEGER NOT NULL,"
    " eventClass INTEGER NOT NULL, globalTid INTEGER, correlationId INTEGER,"
    " nameId INTEGER NOT NULL, returnValue INTEGER NOT NULL);"
    "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES"
    " (1100, 1150, 1, 0x1000005000006, 11, 4, 0), (1500, 1550, 1, 0x1000005000006, 12, 4, 0),"
    " (1100, 1150, 1, 0x1000009000006, 11, 4, 0);";
constexpr std::string_view kNvtx =
    "CREATE TABLE NVTX_EVENTS (start INTEGER NOT NULL, end INTEGER, eventType INTEGER NOT NULL,"
    " rangeId INTEGER, category INTEGER, color INTEGER, text TEXT, globalTid INTEGER,"
    " endGlobalTid INTEGER, textId INTEGER, domainId INTEGER);"
    "INSERT INTO NVTX_EVENTS VALUES"
    " (900, NULL, 59, NULL, NULL, NULL, 'step', 0x1000005000006, NULL, NULL, 0),"
    " (1000, 1400, 59, NULL, NULL, NULL, NULL, 0x1000005000006, NULL, 3, 0),"
    " (1410, 1420, 59, NULL, NULL, NULL, 'nothing within', 0x1000005000006, NULL, NULL, 0),"
    " (1050, NULL, 34, NULL, NULL, NULL, 'a mark', 0x1000005000006, NULL, NULL, 0);";
constexpr std::string_view kMore =
    "CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY (start INTEGER, end INTEGER, deviceId INTEGER,"
    " streamId INTEGER, correlationId INTEGER, globalPid INTEGER, bytes INTEGER,"
    " copyKind INTEGER);"
    "INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (1700, 1800, 0, 7, 20, 0x1000005000000, 4096, "
    "2);"
    "CREATE TABLE CUPTI_ACTIVITY_KIND_MEMSET (start INTEGER, end INTEGER, deviceId INTEGER,"
    " streamId INTEGER, correlationId INTEGER, globalPid INTEGER, value INTEGER, bytes INTEGER);"
    "INSERT INTO CUPTI_ACTIVITY_KIND_MEMSET VALUES (1900, 1910, 0, 7, 21, 0x1000005000000, 0, 64);"
    "CREATE TABLE TARGET_INFO_GPU (id INTEGER, name TEXT, totalMemory INTEGER, clockRate INTEGER,"
    " smCount INTEGER, cuDevice INTEGER, computeMajor INTEGER, computeMinor INTEGER, uuid TEXT);"
    "INSERT INTO TARGET_INFO_GPU VALUES"
    " (3, 'NVIDIA A100-SXM4-80GB', 85000000000, 1410000000, 108, 0, 8, 0, 'SECRET2');"
    "CREATE TABLE TARGET_INFO_SESSION_START_TIME (utcEpochNs INTEGER, utcTime TEXT);"
    "INSERT INTO TARGET_INFO_SESSION_START_TIME VALUES (1700000000000000000, 'x');"
    "CREATE TABLE TARGET_INFO_SYSTEM_ENV (globalVid INTEGER, name TEXT, value TEXT);"
    "INSERT INTO TARGET_INFO_SYSTEM_ENV VALUES (0, 'Hostname', 'SECRET3');"
    "CREATE TABLE TARGET_INFO_GPU_METRICS (typeId INTEGER, sourceId INTEGER, typeName TEXT,"
    " metricId INTEGER, metricName TEXT);"
    "INSERT INTO TARGET_INFO_GPU_METRICS VALUES (256, 1, 'x', 5, 'DRAM Read Bandwidth');"
    "CREATE TABLE GPU_METRICS (timestamp INTEGER, typeId INTEGER, metricId INTEGER, value INTEGER);"
    "INSERT INTO GPU_METRICS VALUES (2000, 256, 5, 10), (2100, 256, 5, 20), (2200, 256, 5, 30),"
    " (2100, 256, 6, 20);";

class Database {
 public:
  explicit Database(std::string_view sql) {
    sqlite3_open(":memory:", &db_);
    char* error = nullptr;
    if (sqlite3_exec(db_, std::string(sql).c_str(), nullptr, nullptr, &error) != SQLITE_OK) {
      ADD_FAILURE() << error;
    }
    sqlite3_int64 size = 0;
    unsigned char* bytes = sqlite3_serialize(db_, "main", &size, 0);
    bytes_.assign(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    sqlite3_free(bytes);
  }
  ~Database() { sqlite3_close(db_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  sqlite3* db_ = nullptr;
  std::string bytes_;
};

Trace import_bytes(const std::string& bytes) {
  const TestFolder folder;
  import_nsys(std::as_bytes(std::span(bytes)), folder.file("t.rtrace"), {.run = "test"});
  return read_trace(folder.file("t.rtrace"));
}

Trace import_sql(std::string_view sql) { return import_bytes(Database(sql).bytes()); }

std::string join(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out += part;
  return out;
}

TEST(Nsys, KernelsWithTheirRangesAndProcesses) {
  const Trace t = import_sql(join({kStrings, kKernels, kRuntime, kNvtx, kMore}));
  ASSERT_EQ(t.kernel_records.size(), 3U);
  const KernelRecord& k = t.kernel_records[0];
  EXPECT_EQ(t.text(k.name), "void gemm<float>()");
  EXPECT_EQ(k.begin.ns, 1'700'000'000'000'002'000);
  EXPECT_EQ(k.end.ns - k.begin.ns, 500);
  EXPECT_EQ(k.grid, (std::array<std::uint32_t, 3>{88, 5, 1}));
  EXPECT_EQ(k.static_shared_bytes, 1024U);
  EXPECT_EQ(k.dynamic_shared_bytes, 49152U);
  EXPECT_EQ(k.graph_node, 0U);
  EXPECT_EQ(t.chain(k.scope), "layer 0 < step");
  EXPECT_EQ(t.scope(k.scope).thread, 6U);
  EXPECT_EQ(t.kernel_records[1].scope, 0U) << "another process has the same correlation id";
  EXPECT_EQ(t.text(t.kernel_records[2].name), "gemm") << "the short name where there is no other";
  EXPECT_EQ(t.kernel_records[2].graph_node, 4294967301U);
  EXPECT_EQ(t.chain(t.kernel_records[2].scope), "step");
  EXPECT_EQ(t.scope_records.size(), 2U) << "ranges around no launch are left out";
  EXPECT_THAT(t.notes(), HasSubstr("1 ranges were never closed"));
}

TEST(Nsys, CopiesDevicesAndSamples) {
  const Trace t = import_sql(join({kStrings, kKernels, kRuntime, kNvtx, kMore}));
  ASSERT_EQ(t.copies.size(), 2U);
  EXPECT_EQ(t.copies[0].kind, MemcpyKind::kDeviceToHost);
  EXPECT_EQ(t.copies[0].bytes, 4096U);
  EXPECT_EQ(t.copies[1].kind, MemcpyKind::kMemset);
  ASSERT_EQ(t.meta.devices.size(), 1U);
  EXPECT_EQ(t.meta.devices[0].table_id, "a100-80gb-sxm");
  EXPECT_EQ(t.meta.capture, "Nsight Systems");
  ASSERT_EQ(t.sample_records.size(), 2U) << "two intervals between three samples";
  EXPECT_EQ(t.text(t.sample_records[0].metric), "DRAM Read Bandwidth");
  EXPECT_EQ(t.sample_records[0].value, 20);
  EXPECT_EQ(t.sample_records[0].end.ns - t.sample_records[0].begin.ns, 100);
}

TEST(Nsys, SecretsAreNotCopied) {
  const Trace t = import_sql(join({kStrings, kKernels, kRuntime, kNvtx, kMore}));
  EXPECT_THAT(t.bytes, Not(HasSubstr("SECRET")));
  for (const std::string& text : t.strings) EXPECT_THAT(text, Not(HasSubstr("SECRET")));
}

TEST(Nsys, GraphsRecordedAsAWholeAreEvents) {
  const Trace t = import_sql(join(
      {kStrings, kKernels, kRuntime, kNvtx,
       "CREATE TABLE CUPTI_ACTIVITY_KIND_GRAPH_TRACE (start INTEGER, end INTEGER, deviceId INTEGER,"
       " graphId INTEGER, streamId INTEGER, correlationId INTEGER, globalPid INTEGER);"
       "INSERT INTO CUPTI_ACTIVITY_KIND_GRAPH_TRACE VALUES"
       " (5000, 9000, 0, 1, 7, 11, 0x1000005000000);"}));
  const KernelRecord& graph = t.kernel_records.at(3);
  EXPECT_EQ(t.text(graph.name), "(CUDA graph, recorded as a whole)");
  EXPECT_EQ(graph.end.ns - graph.begin.ns, 4000);
  EXPECT_EQ(t.chain(graph.scope), "layer 0 < step");
  EXPECT_THAT(t.notes(), HasSubstr("--cuda-graph-trace=node"));
}

TEST(Nsys, RangesOfEmitNvtxAreOperatorsWithShapes) {
  const auto parsed = [](std::string_view text) {
    const auto name = parse_torch_nvtx(text);
    return name ? std::string(name->name) + '|' + name->shapes : "none";
  };
  EXPECT_EQ(parsed("aten::mm, seq = 12, op_id = 34, sizes = [[16, 1024], [1024, 64], []]"),
            "aten::mm|[16,1024][1024,64]");
  EXPECT_EQ(parsed("aten::add, op_id = 34, sizes = [[], [4]], input_op_ids = [(1,0)]"),
            "aten::add|[][4]");
  EXPECT_EQ(parsed("autograd::engine, seq = 3"), "autograd::engine|");
  EXPECT_EQ(parsed("aten::mm, sizes = [[1, 2"), "aten::mm|");
  EXPECT_EQ(parsed("aten::mm, sizes = [x]]]]]"), "aten::mm|");
  EXPECT_EQ(parsed("layer 0"), "none");
  EXPECT_EQ(parsed(", seq = 3"), "none");
  const Trace t = import_sql(join(
      {kStrings, kKernels, kRuntime,
       "CREATE TABLE NVTX_EVENTS (start INTEGER, end INTEGER, eventType INTEGER, text TEXT,"
       " globalTid INTEGER); INSERT INTO NVTX_EVENTS VALUES"
       " (900, 1200, 59, 'aten::mm, op_id = 7, sizes = [[2, 3], [3, 4]]', 0x1000005000006);"}));
  const ScopeRecord& scope = t.scope(t.kernel_records.at(0).scope);
  EXPECT_EQ(t.text(scope.name), "aten::mm");
  EXPECT_EQ(t.text(scope.args), "[2,3][3,4]");
}

TEST(Nsys, TablesMayBeMissing) {
  const Trace t = import_sql(join({kStrings, kKernels}));
  EXPECT_EQ(t.kernel_records.size(), 3U);
  EXPECT_EQ(t.kernel_records[0].scope, 0U);
  EXPECT_THAT(t.notes(), HasSubstr("no CUDA API calls"));
  EXPECT_THAT(t.notes(), HasSubstr("no NVTX ranges"));
  EXPECT_EQ(t.meta.devices.at(0).name, "");
}

TEST(Nsys, ColumnsMayBeMissing) {
  const Trace t = import_sql(
      "CREATE TABLE StringIds (id INTEGER, value TEXT); INSERT INTO StringIds VALUES (1, 'k');"
      "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, shortName INTEGER);"
      "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (1, 5, 1), (7, 3, 1), (9, 9, 1), (NULL, 3, 1),"
      " ('text', 9.5, x'00');");
  EXPECT_EQ(t.kernel_records.size(), 3U);
  EXPECT_THAT(t.notes(), HasSubstr("1 events that end before they begin"));
  EXPECT_THAT(t.notes(), HasSubstr("1 events on the device have a duration of zero"));
  EXPECT_THAT(t.notes(), HasSubstr("1 events without a usable time"));
}

TEST(Nsys, RefusalsSayWhatToDo) {
  const auto error = [](std::string_view sql) { return error_of([&] { import_sql(sql); }); };
  EXPECT_THAT(error("CREATE TABLE notes (text TEXT)"), HasSubstr("no export of Nsight Systems"));
  EXPECT_THAT(error(kStrings), HasSubstr("--trace=cuda,nvtx"));
  EXPECT_THAT(error_of([] { import_bytes(std::string(4096, 'x')); }),
              HasSubstr("cannot be read as an SQLite database"));
}

// Views could run forever, and virtual tables run code: neither is a table of an export.
TEST(Nsys, WhatOnlyLooksLikeATableIsNotRead) {
  const std::string forever =
      "CREATE VIEW CUPTI_ACTIVITY_KIND_KERNEL AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
      "i + 1 FROM n) SELECT i AS start, i + 1 AS end FROM n;";
  EXPECT_THAT(error_of([&] {
                import_sql(join({kStrings, forever}));
              }),
              HasSubstr("holds no CUDA kernels"));
}

TEST(Nsys, ADamagedDatabaseIsNoCrash) {
  const std::string whole = Database(join({kStrings, kKernels, kRuntime, kNvtx, kMore})).bytes();
  std::size_t read = 0;
  for (std::size_t at = 0; at < whole.size(); at += 97) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x5a);
    const std::string error = error_of([&] {
      import_bytes(damaged);
      ++read;
    });
    EXPECT_FALSE(error.empty());
  }
  EXPECT_GT(read, 0U) << "most bytes of a page are unused";
  for (std::size_t size = 0; size < whole.size(); size += 1000) {
    error_of([&] { import_bytes(whole.substr(0, size)); });
  }
}

TEST(Nsys, FilesAreOpenedWhateverTheirNames) {
  const TestFolder folder;
  const std::string file =
      folder.write("a b?c#d%41.sqlite", Database(join({kStrings, kKernels})).bytes());
  EXPECT_EQ(import_file(file, folder.file("t.rtrace"), {}).kernels, 3U);
  const std::string packed = folder.write("x.gz", gzip(Database(kStrings).bytes()));
  EXPECT_THAT(error_of([&] { import_file(packed, folder.file("t.rtrace"), {}); }),
              HasSubstr("gunzip"));
}

}  // namespace
}  // namespace rooftop::import::testing
