#include "tests/tools/report/sample_report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "profiler/core/operator.h"

namespace rooftop::testing {
namespace {

struct Shape {
  double hidden, layers, heads, kv_heads, head_dim, ffn, vocab;
};
struct Cell {
  const char* phase;
  unsigned batch, query_tokens, length;
  std::uint64_t repeats;
};
// Peak and bandwidth, how much of them a kernel reaches, and what a launch costs.
struct Machine {
  double peak, bandwidth, efficiency, launch_s;
};
struct Cost {
  const char* op;
  double flops, bytes, calls;
};

// Closed forms of one step (all layers), e bytes an element everywhere, flash attention.
std::vector<Cost> costs(const Shape& s, const Cell& cell, double e) {
  const double b = cell.batch, q = cell.query_tokens, keys = cell.length, rows = b * q;
  const double n = s.heads, g = s.kv_heads, d = s.head_dim, h = s.hidden, i = s.ffn, l = s.layers;
  const double qkv = (n + 2 * g) * d;
  return {
      {"qkv", l * 2 * rows * h * qkv, l * e * (h * qkv + rows * h + rows * qkv), l},
      {"up_gate_down", l * 6 * rows * h * i, l * e * (3 * h * i + 2 * rows * (h + i)), 2 * l},
      {"qk_pv", l * 4 * b * n * d * q * keys, l * e * b * (2 * n * d * q + 2 * g * d * keys), l},
      {"o_proj", l * 2 * rows * h * n * d, l * e * (h * n * d + 2 * rows * h), l},
      {"lm_head", 2 * b * h * s.vocab, e * (h * s.vocab + b * h + b * s.vocab), 1},
      {"norm", (2 * l + 1) * 4 * rows * h, (2 * l + 1) * e * 2 * rows * h, 2 * l + 1},
      {"rope", l * 3 * rows * (n + g) * d, l * e * 2 * rows * (n + g) * d, l},
      {"residual", 2 * l * rows * h, 2 * l * e * 3 * rows * h, 2 * l},
      {"kv_write", 0, l * e * 4 * rows * g * d, l},
      {"embed", 0, e * 2 * rows * h, 1},
      {"sampling", b * s.vocab, e * b * s.vocab, 1},
  };
}

Point point_of(const Run& run, const Cost& cost, const Cell& cell, const Machine& machine,
               const std::string& roof) {
  Point p;
  p.set_run(run.name());
  p.set_model(run.model());
  p.set_device(run.devices(0).id());
  p.set_dtype(run.dtype());
  p.set_attention(run.attention());
  p.set_layers(run.layers_run());
  p.set_operator_(cost.op);
  p.set_phase(cell.phase);
  p.set_series(
      std::string(series_name(*operator_from_name(cost.op), *phase_from_name(cell.phase))));
  p.set_batch(cell.batch);
  p.set_query_tokens(cell.query_tokens);
  p.set_length(cell.length);
  p.set_calls(cost.calls);
  p.set_repeats(cell.repeats);
  p.set_flops(cost.flops);
  p.set_dram_bytes(cost.bytes);
  p.set_model_bytes(cost.bytes);
  const double floor = std::max(cost.flops / machine.peak, cost.bytes / machine.bandwidth);
  p.set_time_s(floor / machine.efficiency + cost.calls * machine.launch_s);
  p.set_time_spread_s(0.012 * p.time_s());
  if (cost.flops > 0) {
    const double intensity = cost.flops / cost.bytes;
    p.set_intensity(intensity);
    p.set_flops_per_s(cost.flops / p.time_s());
    p.set_roof(roof);
    p.set_roof_fraction(p.flops_per_s() / std::min(machine.peak, intensity * machine.bandwidth));
    p.set_bound(intensity < machine.peak / machine.bandwidth ? "memory" : "compute");
  }
  p.set_flops_source("MODELLED");
  p.set_bytes_source("MODELLED");
  p.set_time_source("MEASURED");
  return p;
}

// A sum is as weak as its weakest part, in the order of the alphabet of sources used here.
std::string weaker(const std::string& a, const std::string& b) {
  static const std::vector<std::string> kOrder = {"", "MEASURED", "JOINED", "MODELLED"};
  const auto rank = [](const std::string& s) {
    return std::find(kOrder.begin(), kOrder.end(), s) - kOrder.begin();
  };
  return rank(a) >= rank(b) ? a : b;
}

void add_to(RowTotal& row, const Point& p, const Machine& machine) {
  const double n = static_cast<double>(p.repeats());
  row.set_series(p.series());
  row.set_operator_(p.operator_());
  row.set_phase(p.phase());
  row.set_time_s(row.time_s() + n * p.time_s());
  row.set_calls(row.calls() + static_cast<std::uint64_t>(n * p.calls()));
  row.set_flops(row.flops() + n * p.flops());
  row.set_bytes(row.bytes() + n * p.dram_bytes());
  row.set_flops_source(p.flops_source());
  row.set_bytes_source(weaker(row.bytes_source(), p.bytes_source()));
  row.set_time_source(p.time_source());
  if (row.flops() <= 0) return;
  row.set_intensity(row.flops() / row.bytes());
  row.set_flops_per_s(row.flops() / row.time_s());
  row.set_roof(p.roof());
  row.set_roof_fraction(row.flops_per_s() /
                        std::min(machine.peak, row.intensity() * machine.bandwidth));
  row.set_bound(row.intensity() < machine.peak / machine.bandwidth ? "memory" : "compute");
}

void add_rest(Report& report, const char* name, double time_s) {
  RowTotal* row = report.add_rows();
  row->set_name(name);
  row->set_time_s(time_s);
  row->set_time_source("MEASURED");
}

// Rows and shares from the points, with a part of the time unclassified and a part idle.
void total_up(Report& report, const Machine& machine) {
  std::vector<std::string> order(series_names().begin(), series_names().end());
  std::map<std::string, RowTotal> rows;
  for (const Point& p : report.points()) {
    const std::string name = p.series().empty() ? p.operator_() + " " + p.phase() : p.series();
    if (std::find(order.begin(), order.end(), name) == order.end()) order.push_back(name);
    rows[name].set_name(name);
    add_to(rows[name], p, machine);
  }
  double busy = 0;
  for (const std::string& name : order) {
    if (rows.count(name) == 0) continue;
    busy += rows[name].time_s();
    *report.add_rows() = rows[name];
  }
  add_rest(report, "unclassified", busy * 0.004);
  add_rest(report, "idle", busy * 0.021);
  const double all = busy * 1.025;
  for (RowTotal& row : *report.mutable_rows()) {
    row.set_share(row.time_s() / all);
    (*report.mutable_shares())[row.name()] = row.share();
  }
  for (Point& p : *report.mutable_points()) {
    p.set_share(static_cast<double>(p.repeats()) * p.time_s() / all);
  }
  report.mutable_runs(0)->set_wall_seconds(all);
}

void add_roof(Report& report, const char* kind, const char* name, double value, const char* label,
              const char* source, bool drawn) {
  Roof* roof = report.add_roofs();
  roof->set_device(report.runs(0).devices(0).id());
  roof->set_kind(kind);
  roof->set_name(name);
  roof->set_value(value);
  roof->set_label(label);
  roof->set_source(source);
  roof->set_drawn(drawn);
}

void add_shape(Run& run, const Shape& s) {
  Run::Shape* shape = run.mutable_shape();
  shape->set_hidden(static_cast<unsigned>(s.hidden));
  shape->set_layers(static_cast<unsigned>(s.layers));
  shape->set_heads(static_cast<unsigned>(s.heads));
  shape->set_kv_heads(static_cast<unsigned>(s.kv_heads));
  shape->set_head_dim(static_cast<unsigned>(s.head_dim));
  shape->set_ffn(static_cast<unsigned>(s.ffn));
  shape->set_vocab(static_cast<unsigned>(s.vocab));
  run.set_layers_run(static_cast<unsigned>(s.layers));
}

Run& start(Report& report, const char* name, const char* command, const char* model) {
  report.set_tool_version("0.1.0");
  report.set_flops_kind("model");
  Run& run = *report.add_runs();
  run.set_name(name);
  run.set_command(command);
  run.set_model(model);
  run.set_created("2026-01-02T03:04:05Z");
  run.set_attention("flash");
  return run;
}

void finding(Report& report, const char* kind, const char* text) {
  Finding* f = report.add_findings();
  f->set_kind(kind);
  f->set_text(text);
}

// The bytes of qkv counted in this launch, those of the MLP joined from another step, the rest
// modelled; DRAM sees a little more than the compulsory bytes.
void count_bytes(Report& report, const Machine& machine) {
  int i = 0;
  for (Point& p : *report.mutable_points()) {
    if (p.operator_() != "qkv" && p.operator_() != "up_gate_down") continue;
    p.set_bytes_source(p.operator_() == "qkv" ? "MEASURED" : "JOINED");
    p.set_amplification(1.03 + 0.02 * (i++ % 7));
    p.set_counted(1);
    p.set_dram_bytes(p.model_bytes() * p.amplification());
    p.set_hardware_flops(p.flops() * std::max(1.0, 64.0 / p.batch() / p.query_tokens()));
    p.set_padding(p.hardware_flops() / p.flops());
    p.set_tensor_activity(0.9 * p.flops_per_s() / machine.peak);
    p.set_intensity(p.flops() / p.dram_bytes());
    p.set_roof_fraction(p.flops_per_s() /
                        std::min(machine.peak, p.intensity() * machine.bandwidth));
  }
}

void count_rows(Report& report) {
  Run& run = *report.mutable_runs(0);
  run.set_capture("timeline + counters");
  for (RowTotal& row : *report.mutable_rows()) {
    if (row.series().empty() || row.operator_() == "qk_pv") continue;
    row.set_amplification(1.09);
    row.set_padding(row.phase() == "ar" ? 6.4 : 1);
    row.set_tensor_activity(row.phase() == "ar" ? 0.021 : 0.68);
    row.set_counted(row.operator_() == "qkv" ? 1 : 0.94);
  }
  report.add_notes(
      "Counters of 98 counter steps stand at 58,212 launches of 61,000 (294 of 294 "
      "steps).");
}

}  // namespace

Report sample_counters_only() {
  Report report = sample_gpu_sweep(Bytes::kCounted);
  report.mutable_runs(0)->set_capture("counters");
  report.mutable_runs(0)->set_wall_seconds(0);
  report.mutable_shares()->clear();
  const auto untime = [](auto& message) {
    message.set_time_s(0);
    message.set_share(0);
    message.clear_flops_per_s();
    message.clear_roof_fraction();
    message.clear_roof();
    message.clear_bound();
    message.clear_time_source();
  };
  for (Point& p : *report.mutable_points()) untime(p);
  for (RowTotal& row : *report.mutable_rows()) untime(row);
  report.mutable_rows()->RemoveLast();  // idle
  report.clear_findings();
  return report;
}

Report sample_gpu_sweep(Bytes bytes) {
  const Shape shape{4096, 32, 32, 32, 128, 11008, 32000};
  const Machine machine{181e12, 768e9, 0.82, 4e-6};
  Report report;
  Run& run = start(report, "sweep-7b", "sweep", "llama-7b");
  add_shape(run, shape);
  run.set_weights("random");
  run.set_dtype("bf16");
  run.set_machine("AMD EPYC 7443P, 24 cores, 251 GB, Linux 6.1");
  run.set_overhead_fraction(0.0031);
  run.set_scope_overhead_ns(84);
  run.set_warmup_steps(98);
  Device* device = run.add_devices();
  device->set_id("a6000-paper");
  device->set_name("NVIDIA RTX A6000");
  device->set_kind("cuda");
  device->set_detail("1800 MHz, driver 580.95");
  add_roof(report, "bandwidth", "datasheet:dram", 768e9, "768GB/s", "NVIDIA RTX A6000 datasheet",
           true);
  add_roof(report, "compute", "datasheet:bf16", 181e12, "181 TFLOP/s",
           "Medusa paper, figures 9 to 17", true);
  add_roof(report, "bandwidth", "measured:dram_read", 672e9, "672GB/s", "rooftop roofs, 1800 MHz",
           false);
  add_roof(report, "bandwidth", "measured:l2_read", 3.1e12, "3.1TB/s", "rooftop roofs, 1800 MHz",
           false);
  add_roof(report, "compute", "measured:bf16", 128e12, "128 TFLOP/s", "rooftop roofs, 1800 MHz",
           false);
  report.set_ridge_flop_per_byte(181e12 / 768e9);
  report.set_title("Roofline Model (Llama 7B, A6000)");
  for (const char* phase : {"init", "ar"}) {
    for (unsigned b = 1; b <= 64; b *= 2) {
      for (unsigned length = 128; length <= 8192; length *= 2) {
        if (b * length > 64 * 1024) {
          Run::Skipped* skipped = run.add_skipped();
          skipped->set_phase(phase);
          skipped->set_batch(b);
          skipped->set_query_tokens(phase[0] == 'i' ? length : 1);
          skipped->set_length(length);
          skipped->set_reason("the KV cache does not fit in 48 GiB of device memory");
          continue;
        }
        const Cell cell{phase, b, phase[0] == 'i' ? length : 1, length, 3};
        run.set_steps(run.steps() + cell.repeats);
        for (const Cost& cost : costs(shape, cell, 2)) {
          *report.add_points() = point_of(run, cost, cell, machine, "datasheet:bf16");
        }
      }
    }
  }
  if (bytes == Bytes::kCounted) count_bytes(report, machine);
  total_up(report, machine);
  if (bytes == Bytes::kCounted) count_rows(report);
  finding(report, "memory-bound",
          "Decode reads each weight once a step whatever the batch: "
          "batch 64 costs 1.3 times batch 1.");
  finding(report, "amplification", "qk/pv ar moved 1.08 times its compulsory bytes.");
  return report;
}

Report sample_cpu_run() {
  const Shape shape{576, 30, 9, 3, 64, 1536, 49152};
  const Machine machine{118e9, 14.2e9, 0.71, 3e-7};
  Report report;
  Run& run = start(report, "t", "run", "SmolLM2-135M-Instruct");
  add_shape(run, shape);
  run.mutable_shape()->set_tied_embeddings(true);
  run.set_weights("file");
  run.set_dtype("f32");
  run.set_threads(2);
  run.set_steps(64);
  run.set_warmup_steps(1);
  run.set_machine("Intel Xeon Platinum 8488C, 2 cores, 15 GB, Debian 12");
  run.set_overhead_fraction(0.0021);
  run.set_scope_overhead_ns(61);
  Device* device = run.add_devices();
  device->set_id("Intel Xeon Platinum 8488C");
  device->set_name("Intel Xeon Platinum 8488C");
  device->set_kind("cpu");
  device->set_detail("AVX-512");
  add_roof(report, "bandwidth", "measured:dram_read", 14.2e9, "14.2GB/s",
           "rooftop roofs, 2 threads", true);
  add_roof(report, "compute", "measured:f32", 118e9, "118 GFLOP/s", "rooftop roofs, AVX-512", true);
  report.set_ridge_flop_per_byte(118 / 14.2);
  report.set_title("Roofline Model (SmolLM2-135M-Instruct, Intel Xeon Platinum 8488C)");
  const std::vector<Cell> cells = {{"init", 1, 5, 5, 1},
                                   {"ar", 1, 1, 8, 3},
                                   {"ar", 1, 1, 16, 8},
                                   {"ar", 1, 1, 32, 16},
                                   {"ar", 1, 1, 64, 36}};
  for (const Cell& cell : cells) {
    for (const Cost& cost : costs(shape, cell, 4)) {
      *report.add_points() = point_of(run, cost, cell, machine, "measured:f32");
    }
  }
  total_up(report, machine);
  report.add_notes("FLOPs and bytes are closed forms: this machine has no counters for them.");
  finding(report, "memory-bound",
          "97 % of the decode time is spent in operators that wait for memory.");
  return report;
}

Report sample_empty() {
  Report report;
  Run& run = start(report, "cut", "run", "smollm-135m");
  run.set_truncated(true);
  run.set_dropped_records(12);
  report.add_notes("cut.rtrace is truncated: nothing after its META frame was recovered.");
  return report;
}

Report sample_many_points(int n) {
  Report report = sample_cpu_run();
  report.clear_points();
  std::mt19937 random(20240607);
  std::uniform_real_distribution<double> exponent(-1, 3), depth(0.05, 1);
  for (int i = 0; i < n; ++i) {
    const auto series = static_cast<std::size_t>(i) % 6;
    const Cell cell{series % 2 == 0 ? "init" : "ar", 1U << (i % 7), 1, 128U << (i / 7 % 7), 3};
    const Cost cost{series < 2   ? "qkv"
                    : series < 4 ? "up_gate_down"
                                 : "qk_pv",
                    1e9 * std::pow(10, exponent(random)), 1e9, 30};
    *report.add_points() =
        point_of(report.runs(0), cost, cell, {118e9, 14.2e9, depth(random), 0}, "measured:f32");
  }
  return report;
}

Report sample_hostile() {
  static const std::vector<std::string> kAttacks = {
      "</script><script>window.pwned=1</script>",
      "<img src=x onerror=\"window.pwned=1\">",
      "<!--<script>",
      "`touch pwned`' . system('touch pwned') . '\nset output 'pwned'\n!touch pwned\n@pwned",
      "a_{b}^2 & <b>c</b> \"d\" \\n ~x{.8-}",
      "\x1b]0;pwned\x07\x1b[31mred \xe2\x80\xa8 \xe2\x80\xae right-to-left",
      "broken \xff\xc3( utf-8 \xed\xa0\x80",
      "${jndi:x} {{data}} %s%n",
  };
  std::size_t next = 0;
  const auto attack = [&] { return kAttacks[next++ % kAttacks.size()]; };
  Report report = sample_cpu_run();
  report.set_title("Roofline Model (" + kAttacks[0] + kAttacks[3] + ")");
  Run& run = *report.mutable_runs(0);
  for (std::string* text :
       {run.mutable_name(), run.mutable_model(), run.mutable_machine(), run.mutable_dtype(),
        run.mutable_attention(), run.mutable_weights(), run.mutable_devices(0)->mutable_name(),
        run.mutable_devices(0)->mutable_detail()}) {
    *text = attack();
  }
  for (Point& p : *report.mutable_points()) {
    p.set_model(attack());
    p.set_run(attack());
    p.set_variant(attack());
    p.set_dtype(attack());
  }
  for (RowTotal& row : *report.mutable_rows()) {
    if (!row.operator_().empty() && row.series().empty()) row.set_name(row.name() + " " + attack());
    row.set_bound(attack());
  }
  for (Roof& roof : *report.mutable_roofs()) {
    roof.set_label(attack());
    roof.set_source(attack());
  }
  for (const std::string& text : kAttacks) {
    report.add_notes(text);
    finding(report, text.c_str(), text.c_str());
    Run::Skipped* skipped = run.add_skipped();
    skipped->set_phase(text);
    skipped->set_reason(text);
  }
  return report;
}

}  // namespace rooftop::testing
