// What only a GPU can say about CUPTI, as one JSON document: which form of ranges costs what, what
// sampling gives at which interval, what patched counters count, what a graph shows. Prints to
// stdout; each part runs although another fails.
#include <cuda_runtime.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/capture/cupti/timeline.h"
#include "tests/capture/cupti/collecting_sink.h"
#include "tests/capture/cupti/gpu/range_trial.h"
#include "tests/capture/cupti/gpu/work.h"

namespace rooftop::capture::testing {
namespace {

using nlohmann::ordered_json;

constexpr int kLayers = 16;
constexpr int kSteps = 4;

const std::vector<RangeForm> kForms = {
    {"a range a kernel, kernel replay", CUPTI_AutoRange, CUPTI_KernelReplay},
    {"a range a kernel, user replay", CUPTI_AutoRange, CUPTI_UserReplay},
    {"a range a step, user replay", CUPTI_UserRange, CUPTI_UserReplay},
    {"a range a step, kernel replay", CUPTI_UserRange, CUPTI_KernelReplay}};

const std::vector<std::string> kBytes = {"dram__bytes_read.sum", "dram__bytes_write.sum",
                                         "gpu__time_duration.sum"};

std::vector<std::string> with_tensor(const std::string& chip) {
  std::vector<std::string> out = kBytes;
  if (chip.starts_with("GA10") || chip.starts_with("AD10"))
    out.emplace_back("sm__ops_path_tensor_src_bf16_dst_fp32_sparsity_off.sum");
  else
    out.emplace_back("sm__ops_path_tensor_op_hmma_src_bf16_dst_fp32_sparsity_off.sum");
  return out;
}

std::vector<std::string> patched() {
  std::vector<std::string> out;
  for (const char* op : {"fadd", "fmul", "ffma", "hadd", "hmul", "hfma", "dadd", "dmul", "dfma"})
    out.push_back("smsp__sass_thread_inst_executed_op_" + std::string(op) + "_pred_on.sum");
  return out;
}

ordered_json to_json(const RangeTrial& trial, double plain_s, int kernels) {
  ordered_json out;
  if (!trial.error.empty()) out["error"] = trial.error;
  out["passes"] = trial.passes;
  out["all_submitted"] = trial.all_submitted;
  out["step_s"] = trial.step_s;
  out["times_plain"] = plain_s > 0 ? trial.step_s / plain_s : 0;
  out["added_us_a_kernel"] = (trial.step_s - plain_s) * 1e6 / kernels;
  out["start_s"] = trial.start_s;
  out["stop_s"] = trial.stop_s;
  out["decode_s"] = trial.decode_s;
  out["evaluate_us"] = trial.evaluate_s * 1e6;
  out["dropped"] = trial.dropped;
  out["ranges"] = trial.ranges.size();
  out["metrics"] = trial.metrics;
  out["first_ranges"] = std::vector<std::vector<double>>(
      trial.ranges.begin(),
      trial.ranges.begin() + std::min<std::ptrdiff_t>(6, std::ssize(trial.ranges)));
  return out;
}

// The same with and without gigabytes that a kernel might have written: a replay that saves memory
// shows as time that grows with it.
ordered_json forms_of(const CuptiApi& api, const std::string& chip,
                      const std::vector<std::string>& metrics, Work& work, bool graph) {
  ordered_json out;
  const double plain = work.seconds(kSteps, graph);
  out["plain_step_s"] = plain;
  const RangeStep step = [&](const auto& push, const auto& pop) {
    push();
    graph ? work.launch_graph() : work.step();
    work.wait();
    pop();
  };
  for (const RangeForm& form : kForms) {
    for (const bool much : {false, true}) {
      void* more = nullptr;
      if (much && cudaMalloc(&more, std::size_t{8} << 30) != cudaSuccess) continue;
      const RangeTrial trial =
          try_ranges(api, chip, metrics, form,
                     static_cast<std::size_t>(work.kernels()) * kSteps + 64, kSteps, step);
      (void)cudaFree(more);
      out[form.name + (much ? ", 8 GiB more" : "")] = to_json(trial, plain, work.kernels());
    }
  }
  return out;
}

ordered_json timeline_of(const CuptiApi& api, Work& work, bool graph, bool graph_level) {
  constexpr int kMany = 50;
  ordered_json out;
  const double before = work.seconds(kMany, graph);
  TimelineOptions options;
  options.graph_level = graph_level;
  const auto timeline = make_timeline(api, options);
  if (const Status started = timeline->start(); !started.ok()) {
    out["error"] = started.message();
    return out;
  }
  const double during = work.seconds(kMany, graph);
  timeline->stop();
  CollectingSink sink;
  timeline->drain(sink);
  const double after = work.seconds(kMany, graph);
  out["before_s"] = before;
  out["cost"] = during / before - 1;
  out["added_us_a_kernel"] = (during - before) * 1e6 / work.kernels();
  out["after_over_before"] = after / before;
  out["kernels_expected"] = work.kernels() * (kMany + 1);
  out["kernels"] = sink.kernels.size();
  std::size_t with_node = 0;
  for (const KernelRecord& k : sink.kernels) with_node += k.graph_node != 0 ? 1 : 0;
  out["with_graph_node"] = with_node;
  return out;
}

ordered_json answers(const CuptiApi& api) {
  ordered_json out;
  out["cupti"] = api.version;
  std::string error;
  Work work(kLayers);
  work.capture();
  out["expected"] = {{"copy_bytes", Work::kCopyBytes},
                     {"tensor_flops", Work::kTensorFlops},
                     {"ffma", Work::kFfma},
                     {"hfma2", Work::kHfma2}};
  // The timeline first: one kind of session may spoil another in one process.
  out["timeline, eager"] = timeline_of(api, work, false, false);
  out["timeline, graph nodes"] = timeline_of(api, work, true, false);
  out["timeline, graphs as one"] = timeline_of(api, work, true, true);
  const std::string chip = chip_of_device(api, error);
  if (chip.empty()) {
    out["error"] = error;
    return out;
  }
  out["chip"] = chip;
  out["ranges, eager"] = forms_of(api, chip, with_tensor(chip), work, false);
  out["ranges, graph"] = forms_of(api, chip, with_tensor(chip), work, true);
  out["patched counters, eager"] = forms_of(api, chip, patched(), work, false);
  return out;
}

}  // namespace
}  // namespace rooftop::capture::testing

int main() {
  using namespace rooftop::capture;
  const std::string none = testing::no_gpu();
  const CuptiLookup& lookup = cupti();
  if (!none.empty() || lookup.api == nullptr) {
    std::fprintf(stderr, "capture_questions: %s\n",
                 none.empty() ? lookup.why.message().c_str() : none.c_str());
    return 2;
  }
  try {
    std::printf("%s\n", testing::answers(*lookup.api).dump(1).c_str());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "capture_questions: %s\n", e.what());
    return 1;
  }
  return 0;
}
