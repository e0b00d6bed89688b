#include "tests/tools/import/imported.h"

namespace rooftop::import::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kLong =
    R"csv(==PROF== Connected to process 4711 (/home/SECRET1/python3.10)
generating "text" ...
==PROF== Profiling "gemm": 0%....50%....100% - 3 passes
"ID","Process ID","Process Name","Host Name","Kernel Name","Kernel Time","Context","Stream","Block Size","Grid Size","Device","CC","Section Name","Metric Name","Metric Unit","Metric Value","Rule Name","Rule Type","Rule Description"
"0","4711","SECRET2","SECRET3","void gemm<float, (int)4>(""x"")","2026-Jan-01 10:00:00","1","7","(256, 1, 1)","(88, 5, 1)","0","8.0","Command line profiler metrics","dram__bytes_read.sum","Mbyte","3.670272"
"0","4711","SECRET2","SECRET3","void gemm<float, (int)4>(""x"")","2026-Jan-01 10:00:00","1","7","(256, 1, 1)","(88, 5, 1)","0","8.0","Command line profiler metrics","dram__bytes_write.sum","byte","1,024"
"0","4711","SECRET2","SECRET3","void gemm<float, (int)4>(""x"")","2026-Jan-01 10:00:00","1","7","(256, 1, 1)","(88, 5, 1)","0","8.0","Command line profiler metrics","gpu__time_duration.sum","usecond","45.92"
"0","4711","SECRET2","SECRET3","void gemm<float, (int)4>(""x"")","2026-Jan-01 10:00:00","1","7","(256, 1, 1)","(88, 5, 1)","0","8.0","Command line profiler metrics","sm__sass_thread_inst_executed_op_ffma_pred_on.sum","inst","201,326,592"
"0","4711","SECRET2","SECRET3","void gemm<float, (int)4>(""x"")","2026-Jan-01 10:00:00","1","7","(256, 1, 1)","(88, 5, 1)","0","8.0","Command line profiler metrics","lts__t_bytes.sum","byte","n/a"
"0","4711","SECRET2","SECRET3","void gemm<float, (int)4>(""x"")","2026-Jan-01 10:00:00","1","7","(256, 1, 1)","(88, 5, 1)","0","8.0","Occupancy","","","","TheoreticalOccupancy","WRN","SECRET4"
"0","4711","SECRET2","SECRET3","void gemm<float, (int)4>(""x"")","2026-Jan-01 10:00:00","1","7","(256, 1, 1)","(88, 5, 1)","0","8.0","Launch Statistics","Registers Per Thread","register/thread","96"
"0","4711","SECRET2","SECRET3","void gemm<float, (int)4>(""x"")","2026-Jan-01 10:00:00","1","7","(256, 1, 1)","(88, 5, 1)","0","8.0","Launch Statistics","Dynamic Shared Memory Per Block","Kbyte/block","49.152"
"1","4711","SECRET2","SECRET3","norm","2026-Jan-01 10:00:01","1","7","(128, 1, 1)","(16, 1, 1)","0","8.0","Command line profiler metrics","gpu__time_duration.sum","nsecond","2,048"
)csv";

TEST(Ncu, OneMetricPerRow) {
  const Trace t = import_csv(kLong);
  ASSERT_EQ(t.kernel_records.size(), 2U);
  const KernelRecord& gemm = t.kernel_records[0];
  EXPECT_EQ(t.text(gemm.name), "void gemm<float, (int)4>(\"x\")");
  EXPECT_EQ(gemm.grid, (std::array<std::uint32_t, 3>{88, 5, 1}));
  EXPECT_EQ(gemm.block, (std::array<std::uint32_t, 3>{256, 1, 1}));
  EXPECT_EQ(gemm.registers_per_thread, 96U);
  EXPECT_EQ(gemm.dynamic_shared_bytes, 49152U);
  EXPECT_EQ(gemm.end.ns - gemm.begin.ns, 45'920);
  EXPECT_THAT(t.counters_of(gemm.id),
              UnorderedElementsAre(
                  Pair("dram__bytes_read.sum", 3670272), Pair("dram__bytes_write.sum", 1024),
                  Pair("gpu__time_duration.sum", 45920),
                  Pair("smsp__sass_thread_inst_executed_op_ffma_pred_on.sum", 201326592)));
  EXPECT_EQ(t.kernel_records[1].begin.ns, gemm.end.ns) << "one behind the other";
  EXPECT_EQ(t.counter_records[0].source, Provenance::kMeasured);
  EXPECT_EQ(t.meta.capture, "Nsight Compute");
  EXPECT_EQ(t.meta.devices.at(0).compute_major, 8U);
  EXPECT_THAT(t.notes(), HasSubstr("one at a time"));
  EXPECT_THAT(t.notes(), HasSubstr("1 counters were not available"));
}

TEST(Ncu, SecretsAreNotCopied) {
  const Trace t = import_csv(kLong);
  EXPECT_THAT(t.bytes, Not(HasSubstr("SECRET")));
  for (const std::string& text : t.strings) EXPECT_THAT(text, Not(HasSubstr("SECRET")));
}

constexpr std::string_view kWide =
    R"csv("ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size","Grid Size","Device","CC","device__attribute_display_name","dram__bytes_read.sum","dram__bytes_read.sum.pct_of_peak_sustained_elapsed","gpu__time_duration.sum","launch__registers_per_thread","launch__shared_mem_per_block_static","sm__warps_active.avg"
"","","","","","","","","","","","","Mbyte","%","us","register/thread","Kbyte/block","warp"
"0","1","p","h","gemm","1","7","(256, 1, 1)","(88, 5, 1)","0","9.0","NVIDIA H100 80GB HBM3","3.67","53.48","45.92","96","1.024","12.5"
"1","1","p","h","gemm","1","7","(256, 1, 1)","(88, 5, 1)","0","9.0","NVIDIA H100 80GB HBM3","(!) n/a","1.5","45.93","96","1.024","12.5"
)csv";

