#include "profiler/roofline/device_table/parse.h"

#include <fmt/core.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <optional>

#include "profiler/core/error.h"
#include "rooftop/devices.pb.h"

namespace rooftop {
namespace {

using google::protobuf::TextFormat;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool is_separator(char c) { return c == ' ' || c == '\t' || c == '_' || c == '-'; }

// Keeps the first error only: those that follow are consequences of it.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  explicit FirstError(const std::string& name) : name_(name) {}
  void AddError(int line, int column, const std::string& message) override {
    if (message_) return;
    message_ = line < 0 ? fmt::format("{}: {}", name_, message)
                        : fmt::format("{}:{}:{}: {}", name_, line + 1, column + 1, message);
  }
  [[nodiscard]] const std::optional<std::string>& message() const { return message_; }

 private:
  const std::string& name_;
  std::optional<std::string> message_;
};

// A device in the text: what a checker needs to say where something is wrong.
class DeviceChecker {
 public:
  DeviceChecker(const std::string& name, const devices::Device& device,
                TextFormat::ParseInfoTree& locations, int device_line)
      : name_(name), device_(device), locations_(locations), device_line_(device_line) {}

  // The line of a field, or of the device where the field is not written.
  [[nodiscard]] int line_of(const char* field, int index = -1) const {
    const auto* descriptor = devices::Device::descriptor()->FindFieldByName(field);
    const int line = locations_.GetLocation(descriptor, index).line;
    return line < 0 ? device_line_ : line + 1;
  }

  [[noreturn]] void fail(int line, const std::string& what) const {
    const std::string who = device_.id().empty() ? "the device" : "device '" + device_.id() + "'";
    throw InputError(fmt::format("{}:{}: {} {}", name_, line, who, what));
  }

  void check_names() const {
    const std::string& id = device_.id();
    if (id.empty()) fail(device_line_, "has no id; give it one, such as id: \"my-gpu\"");
    const auto good = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    if (!std::all_of(id.begin(), id.end(), good) || device_key(id) != id) {
      fail(line_of("id"),
           "has an id that is not made of lower-case letters, digits and single hyphens");
    }
    if (device_.display_name().empty()) {
      fail(device_line_, "has no display_name; it is the name shown in charts");
    }
    for (int i = 0; i < device_.aliases_size(); ++i) {
      if (device_key(device_.aliases(i)).empty()) fail(line_of("aliases", i), "has an empty alias");
    }
  }

  void check_figures() const {
    if (!positive(device_.bandwidth_bytes_per_s())) {
      fail(line_of("bandwidth_bytes_per_s"),
           "needs bandwidth_bytes_per_s above 0, such as 768e9 for 768 GB/s");
    }
    if (device_.bandwidth_source().empty()) {
      fail(line_of("bandwidth_bytes_per_s"), "needs bandwidth_source: where the figure comes from");
    }
    if (device_.peaks_size() == 0) {
      fail(device_line_,
           "has no peaks; add one, such as peaks { dtype: \"bf16\" flops_per_s: 312e12 source: "
           "\"...\" }");
    }
    for (int i = 0; i < device_.peaks_size(); ++i) check_peak(i);
    if (!std::isfinite(device_.boost_clock_hz()) || device_.boost_clock_hz() < 0) {
      fail(line_of("boost_clock_hz"), "has a boost_clock_hz that is not a frequency");
    }
  }

 private:
  static bool positive(double value) { return std::isfinite(value) && value > 0; }

  void check_peak(int i) const {
    static constexpr std::string_view kDtypes[] = {"f32", "tf32", "bf16", "f16",
                                                   "fp8", "int8", "fp4"};
    const devices::Peak& peak = device_.peaks(i);
    const int line = line_of("peaks", i);
    const std::string dtype = canonical_dtype(peak.dtype());
    if (std::find(std::begin(kDtypes), std::end(kDtypes), dtype) == std::end(kDtypes)) {
      fail(line, fmt::format("has a peak of the unknown dtype '{}'; known are {}", peak.dtype(),
                             "f32, tf32, bf16, f16, fp8, int8, fp4"));
    }
    if (!positive(peak.flops_per_s())) {
      fail(line, fmt::format("needs flops_per_s above 0 for {}, such as 312e12", dtype));
    }
    if (peak.source().empty()) {
      fail(line, fmt::format("needs a source for its {} peak: where the figure comes from", dtype));
    }
    for (int j = 0; j < i; ++j) {
      if (canonical_dtype(device_.peaks(j).dtype()) == dtype) {
        fail(line, fmt::format("gives the {} peak twice", dtype));
      }
    }
  }

