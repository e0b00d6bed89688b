// A backend that computes no Llama but remembers everything: which operators were called, and which
// tokens each slot's cache holds. Its logits are a fixed function of all tokens up to a row, so
// that a wrong cache, a wrong position or a wrong row changes what is generated.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "inference/backend.h"
#include "inference/sampler.h"

namespace rooftop::inference {

class ToyBackend : public Backend {
 public:
  static constexpr std::int64_t kVocab = 23;

  explicit ToyBackend(const BackendOptions& options)
      : cache_(static_cast<std::size_t>(options.max_batch),
               std::vector<std::int32_t>(static_cast<std::size_t>(options.max_length), -1)) {}

  std::vector<std::string> calls;
  std::vector<std::vector<SequenceRows>> steps;   // of each begin()
  std::vector<std::vector<std::int32_t>> tokens;  // likewise
  std::vector<std::vector<std::int32_t>> logit_rows;
  bool fills = false;  // whether fill_cache() works
  StepWork work = StepWork::kCompute;
  bool overflows = false;  // whether logits become infinite

  [[nodiscard]] BackendTraits traits() const override { return {true, 2, 2, 1}; }

  void reserve(const BackendOptions&) override { calls.emplace_back("reserve"); }

  StepWork begin(const StepInput& input) override {
    calls.emplace_back("begin");
    steps.emplace_back(input.sequences.begin(), input.sequences.end());
    tokens.emplace_back(input.tokens.begin(), input.tokens.end());
    logit_rows.emplace_back(input.logit_rows.begin(), input.logit_rows.end());
    for (const auto& s : input.sequences) {
      for (std::int32_t r = 0; r < s.rows; ++r) {
        slot(s)[static_cast<std::size_t>(s.length - s.rows + r)] =
            input.tokens[static_cast<std::size_t>(s.first_row + r)];
      }
    }
    return work;
  }
  void pick() override { calls.emplace_back("pick"); }
  void run() override { calls.emplace_back("run"); }
  void embed() override { calls.emplace_back("embed"); }
  void attention_norm(int layer) override { call("attention_norm", layer); }
  void qkv(int layer) override { call("qkv", layer); }
  void rope(int layer) override { call("rope", layer); }
  void kv_write(int layer) override { call("kv_write", layer); }
  void attention(int layer) override { call("attention", layer); }
  void qk(int layer) override { call("qk", layer); }
  void softmax(int layer) override { call("softmax", layer); }
  void pv(int layer) override { call("pv", layer); }
  void o_proj(int layer) override { call("o_proj", layer); }
  void residual() override { calls.emplace_back("residual"); }
  void mlp_norm(int layer) override { call("mlp_norm", layer); }
  void gate_up(int layer) override { call("gate_up", layer); }
  void activation(int layer) override { call("activation", layer); }
  void down(int layer) override { call("down", layer); }
  void final_norm() override { calls.emplace_back("final_norm"); }
  void lm_head() override { calls.emplace_back("lm_head"); }

  std::span<const float> logits() override {
    calls.emplace_back("logits");
    logits_.clear();
    for (const std::int32_t row : logit_rows.back()) {
      for (const auto& s : steps.back()) {
        if (row < s.first_row || row >= s.first_row + s.rows) continue;
        const auto position = static_cast<std::size_t>(s.length - s.rows + row - s.first_row);
        const auto of_row = logits_after({slot(s).data(), position + 1});
        logits_.insert(logits_.end(), of_row.begin(), of_row.end());
      }
    }
    if (overflows) logits_.assign(logits_.size(), HUGE_VALF);
    return logits_;
  }

  std::span<const std::int32_t> picked() override {
    largest_of_rows(logits(), kVocab, picked_);
    return picked_;
  }

  bool fill_cache(std::int32_t slot, std::int32_t begin, std::int32_t end) override {
    if (!fills) return false;
    calls.push_back("fill " + std::to_string(slot) + " " + std::to_string(begin) + " " +
                    std::to_string(end));
    return true;
  }

  // Depends on all tokens, but mostly on the last two, so that texts fall into loops, as those of
  // small language models do.
  static std::vector<float> logits_after(std::span<const std::int32_t> text) {
    std::uint64_t all = 1469598103934665603U;
    for (const std::int32_t token : text) {
      all = (all ^ static_cast<std::uint64_t>(token + 1)) * 1099511628211U;
    }
    const auto last = static_cast<std::uint64_t>(text.back());
    const auto before = static_cast<std::uint64_t>(text.size() > 1 ? text[text.size() - 2] : 0);
    std::vector<float> logits(kVocab);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const std::uint64_t strong = (last * 7 + before % 4 * 5 + 3) * (i + 11) * 2654435761U;
      const std::uint64_t weak = (all + i) * 0x9E3779B97F4A7C15U;
      logits[i] = static_cast<float>(strong >> 7 & 1023) / 200.0F +
                  static_cast<float>(weak >> 54) / 1000.0F;
    }
    return logits;
  }

 private:
  void call(const char* name, int layer) { calls.push_back(name + (" " + std::to_string(layer))); }
  std::vector<std::int32_t>& slot(const SequenceRows& s) {
    return cache_.at(static_cast<std::size_t>(s.slot));
  }

  std::vector<std::vector<std::int32_t>> cache_;
  std::vector<float> logits_;
  std::vector<std::int32_t> picked_;
};

inline Config toy_config() {
  Config c;
  c.name = "toy";
  c.hidden = 8;
  c.layers = 2;
  c.heads = 4;
  c.kv_heads = 2;
  c.head_dim = 2;
  c.ffn = 12;
  c.vocab = ToyBackend::kVocab;
  c.max_positions = 128;
  return c;
}

inline BackendOptions toy_options() {
  BackendOptions o;
  o.max_batch = 4;
  o.max_length = 100;
  o.max_rows = 60;
  o.max_logit_rows = 40;
  return o;
}

}  // namespace rooftop::inference
