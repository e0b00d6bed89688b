#include "tools/import/nsys_metrics.h"

#include <array>
#include <map>
#include <string>
#include <utility>

#include "tools/import/trace_output.h"

namespace rooftop::import {
namespace {

constexpr std::int64_t kFarthest = 4'000'000'000'000'000'000;
constexpr std::int64_t kDeviceMask = 0xff;  // of a typeId: which GPU
constexpr std::size_t kMaxMetrics = 65536;

using MetricKey = std::pair<std::int64_t, std::int64_t>;  // typeId, metricId

std::map<MetricKey, std::string> metric_names(const SqliteDatabase& database) {
  constexpr std::array<std::string_view, 3> kColumns = {"typeId", "metricId", "metricName"};
  std::map<MetricKey, std::string> out;
  SqliteRows rows(database, "TARGET_INFO_GPU_METRICS", kColumns);
  while (rows.next() && out.size() < kMaxMetrics) {
    out[{rows.integer(0), rows.integer(1)}] = rows.text(2);
  }
  return out;
}

}  // namespace

void NsysMetrics::write(TraceOutput& out, const DeviceIndex& devices) const {
  const std::map<MetricKey, std::string> names = metric_names(database_);
  constexpr std::array<std::string_view, 4> kColumns = {"timestamp", "typeId", "metricId", "value"};
  struct Known {
    StringId name = 0;
    std::int64_t last = 0;
    bool started = false;
  };
  std::map<MetricKey, Known> metrics;
  for (SqliteRows rows(database_, "GPU_METRICS", kColumns); rows.next();) {
    const MetricKey key{rows.integer(1), rows.integer(2)};
    const auto name = names.find(key);
    const auto device = devices.find(static_cast<std::uint32_t>(key.first & kDeviceMask));
    const std::int64_t time = rows.integer(0);
    if (name == names.end() || device == devices.end() || time < 0 || time > kFarthest) continue;
    Known& metric = metrics[key];
    if (metric.name == 0) metric.name = out.intern(name->second);
    if (metric.started && time > metric.last) {
      out.add(SampleRecord{.device = device->second,
                           .begin = {epoch_ns_ + metric.last},
                           .end = {epoch_ns_ + time},
                           .metric = metric.name,
                           .value = rows.real(3)});
    }
    metric.last = time;
    metric.started = true;
  }
}

}  // namespace rooftop::import
