#include "profiler/capture/cupti/activity_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <system_error>

#define XXH_INLINE_ALL  // no libxxhash to carry into the profiled process
#include <xxhash.h>

#include "profiler/capture/cupti/activity_layout.h"

namespace rooftop::capture {
namespace {

constexpr std::array<char, 8> kMagic{'R', 'T', 'A', 'C', 'T', '0', '0', '1'};
constexpr std::size_t kLargest = std::size_t{64} << 20;  // of a file

struct Header {
  std::array<char, 8> magic{};
  std::uint32_t cupti_version = 0;
  std::uint32_t reserved = 0;
  std::uint64_t valid = 0;
  std::uint64_t pointers = 0;
  std::uint64_t text_bytes = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(Header) == 48);

struct Pointer {
  std::uint64_t at = 0;    // in the buffer
  std::uint64_t text = 0;  // in the texts
};

std::size_t padded(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

struct Pointerless {
  std::string buffer;
  std::vector<Pointer> names;
  std::string texts;
};

void zero_pointer(Pointerless& out, std::size_t at) {
  if (at + sizeof(void*) <= out.buffer.size()) std::memset(&out.buffer[at], 0, sizeof(void*));
}

void zero_kernel(Pointerless& out, std::size_t at, const char* name) {
  const std::size_t field = at + offsetof(KernelRecord9, name);
  zero_pointer(out, field);
  zero_pointer(out, at + offsetof(KernelRecord9, reserved0));
  zero_pointer(out, at + offsetof(KernelRecord9, pAccessPolicyWindow));
  if (name == nullptr) return;
  out.names.push_back({field, out.texts.size()});
  out.texts.append(name).push_back('\0');
}

// A copy of the buffer that holds no address of this process.
Pointerless without_pointers(const CuptiApi& api, const std::uint8_t* buffer, std::size_t valid) {
  Pointerless out;
  out.buffer.assign(reinterpret_cast<const char*>(buffer), valid);
  CUpti_Activity* record = nullptr;
  // CUPTI's walk takes a buffer that it could write to, but does not.
  while (api.cuptiActivityGetNextRecord(const_cast<std::uint8_t*>(buffer), valid, &record) ==
         CUPTI_SUCCESS) {
    const auto* address = reinterpret_cast<const std::uint8_t*>(record);
    const auto at = static_cast<std::size_t>(address - buffer);
    const std::uint32_t kind = kind_of(address);
    const bool is_kernel =
        kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL || kind == CUPTI_ACTIVITY_KIND_KERNEL;
    if (is_kernel && at + sizeof(KernelRecord9) <= valid) {
      const char* name = nullptr;
      std::memcpy(&name, address + offsetof(KernelRecord9, name), sizeof name);
      zero_kernel(out, at, name);
    } else if (kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
      zero_pointer(out, at + offsetof(CopyRecord5, reserved0));
    } else if (kind == CUPTI_ACTIVITY_KIND_MEMCPY2) {
      zero_pointer(out, at + offsetof(CUpti_ActivityMemcpyPtoP4, reserved0));
    } else if (kind == CUPTI_ACTIVITY_KIND_MEMSET) {
      zero_pointer(out, at + offsetof(CUpti_ActivityMemset4, reserved0));
    } else if (kind == CUPTI_ACTIVITY_KIND_GRAPH_TRACE) {
      zero_pointer(out, at + offsetof(CUpti_ActivityGraphTrace2, reserved));
    } else if (kind == CUPTI_ACTIVITY_KIND_OVERHEAD) {
      zero_pointer(out, at + offsetof(CUpti_ActivityOverhead3, overheadData));
    }
  }
  out.buffer.resize(padded(valid), '\0');
  return out;
}

std::string to_bytes(const CuptiApi& api, const std::uint8_t* buffer, std::size_t valid) {
  const Pointerless parts = without_pointers(api, buffer, valid);
  Header header;
  header.magic = kMagic;
  header.cupti_version = api.version;
  header.valid = valid;
  header.pointers = parts.names.size();
  header.text_bytes = parts.texts.size();
  std::string payload = parts.buffer;
  payload.append(reinterpret_cast<const char*>(parts.names.data()),
                 parts.names.size() * sizeof(Pointer));
  payload += parts.texts;
  header.checksum = XXH3_64bits(payload.data(), payload.size());
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + payload;
}

Status write_file(const std::string& path, const std::string& bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return Status::failed(path + " could not be created: " + std::strerror(errno));
  std::size_t done = 0;
  int error = 0;
  while (done < bytes.size() && error == 0) {
    const ssize_t n = write(file, bytes.data() + done, bytes.size() - done);
    if (n > 0) done += static_cast<std::size_t>(n);
    if (n < 0 && errno != EINTR) error = errno;
  }
  close(file);
  if (error == 0) return {};
  (void)unlink(path.c_str());  // half a recording is none
  return Status::failed(path + " could not be written: " + std::strerror(error));
}

[[noreturn]] void damaged(const std::string& path, const char* what) {
  throw InputError(path + " is not a whole recording of activity (" + what +
                   "): record it again, or take it from the repository anew");
}

// The lengths that a header claims, against what is there.
void check_lengths(const std::string& path, const Header& header, std::size_t payload) {
  if (header.valid > payload || header.pointers > payload / sizeof(Pointer) ||
      header.text_bytes > payload ||
      padded(header.valid) + header.pointers * sizeof(Pointer) + header.text_bytes != payload)
    damaged(path, "its lengths do not add up");
}

}  // namespace

Status save_activity(const CuptiApi& api, const std::uint8_t* buffer, std::size_t valid,
                     const std::string& path) noexcept try {
  return write_file(path, to_bytes(api, buffer, valid));
} catch (const std::exception& e) {
  return Status::failed(path + " could not be written: " + e.what());
}

void load_activity(const std::string& path, SavedActivity& saved) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw InputError(path + " could not be opened: check the path");
  std::error_code unknown;  // of a pipe or a device, say
  const std::uintmax_t size = std::filesystem::file_size(path, unknown);
  if (unknown || size > kLargest) damaged(path, "it is no file, or too large");
  std::string bytes(size, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  Header header;
  if (bytes.size() < sizeof header) damaged(path, "it is too short");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic) damaged(path, "it begins otherwise");
  const char* payload = bytes.data() + sizeof header;
  const std::size_t length = bytes.size() - sizeof header;
  check_lengths(path, header, length);
  if (XXH3_64bits(payload, length) != header.checksum) damaged(path, "its checksum differs");

  saved.cupti_version = header.cupti_version;
  saved.valid = header.valid;
  saved.words.assign(padded(header.valid) / 8, 0);
  std::memcpy(saved.words.data(), payload, header.valid);
  const char* pointers = payload + padded(header.valid);
  saved.texts.assign(pointers + header.pointers * sizeof(Pointer), header.text_bytes);
  for (std::uint64_t i = 0; i < header.pointers; ++i) {
    Pointer p;
    std::memcpy(&p, pointers + i * sizeof p, sizeof p);
    if (p.at % 8 != 0 || p.at / 8 >= saved.words.size() || p.text >= saved.texts.size() ||
        saved.texts.back() != '\0')
      damaged(path, "a name lies outside");
    saved.words[p.at / 8] = reinterpret_cast<std::uintptr_t>(saved.texts.data() + p.text);
  }
}

}  // namespace rooftop::capture
