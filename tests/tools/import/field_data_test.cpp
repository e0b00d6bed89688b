// Recordings of real GPUs. They are not part of the project: ROOFTOP_FIELD_DATA names the folder
// that has recordings/.
#include <cstdlib>

#include "tests/tools/import/imported.h"
#include "tests/trace/memory_tracker.h"

namespace rooftop::import::testing {
namespace {

using ::testing::HasSubstr;

class FieldRecordings : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("ROOFTOP_FIELD_DATA");
    if (folder == nullptr) GTEST_SKIP() << "ROOFTOP_FIELD_DATA does not name the recordings";
    recordings_ = std::filesystem::path(folder) / "recordings";
  }
  Trace import(const std::string& name) const {
    const TestFolder folder;
    import_file(recordings_ / name, folder.file("t.rtrace"), {});
    return read_trace(folder.file("t.rtrace"));
  }

 private:
  std::filesystem::path recordings_;
};

TEST_F(FieldRecordings, PytorchOnAnH100) {
  const Trace t = import("pytorch_h100_qwen0.5b_prefill.json.gz");
  EXPECT_EQ(t.kernel_records.size(), 1465U);
  EXPECT_EQ(t.copies.size(), 242U);
  EXPECT_THAT(t.notes(), HasSubstr("509 of 1707 events on the device have no launch"));
  EXPECT_EQ(t.meta.devices.at(0).table_id, "h100-sxm");
  EXPECT_EQ(t.meta.dtype, "bf16");
  std::size_t in_operator = 0;
  std::size_t in_attention = 0;
  for (const KernelRecord& k : t.kernel_records) {
    if (k.scope == 0) continue;
    in_operator += t.text(t.scope(k.scope).name).starts_with("aten::") ? 1 : 0;
    const std::string chain = t.chain(k.scope);
    EXPECT_THAT(chain, HasSubstr("ProfilerStep#6"));
    in_attention += chain.find("nn.Module: Qwen2Attention_") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(in_operator, 1029U) << "all kernels but the 436 that were launched before";
  EXPECT_GT(in_attention, 24U * 4) << "four products and attention itself in each of 24 layers";
  // The down projection of the first layer: shapes as the model's.
  bool down = false;
  for (const ScopeRecord& s : t.scope_records) {
    down |= t.text(s.args) == "[16,559,2816]bf16[1024,2816]bf16";
  }
  EXPECT_TRUE(down);
}

TEST_F(FieldRecordings, NcuOnAnA100) {
  const Trace linear = import("ncu_a100_linear_sample.csv.gz");
  ASSERT_EQ(linear.kernel_records.size(), 74U);
  EXPECT_EQ(linear.kernel_records[0].end.ns, 45'920);
  EXPECT_EQ(linear.counters_of(1).at("dram__bytes.sum"), 3'670'272);
  EXPECT_EQ(linear.counters_of(1).at("smsp__sass_thread_inst_executed_op_ffma_pred_on.sum"),
            201'326'592);

  const Trace eager = import("ncu_a100_gpt2_eager.csv.gz");
  EXPECT_EQ(eager.kernel_records.size(), 26U);
  EXPECT_THAT(eager.notes(), HasSubstr("26 of 26 kernels are elapsed cycles"));
  EXPECT_NEAR(static_cast<double>(eager.kernel_records[0].end.ns), 8931.52 / 1.01864946607, 1);
  EXPECT_EQ(eager.kernel_records[0].grid[0], 864U);
  EXPECT_EQ(import("ncu_a100_gpt2_flash.csv.gz").kernel_records.size(), 10U);
}

}  // namespace
}  // namespace rooftop::import::testing
