#include <fmt/core.h>

#include <ctime>
#include <filesystem>
#include <set>
#include <string>

#include "profiler/model/model_shapes.h"
#include "profiler/roofline/report_parts.h"
#include "profiler/roofline/units.h"

namespace rooftop {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
// Sampling goes on between steps, where little moves.
constexpr double kUnassignedWorthTelling = 0.001;

std::string rfc3339(Timestamp t) {
  if (t.ns <= 0) return {};
  const std::time_t seconds = t.ns / kNsPerSecond;
  std::tm utc{};
  if (gmtime_r(&seconds, &utc) == nullptr) return {};
  char text[sizeof "9999-12-31T23:59:59Z"];
  return std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) > 0 ? text : "";
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    if (!text.empty()) text += ", ";
    text += part;
  }
  return text;
}

std::string memory_text(std::uint64_t bytes) {
  if (bytes == 0) return {};
  return fmt::format("{:.3g} GiB", static_cast<double>(bytes) / (1U << 30));
}

std::string machine_text(const Meta& meta) {
  return joined({meta.cpu_name, meta.cpu_cores == 0 ? "" : fmt::format("{} cores", meta.cpu_cores),
                 memory_text(meta.memory_bytes), meta.os});
}

std::string_view kind_text(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::kCpu:
      return "cpu";
    case DeviceKind::kCuda:
      return "cuda";
    case DeviceKind::kUnknown:
      break;
  }
  return "";
}

std::string detail_text(const DeviceInfo& info) {
  const auto clock = [](std::string_view what, double hz) {
    return hz > 0 ? fmt::format("{}{:.3g} GHz", what, hz * 1e-9) : std::string();
  };
  return joined({info.driver, clock("", info.clock_hz), clock("memory ", info.memory_clock_hz)});
}

void describe_shape(const ModelShape& model, Run::Shape& shape) {
  shape.set_hidden(model.hidden);
  shape.set_layers(model.layers);
  shape.set_heads(model.heads);
  shape.set_kv_heads(model.kv_heads);
  shape.set_head_dim(model.head_dim);
  shape.set_ffn(model.ffn);
  shape.set_vocab(model.vocab);
  shape.set_tied_embeddings(model.tied_embeddings);
}

void describe_devices(const TraceTotals& totals, Run& run) {
  for (std::size_t i = 0; i < totals.meta.devices.size(); ++i) {
    const DeviceInfo& info = totals.meta.devices[i];
    Device& device = *run.add_devices();
    device.set_id(totals.device_ids[i]);
    device.set_name(info.name);
    device.set_kind(std::string(kind_text(info.kind)));
    device.set_detail(detail_text(info));
  }
}

void describe_skipped(const Meta& meta, Run& run) {
  for (const SkippedCell& cell : meta.skipped) {
    Run::Skipped& skipped = *run.add_skipped();
    skipped.set_phase(std::string(name_of(cell.phase)));
    skipped.set_batch(cell.batch);
    skipped.set_query_tokens(cell.query_tokens);
    skipped.set_length(cell.length);
    skipped.set_reason(cell.reason);
  }
}

// "3 launches", "1 launch".
std::string counted(std::uint64_t count, std::string_view what) {
  const std::string_view plural = count == 1 ? "" : what.ends_with("ch") ? "es" : "s";
  return fmt::format("{} {}{}", count, what, plural);
}

std::string prediction_note(const Meta& meta) {
  if (meta.prediction == "ideal") {
    return "Nothing was run: every point lies on the roof, the least time that its FLOPs and bytes "
           "allow.";
  }
  return fmt::format("Nothing was run: times are predicted, {}.", meta.prediction);
}

}  // namespace

