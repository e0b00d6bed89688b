// What a user may choose about a report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "profiler/classify/kernel_rules.h"
#include "profiler/core/meta.h"
#include "profiler/roofline/device_table/device_table.h"

namespace rooftop {

enum class RoofSource : std::uint8_t {
  kBest,       // measured where both roofs of a trace's type were measured, else the datasheet's
  kMeasured,   // measured or none
  kDatasheet,  // datasheet or none
};

enum class FlopsKind : std::uint8_t {
  kModel,     // what the shapes need; hardware FLOPs where no shape is known
  kHardware,  // what the counters saw
};

struct ReportOptions {
  RoofSource roofs = RoofSource::kBest;
  FlopsKind flops = FlopsKind::kModel;
  std::string device;  // id or alias in the table, instead of the traces' own devices
  DeviceTable devices = DeviceTable::built_in();
  KernelRules rules = KernelRules::built_in();  // what kernels' names say
  std::optional<ModelShape> model;              // of recordings that do not name their own
  bool salvage = false;                         // skip damaged frames instead of throwing
};

}  // namespace rooftop
