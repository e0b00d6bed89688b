// Prints how right the classification is: precision and recall of every row by engine, weighted by
// count and by time. Field data is read through ROOFTOP_FIELD_DATA.
#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "profiler/classify/kernel_name.h"
#include "tests/corpus/field_recording.h"
#include "tests/corpus/scoring.h"

namespace rooftop::corpus {
namespace {

void print(const std::string& engine, const std::map<Operator, Score>& scores) {
  for (const auto& [row, s] : scores) {
    fmt::print("| {} | {} | {:.0f} | {:.3f} | {:.3f} | {:.3f} | {:.3f} |\n", engine, name_of(row),
               s.labelled, s.precision(), s.recall(), s.time_precision(), s.time_recall());
  }
}

void classify_and_print(const std::string& engine, const std::vector<LabelledLaunch>& launches) {
  const Classified found = classify(launches);
  double all = 0;
  double open = 0;
  for (std::size_t i = 0; i < launches.size(); ++i) {
    all += launches[i].microseconds;
    if (found.launches[i].op == Operator::kUnclassified) open += launches[i].microseconds;
  }
  print(engine, score(launches, found.launches));
  fmt::print("| {} | unclassified time: {:.1f} % | | | | | |\n", engine, 100 * open / all);
}

void print_names(const std::string& table) {
  const KernelRules rules = KernelRules::built_in();
  std::map<Operator, Score> scores;
  for (const NamedKernel& kernel : named_kernels(table)) {
    const auto label = operator_of_label(kernel.label);
    if (!label || kernel.confidence != "sure") continue;
    const KernelRule* rule = rules.find(normalised_kernel_name(kernel.name));
    const Operator said = row_of(rule == nullptr ? Operator::kUnclassified : only(rule->operators));
    for (const Operator row : {row_of(*label), said}) {
      if (row != Operator::kUnclassified) {
        scores[row].add(row_of(*label), said, row, kernel.microseconds);
      }
      if (said == row_of(*label)) break;
    }
  }
  print("names alone, many engines", scores);
}

int run() {
  fmt::print(
      "| launches of | row | launches | precision | recall | precision by time | recall by time |\n"
      "|---|---|---|---|---|---|---|\n");
  for (const Sequence& sequence : engines()) {
    classify_and_print(sequence.engine, sequence.launches);
  }
  if (const auto file = field_file("recordings/pytorch_h100_qwen0.5b_prefill.json.gz")) {
    classify_and_print("H100 recording, operators and shapes",
                       labelled_by_frames(*file, Hidden::kModules));
    classify_and_print("H100 recording, names and order",
                       labelled_by_frames(*file, Hidden::kRanges));
  }
  if (const auto table = field_file("facts/kernels.csv")) print_names(*table);
  return 0;
}

}  // namespace
}  // namespace rooftop::corpus

int main() {
  try {
    return rooftop::corpus::run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
