// Nsight Compute's CSV as a trace: counters of kernels, which stand one behind the other because
// ncu knows no timeline.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "profiler/core/error.h"
#include "tools/import/import.h"
#include "tools/import/names.h"
#include "tools/import/ncu_kernels.h"
#include "tools/import/trace_output.h"

namespace rooftop::import {
namespace {

constexpr double kLongestNs = 1e15;  // of one kernel: eleven days
constexpr std::int64_t kLatestNs = 4'000'000'000'000'000'000;
constexpr std::size_t kMaxDevices = 1024;

// What the first reading finds out: a trace's devices and notes stand at its beginning.
struct Survey {
  std::map<std::uint32_t, DeviceInfo> devices;
  std::uint64_t kernels = 0;
  std::uint64_t counters = 0;
  std::uint64_t without_time = 0;
  std::uint64_t times_from_cycles = 0;
  std::uint64_t without_grid = 0;
  std::uint64_t totals_only = 0;

  void add(const NcuKernel& kernel) {
    ++kernels;
    counters += kernel.metrics.size();
    bool from_cycles = false;
    const auto time = kernel.duration_ns(from_cycles);
    without_time += time ? 0 : 1;
    times_from_cycles += from_cycles ? 1 : 0;
    without_grid += kernel.grid[0] == 0 ? 1 : 0;
    totals_only += kernel.totals_only ? 1 : 0;
    if (devices.count(kernel.device) != 0) return;
    if (devices.size() >= kMaxDevices) {
      throw InputError("the CSV file names more than 1,024 devices: it is damaged");
    }
    DeviceInfo device = cuda_device(kernel.device, kernel.device_name);
    device.compute_major = kernel.compute_major;
    device.compute_minor = kernel.compute_minor;
    devices.emplace(kernel.device, device);
  }
};

void note_losses(Meta& meta, const Survey& survey, const NcuLosses& lost) {
  const auto note = [&](std::uint64_t count, std::string_view sentence) {
    if (count == 0) return;
    meta.notes.push_back({fmt::format(fmt::runtime(sentence), count, survey.kernels)});
  };
  meta.notes.push_back(
      {"Nsight Compute runs kernels one at a time, and repeats them to read more counters: times "
       "are those of such runs, and there is no timeline."});
  note(survey.without_time,
       "{} of {} kernels have no gpu__time_duration.sum: their time is not known and shows as 0.");
  note(survey.times_from_cycles,
       "The times of {} of {} kernels are elapsed cycles over their frequency: "
       "gpu__time_duration.sum was not recorded.");
  note(survey.without_grid, "{} of {} kernels have no grid: this version of the file lacks it.");
  note(survey.totals_only,
       "Of {} of {} kernels only the number of blocks and threads is known, not their shape.");
  if (lost.not_available > 0) {
    meta.notes.push_back(
        {fmt::format("{} counters were not available when they were read.", lost.not_available)});
  }
  if (lost.short_rows > 0) {
    meta.notes.push_back({fmt::format("{} rows of the file are incomplete and were left out{}.",
                                      lost.short_rows, lost.torn ? ": it breaks off" : "")});
  }
}

class NcuWriter {
 public:
  NcuWriter(TraceOutput& out, const Survey& survey) : out_(out) {
    std::uint32_t index = 0;
    for (const auto& [ordinal, device] : survey.devices) devices_[ordinal] = index++;
  }

  void add(const NcuKernel& kernel) {
    bool from_cycles = false;
    const double duration =
        std::clamp(kernel.duration_ns(from_cycles).value_or(0), 0.0, kLongestNs);
    KernelRecord record;
    record.id = ++kernels_;
    record.device = devices_.at(kernel.device);
    record.stream = kernel.stream;
    record.begin = {time_};
    if (time_ < kLatestNs) time_ += std::llround(duration);
    record.end = {time_};
    record.name = out_.intern(kernel.name);
    record.grid = kernel.grid;
    record.block = kernel.block;
    record.registers_per_thread = kernel.registers;
    record.static_shared_bytes = kernel.static_shared_bytes;
    record.dynamic_shared_bytes = kernel.dynamic_shared_bytes;
    out_.add(record);
    for (const auto& [metric, value] : kernel.metrics) {
      out_.add(CounterRecord{.kernel = record.id, .metric = out_.intern(metric), .value = value});
    }
  }

 private:
  TraceOutput& out_;
  std::map<std::uint32_t, std::uint32_t> devices_;
  std::uint64_t kernels_ = 0;
  std::int64_t time_ = 0;
};

}  // namespace

ImportResult import_ncu(ByteStream& input, const std::string& name, const std::string& output,
                        const ImportOptions& options) {
  NcuReader reader(input, name);
  Survey survey;
  const auto progress = [&](double done) {
    if (survey.kernels % 1024 == 0) options.progress(done);
  };
  reader.read([&](NcuKernel& kernel) {
    survey.add(kernel);
    progress((1 + input.fraction()) / 3);
  });
  if (survey.kernels == 0) {
    throw InputError(fmt::format(
        "'{}' holds no kernels: Nsight Compute profiled none, or the file breaks off.", name));
  }

  Meta meta = imported_meta(options.run, "Nsight Compute");
  for (const auto& [ordinal, device] : survey.devices) meta.devices.push_back(device);
  note_losses(meta, survey, reader.losses());
  TraceOutput out(output, meta);
  NcuWriter writer(out, survey);
  reader.read([&](NcuKernel& kernel) {
    writer.add(kernel);
    progress((2 + input.fraction()) / 3);
  });
  out.finish();

  ImportResult result;
  result.capture = meta.capture;
  result.kernels = survey.kernels;
  result.counters = survey.counters;
  for (const Note& n : meta.notes) result.notes.push_back(n.text);
  return result;
}

}  // namespace rooftop::import
