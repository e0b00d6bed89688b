#include "profiler/roofs/roofs_cache.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "profiler/core/machine.h"
#include "profiler/core/version.h"

namespace rooftop {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kFormat = 1;
constexpr std::uintmax_t kMostFileBytes = 1U << 20;

json key_to_json(const RoofsKey& key) {
  return {{"device", key.device},   {"driver", key.driver},   {"memory_bytes", key.memory_bytes},
          {"ordinal", key.ordinal}, {"threads", key.threads}, {"version", key.version}};
}

// FNV-1a, 64 bits: a file name that is the same in every build. The key itself is in the file.
std::uint64_t hash_of(const std::string& text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

// Throws json::exception for a wrong type or a missing member.
RoofMeasurement roof_from_json(const json& entry) {
  RoofMeasurement measurement;
  measurement.roof.kind = entry.at("kind").get<std::string>();
  measurement.roof.dtype = entry.at("dtype").get<std::string>();
  measurement.roof.value = entry.at("value").get<double>();
  measurement.roof.clock_hz = entry.at("clock_hz").get<double>();
  measurement.method = entry.at("method").get<std::string>();
  return measurement;
}

bool usable(const RoofMeasurement& measurement) {
  const MeasuredRoof& roof = measurement.roof;
  return !roof.kind.empty() && std::isfinite(roof.value) && roof.value > 0 &&
         std::isfinite(roof.clock_hz) && roof.clock_hz >= 0;
}

}  // namespace

RoofsKey roofs_key(const DeviceInfo& device, int threads) {
  RoofsKey key;
  key.device = device.name;
  key.driver = device.driver;
  key.memory_bytes = device.memory_bytes;
  key.ordinal = device.ordinal;
  key.threads = threads;
  key.version = kVersion;
  return key;
}

fs::path RoofsCache::default_folder() {
  const auto folder = [](const char* variable) -> fs::path {
    const char* value = std::getenv(variable);
    return value == nullptr ? fs::path() : fs::path(value);
  };
  if (const fs::path cache = folder("XDG_CACHE_HOME"); cache.is_absolute()) {
    return cache / "rooftop" / "roofs";
  }
  if (const fs::path home = folder("HOME"); home.is_absolute()) {
    return home / ".cache" / "rooftop" / "roofs";
  }
  return {};
}

RoofsCache::RoofsCache(fs::path folder) : folder_(std::move(folder)) {}

fs::path RoofsCache::file_of(const RoofsKey& key) const {
  if (folder_.empty()) return {};
  return folder_ / fmt::format("{:016x}.json", hash_of(key_to_json(key).dump()));
}

std::optional<std::vector<RoofMeasurement>> RoofsCache::load(const RoofsKey& key) const {
  const fs::path path = file_of(key);
  std::error_code error;
  if (path.empty() || !fs::is_regular_file(path, error)) return std::nullopt;
  if (const std::uintmax_t size = fs::file_size(path, error); error || size > kMostFileBytes) {
    return std::nullopt;
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  try {
    const json document = json::parse(text);
    if (document.at("format") != kFormat || document.at("key") != key_to_json(key)) {
      return std::nullopt;
    }
    std::vector<RoofMeasurement> roofs;
    for (const json& entry : document.at("roofs")) {
      roofs.push_back(roof_from_json(entry));
      if (!usable(roofs.back())) return std::nullopt;
    }
    if (roofs.empty()) return std::nullopt;
    return roofs;
  } catch (const json::exception&) {
    return std::nullopt;  // damaged: measured anew, and then replaced
  }
}

Status RoofsCache::store(const RoofsKey& key, const std::vector<RoofMeasurement>& roofs) const {
  const fs::path path = file_of(key);
  if (path.empty()) {
    return Status::failed("measured roofs are not kept: neither XDG_CACHE_HOME nor HOME is set");
  }
  json document = {{"format", kFormat}, {"key", key_to_json(key)}, {"roofs", json::array()}};
  for (const RoofMeasurement& measurement : roofs) {
    document["roofs"].push_back({{"kind", measurement.roof.kind},
                                 {"dtype", measurement.roof.dtype},
                                 {"value", measurement.roof.value},
                                 {"clock_hz", measurement.roof.clock_hz},
                                 {"method", measurement.method}});
  }
  const auto failed = [&](const std::string& what) {
    return Status::failed(fmt::format("measured roofs are not kept: {}: {}", path.string(), what));
  };
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return failed(error.message());
  const fs::path beside = fmt::format("{}.{}.tmp", path.string(), getpid());
  {
    std::ofstream file(beside, std::ios::binary | std::ios::trunc);
    // Names come from the system and may hold any bytes.
    file << document.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
    file.flush();
    if (!file) {
      fs::remove(beside, error);
      return failed("cannot be written");
    }
  }
  fs::rename(beside, path, error);
  if (error) {
    const std::string why = error.message();
    fs::remove(beside, error);
    return failed(why);
  }
  return {};
}

std::vector<RoofMeasurement> cached_roofs(
    const RoofsKey& key, const RoofsCache& cache, bool fresh,
    const std::function<std::vector<RoofMeasurement>()>& measure) {
  if (!fresh) {
    if (auto kept = cache.load(key)) return *std::move(kept);
  }
  std::vector<RoofMeasurement> roofs = measure();
  const bool busy = std::any_of(roofs.begin(), roofs.end(), [](const RoofMeasurement& roof) {
    return roof.waited > kBusyShare;
  });
  // Without a place to keep them the roofs are as good: the next run measures again.
  if (!busy) (void)cache.store(key, roofs);
  return roofs;
}

std::vector<RoofMeasurement> cached_cpu_roofs(const CpuRoofOptions& options, bool fresh,
                                              const RoofsCache& cache) {
  return cached_roofs(roofs_key(describe_cpu(), thread_count(options)), cache, fresh,
                      [&] { return measure_cpu_roofs(options); });
}

}  // namespace rooftop