  const std::string& name_;
  const devices::Device& device_;
  TextFormat::ParseInfoTree& locations_;
  int device_line_;
};

DeviceSpec to_spec(const devices::Device& device) {
  DeviceSpec spec;
  spec.id = device.id();
  spec.display_name = device.display_name();
  spec.chip = device.chip();
  spec.aliases.assign(device.aliases().begin(), device.aliases().end());
  spec.memory_bytes = device.memory_bytes();
  spec.bandwidth = device.bandwidth_bytes_per_s();
  spec.bandwidth_source = device.bandwidth_source();
  for (const devices::Peak& peak : device.peaks()) {
    spec.peaks.push_back({canonical_dtype(peak.dtype()), peak.flops_per_s(), peak.source()});
  }
  spec.l2_bytes = device.l2_bytes();
  spec.sm_count = device.sm_count();
  spec.boost_clock_hz = device.boost_clock_hz();
  spec.specs_source = device.specs_source();
  spec.hardware = device.hardware();
  return spec;
}

devices::DeviceTable parse_text(std::string_view text, const std::string& name,
                                TextFormat::ParseInfoTree& locations) {
  if (text.size() > kMaxDeviceTableBytes) {
    throw InputError(fmt::format("{}: the file has {} bytes; a device table has at most {}", name,
                                 text.size(), kMaxDeviceTableBytes));
  }
  if (text.find('\0') != std::string_view::npos) {
    throw InputError(name + ": this is not a text file; a device table is in protobuf text format");
  }
  devices::DeviceTable table;
  FirstError errors(name);
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.WriteLocationsTo(&locations);
  parser.SetRecursionLimit(8);  // a table is three messages deep
  google::protobuf::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&input, &table) || errors.message()) {
    throw InputError(errors.message().value_or(name + ": not a device table"));
  }
  return table;
}

}  // namespace

std::string device_key(std::string_view name) {
  std::string key;
  for (const char c : name) {
    if (!is_separator(c)) {
      key += lower(c);
    } else if (!key.empty() && key.back() != '-') {
      key += '-';
    }
  }
  while (!key.empty() && key.back() == '-') key.pop_back();
  constexpr std::string_view kVendor = "nvidia-";
  if (key.starts_with(kVendor)) key.erase(0, kVendor.size());
  return key;
}

std::string canonical_dtype(std::string_view dtype) {
  std::string name;
  for (const char c : dtype) name += lower(c);
  if (name == "fp32") return "f32";
  if (name == "fp16") return "f16";
  return name;
}

std::vector<ParsedDevice> parse_device_table(std::string_view text, const std::string& name) {
  TextFormat::ParseInfoTree locations;
  const devices::DeviceTable table = parse_text(text, name, locations);
  const auto* field = devices::DeviceTable::descriptor()->FindFieldByName("device");

  std::vector<ParsedDevice> parsed;
  std::map<std::string, std::string> owner_of_key;  // device_key -> id
  for (int i = 0; i < table.device_size(); ++i) {
    const devices::Device& device = table.device(i);
    const int line = locations.GetLocation(field, i).line + 1;
    TextFormat::ParseInfoTree* tree = locations.GetTreeForNested(field, i);
    const DeviceChecker checker(name, device, *tree, line);
    checker.check_names();
    checker.check_figures();
    const auto claim = [&](const std::string& alias, int alias_line) {
      const auto [owner, is_new] = owner_of_key.emplace(device_key(alias), device.id());
      if (!is_new) {
        checker.fail(alias_line, fmt::format("uses the name '{}', which device '{}' has already",
                                             alias, owner->second));
      }
    };
    claim(device.id(), checker.line_of("id"));
    for (int a = 0; a < device.aliases_size(); ++a) {
      // Spellings that come to the same name, or to the id, are harmless within one device.
      const auto known = owner_of_key.find(device_key(device.aliases(a)));
      if (known != owner_of_key.end() && known->second == device.id()) continue;
      claim(device.aliases(a), checker.line_of("aliases", a));
    }
    parsed.push_back({to_spec(device), line});
  }
  if (parsed.empty()) {
    throw InputError(name +
                     ": the file has no device; a device table is made of device { ... } blocks");
  }
  return parsed;
}

}  // namespace rooftop
