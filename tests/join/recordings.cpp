#include "tests/join/recordings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "profiler/trace/reader.h"

namespace rooftop::join {
namespace {

void expect_ok(const Status& status) { EXPECT_TRUE(status.ok()) << status.message(); }

class Collector : public trace::Visitor {
 public:
  Collector(const trace::Reader& reader, Contents& out) : reader_(reader), out_(out) {}
  void scopes(std::span<const ScopeRecord> records) override {
    out_.scopes.insert(out_.scopes.end(), records.begin(), records.end());
  }
  void kernels(std::span<const KernelRecord> records) override {
    for (const KernelRecord& record : records) {
      out_.kernels.push_back(record);
      out_.names.emplace_back(reader_.string(record.name));
    }
  }
  void counters(std::span<const CounterRecord> records) override {
    for (const CounterRecord& r : records) {
      out_.counters.push_back({.kernel = r.kernel,
                               .metric = std::string(reader_.string(r.metric)),
                               .value = r.value,
                               .source = r.source});
    }
  }
  void samples(std::span<const SampleRecord> records) override {
    out_.samples.insert(out_.samples.end(), records.begin(), records.end());
  }
  void memcpys(std::span<const MemcpyRecord> records) override {
    out_.memcpys.insert(out_.memcpys.end(), records.begin(), records.end());
  }
  void drops(std::span<const DropRecord> records) override {
    for (const DropRecord& record : records) out_.drops += record.count;
  }

 private:
  const trace::Reader& reader_;
  Contents& out_;
};

}  // namespace

std::string scratch_path() {
  static int count = 0;
  const auto name =
      "rooftop_join_" + std::to_string(::getpid()) + "_" + std::to_string(count++) + ".rtrace";
  return (std::filesystem::temp_directory_path() / name).string();
}

ScopeRecord decode_step(std::uint32_t length) {
  ScopeRecord step;
  step.kind = ScopeKind::kStep;
  step.phase = Phase::kAr;
  step.batch = 1;
  step.query_tokens = 1;
  step.length = length;
  step.total_query_tokens = 1;
  step.total_keys = length;
  step.attention_pairs = length;
  step.causal_pairs = length;
  step.logit_rows = 1;
  return step;
}

Recording::Recording(std::string_view capture, const std::string& device) : path_(scratch_path()) {
  Meta meta;
  meta.run = "test";
  meta.capture = capture;
  meta.devices.emplace_back().name = device;
  expect_ok(writer_.open(path_, meta));
}

Recording::~Recording() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

std::vector<KernelId> Recording::step(std::uint32_t length, std::string_view kernels,
                                      std::uint32_t flags, Operator op) {
  ScopeRecord step = decode_step(length);
  step.id = next_scope();
  step.flags = flags;
  step.begin = {now_++};
  ScopeId inner = step.id;
  if (op != Operator::kUnclassified) {
    ScopeRecord scope;
    scope.id = next_scope();
    scope.parent = step.id;
    scope.kind = ScopeKind::kOp;
    scope.op = op;
    scope.begin = {now_};
    scope.end = {now_};
    inner = scope.id;
    expect_ok(writer_.add(scope));
  }
  std::vector<KernelId> ids = launches(kernels, inner);
  step.end = {now_++};
  expect_ok(writer_.add(step));
  return ids;
}

std::vector<KernelId> Recording::launches(std::string_view kernels, ScopeId scope) {
  std::vector<KernelId> ids;
  for (const char letter : kernels) {
    KernelRecord kernel;
    kernel.id = ++kernels_;
    kernel.begin = {now_};
    kernel.end = {now_ += 10};
    kernel.name = writer_.intern(std::string(1, letter));
    kernel.grid = {static_cast<std::uint32_t>(letter), 1, 1};
    kernel.block = {128, 1, 1};
    kernel.scope = scope;
    expect_ok(writer_.add(kernel));
    ids.push_back(kernel.id);
  }
  return ids;
}

void Recording::counter(KernelId kernel, std::string_view metric, double value, Provenance source) {
  expect_ok(writer_.add(CounterRecord{
      .kernel = kernel, .metric = writer_.intern(metric), .value = value, .source = source}));
}

const std::string& Recording::path() {
  if (!finished_) expect_ok(writer_.finish());
  finished_ = true;
  return path_;
}

std::vector<Contents::Counter> Contents::of(KernelId kernel) const {
  std::vector<Counter> found;
  std::copy_if(counters.begin(), counters.end(), std::back_inserter(found),
               [&](const Counter& c) { return c.kernel == kernel; });
  return found;
}

bool Contents::notes_contain(std::string_view text) const {
  return std::any_of(meta.notes.begin(), meta.notes.end(),
                     [&](const Note& note) { return note.text.find(text) != std::string::npos; });
}

Contents contents(const std::string& path) {
  Contents contents;
  trace::Reader reader(path);
  Collector collector(reader, contents);
  reader.read(collector);
  contents.meta = reader.meta();
  return contents;
}

}  // namespace rooftop::join
