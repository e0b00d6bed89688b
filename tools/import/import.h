// What other profilers recorded, as a trace of ours: facts only. Which operator a kernel is, is
// decided at report time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/core/meta.h"
#include "tools/import/byte_stream.h"

namespace rooftop::import {

struct ImportOptions {
  std::string run;  // name of the run in reports
  // Called now and then with the fraction of the input that was read.
  std::function<void(double)> progress = [](double) {};
};

struct ImportResult {
  std::string capture;  // "PyTorch profiler", "Nsight Systems", "Nsight Compute"
  std::uint64_t kernels = 0;
  std::uint64_t copies = 0;
  std::uint64_t ranges = 0;
  std::uint64_t counters = 0;
  std::vector<std::string> notes;  // as in the trace: what was lost, one sentence each
};

// The readers, one a format. Each writes `output` whole or not at all, and throws InputError for
// what holds nothing to import. `name` stands for the input in errors.
ImportResult import_pytorch(ByteStream& input, const std::string& name, const std::string& output,
                            const ImportOptions& options);
ImportResult import_ncu(ByteStream& input, const std::string& name, const std::string& output,
                        const ImportOptions& options);
ImportResult import_nsys(const std::string& path, const std::string& output,
                         const ImportOptions& options);
// The same for a database in memory (tests, fuzzing).
ImportResult import_nsys(std::span<const std::byte> database, const std::string& output,
                         const ImportOptions& options);

// Finds out what `path` is and imports it.
ImportResult import_file(const std::string& path, const std::string& output,
                         const ImportOptions& options);

// A name for the run of a recording: that of the file without its endings; not where the name is
// one that PyTorch's TensorBoard handler made of the host's name.
std::string run_name_of(const std::string& path);

}  // namespace rooftop::import
