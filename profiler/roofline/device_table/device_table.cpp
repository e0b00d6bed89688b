#include "profiler/roofline/device_table/device_table.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <utility>

#include "profiler/core/error.h"
#include "profiler/roofline/device_table/builtin.h"
#include "profiler/roofline/device_table/parse.h"

namespace rooftop {
namespace {

bool has_key(const DeviceSpec& device, const std::string& key) {
  return device_key(device.id) == key ||
         std::any_of(device.aliases.begin(), device.aliases.end(),
                     [&](const std::string& alias) { return device_key(alias) == key; });
}

// Levenshtein distance.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
    }
  }
  return row.back();
}

// How a device's names are like a key, best first.
enum class Likeness { kBegins, kContains, kNear, kFar };
using Rank = std::pair<Likeness, std::size_t>;  // and the distance in spelling

Rank rank_of(const std::string& name, const std::string& key) {
  if (name.starts_with(key)) return {Likeness::kBegins, 0};
  if (name.find(key) != std::string::npos || key.find(name) != std::string::npos) {
    return {Likeness::kContains, 0};
  }
  const std::size_t distance = edit_distance(name, key);
  const bool near = distance * 2 <= std::max(name.size(), key.size());
  return {near ? Likeness::kNear : Likeness::kFar, distance};
}

Rank rank_of(const DeviceSpec& device, const std::string& key) {
  Rank best = rank_of(device_key(device.id), key);
  for (const std::string& alias : device.aliases) {
    best = std::min(best, rank_of(device_key(alias), key));
  }
  return best;
}

}  // namespace

const Peak* DeviceSpec::peak(std::string_view dtype) const {
  const std::string wanted = canonical_dtype(dtype);
  const auto found = std::find_if(peaks.begin(), peaks.end(),
                                  [&](const Peak& peak) { return peak.dtype == wanted; });
  return found == peaks.end() ? nullptr : &*found;
}

DeviceTable DeviceTable::built_in() {
  DeviceTable table;
  table.load_text(kBuiltinDeviceTable, "devices.textproto");
  return table;
}

void DeviceTable::load_text(std::string_view text, const std::string& name) {
  const std::vector<ParsedDevice> incoming = parse_device_table(text, name);
  std::vector<DeviceSpec> merged = devices_;
  for (const ParsedDevice& device : incoming) {
    std::erase_if(merged, [&](const DeviceSpec& old) { return old.id == device.spec.id; });
  }
  // A name means one device: the new one gets aliases that others had, but never another's id.
  for (DeviceSpec& old : merged) {
    for (const auto& [spec, line] : incoming) {
      if (has_key(spec, old.id)) {
        throw InputError(fmt::format(
            "{}:{}: device '{}' has an alias that is the id of device '{}'; leave it out, or use "
            "that id to replace the device",
            name, line, spec.id, old.id));
      }
      std::erase_if(old.aliases, [&spec = spec](const std::string& alias) {
        return has_key(spec, device_key(alias));
      });
    }
  }
  for (const ParsedDevice& device : incoming) merged.push_back(device.spec);
  devices_ = std::move(merged);
}

void DeviceTable::load_user_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw InputError(fmt::format("{}: there is no such device table file", path));
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  // One byte more than parse_device_table takes, so that a huge file is refused and never held.
  std::string text(kMaxDeviceTableBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) throw InputError(fmt::format("{}: cannot be read to its end", path));
  text.resize(static_cast<std::size_t>(in.gcount()));
  load_text(text, path);
}

const DeviceSpec* DeviceTable::find(std::string_view id_or_alias) const {
  const std::string key = device_key(id_or_alias);
  const auto found = std::find_if(devices_.begin(), devices_.end(),
                                  [&](const DeviceSpec& device) { return has_key(device, key); });
  return found == devices_.end() ? nullptr : &*found;
}

std::vector<std::string> DeviceTable::suggest(std::string_view name, std::size_t count) const {
  // Longer names are no names; the bound keeps the distances cheap.
  const std::string key = device_key(name.substr(0, 64));
  if (key.empty()) return {};
  std::vector<std::pair<Rank, std::string>> ranked;
  for (const DeviceSpec& device : devices_) ranked.emplace_back(rank_of(device, key), device.id);
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> ids;
  for (const auto& [rank, id] : ranked) {
    const bool as_good = rank.first == ranked.front().first.first;
    if (ids.size() == count || !as_good || rank.first == Likeness::kFar) break;
    ids.push_back(id);
  }
  return ids;
}

const DeviceSpec& DeviceTable::require(std::string_view id_or_alias) const {
  if (const DeviceSpec* device = find(id_or_alias)) return *device;
  const std::vector<std::string> near = suggest(id_or_alias);
  if (!near.empty()) {
    throw InputError(
        fmt::format("unknown device '{}'; did you mean {}?", id_or_alias, fmt::join(near, " or ")));
  }
  std::vector<std::string_view> ids;
  for (const DeviceSpec& device : devices_) ids.push_back(device.id);
  throw InputError(
      fmt::format("unknown device '{}'; known are {}", id_or_alias, fmt::join(ids, ", ")));
}

}  // namespace rooftop
