#include "tests/corpus/field_recording.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <unordered_map>

#include "profiler/trace/reader.h"
#include "tools/import/import.h"

namespace rooftop::corpus {
namespace {

namespace fs = std::filesystem;
using enum Operator;

// A whole recording in memory: those that tests read are small.
class Recording : public trace::Visitor {
 public:
  void scopes(std::span<const ScopeRecord> records) override {
    for (const ScopeRecord& r : records) ranges_[r.id] = r;
  }
  void kernels(std::span<const KernelRecord> records) override {
    kernels_.insert(kernels_.end(), records.begin(), records.end());
  }
  void memcpys(std::span<const MemcpyRecord> records) override {
    for (const MemcpyRecord& r : records) {
      if (r.kind == MemcpyKind::kMemset) memsets_.push_back(r);
    }
  }

  std::unordered_map<ScopeId, ScopeRecord> ranges_;
  std::vector<KernelRecord> kernels_;
  std::vector<MemcpyRecord> memsets_;
};

class FrameLabels {
 public:
  FrameLabels(const Recording& recording, const trace::Reader& reader)
      : recording_(recording), reader_(reader) {}

  struct Chain {
    std::vector<std::string> names;  // the innermost first
    std::vector<std::string> args;
  };

  Chain chain_of(ScopeId scope) const {
    Chain chain;
    for (auto it = recording_.ranges_.find(scope); it != recording_.ranges_.end();
         it = recording_.ranges_.find(it->second.parent)) {
      chain.names.emplace_back(reader_.string(it->second.name));
      chain.args.emplace_back(reader_.string(it->second.args));
    }
    return chain;
  }

  // None where no frame of a module holds the launch.
  static std::optional<Operator> label(const Chain& chain) {
    const std::string frame = first_frame(chain);
    if (frame.empty()) return std::nullopt;
    const auto has = [&](std::string_view part) { return frame.find(part) != frame.npos; };
    const auto op = [&](std::string_view name) {
      return std::find(chain.names.begin(), chain.names.end(), name) != chain.names.end();
    };
    if (has("RMSNorm")) return kNorm;
    if (has("RotaryEmbedding")) return kRope;
    if (has("SiLU") || has("MLP")) return kActivation;
    if (has("Embedding")) return kEmbed;
    if (has("Linear")) return linear(frame);
    if (has("DecoderLayer")) return kResidual;
    if (has("Attention")) {
      if (op("aten::_flash_attention_forward")) return kQkPv;
      if (op("aten::contiguous") || op("aten::clone")) return kOther;
      return kRope;
    }
    return kOther;  // of the model itself: positions, masks
  }

 private:
  static std::string first_frame(const Chain& chain) {
    for (const std::string& name : chain.names) {
      if (name.starts_with("nn.Module: ")) return name;
    }
    return {};
  }

  // The modules of a layer are called in the order of its forward pass: seven linear ones.
  static Operator linear(const std::string& frame) {
    constexpr std::array<Operator, 7> kOrder = {kQ, kK, kV, kOProj, kGate, kUp, kDown};
    const auto digits = frame.rfind('_');
    return kOrder[std::strtoul(frame.c_str() + digits + 1, nullptr, 10) % kOrder.size()];
  }

  const Recording& recording_;
  const trace::Reader& reader_;
};

}  // namespace

std::optional<std::string> field_file(const std::string& name) {
  const char* folder = std::getenv("ROOFTOP_FIELD_DATA");
  if (folder == nullptr) return std::nullopt;
  const fs::path path = fs::path(folder) / name;
  return fs::exists(path) ? std::optional(path.string()) : std::nullopt;
}

std::vector<LabelledLaunch> labelled_by_frames(const std::string& recording, Hidden hidden) {
  const fs::path trace =
      fs::temp_directory_path() / ("rooftop_corpus_" + std::to_string(::getpid()) + ".rtrace");
  import::import_file(recording, trace.string(), {});
  trace::Reader reader(trace.string());
  Recording all;
  reader.read(all);
  fs::remove(trace);
  const FrameLabels labels(all, reader);
  std::multimap<std::int64_t, LabelledLaunch> launches;
  const auto add = [&](ScopeId scope, Timestamp begin, Timestamp end, const std::string& name,
                       std::uint32_t grid, bool memset) {
    const FrameLabels::Chain chain = labels.chain_of(scope);
    const auto label = FrameLabels::label(chain);
    if (!label) return;
    LabelledLaunch l;
    l.name = name;
    l.op = *label;
    l.microseconds = static_cast<double>((end - begin).ns) / 1e3;
    l.grid_x = grid;
    l.memset = memset;
    if (hidden == Hidden::kModules && chain.names.front().starts_with("aten::")) {
      l.range = chain.names.front();
      l.args = chain.args.front();
    }
    launches.emplace(begin.ns, std::move(l));
  };
  for (const KernelRecord& k : all.kernels_) {
    add(k.scope, k.begin, k.end, std::string(reader.string(k.name)), k.grid[0], false);
  }
  for (const MemcpyRecord& m : all.memsets_) add(m.scope, m.begin, m.end, "memset", 0, true);
  std::vector<LabelledLaunch> sorted;
  for (auto& [begin, l] : launches) sorted.push_back(std::move(l));
  return sorted;
}

std::vector<NamedKernel> named_kernels(const std::string& table) {
  std::ifstream in(table);
  std::vector<NamedKernel> kernels;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') {
        quoted = !quoted;
      } else if (c == ',' && !quoted) {
        cells.emplace_back();
      } else {
        cells.back() += c;
      }
    }
    // engine, gpu, phase, kernel_name, grid, block, duration_us, operator, confidence, source
    if (cells.size() < 10 || cells[0] == "engine") continue;
    kernels.push_back({.engine = cells[0],
                       .name = cells[3],
                       .label = cells[7],
                       .confidence = cells[8],
                       .microseconds = std::strtod(cells[6].c_str(), nullptr)});
  }
  return kernels;
}

std::optional<Operator> operator_of_label(const std::string& label) {
  if (label.find('|') != label.npos || label.find("split-K") != label.npos) return std::nullopt;
  // No name tells an image encoder's layers from the decoder's.
  if (label.find("vision") != label.npos) return std::nullopt;
  const std::string word = label.substr(0, label.find_first_of("(+ "));
  if (word == "attention") return kQkPv;
  if (label.starts_with("gate_up+activation")) return kGateUpAct;
  if (const auto op = operator_from_name(word)) {
    // A product's name alone never says which one it is; its place in the table's notes does.
    if (*op == kQkv || *op == kOProj || *op == kLmHead || *op == kDown || *op == kGate ||
        *op == kUp || *op == kGateUp) {
      return std::nullopt;
    }
    return op;
  }
  return std::nullopt;
}

}  // namespace rooftop::corpus
