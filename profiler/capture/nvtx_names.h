// Texts of NVTX: messages in their four forms, domains, and what PyTorch packs into a range's name.
#pragma once

#include <nvtx3/nvToolsExt.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace rooftop::capture {

// The longest name that is kept, in bytes; longer ones are cut.
inline constexpr std::size_t kMaxScopeName = 1023;

// A range's message as its caller gave it.
struct NvtxMessage {
  nvtxMessageType_t type = NVTX_MESSAGE_UNKNOWN;
  nvtxMessageValue_t value{};
};

// Writes at most `room` bytes of UTF-8 (without a final 0) and returns how many. No allocation.
std::size_t copy_text(const NvtxMessage& message, char* to, std::size_t room) noexcept;

// The domain "rooftop", the default domain, and every other one by name. Never null, never freed;
// beyond 4096 names all others share one handle.
nvtxDomainHandle_t our_domain() noexcept;
nvtxDomainHandle_t default_domain() noexcept;
nvtxDomainHandle_t domain_named(std::string_view name) noexcept;

// A handle for NVTX_MESSAGE_TYPE_REGISTERED. Beyond 16 MiB of texts, all share one that says so.
nvtxStringHandle_t register_text(const NvtxMessage& message) noexcept;

// PyTorch's emit_nvtx names a range "aten::mm, seq = 7, op_id = 9, sizes = [[16, 32], [32, 8]]".
struct TorchName {
  std::string_view name;  // "aten::mm": counters in a name would make every range's another one
  std::string args;       // "[16,32][32,8]"
};
TorchName split_torch_name(std::string_view name);

}  // namespace rooftop::capture
