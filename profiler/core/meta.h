// What a trace says about its run. Written first, before any heavy work, and again (only what is
// new) at the end. An unknown figure is 0 or empty.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiler/core/operator.h"
#include "profiler/core/time.h"

namespace rooftop {

// Dimensions of a Llama-family decoder. Letters are those of the closed forms (docs/cost-model.md).
struct ModelShape {
  std::string name;            // "llama-7b"; else the file's or folder's name
  std::uint32_t hidden = 0;    // h
  std::uint32_t layers = 0;    // of the whole model
  std::uint32_t heads = 0;     // n, query heads
  std::uint32_t kv_heads = 0;  // g
  std::uint32_t head_dim = 0;  // d
  std::uint32_t ffn = 0;       // i
  std::uint32_t vocab = 0;     // V
  bool tied_embeddings = false;
  std::uint32_t max_positions = 0;

  bool operator==(const ModelShape&) const = default;
};

enum class DeviceKind : std::uint8_t { kUnknown = 0, kCpu = 1, kCuda = 2 };

struct DeviceInfo {
  DeviceKind kind = DeviceKind::kUnknown;
  std::uint32_t ordinal = 0;
  std::string name;                   // as the driver or the operating system gives it
  std::string table_id;               // id of the device table where there is one ("a6000")
  std::uint32_t multiprocessors = 0;  // SMs; CPU: cores used
  std::uint64_t memory_bytes = 0;
  std::uint32_t compute_major = 0;
  std::uint32_t compute_minor = 0;
  double clock_hz = 0;  // at the start of the run
  double memory_clock_hz = 0;
  std::string driver;  // driver version; CPU: instruction set used
};

// A roof that was measured on the device of this trace.
struct MeasuredRoof {
  std::uint32_t device = 0;  // index into Meta::devices
  std::string kind;          // "dram_read", "dram_write", "dram_copy", "l2_read", ..., "compute"
  std::string dtype;         // of a compute roof: "f32", "bf16", ...
  double value = 0;          // byte/s, or FLOP/s for compute
  double clock_hz = 0;       // at the time of measurement
};

// A cell of a sweep that was not run, with its reason.
struct SkippedCell {
  Phase phase = Phase::kUnknown;
  std::uint32_t batch = 0;
  std::uint32_t query_tokens = 0;
  std::uint32_t length = 0;
  std::string reason;
};

// Something that a reader of the run's figures must know: what could not be recorded, and why.
struct Note {
  std::string text;  // one sentence
};

struct Meta {
  std::string tool_version;
  std::string run;      // name of the run: the first column of points.csv
  std::string command;  // "run", "sweep", "example", ...
  Timestamp created;
  std::uint32_t pid = 0;
  std::uint32_t rank = 0;
  std::uint32_t world_size = 1;

  // Machine.
  std::string cpu_name;
  std::uint32_t cpu_cores = 0;
  std::uint64_t memory_bytes = 0;
  std::string os;

  std::vector<DeviceInfo> devices;
  ModelShape model;
  std::string weights;           // "file", "random"
  std::uint32_t layers_run = 0;  // how many layers were run (--layers)

  // How the engine computes; what the closed forms need.
  std::string dtype;            // compute type: "f32", "bf16", "f16"
  double weight_bytes = 0;      // per element, as read by the kernels (e_w)
  double activation_bytes = 0;  // e_a
  double kv_bytes = 0;          // e_kv
  std::string attention;        // "unfused", "flash"
  bool causal_skip = false;     // attention kernels skip what the causal mask removes
  std::uint32_t threads = 0;
  // Empty for a run. A trace without a run says how its times were predicted: "ideal", "calibrated
  // on a100", "transferred from a40", "uncalibrated".
  std::string prediction;
  bool sweep = false;  // steps are cells of a grid: reported one row a cell, not binned

  std::vector<MeasuredRoof> roofs;
  std::vector<SkippedCell> skipped;

  // Cost of being profiled, as calibrated in this process.
  double scope_overhead_ns = 0;  // one open + close
  double overhead_fraction = 0;  // of the profiled time

  // How the records were made: "timeline", "counters", "sampling", "PyTorch profiler", ...; empty:
  // host scopes only.
  std::string capture;
  std::vector<Note> notes;
};

}  // namespace rooftop
