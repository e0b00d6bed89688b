// What only a GPU can say about CUPTI: which form of ranges costs what, what sampling gives at
// which interval, what patched counters count, what a graph shows. A question a process.
#include <cuda_runtime.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "profiler/capture/cupti/cuda_driver.h"
#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/capture/cupti/sampling.h"
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
    {"kernel-kernel-replay", CUPTI_AutoRange, CUPTI_KernelReplay},
    {"kernel-user-replay", CUPTI_AutoRange, CUPTI_UserReplay},
    {"step-user-replay", CUPTI_UserRange, CUPTI_UserReplay},
    {"step-kernel-replay", CUPTI_UserRange, CUPTI_KernelReplay}};

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

// With and without gigabytes that a kernel might have written: a replay that saves memory shows as
// time that grows with it.
ordered_json try_form(const CuptiApi& api, const RangeForm& form, bool sass, bool graph,
                      bool much) {
  std::string error;
  Work work(kLayers);
  work.capture();
  const double plain = work.seconds(kSteps, graph);
  const std::string chip = chip_of_device(api, error);
  if (chip.empty()) return {{"error", error}};
  void* more = nullptr;
  if (much) check(cudaMalloc(&more, std::size_t{8} << 30), "cudaMalloc");
  const RangeStep step = [&](const auto& push, const auto& pop) {
    push();
    graph ? work.launch_graph() : work.step();
    work.wait();
    pop();
  };
  const RangeTrial trial =
      try_ranges(api, chip, sass ? patched() : with_tensor(chip), form,
                 static_cast<std::size_t>(work.kernels()) * kSteps + 64, kSteps, step);
  check(cudaFree(more), "cudaFree");
  ordered_json out = to_json(trial, plain, work.kernels());
  out["chip"] = chip;
  out["plain_step_s"] = plain;
  return out;
}

struct TimelineQuestion {
  bool graph = false;
  bool graph_level = false;
  bool captured_while_on = false;      // else the graph was there before
  bool captured_while_paused = false;  // does it stay silent?
};

ordered_json timeline_of(const CuptiApi& api, const TimelineQuestion& question) {
  constexpr int kMany = 50;
  ordered_json out;
  Work work(kLayers);
  work.capture();
  const double before = work.seconds(kMany, question.graph);
  TimelineOptions options;
  options.graph_level = question.graph_level;
  const auto timeline = make_timeline(api, options);
  if (const Status started = timeline->start(); !started.ok())
    return {{"error", started.message()}};
  if (question.captured_while_paused) timeline->pause();
  if (question.captured_while_on || question.captured_while_paused) work.capture();
  if (question.captured_while_paused) timeline->resume();
  const double during = work.seconds(kMany, question.graph);
  timeline->stop();
  CollectingSink sink;
  timeline->drain(sink);
  const double after = work.seconds(kMany, question.graph);
  Meta meta;
  timeline->describe(meta);
  std::size_t with_node = 0;
  for (const KernelRecord& k : sink.kernels) with_node += k.graph_node != 0 ? 1 : 0;
  out["before_s"] = before;
  out["cost"] = during / before - 1;
  out["added_us_a_kernel"] = (during - before) * 1e6 / work.kernels();
  out["after_over_before"] = after / before;
  out["kernels_expected"] = work.kernels() * (kMany + 1);
  out["kernels"] = sink.kernels.size();
  out["with_graph_node"] = with_node;
  for (const Note& note : meta.notes) out["notes"].push_back(note.text);
  return out;
}

