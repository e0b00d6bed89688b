// What a reader of a timeline must know, in sentences.
#pragma once

#include <string>
#include <vector>

#include "profiler/capture/cupti/activity_decode.h"
#include "profiler/capture/cupti/timeline_records.h"

namespace rooftop::capture {

struct TimelineAccount {
  DecodeCounts decoded;
  std::uint64_t declined_buffers = 0;
  std::uint64_t lost_nodes = 0;  // of graphs, that there was no room for
  bool another_session = false;  // this process was recorded before
  std::uint32_t cupti_version = 0;
};

std::vector<std::string> timeline_notes(const TimelineAccount& account,
                                        const TimelineRecords& records);

}  // namespace rooftop::capture
