#include "tests/roofline/trace_builder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace rooftop {
namespace {

std::string new_path() {
  static int count = 0;
  const auto name =
      "rooftop_test_" + std::to_string(::getpid()) + "_" + std::to_string(count++) + ".rtrace";
  return (std::filesystem::temp_directory_path() / name).string();
}

void expect_ok(const Status& status) { EXPECT_TRUE(status.ok()) << status.message(); }

}  // namespace

ModelShape tiny_model() {
  return {.name = "tiny",
          .hidden = 8,
          .layers = 1,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 2,
          .ffn = 12,
          .vocab = 20,
          .tied_embeddings = false,
          .max_positions = 64};
}

Meta tiny_meta() {
  Meta meta;
  meta.run = "test";
  meta.command = "run";
  DeviceInfo& device = meta.devices.emplace_back();
  device.kind = DeviceKind::kCpu;
  device.name = "Some CPU";
  meta.model = tiny_model();
  meta.weights = "random";
  meta.layers_run = 1;
  meta.dtype = "f32";
  meta.weight_bytes = 4;
  meta.activation_bytes = 4;
  meta.kv_bytes = 4;
  meta.attention = "flash";
  meta.roofs = {{.device = 0, .kind = "dram_read", .dtype = "", .value = 10e9},
                {.device = 0, .kind = "compute", .dtype = "f32", .value = 100e9}};
  return meta;
}

TraceBuilder::TraceBuilder(const Meta& meta) : path_(new_path()) {
  expect_ok(writer_.open(path_, meta));
}

TraceBuilder::~TraceBuilder() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

ScopeId TraceBuilder::begin_step(const StepFacts& facts, std::int64_t begin) {
  ScopeRecord step;
  step.id = next_scope();
  step.kind = ScopeKind::kStep;
  step.begin = {begin};
  step.name = writer_.intern("step");
  step.phase = facts.phase;
  step.flags = facts.warmup ? kStepWarmup : 0;
  step.batch = facts.batch;
  step.query_tokens = facts.query_tokens;
  step.length = facts.length;
  open_.push_back(step);
  return step.id;
}

void TraceBuilder::end_step(ScopeId id, std::int64_t end) {
  const auto it = std::find_if(open_.begin(), open_.end(),
                               [&](const ScopeRecord& step) { return step.id == id; });
  it->end = {end};
  expect_ok(writer_.add(*it));
  open_.erase(it);
}

KernelId TraceBuilder::op(ScopeId step, Operator op, std::int32_t layer, std::int64_t begin,
                          std::int64_t end, std::uint32_t device) {
  ScopeRecord scope;
  scope.id = next_scope();
  scope.parent = step;
  scope.kind = ScopeKind::kOp;
  scope.begin = {begin};
  scope.end = {end};
  scope.name = writer_.intern(name_of(op));
  scope.op = op;
  scope.layer = layer;
  expect_ok(writer_.add(scope));
  return kernel(scope.id, begin, end, device, name_of(op));
}

KernelId TraceBuilder::kernel(ScopeId scope, std::int64_t begin, std::int64_t end,
                              std::uint32_t device, std::string_view name) {
  KernelRecord record;
  record.id = next_kernel();
  record.device = device;
  record.begin = {begin};
  record.end = {end};
  record.name = writer_.intern(name);
  record.scope = scope;
  expect_ok(writer_.add(record));
  return record.id;
}

void TraceBuilder::memcpy(ScopeId scope, MemcpyKind kind, std::uint64_t bytes, std::int64_t begin,
                          std::int64_t end) {
  MemcpyRecord record;
  record.scope = scope;
  record.kind = kind;
  record.bytes = bytes;
  record.begin = {begin};
  record.end = {end};
  expect_ok(writer_.add(record));
}

void TraceBuilder::counter(KernelId kernel, std::string_view metric, double value,
                           Provenance source) {
  expect_ok(writer_.add(CounterRecord{
      .kernel = kernel, .metric = writer_.intern(metric), .value = value, .source = source}));
}

void TraceBuilder::drop(std::uint64_t count) {
  expect_ok(
      writer_.add(DropRecord{.when = {1}, .source = writer_.intern("scope ring"), .count = count}));
}

const std::string& TraceBuilder::path() {
  if (!finished_) expect_ok(writer_.finish());
  finished_ = true;
  return path_;
}

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace rooftop
