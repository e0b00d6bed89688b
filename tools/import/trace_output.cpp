#include "tools/import/trace_output.h"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "profiler/core/error.h"
#include "profiler/core/time.h"
#include "profiler/core/version.h"
#include "profiler/roofline/device_table/device_table.h"

namespace rooftop::import {

TraceOutput::TraceOutput(const std::string& path, const Meta& meta)
    : path_(path), part_(path + ".part"), writer_(std::make_unique<trace::Writer>()) {
  const Status opened = writer_->open(part_, meta);
  if (!opened.ok()) {
    std::remove(part_.c_str());
    throw InputError(opened.message());
  }
}

TraceOutput::~TraceOutput() {
  writer_.reset();
  if (!finished_) std::remove(part_.c_str());
}

void TraceOutput::check(const Status& status) {
  if (!status.ok()) throw InputError(status.message());
}

void TraceOutput::finish() {
  check(writer_->finish());
  std::error_code error;
  std::filesystem::rename(part_, path_, error);
  if (error) {
    throw InputError("cannot write '" + path_ + "' (" + error.message() +
                     "): check the folder's permissions and the free space.");
  }
  finished_ = true;
}

Meta imported_meta(const std::string& run, const std::string& capture) {
  Meta meta;
  meta.tool_version = kVersion;
  meta.run = run;
  meta.command = "import";
  meta.created = now();
  meta.capture = capture;
  return meta;
}

DeviceInfo cuda_device(std::uint32_t ordinal, const std::string& name) {
  DeviceInfo device;
  device.kind = DeviceKind::kCuda;
  device.ordinal = ordinal;
  device.name = name;
  if (!name.empty()) {
    static const DeviceTable table = DeviceTable::built_in();
    const DeviceSpec* spec = table.find(name);
    if (spec != nullptr) device.table_id = spec->id;
  }
  return device;
}

}  // namespace rooftop::import