Run describe_run(const TraceView& view) {
  const TraceTotals& totals = view.totals;
  const Meta& meta = totals.meta;
  Run run;
  run.set_name(view.run);
  run.set_command(meta.command);
  run.set_prediction(meta.prediction);
  run.set_capture(meta.capture);
  run.set_created(rfc3339(meta.created));
  run.set_model(meta.model.name);
  describe_shape(meta.model, *run.mutable_shape());
  run.set_weights(meta.weights);
  run.set_layers_run(meta.layers_run);
  run.set_dtype(meta.dtype);
  run.set_attention(meta.attention);
  run.set_rank(meta.rank);
  run.set_threads(meta.threads);
  describe_devices(totals, run);
  run.set_machine(machine_text(meta));
  run.set_steps(totals.steps);
  run.set_warmup_steps(totals.warmup_steps);
  run.set_launches(totals.launches);
  run.set_wall_seconds(totals.wall_seconds);
  run.set_overhead_fraction(meta.overhead_fraction);
  run.set_scope_overhead_ns(meta.scope_overhead_ns);
  run.set_dropped_records(totals.dropped_records);
  run.set_truncated(totals.recovery.truncated);
  describe_skipped(meta, run);
  return run;
}

std::string title_of(const TraceTotals& totals) {
  std::string device;
  if (!totals.devices.empty()) {
    const DeviceTotals& first = totals.devices.front();
    device = first.spec != nullptr ? first.spec->display_name : first.id;
  }
  const std::string subject = joined({display_name_of(totals.meta.model), device});
  return subject.empty() ? "Roofline Model" : fmt::format("Roofline Model ({})", subject);
}

std::vector<std::string> notes_of(const TraceView& view, bool many) {
  const TraceTotals& t = view.totals;
  std::vector<std::string> notes;
  const auto note = [&](std::string text) {
    const std::string file = std::filesystem::path(t.path).filename().string();
    notes.push_back(many ? file + ": " + text : std::move(text));
  };
  for (const std::string& text : t.recovery.notes) note(text);
  std::set<std::string> said;
  for (const Note& fact : t.meta.notes) {
    if (said.insert(fact.text).second) note(fact.text);
  }
  if (t.timeless) {
    note(
        "Counters, but no times: each launch was measured by itself, and how long it took then "
        "says nothing about the run. Rates, shares and places below a roof are absent.");
  }
  if (!t.meta.prediction.empty()) notes.push_back(prediction_note(t.meta));
  if (t.recovery.truncated && t.recovery.notes.empty()) {
    note("The trace is truncated: its last part was never written.");
  }
  if (t.steps == 0) {
    note(t.stepless_launches + t.warmup_launches == 0
             ? "Nothing was recovered: the trace holds no complete step and no launch."
             : fmt::format("Nothing was recovered but {}: no step but warm-up ones is complete.",
                           counted(t.stepless_launches + t.warmup_launches, "launch")));
  } else if (t.launches == 0) {
    note("No launch was recorded within the steps of the trace.");
  }
  if (t.steps > 0 && t.stepless_launches > 0) {
    note(fmt::format("{} outside every complete step left out.",
                     counted(t.stepless_launches, "launch")));
  }
  if (t.warmup_steps > 0) {
    note(fmt::format("{} left out.", counted(t.warmup_steps, "warm-up step")));
  }
  if (t.dropped_records > 0) {
    note(fmt::format("{} lost during the run: sums are too small by what they held.",
                     counted(t.dropped_records, "record")));
  }
  if (t.rejected_records > 0) {
    note(fmt::format("{} rejected: it ended before it began, or its id was used twice.",
                     counted(t.rejected_records, "record")));
  }
  if (t.unmatched_counters > 0) {
    note(fmt::format("Counters of {} have no launch in the trace.",
                     counted(t.unmatched_counters, "launch")));
  }
  if (t.unassigned_samples > kUnassignedWorthTelling) {
    note(fmt::format("{} of the sampled DRAM bytes moved while no launch ran: they stand nowhere.",
                     format_percent(t.unassigned_samples)));
  }
  if (t.late_launches > 0) {
    note(fmt::format("{} too far out of order: how they overlap others is not exact.",
                     counted(t.late_launches, "launch")));
  }
  return notes;
}

}  // namespace rooftop