// Samples beside the timeline: do they keep up, do they lie on its clock, do they add up?
ordered_json sampling_of(const CuptiApi& api, std::chrono::microseconds interval) {
  constexpr int kMany = 100;
  Work work(kLayers);
  const double before = work.seconds(kMany, false);
  const auto timeline = make_timeline(api, {});
  if (const Status started = timeline->start(); !started.ok())
    return {{"error", started.message()}};
  SamplingOptions options;
  options.interval = interval;
  if (cuda_driver().driver == nullptr) return {{"error", cuda_driver().why.message()}};
  const auto sampling = make_sampling(api, *cuda_driver().driver, options);
  if (const Status started = sampling->start(); !started.ok())
    return {{"error", started.message()}};
  const Timestamp begin = now();
  const double during = work.seconds(kMany, false);
  const Timestamp end = now();
  sampling->stop();
  timeline->stop();
  CollectingSink sink;
  sampling->drain(sink);
  timeline->drain(sink);
  Meta meta;
  sampling->describe(meta);
  ordered_json out{{"cost", during / before - 1}, {"samples", sink.samples.size()}};
  std::map<std::string, double> sums;
  for (const SampleRecord& s : sink.samples) sums[sink.name_of(s.metric)] += s.value;
  out["sums"] = sums;
  out["copied_bytes"] = static_cast<double>(Work::kCopyBytes) * kLayers * (kMany + 1);
  if (!sink.samples.empty()) {
    out["first_after_begin_ns"] = sink.samples.front().begin.ns - begin.ns;
    out["last_before_end_ns"] = end.ns - sink.samples.back().end.ns;
    out["first_sample_ns"] = sink.samples.front().end.ns - sink.samples.front().begin.ns;
  }
  for (const DropRecord& d : sink.drops) out["dropped"].push_back(d.count);
  for (const Note& note : meta.notes) out["notes"].push_back(note.text);
  return out;
}

using Question = std::pair<std::string, std::function<ordered_json(const CuptiApi&)>>;

std::vector<Question> questions() {
  std::vector<Question> out;
  const auto timeline = [&](const char* name, TimelineQuestion question) {
    out.emplace_back(name, [question](const CuptiApi& api) { return timeline_of(api, question); });
  };
  timeline("timeline-eager", {});
  timeline("timeline-graph", {.graph = true, .captured_while_on = true});
  timeline("timeline-graph-from-before", {.graph = true});
  timeline("timeline-graph-as-one", {.graph = true, .graph_level = true});
  timeline("timeline-graph-captured-paused", {.graph = true, .captured_while_paused = true});
  for (const RangeForm& form : kForms) {
    for (const char* what : {"", "-graph", "-much-memory", "-sass"}) {
      const std::string_view kind = what;
      out.emplace_back("ranges-" + form.name + what, [form, kind](const CuptiApi& api) {
        return try_form(api, form, kind == "-sass", kind == "-graph", kind == "-much-memory");
      });
    }
  }
  for (const int us : {5, 10, 20, 50, 100}) {
    out.emplace_back("sampling-" + std::to_string(us) + "us", [us](const CuptiApi& api) {
      return sampling_of(api, std::chrono::microseconds(us));
    });
  }
  return out;
}

ordered_json answer(const CuptiApi& api, const std::string& name) {
  for (const auto& [known, ask] : questions()) {
    if (known != name) continue;
    ordered_json out{{"question", name}, {"cupti", api.version}};
    out["expected"] = {{"copy_bytes", Work::kCopyBytes},
                       {"tensor_flops", Work::kTensorFlops},
                       {"ffma", Work::kFfma},
                       {"hfma2", Work::kHfma2}};
    out.update(ask(api));
    return out;
  }
  throw std::runtime_error("no such question: see --list");
}

}  // namespace

// With --list the questions' names, with --work a little known work and no question; else the
// answer to one, as JSON.
int run(const std::string& wish) {
  if (wish == "--list") {
    for (const auto& [name, ask] : questions()) std::printf("%s\n", name.c_str());
    return 0;
  }
  if (const std::string none = no_gpu(); !none.empty()) throw std::runtime_error(none);
  if (wish == "--work") {
    Work work(kLayers);
    work.capture();
    std::printf("%.0f us a step\n", work.seconds(kSteps, true) * 1e6);
    return 7;  // a status to be told from any other
  }
  if (cupti().api == nullptr) throw std::runtime_error(cupti().why.message());
  std::printf("%s\n", answer(*cupti().api, wish).dump(1).c_str());
  return 0;
}

}  // namespace rooftop::capture::testing

int main(int argc, char** argv) {
  try {
    return rooftop::capture::testing::run(argc == 2 ? argv[1] : "--list");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "capture_questions: %s\n", e.what());
    return 2;
  }
}
