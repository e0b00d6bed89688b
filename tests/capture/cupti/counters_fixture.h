// A source of counters on a table in CUPTI's place, and steps for it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "profiler/capture/cupti/range_counters.h"
#include "tests/capture/cupti/collecting_sink.h"
#include "tests/capture/cupti/fake_profiler.h"

namespace rooftop::capture::testing {

inline constexpr const char* kBf16 = "sm__ops_path_tensor_src_bf16_dst_fp32_sparsity_off.sum";
inline constexpr const char* kFp16 = "sm__ops_path_tensor_src_fp16_dst_fp32_sparsity_off.sum";
inline constexpr const char* kFfma = "smsp__sass_thread_inst_executed_op_ffma_pred_on.sum";

class Counters : public ::testing::Test {
 protected:
  Counters() : api_(fake_profiler_api(fake_)), driver_(fake_driver()) {}

  void make(CounterOptions options = {}) {
    source_ = std::make_unique<RangeCounters>(api_, driver_, std::move(options));
  }
  Status start(CounterOptions options = {}) {
    make(std::move(options));
    return source_->start();
  }
  void step(const nvtx::StepPayload& payload, const std::vector<FakeLaunch>& launches) {
    source_->begin_step(++step_, payload);
    for (const FakeLaunch& launch : launches) fake_launch(launch);
    source_->end_step(step_);
  }
  CollectingSink& drained() {
    source_->drain(sink_);
    return sink_;
  }
  std::string notes() const {
    Meta meta;
    source_->describe(meta);
    std::string text;
    for (const Note& note : meta.notes) text += note.text + "\n";
    return text;
  }
  std::vector<std::string> metrics(KernelId kernel, Provenance from) const {
    std::vector<std::string> out;
    for (const CounterRecord& c : sink_.counters) {
      if (c.kernel == kernel && c.source == from) out.push_back(sink_.name_of(c.metric));
    }
    return out;
  }

  FakeProfiler fake_;
  CuptiApi api_;
  CudaDriver driver_;
  std::unique_ptr<RangeCounters> source_;
  CollectingSink sink_;
  ScopeId step_ = 0;
};

inline const nvtx::StepPayload kDecode{
    .phase = nvtx::kAr, .batch = 4, .query_tokens = 1, .length = 100};
inline const std::vector<FakeLaunch> kTwo = {{"gemm", 32, 128}, {"norm", 4, 256}};

}  // namespace rooftop::capture::testing
