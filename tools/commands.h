// The commands of `rooftop`, one function each: main.cpp turns the command line into these options.
// A command returns its exit status (0; 1 a gate failed) and throws InputError for usage and input
// errors (2).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rooftop::tools {

// What run and sweep have in common: which model, computed how.
struct EngineChoice {
  std::string model;
  std::string device;  // "cpu", "cuda", "cuda:N"; empty: cuda where it can be used, else cpu
  std::string dtype;   // "", "f32", "bf16", "f16"; empty: the checkpoint's, f32 where that is slow
  std::string attention = "flash";
  int layers = 0;   // 0: all
  int threads = 0;  // 0: all cores
  std::uint64_t seed = 0;
  bool measure_roofs = true;
  std::string graphs = "on";  // CUDA: decode steps as CUDA graphs
  bool scopes = true;         // whether the loop opens scopes: without, nothing is recorded
  // On a GPU: "auto" (timeline, then counters in a second run), "timeline", "counters", "sampling",
  // "scopes" (host scopes only).
  std::string capture = "auto";
  double overhead = 0;  // share of the run's time that recording may cost; 0: no limit
  bool replay = false;  // counter configurations of several passes, by replaying kernels
};

struct RunOptions {
  EngineChoice engine;
  std::vector<std::string> prompts;
  std::vector<std::string> prompt_tokens;  // each "1,2,3"
  int batch = 1;                           // copies of a single prompt
  int max_tokens = 64;
  double temperature = 0;
  double top_p = 1;
  bool ignore_eos = false;
  int candidates = 1;
  bool print_tokens = false;
  std::string logits;  // .npy file
  std::string output;  // NAME.rtrace or a folder
  bool json = false;
};

struct SweepOptions {
  EngineChoice engine;
  std::vector<std::int64_t> batches;
  std::vector<std::int64_t> lengths;
  std::string grid;  // "paper"
  std::vector<std::int64_t> candidates = {1};
  std::vector<std::string> phases = {"init", "ar"};
  int repeats = 3;
  double max_cell_seconds = 0;  // 0: no limit
  std::string output;
  bool json = false;
};

struct PredictOptions {
  std::string model;
  std::string gpu;
  std::string devices_file;
  std::string dtype = "bf16";
  std::string attention = "flash";
  std::string linear = "fused";  // "fused", "separate"
  bool causal = false;
  bool ideal = false;
  int layers = 0;
  std::vector<std::int64_t> batches;
  std::vector<std::int64_t> lengths;
  std::string grid;
  std::vector<std::int64_t> candidates = {1};
  std::vector<std::string> phases = {"init", "ar"};
  std::vector<std::string> calibrate;  // traces, tables, or coefficients that were saved
  std::string save_coefficients;
  bool cross_validate = false;
  std::string output;
  bool json = false;
};

struct ReproduceOptions {
  std::string what = "medusa";
  std::string devices_file;
  std::string attention = "unfused";
  std::string linear = "separate";
  bool causal = false;
  bool ideal = false;
  std::vector<std::string> measured;  // tables, traces, or folders of them
  std::vector<std::string> calibrate;
  std::string output;
  bool json = false;
};

struct GpusOptions {
  std::string devices_file;
  std::string id;  // empty: all
  bool json = false;
};

struct ImportCommandOptions {
  std::vector<std::string> inputs;
  std::string output;  // NAME.rtrace or a folder
  bool json = false;
};

struct ReportCommandOptions {
  std::vector<std::string> inputs;
  std::string output;
  std::string roofs = "auto";   // "auto", "measured", "datasheet"
  std::string flops = "model";  // "model", "hardware"
  std::string device;           // device-table id in place of the recorded device's
  std::string devices_file;     // a user's own device table
  std::string model;            // of recordings that do not name their own
  std::string rules;            // a user's own rules for kernels' names
  bool salvage = false;
  int top = 0;  // costliest launches to print; 0: none
  bool json = false;
};

struct ExplainOptions {
  std::vector<std::string> inputs;
  std::string model;
  std::string rules;
  std::int64_t kernel = 0;    // 0: all names
  bool unclassified = false;  // only what nothing decides
  bool salvage = false;
  bool json = false;
};

struct RoofsOptions {
  std::string device = "cpu";
  int threads = 0;
  double seconds = 5;
  bool fresh = false;  // measure although a cached result exists
  bool json = false;
};

struct MetricsOptions {
  std::string chip;                // empty: this machine's GPUs
  std::vector<std::string> types;  // of tensor cores, the most wanted first
  bool json = false;
};

struct AttachOptions {
  std::vector<std::string> command;
  std::string output;    // NAME.rtrace or a folder
  std::string mode;      // as ROOFTOP_MODE; empty: what the environment says
  std::string overhead;  // as ROOFTOP_OVERHEAD
  std::string max_size;  // as ROOFTOP_MAX_SIZE
};

struct DoctorOptions {
  bool json = false;
};

struct TokenizeOptions {
  std::string model;
  bool json = false;
};

int run_command(const RunOptions& options);
int sweep_command(const SweepOptions& options);
int predict_command(const PredictOptions& options);
int reproduce_command(const ReproduceOptions& options);
int gpus_command(const GpusOptions& options);
int import_command(const ImportCommandOptions& options);
int report_command(const ReportCommandOptions& options);
int explain_command(const ExplainOptions& options);
int roofs_command(const RoofsOptions& options);
int metrics_command(const MetricsOptions& options);
// Returns the exit status of the program that it ran.
int attach_command(const AttachOptions& options);
// 1 where nothing of a GPU can be recorded.
int doctor_command(const DoctorOptions& options);
int tokenize_command(const TokenizeOptions& options);

}  // namespace rooftop::tools
