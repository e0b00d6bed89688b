// Periodic samples of device-wide metrics in an Nsight Systems export (--gpu-metrics-devices).
#pragma once

#include "tools/import/sqlite_database.h"
#include "tools/import/timeline_trace.h"

namespace rooftop::import {

class NsysMetrics {
 public:
  NsysMetrics(const SqliteDatabase& database, std::int64_t epoch_ns)
      : database_(database), epoch_ns_(epoch_ns) {}

  // A sample of each metric covers the time since the sample before it; the first of each is left
  // out, for nothing says when it began. Values keep nsys' names and units.
  void write(TraceOutput& out, const DeviceIndex& devices) const;

 private:
  const SqliteDatabase& database_;
  std::int64_t epoch_ns_;
};

}  // namespace rooftop::import