TEST(Ncu, OneKernelPerRow) {
  const Trace t = import_csv(kWide);
  ASSERT_EQ(t.kernel_records.size(), 2U);
  EXPECT_THAT(
      t.counters_of(1),
      UnorderedElementsAre(Pair("dram__bytes_read.sum", 3670000),
                           Pair("dram__bytes_read.sum.pct_of_peak_sustained_elapsed", 53.48),
                           Pair("gpu__time_duration.sum", 45920)));
  EXPECT_EQ(t.counters_of(2).count("dram__bytes_read.sum"), 0U) << "absent is never zero";
  EXPECT_EQ(t.kernel_records[0].registers_per_thread, 96U);
  EXPECT_EQ(t.kernel_records[0].static_shared_bytes, 1024U);
  EXPECT_EQ(t.meta.devices.at(0).table_id, "h100-sxm");
}

TEST(Ncu, OtherLocalesAndUnquotedCells) {
  const Trace t = import_csv(
      "ID;Kernel Name;Metric Name;Metric Unit;Metric Value\n"
      "0;gemm;dram__bytes_read.sum;Mbyte;1.234,5\n"
      "0;gemm;gpu__time_duration.sum;nsecond;45.920\n");
  EXPECT_EQ(t.counters_of(1).at("dram__bytes_read.sum"), 1234.5e6);
  EXPECT_EQ(t.kernel_records.at(0).end.ns, 45920) << "the point groups digits here";
  EXPECT_THAT(t.notes(), HasSubstr("have no grid"));
}

TEST(Ncu, ATimeCanComeFromCycles) {
  const Trace t = import_csv(
      "ID,Kernel Name,Metric Name,Metric Unit,Metric Value\n"
      "0,a,sm__cycles_elapsed.avg,cycle,\"8,000.00\"\n"
      "0,a,sm__cycles_elapsed.avg.per_second,cycle/second,\"1,000,000,000\"\n"
      "1,b,dram__bytes_read.sum,byte,4\n");
  EXPECT_EQ(t.kernel_records.at(0).end.ns, 8000);
  EXPECT_EQ(t.kernel_records.at(1).end.ns, t.kernel_records.at(1).begin.ns);
  EXPECT_THAT(t.notes(), HasSubstr("1 of 2 kernels are elapsed cycles"));
  EXPECT_THAT(t.notes(), HasSubstr("1 of 2 kernels have no gpu__time_duration.sum"));
}

TEST(Ncu, FilesOneBehindTheOther) {
  const Trace t = import_csv(
      "ID,Kernel Name,Metric Name,Metric Unit,Metric Value\n"
      "0,a,gpu__time_duration.sum,nsecond,10\n"
      "ID,Process ID,Kernel Name,Metric Name,Metric Unit,Metric Value\n"
      "0,5,b,gpu__time_duration.sum,nsecond,20\n"
      "0,6,c,gpu__time_duration.sum,nsecond,30\n");
  ASSERT_EQ(t.kernel_records.size(), 3U) << "another process, another kernel";
  EXPECT_EQ(t.kernel_records[2].end.ns, 60);
}

TEST(Ncu, ATornFileIsReadUpToItsEnd) {
  for (std::size_t cut = kWide.size() - 1; cut > kWide.size() - 100; cut -= 7) {
    const Trace t = import_csv(kWide.substr(0, cut));
    EXPECT_EQ(t.kernel_records.at(0).grid[0], 88U);
    EXPECT_LE(t.kernel_records.size(), 2U);
    const bool lost = t.kernel_records.size() == 1;
    EXPECT_EQ(t.notes().find("incomplete") != std::string::npos, lost);
  }
}

TEST(Ncu, RefusalsSayWhatToDo) {
  const auto error = [](std::string_view csv) { return error_of([&] { import_csv(csv); }); };
  EXPECT_THAT(error("a,b\n1,2\n"), HasSubstr("--csv --page raw"));
  EXPECT_THAT(error("ID,Kernel Name\n0,a\n"), HasSubstr("has no metrics"));
  EXPECT_THAT(error("ID,Kernel Name,Metric Name,Metric Value\n"), HasSubstr("holds no kernels"));
  EXPECT_THAT(error("ID,Kernel Name,Metric Name,Metric Unit,Metric Value\n"
                    "0,a,dram__bytes_read.sum,byte,\"53,48\"\n"
                    "0,a,dram__bytes_write.sum,byte,53.48\n"),
              HasSubstr("LC_ALL=C"));
  EXPECT_THAT(error("ID,Kernel Name,Metric Name,Metric Value\n0,\"" + std::string(5 << 20, 'x')),
              HasSubstr("longer than 4 MiB"));
}

}  // namespace
}  // namespace rooftop::import::testing
