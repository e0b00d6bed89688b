// What becomes of a counted step: the memo, files for tests, records, notes.
#include <unistd.h>

#include <algorithm>

#include "profiler/capture/cupti/activity_names.h"
#include "profiler/capture/cupti/counter_archive.h"
#include "profiler/capture/cupti/range_counters.h"

namespace rooftop::capture {
namespace {

constexpr std::uint64_t kFilesPerConfiguration = 2;
// The time of a counted run is worth nothing: kernels are serialised, and patched to count.
constexpr std::string_view kTime = "gpu__time_duration.sum";

LaunchSignature signature_of(const CountedLaunch& launch, const StepShape& step) {
  return {.name = launch.name,
          .grid = launch.grid,
          .block = launch.block,
          .dynamic_shared_bytes = launch.dynamic_shared_bytes,
          .op = launch.op,
          .shape = shape_for(launch.op, step)};
}

std::size_t index_of(const std::vector<DeviceInfo>& devices, CUdevice device) {
  const auto it = std::ranges::find_if(devices, [&](const DeviceInfo& d) {
    return d.kind == DeviceKind::kCuda && d.ordinal == static_cast<std::uint32_t>(device);
  });
  return static_cast<std::size_t>(it - devices.begin());
}

}  // namespace

// Instructions that were counted teach the memo; those that it knows are added to launches that
// were counted in another way.
void RangeCounters::recall(Counted& counted) {
  const std::size_t configurations = setup_.configurations.size();
  const bool instructions = counted.configuration >= setup_.hardware;
  const std::size_t metrics = setup_.configurations[counted.configuration].metrics.size();
  bool known = true;
  for (std::size_t i = 0; i < counted.launches.size(); ++i) {
    const LaunchSignature signature = signature_of(counted.launches[i], shape_);
    if (instructions) {
      memo_.observe(signature, counted.configuration,
                    std::span(counted.values).subspan(i * metrics, metrics));
    }
    for (std::size_t c = setup_.hardware; c < configurations; ++c) {
      known = known && !memo_.wants(signature, c);
      if (c == counted.configuration) continue;
      if (const std::vector<double>* values = memo_.find(signature, c))
        counted.known.push_back({.launch = i, .configuration = c, .values = *values});
    }
  }
  rotation_->instructions_known(shape_, known);
}

void RangeCounters::save(const Counted& counted) {
  if (saved_ >= kFilesPerConfiguration * setup_.configurations.size()) return;
  const CounterConfiguration& configuration = setup_.configurations[counted.configuration];
  SavedCounters saved{.cupti_version = api_.version,
                      .kind = configuration.kind,
                      .chip = setup_.chip,
                      .metrics = configuration.metrics,
                      .launches = {},
                      .availability = setup_.availability,
                      .configuration = setup_.hosts[counted.configuration]->configuration(),
                      .counters = {session_.counters().begin(), session_.counters().end()},
                      .values = counted.values};
  for (const CountedLaunch& launch : counted.launches) saved.launches.push_back(launch.name);
  const std::string path = options_.save_counters + "/" + setup_.chip + "-" +
                           std::string(to_string(configuration.kind)) + "-" +
                           std::to_string(getpid()) + "-" + std::to_string(saved_++) + ".rtcnt";
  if (const Status status = save_counters(saved, path); !status.ok()) {
    notes_.push_back(status.message());
    saved_ = kFilesPerConfiguration * setup_.configurations.size();
  }
}

void RangeCounters::emit(const Counted& counted, RecordSink& sink) const {
  const auto add = [&](KernelId kernel, std::size_t configuration, std::span<const double> values,
                       Provenance source) {
    const std::vector<std::string>& metrics = setup_.configurations[configuration].metrics;
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      if (metrics[m] == kTime) continue;
      sink.add(CounterRecord{.kernel = kernel,
                             .metric = sink.intern(metrics[m]),
                             .value = values[m],
                             .source = source});
    }
  };
  const std::size_t metrics = setup_.configurations[counted.configuration].metrics.size();
  auto known = counted.known.begin();
  for (std::size_t i = 0; i < counted.launches.size(); ++i) {
    const CountedLaunch& launch = counted.launches[i];
    KernelRecord record;
    record.id = sink.next_kernel();
    record.device = static_cast<std::uint32_t>(index_of(options_.known_devices, setup_.device));
    record.begin = record.end = launch.when;
    record.name = sink.intern(demangled(launch.name.c_str()));
    record.grid = launch.grid;
    record.block = launch.block;
    record.dynamic_shared_bytes = launch.dynamic_shared_bytes;
    record.correlation = launch.correlation;
    record.scope = launch.scope;
    sink.add(record);
    add(record.id, counted.configuration, std::span(counted.values).subspan(i * metrics, metrics),
        Provenance::kMeasured);
    for (; known != counted.known.end() && known->launch == i; ++known)
      add(record.id, known->configuration, known->values, Provenance::kMemoised);
  }
}

void RangeCounters::drain(RecordSink& sink) {
  std::deque<Counted> done;
  std::uint64_t dropped = 0;
  {
    const std::lock_guard lock(mutex_);
    done.swap(done_);
    dropped = dropped_ - std::exchange(dropped_told_, dropped_);
  }
  for (const Counted& counted : done) emit(counted, sink);
  if (dropped > 0)
    sink.add(DropRecord{.when = now(), .source = sink.intern("CUPTI ranges"), .count = dropped});
}

void RangeCounters::describe(Meta& meta) const {
  const std::lock_guard lock(mutex_);
  meta.capture += meta.capture.empty() ? "counters" : " + counters";
  if (setup_.context != nullptr &&
      index_of(options_.known_devices, setup_.device) == options_.known_devices.size())
    meta.devices.push_back(describe_device(driver_, setup_.device));
  for (const std::string& note : notes_) meta.notes.push_back({note});
  if (started_ && steps_heard_ == 0) {
    meta.notes.push_back(
        {"Counters follow the steps of rooftop/nvtx.h, and the program opened none, so that "
         "nothing was counted; record the timeline or samples of it."});
  }
  if (unfit_ > 0) {
    meta.notes.push_back(
        {"Counters: " + std::to_string(unfit_) + " of " + std::to_string(unfit_ + counted_) +
         " steps do not fit and were left out (the first: " + first_unfit_ + ")."});
  }
  if (without_context_ > 0) {
    meta.notes.push_back({"Counters: " + std::to_string(without_context_) +
                          " steps were opened on a thread without a CUDA context and were left "
                          "out."});
  }
  if (options_.max_steps != 0 && counted_ >= options_.max_steps)
    meta.notes.push_back(
        {"Counters: read on " + std::to_string(counted_) + " steps, as many as were asked for."});
}

}  // namespace rooftop::capture
