#include "profiler/classify/inferred_classifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "profiler/classify/region_order.h"
#include "profiler/classify/step_finder.h"

namespace rooftop {
namespace {

// What a model computes in, as the names of its products say it, weighed by time.
class TypeVotes {
 public:
  void add(std::string_view name, std::int64_t ns) {
    for (const auto& [text, type] : kTypes) {
      if (name.find(text) == std::string_view::npos) continue;
      if (!type.empty()) votes_[type] += ns;
      total_ += ns;
      return;
    }
    total_ += ns;
  }

  [[nodiscard]] std::string winner() const {
    for (const auto& [type, ns] : votes_) {
      if (static_cast<double>(ns) > 0.5 * static_cast<double>(total_)) return std::string(type);
    }
    return {};
  }

 private:
  struct Type {
    std::string_view text;
    std::string_view type;  // empty: weights of another size than the type computed in
  };
  static constexpr std::array<Type, 16> kTypes = {{
      {"e4m3", ""},
      {"fp8", ""},
      {"qqtst", ""},
      {"q8_0", ""},
      {"mul_mat_q", ""},
      {"marlin", ""},
      {"int8", ""},
      {"ggml_type", ""},
      {"bf16", "bf16"},
      {"bfloat16", "bf16"},
      {"nvjet_tst", "bf16"},
      {"BFloat16", "bf16"},
      {"nvjet_hsh", "f16"},
      {"f16", "f16"},
      {"fp16", "f16"},
      {"half", "f16"},
  }};
  std::map<std::string_view, std::int64_t> votes_;
  std::int64_t total_ = 0;
};

double bytes_of_type(std::string_view type) { return type.empty() ? 0 : type == "f32" ? 4 : 2; }

}  // namespace

void InferredClassifier::add(const SeenLaunch& launch) {
  if (launches_.size() < kMostLaunches) {
    launches_.push_back(launch);
  } else {
    ++passed_over_;
  }
}

std::uint32_t InferredClassifier::marker_of(const Evidence& evidence, const StepTable& steps) {
  ScopeId id = evidence.marker;
  if (evidence.root != 0 && steps.find(evidence.root)) id = evidence.root;
  if (id == 0) return 0;
  const auto [it, inserted] =
      marker_index_.try_emplace(id, static_cast<std::uint32_t>(markers_.size()));
  if (inserted) markers_.push_back(id);
  return it->second;
}

Token InferredClassifier::make_token(const SeenLaunch& launch, const Evidence& evidence) {
  Token token;
  token.operators = evidence.operators;
  token.begin = launch.begin;
  token.end = launch.end;
  token.stream = launch.stream;
  token.layer = evidence.layer;
  token.phase = evidence.phase;
  token.named = evidence.named;
  token.companion = evidence.companion;
  token.gated = evidence.gated;
  token.sum = evidence.sum;
  token.training = evidence.training;
  token.copy = launch.copy;
  token.memset = launch.memset;
  if (evidence.training) {
    token.decide(Operator::kOther, rules_.intern("backward pass or optimiser"));
  } else if (!evidence.companion) {
    token.decide(only(evidence.operators), rules_.intern(evidence.rule));
    if (!token.decided()) token.rule = 0;
  }
  // All launches of one range share its shapes.
  const auto remember = [&](int kind, auto& list, auto value) {
    const auto [it, inserted] =
        shape_index_.try_emplace({launch.scope, kind}, static_cast<std::int32_t>(list.size()));
    if (inserted) list.push_back(value);
    return it->second;
  };
  if (evidence.product) {
    const ProductShape& p = *evidence.product;
    token.product =
        remember(0, shapes_.products,
                 ProductSize{.rows = p.rows, .in = p.in, .out = p.out, .batch = p.batch});
  }
  if (evidence.attention) token.attention = remember(1, shapes_.attentions, *evidence.attention);
  if (evidence.embedding_table && evidence.embedding_table->rank() == 2) {
    const std::vector<double>& ids = evidence.embedding_ids->dims;
    RecordedShapes::Embedding embedding{.vocab = evidence.embedding_table->dims[0],
                                        .hidden = evidence.embedding_table->dims[1]};
    if (ids.size() == 2) embedding.batch = ids[0];
    if (!ids.empty()) embedding.rows = ids.back();
    token.embedding = remember(2, shapes_.embeddings, embedding);
  }
  return token;
}

void InferredClassifier::read_tokens(EvidenceReader& reader, const StepTable& steps) {
  for (std::size_t i = 0; i < launches_.size(); ++i) {
    const Evidence evidence = reader.read(launches_[i]);
    Device& device = devices_[launches_[i].device];
    Token token = make_token(launches_[i], evidence);
    token.marker = marker_of(evidence, steps);
    if (token.marker == 0 && !steps.steps().empty()) {
      if (const auto step = steps.at(token.begin, token.end)) {
        Evidence by_time;
        by_time.root = steps.steps()[*step].id;
        token.marker = marker_of(by_time, steps);
      }
    }
    device.tokens.push_back(token);
    device.index.push_back(i);
  }
  for (auto& [number, device] : devices_) prepare_products(device.tokens);
}

void InferredClassifier::finish(const KernelRules& rules, const EvidenceReader::Strings& strings,
                                StepTable& steps, bool infer_steps, Meta& meta) {
  EvidenceReader reader(rules, scopes_, strings);
  read_tokens(reader, steps);
  for (auto& [number, device] : devices_) {
    device.structure = find_layers(device.tokens, shapes_.products, rules_);
    judge_runs(device, meta.model);
    decide_by_region(device.tokens, device.structure, device.first_layer, rules_);
    decide_companions(device.tokens, rules_);
    for (const LayerRun& run : device.structure.runs) {
      mark_parts(
          std::span(device.tokens).subspan(run.tokens.begin, run.tokens.end - run.tokens.begin));
    }
  }
  answers_.resize(launches_.size());
  for (const SeenLaunch& launch : launches_) begins_.push_back(launch.begin);
  for (const auto& [number, device] : devices_) {
    for (std::size_t i = 0; i < device.tokens.size(); ++i) {
      const Token& token = device.tokens[i];
      answers_[device.index[i]] = {
          .op = token.op, .part = token.part, .layer = token.layer, .rule = token.rule};
    }
  }
  infer_meta(strings, meta);
  if (infer_steps) find_steps(steps, meta.model, reader);
  describe(steps, meta, infer_steps);
  launches_ = {};
  devices_.clear();
  shape_index_.clear();
}

// A recording may begin and end in the middle of a pass.
void InferredClassifier::judge_runs(Device& device, const ModelShape& model) const {
  const std::vector<LayerRun>& runs = device.structure.runs;
  std::size_t most = model.layers;
  for (const LayerRun& run : runs) most = std::max(most, run.groups);
  const auto inner = [&](std::size_t length) {
    for (std::size_t i = 1; i + 1 < runs.size(); ++i) {
      if (runs[i].groups == length) return true;
    }
    return false;
  };
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const bool short_one = runs[i].groups < most && !inner(runs[i].groups);
    const bool cut_front = i == 0 && short_one && !runs[i].embeds && runs.size() > 1;
    const bool cut_back = i + 1 == runs.size() && short_one && runs.size() > 1;
    device.complete.push_back(!cut_front && !cut_back);
    device.first_layer.push_back(cut_front ? static_cast<std::int32_t>(most - runs[i].groups) : 0);
  }
}

