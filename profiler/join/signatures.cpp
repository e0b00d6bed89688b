#include "profiler/join/signatures.h"

#include <fmt/core.h>

#include <functional>

namespace rooftop::join {

std::uint32_t Signatures::name(std::string_view text) {
  const auto next = static_cast<std::uint32_t>(names_.size());
  const auto [it, inserted] = name_ids_.try_emplace(std::string(text), next);
  if (inserted) names_.emplace_back(text);
  return it->second;
}

SignatureId Signatures::signature(const KernelRecord& record, std::uint32_t name) {
  Signature signature{
      .name = name, .device = record.device, .grid = record.grid, .block = record.block};
  if (detail_ == Detail::kFull) signature.dynamic_shared_bytes = record.dynamic_shared_bytes;
  const auto next = static_cast<SignatureId>(signatures_.size());
  const auto [it, inserted] = ids_.try_emplace(signature, next);
  if (inserted) signatures_.push_back(signature);
  return it->second;
}

std::string Signatures::describe(SignatureId id) const {
  const Signature& s = signatures_[id];
  return fmt::format("{} (grid {}x{}x{}, block {}x{}x{})", names_[s.name], s.grid[0], s.grid[1],
                     s.grid[2], s.block[0], s.block[1], s.block[2]);
}

std::size_t Signatures::Hash::operator()(const Signature& s) const {
  std::size_t hash = 0;
  const auto mix = [&](std::uint32_t value) {
    constexpr std::size_t kGolden = 0x9E3779B97F4A7C15;
    hash = (hash ^ std::hash<std::uint32_t>{}(value)) * kGolden;
    hash ^= hash >> 32;
  };
  for (const std::uint32_t value : {s.name, s.device, s.grid[0], s.grid[1], s.grid[2], s.block[0],
                                    s.block[1], s.block[2], s.dynamic_shared_bytes}) {
    mix(value);
  }
  return hash;
}

}  // namespace rooftop::join
