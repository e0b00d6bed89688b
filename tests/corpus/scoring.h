// What the classifier says of labelled launches, and how right it is.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "profiler/classify/inferred_classifier.h"
#include "tests/corpus/sequences.h"

namespace rooftop::corpus {

struct Classified {
  std::vector<InferredLaunch> launches;
  std::vector<std::string> rules;
  std::vector<Step> steps;
  Meta meta;
};

Classified classify(const std::vector<LabelledLaunch>& launches,
                    const KernelRules& rules = KernelRules::built_in(), Meta meta = {});

// Of one row of a report, by count and by time.
struct Score {
  double labelled = 0;
  double found = 0;
  double right = 0;
  double labelled_time = 0;
  double found_time = 0;
  double right_time = 0;

  void add(Operator label, Operator found_op, Operator row, double time);
  [[nodiscard]] double precision() const { return found > 0 ? right / found : 1; }
  [[nodiscard]] double recall() const { return labelled > 0 ? right / labelled : 1; }
  [[nodiscard]] double time_precision() const {
    return found_time > 0 ? right_time / found_time : 1;
  }
  [[nodiscard]] double time_recall() const {
    return labelled_time > 0 ? right_time / labelled_time : 1;
  }
};

// By row: q, k and v are qkv.
std::map<Operator, Score> score(const std::vector<LabelledLaunch>& launches,
                                const std::vector<InferredLaunch>& found);

}  // namespace rooftop::corpus
