// Host buffers for CUPTI's records: asked for by CUPTI on the engine's and its own threads, handed
// back full, emptied by the session's. Their number is bounded; beyond it the answer is no, and
// CUPTI drops records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

namespace rooftop::capture {

class ActivityBuffers {
 public:
  static constexpr std::size_t kScrapBytes = std::size_t{8} << 10;
  static constexpr std::size_t kMostScraps = 8192;

  struct Filled {
    std::uint8_t* data = nullptr;
    std::size_t valid = 0;
  };

  // Begins to answer requests. Buffers of an earlier session that CUPTI still holds keep their size
  // and are taken back whenever they come.
  bool open(std::size_t buffer_bytes, std::size_t total_bytes) noexcept;
  // From now on the answer is no; what is waiting stays for take().
  void close() noexcept;

  // CUPTI's side. Zeroed, aligned to 16 bytes; null: none to be had, counted. Waits for nobody but
  // another thread's few instructions here.
  std::uint8_t* request(std::size_t& size) noexcept;
  // The same for a library that crashes on a refusal: where request() has none a small one, whose
  // records are thrown away, and counted as declined. Null only where thousands of those are out,
  // or there is no memory at all.
  std::uint8_t* request_or_scrap(std::size_t& size) noexcept;
  // A pointer that is not of ours (another client's) is left alone.
  void complete(std::uint8_t* data, std::size_t valid) noexcept;

  // The session's side. Every buffer that was taken is given back.
  bool take(Filled& filled) noexcept;  // oldest first; false: none is waiting
  void give_back(const Filled& filled) noexcept;

  // Requests declined since the last call.
  std::uint64_t take_declined() noexcept;

 private:
  enum class State : std::uint8_t { kFree, kWithCupti, kFilled, kTaken };
  struct Buffer {
    std::unique_ptr<std::uint8_t, decltype(&std::free)> data{nullptr, &std::free};
    std::size_t size = 0;
    State state = State::kFree;
    std::size_t valid = 0;
    std::uint64_t order = 0;  // in which they were filled
  };
  Buffer* find(const std::uint8_t* data) noexcept;

  std::mutex mutex_;
  std::vector<Buffer> buffers_;
  std::vector<std::unique_ptr<std::uint8_t, decltype(&std::free)>> scraps_;
  std::size_t buffer_bytes_ = 0;
  std::size_t most_ = 0;  // buffers; 0: closed
  std::uint64_t filled_ = 0;
  std::uint64_t declined_ = 0;
};

}  // namespace rooftop::capture
