#include "profiler/capture/nvtx_names.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>

#include "rooftop/nvtx.h"

namespace rooftop::capture {
namespace {

constexpr std::size_t kMaxDomains = 4096;
constexpr std::size_t kMaxRegisteredBytes = std::size_t{16} << 20;

struct Text {
  Text* next = nullptr;  // registered ones: all of them are kept
  std::uint32_t length = 0;
  std::array<char, kMaxScopeName> bytes;  // allocated only as far as `length`
};

constexpr std::string_view kForgotten = "(more registered strings than are kept)";

// The bytes of one code point; 0xFFFD in place of what is none.
std::size_t encode(std::uint32_t point, char* to) noexcept {
  if (point >= 0x110000 || (point >= 0xD800 && point < 0xE000)) point = 0xFFFD;
  const auto tail = [&](unsigned shift) {
    return static_cast<char>(0x80U | ((point >> shift) & 0x3FU));
  };
  if (point < 0x80) {
    to[0] = static_cast<char>(point);
    return 1;
  }
  if (point < 0x800) {
    to[0] = static_cast<char>(0xC0U | (point >> 6));
    to[1] = tail(0);
    return 2;
  }
  if (point < 0x10000) {
    to[0] = static_cast<char>(0xE0U | (point >> 12));
    to[1] = tail(6);
    to[2] = tail(0);
    return 3;
  }
  to[0] = static_cast<char>(0xF0U | (point >> 18));
  to[1] = tail(12);
  to[2] = tail(6);
  to[3] = tail(0);
  return 4;
}

std::size_t copy_wide(const wchar_t* text, char* to, std::size_t room) noexcept {
  std::size_t used = 0;
  for (; *text != 0; ++text) {
    std::array<char, 4> bytes{};
    const std::size_t n = encode(static_cast<std::uint32_t>(*text), bytes.data());
    if (used + n > room) break;
    std::memcpy(to + used, bytes.data(), n);
    used += n;
  }
  return used;
}

// Cut UTF-8 ends with a whole character.
std::size_t whole_characters(const char* text, std::size_t length) noexcept {
  std::size_t begin = length;
  while (begin > 0 && length - begin < 4) {
    const auto byte = static_cast<unsigned char>(text[--begin]);
    if ((byte & 0xC0U) == 0x80U) continue;
    const std::size_t size = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    return begin + size > length ? begin : length;
  }
  return length;
}

std::size_t copy_ascii(const char* text, char* to, std::size_t room) noexcept {
  const std::size_t length = strnlen(text, room);
  std::memcpy(to, text, length);
  return length == room ? whole_characters(to, length) : length;
}

// Domains by name: a list that only grows, so that it needs no lock (and a fork finds none held).
struct Domain {
  Domain* next = nullptr;
  Text* name = nullptr;
};
std::atomic<Domain*> domains{nullptr};
std::atomic<std::size_t> domain_count{0};

Text* allocate_text(std::string_view text) noexcept {
  void* memory = ::operator new(offsetof(Text, bytes) + text.size(), std::nothrow);
  if (memory == nullptr) return nullptr;
  auto* out = static_cast<Text*>(memory);
  out->next = nullptr;
  out->length = static_cast<std::uint32_t>(text.size());
  std::memcpy(static_cast<char*>(memory) + offsetof(Text, bytes), text.data(), text.size());
  return out;
}

std::string_view view(const Text& text) noexcept { return {text.bytes.data(), text.length}; }

Domain* find_domain(Domain* list, std::string_view name) noexcept {
  for (; list != nullptr; list = list->next) {
    if (view(*list->name) == name) return list;
  }
  return nullptr;
}

Text* kept(Text* text) noexcept {
  static constinit std::atomic<Text*> all{nullptr};
  text->next = all.load(std::memory_order_relaxed);
  while (!all.compare_exchange_weak(text->next, text, std::memory_order_acq_rel)) {
  }
  return text;
}

nvtxDomainHandle_t handle(void* object) noexcept { return static_cast<nvtxDomainHandle_t>(object); }

}  // namespace

std::size_t copy_text(const NvtxMessage& message, char* to, std::size_t room) noexcept {
  if (message.value.ascii == nullptr) return 0;
  switch (message.type) {
    case NVTX_MESSAGE_TYPE_ASCII:
      return copy_ascii(message.value.ascii, to, room);
    case NVTX_MESSAGE_TYPE_UNICODE:
      return copy_wide(message.value.unicode, to, room);
    case NVTX_MESSAGE_TYPE_REGISTERED: {
      const std::string_view text = view(*reinterpret_cast<const Text*>(message.value.registered));
      const std::size_t length = text.size() < room ? text.size() : room;
      std::memcpy(to, text.data(), length);
      return length < text.size() ? whole_characters(to, length) : length;
    }
    default:
      return 0;
  }
}

nvtxDomainHandle_t our_domain() noexcept {
  static char mark;
  return handle(&mark);
}

nvtxDomainHandle_t default_domain() noexcept {
  static char mark;
  return handle(&mark);
}

nvtxDomainHandle_t domain_named(std::string_view name) noexcept {
  static char others;
  if (name == nvtx::kDomainName) return our_domain();
  Domain* head = domains.load(std::memory_order_acquire);
  if (Domain* known = find_domain(head, name)) return handle(known);
  if (domain_count.load(std::memory_order_relaxed) >= kMaxDomains) return handle(&others);
  auto* made = new (std::nothrow) Domain;
  Text* text = allocate_text(name.substr(0, kMaxScopeName));
  if (made == nullptr || text == nullptr) {
    delete made;
    ::operator delete(text);
    return handle(&others);
  }
  made->name = text;
  do {
    if (Domain* known = find_domain(head, view(*text))) {  // another thread was first
      ::operator delete(text);
      delete made;
      return handle(known);
    }
    made->next = head;
  } while (!domains.compare_exchange_weak(head, made, std::memory_order_acq_rel));
  domain_count.fetch_add(1, std::memory_order_relaxed);
  return handle(made);
}

nvtxStringHandle_t register_text(const NvtxMessage& message) noexcept {
  static std::atomic<std::size_t> used{0};
  static Text* const forgotten = allocate_text(kForgotten);
  std::array<char, kMaxScopeName> bytes;
  const std::size_t length = copy_text(message, bytes.data(), bytes.size());
  const std::size_t cost = length + sizeof(void*) * 4;  // with what the allocator adds
  Text* text = forgotten;
  if (used.fetch_add(cost, std::memory_order_relaxed) + cost <= kMaxRegisteredBytes) {
    if (Text* made = allocate_text({bytes.data(), length})) text = kept(made);
  } else {
    used.fetch_sub(cost, std::memory_order_relaxed);
  }
  return reinterpret_cast<nvtxStringHandle_t>(text);
}

TorchName split_torch_name(std::string_view name) {
  constexpr std::string_view kSizes = ", sizes = ";
  std::size_t cut = name.size();
  for (const std::string_view part : {std::string_view(", seq = "), std::string_view(", op_id = "),
                                      kSizes, std::string_view(", input_op_ids = ")}) {
    cut = std::min(cut, name.find(part));
  }
  TorchName out{.name = name.substr(0, cut), .args = {}};
  const std::size_t sizes = name.find(kSizes);
  if (sizes == std::string_view::npos) return out;
  // "[[16, 32], [], [32, 8]]" becomes "[16,32][][32,8]".
  int depth = 0;
  for (const char c : name.substr(sizes + kSizes.size())) {
    if (c == '[' && ++depth == 1) continue;
    if (c == ']' && --depth == 0) break;
    if (c == ' ' || (c == ',' && depth == 1)) continue;
    if (depth < 1) break;  // not a list of lists: not PyTorch's
    out.args += c;
  }
  return out;
}

}  // namespace rooftop::capture