void InferredClassifier::find_steps(StepTable& steps, const ModelShape& model,
                                    EvidenceReader& reader) {
  std::vector<std::vector<Pass>> passes;
  std::vector<std::span<const Token>> tokens;
  for (const auto& [number, device] : devices_) {
    passes.push_back(passes_of(device, model, reader));
    tokens.emplace_back(device.tokens);
  }
  if (std::all_of(passes.begin(), passes.end(), [](const auto& p) { return p.empty(); })) {
    for (std::size_t d = 0; d < passes.size(); ++d) {
      passes[d].push_back({.tokens = {0, tokens[d].size()}, .step = {}});
    }
  }
  steps.infer(merge_passes(passes, tokens));
  std::size_t d = 0;
  for (const auto& [number, device] : devices_) {
    for (const Pass& pass : passes[d++]) {
      for (std::size_t i = pass.tokens.begin; i < pass.tokens.end; ++i) {
        answers_[device.index[i]].step = pass.index;
      }
    }
  }
}

std::vector<Pass> InferredClassifier::passes_of(const Device& device, const ModelShape& model,
                                                EvidenceReader& reader) {
  std::vector<Pass> passes;
  const std::span<const Token> tokens = device.tokens;
  const auto add = [&](TokenRange range, std::uint32_t marker) {
    const Step step = infer_step(tokens.subspan(range.begin, range.end - range.begin), shapes_,
                                 reader.marker(markers_[marker]));
    passes.push_back({.tokens = range, .step = step});
  };
  if (device.structure.runs.empty()) {
    for (const TokenRange range : marked_ranges(tokens)) add(range, tokens[range.begin].marker);
    return passes;
  }
  for (std::size_t i = 0; i < device.structure.runs.size(); ++i) {
    if (!device.complete[i]) continue;
    const LayerRun& run = device.structure.runs[i];
    const std::size_t attention = device.structure.groups[run.first_group].tokens.begin;
    add(trimmed(run, device.structure.groups, tokens), tokens[attention].marker);
    // Another model's pass: what the report says of the model's shape is not true of it.
    if (model.layers != 0 && run.groups != model.layers) passes.back().step.shape = {};
  }
  return passes;
}

