// Measured roofs kept from run to run: measuring takes seconds, and a machine's roofs stay.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "profiler/core/error.h"
#include "profiler/core/meta.h"
#include "profiler/roofs/cpu.h"
#include "profiler/roofs/roof_measurement.h"

namespace rooftop {

// What the roofs belong to. Roofs measured under another key are measured anew.
struct RoofsKey {
  std::string device;  // the processor's or GPU's name
  std::string driver;  // instruction set or driver version
  std::uint64_t memory_bytes = 0;
  std::uint32_t ordinal = 0;
  int threads = 0;      // 0 for a GPU
  std::string version;  // of the tool that measured

  bool operator==(const RoofsKey&) const = default;
};

// The key of a device as this version of the tool measures it.
RoofsKey roofs_key(const DeviceInfo& device, int threads);

// One JSON file per key in a folder, replaced whole (written beside and renamed), so that a reader
// never sees half of one and concurrent writers do no harm.
class RoofsCache {
 public:
  // The user's cache folder: $XDG_CACHE_HOME/rooftop/roofs, else $HOME/.cache/rooftop/roofs; empty
  // where neither is set, and then nothing is kept.
  static std::filesystem::path default_folder();
  explicit RoofsCache(std::filesystem::path folder = default_folder());

  // What was stored under the key; nothing where there is no such file, or it is damaged.
  [[nodiscard]] std::optional<std::vector<RoofMeasurement>> load(const RoofsKey& key) const;
  // A failure costs the next run its time and nothing else: callers may print the message.
  Status store(const RoofsKey& key, const std::vector<RoofMeasurement>& roofs) const;
  // Where the key's roofs are; empty without a folder.
  [[nodiscard]] std::filesystem::path file_of(const RoofsKey& key) const;

 private:
  std::filesystem::path folder_;
};

// The roofs of a key: those of the cache, or what `measure` gives (always if `fresh`), which is
// then stored, but for roofs that were measured on a busy machine.
std::vector<RoofMeasurement> cached_roofs(
    const RoofsKey& key, const RoofsCache& cache, bool fresh,
    const std::function<std::vector<RoofMeasurement>()>& measure);

// The CPU's roofs.
std::vector<RoofMeasurement> cached_cpu_roofs(const CpuRoofOptions& options, bool fresh = false,
                                              const RoofsCache& cache = RoofsCache());

}  // namespace rooftop
