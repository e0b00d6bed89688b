// Which kernel a launch is: two launches of one signature run the same code in the same shape.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "profiler/core/records.h"

namespace rooftop::join {

using SignatureId = std::uint32_t;

struct Signature {
  std::uint32_t name = 0;  // within Signatures
  std::uint32_t device = 0;
  std::array<std::uint32_t, 3> grid{};
  std::array<std::uint32_t, 3> block{};
  // Static shared memory is the code's own, which the name stands for; a launch does not tell it.
  std::uint32_t dynamic_shared_bytes = 0;
  bool operator==(const Signature&) const = default;
};

// Numbers signatures across trace files, whose own string tables differ.
class Signatures {
 public:
  // Recordings of different tools agree on name, grid and block; some know nothing of shared
  // memory, or round it.
  enum class Detail : std::uint8_t { kFull, kWithoutSharedMemory };
  explicit Signatures(Detail detail = Detail::kFull) : detail_(detail) {}

  // The number of a kernel's name, and of a launch of it.
  std::uint32_t name(std::string_view text);
  SignatureId signature(const KernelRecord& record, std::uint32_t name);

  // "flash_fwd (grid 32x1x1, block 128x1x1)"
  [[nodiscard]] std::string describe(SignatureId id) const;
  [[nodiscard]] std::size_t size() const { return signatures_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const Signature& signature) const;
  };

  Detail detail_;
  std::unordered_map<std::string, std::uint32_t> name_ids_;
  std::vector<std::string> names_;
  std::unordered_map<Signature, SignatureId, Hash> ids_;
  std::vector<Signature> signatures_;
};

}  // namespace rooftop::join
