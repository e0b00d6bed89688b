// The folder that a report is written to.
#pragma once

#include <functional>
#include <string>

#include "rooftop/report.pb.h"

namespace rooftop {

// Writes `content` to `path` under a temporary name beside it, then renames: a reader sees the old
// file or the new one, never a part. Throws InputError where the place cannot be written.
void write_file_atomically(const std::string& path, const std::string& content);

// Makes `dir` where it does not exist, then writes report.html, calls `write_data(dir)` (for
// points.csv, kernels.csv and report.json), then draws roofline.svg and roofline.png. The pictures
// come last: where gnuplot is missing (InputError), everything else is there.
void write_report_folder(const Report& report, const std::string& dir,
                         const std::function<void(const std::string& dir)>& write_data = {});

}  // namespace rooftop
