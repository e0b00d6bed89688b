// Roofs as published: bandwidth and peaks of known devices, each figure with its source. The
// built-in table is compiled in; a user's file adds devices or replaces built-in ones.
// The form of the files is proto/rooftop/devices.proto; docs/roofs.md shows an example.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rooftop {

// A dense compute roof.
struct Peak {
  std::string dtype;   // "f32", "tf32", "bf16", "f16", "fp8", "int8", "fp4"
  double flops = 0;    // FLOP/s
  std::string source;  // document and revision
};

struct DeviceSpec {
  std::string id;                    // "a100-80gb-sxm"
  std::string display_name;          // "A100 80GB SXM"; not unique: a6000-paper shows as "A6000"
  std::string chip;                  // "GA100"
  std::vector<std::string> aliases;  // as drivers print them: "NVIDIA A100-SXM4-80GB"
  std::uint64_t memory_bytes = 0;
  double bandwidth = 0;  // byte/s of DRAM
  std::string bandwidth_source;
  std::vector<Peak> peaks;
  std::uint64_t l2_bytes = 0;  // 0: unknown, as the two below
  std::uint32_t sm_count = 0;
  double boost_clock_hz = 0;
  std::string specs_source;  // of the three above
  std::string hardware;      // id of the device that this one is, where its roofs are a chart's

  // The peak of a type, or null. "fp32" and "fp16" are understood as "f32" and "f16".
  [[nodiscard]] const Peak* peak(std::string_view dtype) const;
};

class DeviceTable {
 public:
  // The table that is compiled in.
  static DeviceTable built_in();

  // Adds the devices of a file; one whose id is known replaces that device whole, and an alias that
  // another device had goes to the new one. Throws InputError, with file and line, for a file that
  // cannot be read or used; the table is then unchanged.
  void load_user_file(const std::string& path);
  // The same for text; `name` stands for the file in errors.
  void load_text(std::string_view text, const std::string& name);

  [[nodiscard]] std::span<const DeviceSpec> devices() const& { return devices_; }
  void devices() && = delete;  // would dangle

  // The device of an id or alias; null if there is none. Case does not matter, a space, '_' and '-'
  // are the same, and a leading "NVIDIA" may be left out. Nothing else is guessed: the name of a
  // part of a device ("NVIDIA H100 80GB HBM3 MIG 1g.10gb") must not get the whole device's roofs.
  // Valid until the next load.
  [[nodiscard]] const DeviceSpec* find(std::string_view id_or_alias) const;
  // The same, for names that a user types: throws InputError that names the nearest ids.
  [[nodiscard]] const DeviceSpec& require(std::string_view id_or_alias) const;
  // Ids most like the name: those with a name that begins with it, else contains it, else is near
  // it in edit distance (best first); empty where nothing is.
  [[nodiscard]] std::vector<std::string> suggest(std::string_view name,
                                                 std::size_t count = 3) const;

 private:
  std::vector<DeviceSpec> devices_;
};

}  // namespace rooftop
