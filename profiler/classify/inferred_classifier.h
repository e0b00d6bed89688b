// (operator, phase, layer, step) of launches that no scope of ours names: from names, foreign
// ranges, shapes, and from the order that the layers of a decoder repeat. What decides, and in
// which order: docs/classification.md.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "profiler/classify/launch_evidence.h"
#include "profiler/classify/layer_order.h"
#include "profiler/classify/shape_inference.h"
#include "profiler/classify/step_finder.h"
#include "profiler/classify/step_table.h"
#include "profiler/classify/token.h"
#include "profiler/core/meta.h"

namespace rooftop {

struct InferredLaunch {
  Operator op = Operator::kUnclassified;
  bool part = false;
  std::int32_t layer = -1;
  RuleTexts::Id rule = 0;
  std::int64_t step = -1;  // index into StepTable::steps(); -1: none
};

// The launches must come in the order in which they are asked for.
class InferredClassifier {
 public:
  // More launches would take more than half a gigabyte: what follows is known by its scopes alone.
  static constexpr std::size_t kMostLaunches = std::size_t{1} << 22;

  void add(const SeenLaunch& launch);
  void add(std::span<const ScopeRecord> scopes) { scopes_.add(scopes); }
  // True until finish() has found anything to say.
  [[nodiscard]] bool empty() const { return answers_.empty(); }

  // Finds the structure. `steps` holds the steps that were recorded, or, with `infer_steps`, gets
  // those that are found; `meta` gets what it lacks of the model's shape and of the types.
  void finish(const KernelRules& rules, const EvidenceReader::Strings& strings, StepTable& steps,
              bool infer_steps, Meta& meta);

  // Of the first launch that began at `begin` among those from number `next` on; `next` moves
  // behind it. Ask in the order in which launches were added.
  [[nodiscard]] InferredLaunch find(Timestamp begin, std::size_t& next) const;
  [[nodiscard]] std::string_view rule(const InferredLaunch& launch) const;
  [[nodiscard]] const ForeignScopes& scopes() const { return scopes_; }
  // One sentence each: what was inferred, and what could not be looked at.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct Device {
    std::vector<Token> tokens;
    std::vector<std::size_t> index;  // of each token among the launches
    LayerStructure structure;
    std::vector<bool> complete;  // of each run
    std::vector<std::int32_t> first_layer;
  };

  void read_tokens(EvidenceReader& reader, const StepTable& steps);
  std::vector<Pass> passes_of(const Device& device, const ModelShape& model,
                              EvidenceReader& reader);
  Token make_token(const SeenLaunch& launch, const Evidence& evidence);
  std::uint32_t marker_of(const Evidence& evidence, const StepTable& steps);
  void judge_runs(Device& device, const ModelShape& model) const;
  void find_steps(StepTable& steps, const ModelShape& model, EvidenceReader& reader);
  void infer_meta(const EvidenceReader::Strings& strings, Meta& meta);
  void describe(const StepTable& steps, const Meta& meta, bool steps_inferred);

  ForeignScopes scopes_;
  std::vector<SeenLaunch> launches_;
  std::uint64_t passed_over_ = 0;
  std::map<std::uint32_t, Device> devices_;
  RecordedShapes shapes_;
  std::map<std::pair<ScopeId, int>, std::int32_t> shape_index_;
  std::vector<ScopeId> markers_{0};  // foreign ranges, or steps of ours, by number
  std::map<ScopeId, std::uint32_t> marker_index_;
  RuleTexts rules_;
  std::vector<InferredLaunch> answers_;
  std::vector<Timestamp> begins_;  // of each answer's launch
  std::vector<std::string> notes_;
};

}  // namespace rooftop
