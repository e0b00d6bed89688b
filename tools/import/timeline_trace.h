// A linked timeline as a trace.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "profiler/core/meta.h"
#include "tools/import/import.h"
#include "tools/import/timeline.h"

namespace rooftop::import {

class TraceOutput;

using DeviceIndex = std::map<std::uint32_t, std::uint32_t>;  // recorder's ordinal to Meta::devices

// Writes `timeline`, after link(), and notes what was lost. `devices` are those the recording
// describes: the trace gets those that did something, and a nameless one where none is described.
// `epoch_ns` is what the timeline's times count from. Throws InputError, also where there is
// nothing to write: `nothing` is then its message. `more` adds records of other kinds.
ImportResult write_timeline(Timeline& timeline, Meta meta, const std::vector<DeviceInfo>& devices,
                            std::int64_t epoch_ns, const std::string& output,
                            const std::string& nothing,
                            const std::function<void(TraceOutput&, const DeviceIndex&)>& more = {});

}  // namespace rooftop::import
