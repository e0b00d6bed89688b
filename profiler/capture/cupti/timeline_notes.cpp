#include "profiler/capture/cupti/timeline_notes.h"

#include <array>
#include <cstdio>

#include "profiler/capture/cupti/cupti_api.h"

namespace rooftop::capture {
namespace {

// Release notes of CUDA 13.1 update 1: before it, correlation ids of graphs are wrong in every
// session of a process but the first.
constexpr std::uint32_t kGraphIdsMended = 130101;

std::string milliseconds(Duration time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g ms", time.seconds() * 1e3);
  return text.data();
}

const char* overhead_name(std::uint32_t kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_OVERHEAD_DRIVER_COMPILER:
      return "compiling";
    case CUPTI_ACTIVITY_OVERHEAD_CUPTI_BUFFER_FLUSH:
      return "flushing buffers";
    case CUPTI_ACTIVITY_OVERHEAD_CUPTI_INSTRUMENTATION:
      return "instrumentation";
    case CUPTI_ACTIVITY_OVERHEAD_CUPTI_RESOURCE:
      return "CUPTI's resources";
    case CUPTI_ACTIVITY_OVERHEAD_RUNTIME_TRIGGERED_MODULE_LOADING:
      return "loading modules";
    case CUPTI_ACTIVITY_OVERHEAD_LAZY_FUNCTION_LOADING:
      return "loading functions";
    case CUPTI_ACTIVITY_OVERHEAD_COMMAND_BUFFER_FULL:
      return "full command buffers";
    case CUPTI_ACTIVITY_OVERHEAD_ACTIVITY_BUFFER_REQUEST:
      return "asking for buffers";
    case CUPTI_ACTIVITY_OVERHEAD_UVM_ACTIVITY_INIT:
      return "unified memory";
    default:
      return "other work";
  }
}

void add_part(std::string& parts, std::uint64_t count, const char* what) {
  if (count == 0) return;
  if (!parts.empty()) parts += ", ";
  parts += std::to_string(count) + " " + what;
}

std::string rejected(const DecodeCounts& counts) {
  std::string parts;
  const auto of = [&](Reject why) { return counts.rejected[static_cast<std::size_t>(why)]; };
  add_part(parts, of(Reject::kNoTime), "without times");
  add_part(parts, of(Reject::kReversed), "that end before they begin");
  add_part(parts, of(Reject::kOutOfRange), "outside the time of the recording");
  add_part(parts, of(Reject::kNoDevice), "of no device");
  if (parts.empty()) return {};
  return "Kernels, copies or graphs that CUPTI reported with impossible facts were left out: " +
         parts + ".";
}

std::string overheads(const TimelineRecords& records) {
  std::string parts;
  Duration sum;
  for (const auto& [kind, of] : records.overheads()) {
    sum += of.time;
    if (!parts.empty()) parts += ", ";
    parts += std::string(overhead_name(kind)) + " " + milliseconds(of.time);
  }
  if (parts.empty()) return {};
  return "CUPTI reports " + milliseconds(sum) + " of host time beside the engine's own: " + parts +
         ".";
}

}  // namespace

std::vector<std::string> timeline_notes(const TimelineAccount& account,
                                        const TimelineRecords& records) {
  std::vector<std::string> notes;
  const auto add = [&](std::string text) {
    if (!text.empty()) notes.push_back(std::move(text));
  };
  const Timeline::Counts counts = records.counts();
  add(rejected(account.decoded));
  if (account.declined_buffers > 0) {
    add("CUPTI asked " + std::to_string(account.declined_buffers) +
        " times for a buffer when all were in use, and may have dropped records.");
  }
  if (account.decoded.damaged > 0) {
    add("Records at the end of " + std::to_string(account.decoded.damaged) +
        " of CUPTI's buffers could not be read and are missing.");
  }
  if (account.lost_nodes > 0) {
    add("Kernels of " + std::to_string(account.lost_nodes) +
        " nodes of CUDA graphs have the scope of their launch only: more nodes were captured than "
        "are kept.");
  }
  if (account.another_session && account.cupti_version < kGraphIdsMended) {
    add("This process was recorded before, and CUPTI before CUDA 13.1 update 1 then confuses the "
        "launches of CUDA graphs: scopes of their kernels may be wrong.");
  }
  if (records.calls().count > 0) {
    add("The host made " + std::to_string(records.calls().count) + " launching calls, " +
        milliseconds(records.calls().time) + " in all; " + std::to_string(records.external_ids()) +
        " carried another tool's correlation id.");
  }
  if (counts.graphs > 0) {
    add(std::to_string(counts.graphs) +
        " launches of CUDA graphs were recorded as a whole, without their kernels.");
  }
  add(overheads(records));
  return notes;
}

}  // namespace rooftop::capture
