// A trace file that appears under its name only when it is whole.
#pragma once

#include <memory>
#include <string>

#include "profiler/core/meta.h"
#include "profiler/core/records.h"
#include "profiler/trace/writer.h"
#include "tools/import/names.h"

namespace rooftop::import {

class TraceOutput {
 public:
  // Throws InputError, as all of these do.
  TraceOutput(const std::string& path, const Meta& meta);
  ~TraceOutput();  // removes what was not finished
  TraceOutput(const TraceOutput&) = delete;
  TraceOutput& operator=(const TraceOutput&) = delete;

  template <class Record>
  void add(const Record& record) {
    check(writer_->add(record));
  }
  StringId intern(std::string_view text) { return writer_->intern(text); }
  void finish();

 private:
  static void check(const Status& status);

  std::string path_;
  std::string part_;
  std::unique_ptr<trace::Writer> writer_;
  bool finished_ = false;
};

// A Meta of an imported recording, filled in but for devices, notes and what the recording says.
Meta imported_meta(const std::string& run, const std::string& capture);

// The device of a name as drivers print it, with the device table's id where there is one.
DeviceInfo cuda_device(std::uint32_t ordinal, const std::string& name);

}  // namespace rooftop::import