void InferredClassifier::infer_meta(const EvidenceReader::Strings& strings, Meta& meta) {
  std::vector<Token> complete;
  std::map<std::size_t, std::size_t> lengths;
  TypeVotes types;
  bool flash = false;
  bool unfused = false;
  for (const auto& [number, device] : devices_) {
    complete.insert(complete.end(), device.tokens.begin(), device.tokens.end());
    for (std::size_t i = 0; i < device.structure.runs.size(); ++i) {
      if (device.complete[i]) ++lengths[device.structure.runs[i].groups];
    }
    for (std::size_t i = 0; i < device.tokens.size(); ++i) {
      const Token& token = device.tokens[i];
      flash = flash || token.op == Operator::kQkPv;
      unfused = unfused || token.op == Operator::kQk;
      if (token.is_product() && token.decided()) {
        types.add(strings(launches_[device.index[i]].name), (token.end - token.begin).ns);
      }
    }
  }
  if (meta.model.hidden == 0) {
    const std::string name = meta.model.name;
    meta.model = infer_model(complete, shapes_);
    meta.model.name = name;
    // Two models, or a model and its draft: neither's layers are the trace's.
    if (lengths.size() == 1) meta.model.layers = static_cast<std::uint32_t>(lengths.begin()->first);
  }
  if (meta.layers_run == 0) meta.layers_run = meta.model.layers;
  if (meta.attention.empty() && flash != unfused) meta.attention = flash ? "flash" : "unfused";
  if (meta.dtype.empty()) meta.dtype = types.winner();
  const double bytes = bytes_of_type(meta.dtype);
  if (meta.weight_bytes == 0) meta.weight_bytes = bytes;
  if (meta.activation_bytes == 0) meta.activation_bytes = bytes;
  if (meta.kv_bytes == 0) meta.kv_bytes = bytes;
}

void InferredClassifier::describe(const StepTable& steps, const Meta& meta, bool steps_inferred) {
  if (steps_inferred && !launches_.empty()) {
    notes_.push_back(
        fmt::format("No scope of ours marks steps: {} found from annotations and repeating layers.",
                    steps.steps().size()));
  }
  const ModelShape& m = meta.model;
  if (m.name.empty() && m.hidden > 0) {
    const bool whole =
        m.layers > 0 && m.heads > 0 && m.head_dim > 0 && m.kv_heads > 0 && m.ffn > 0 && m.vocab > 0;
    notes_.push_back(fmt::format(
        "The model's shape is inferred from recorded shapes: hidden {}, {} layers, {} heads of {}, "
        "{} KV heads, FFN {}, vocabulary {}{}.",
        m.hidden, m.layers, m.heads, m.head_dim, m.kv_heads, m.ffn, m.vocab,
        whole ? "" : " (0: unknown)"));
  }
  if (passed_over_ > 0) {
    notes_.push_back(fmt::format(
        "The first {} launches without scopes were classified; {} more were not looked at.",
        kMostLaunches, passed_over_));
  }
  if (scopes_.forgotten() > 0) {
    notes_.push_back(
        fmt::format("{} foreign ranges were more than fit: launches within them were "
                    "classified by name and order alone.",
                    scopes_.forgotten()));
  }
}

InferredLaunch InferredClassifier::find(Timestamp begin, std::size_t& next) const {
  while (next < begins_.size() && begins_[next] < begin) ++next;
  if (next >= begins_.size() || begins_[next] != begin) return {};
  return answers_[next++];
}

std::string_view InferredClassifier::rule(const InferredLaunch& launch) const {
  return rules_.text(launch.rule);
}

}  // namespace rooftop
