// A bounded queue of scope events between an engine thread and the thread that drains: like
// SpscRing, but of records of any length, in memory that was mapped and is paid for only as far as
// it is used. A full ring refuses: the engine's thread never waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace rooftop::capture {

class ByteRing {
 public:
  static constexpr std::size_t kAlignment = 8;

  // `memory`: `capacity` bytes, a power of two, aligned to 8.
  void attach(std::byte* memory, std::size_t capacity) noexcept {
    memory_ = memory;
    capacity_ = capacity;
  }

  // Room for a record of `size` bytes, or null. commit() hands it over.
  std::byte* reserve(std::size_t size) noexcept {
    const std::size_t whole = rounded(size);
    std::size_t tail = tail_.load(std::memory_order_relaxed);
    const std::size_t before_end = capacity_ - (tail & (capacity_ - 1));
    const std::size_t skipped = before_end < whole ? before_end : 0;
    if (whole > capacity_ / 2 || !has_room(tail, skipped + whole)) return nullptr;
    if (skipped > 0) {
      put_length(tail, kSkip);
      tail += skipped;
    }
    put_length(tail, static_cast<std::uint32_t>(size));
    reserved_ = tail + whole;
    return at(tail) + kAlignment;
  }
  void commit() noexcept { tail_.store(reserved_, std::memory_order_release); }

  // Calls take(bytes, size) for every record that was there when it was called.
  template <class Take>
  void consume(Take&& take) {
    const std::size_t tail = tail_.load(std::memory_order_acquire);
    std::size_t head = head_.load(std::memory_order_relaxed);
    while (head != tail) {
      const std::uint32_t size = length_at(head);
      if (size == kSkip) {
        head += capacity_ - (head & (capacity_ - 1));
      } else {
        take(static_cast<const std::byte*>(at(head) + kAlignment), std::size_t{size});
        head += rounded(size);
      }
      head_.store(head, std::memory_order_release);
    }
  }

  [[nodiscard]] bool empty() const noexcept {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
  }

  // Forgets what is waiting: only while there is neither producer nor consumer.
  void clear() noexcept { head_.store(tail_.load()); }

 private:
  static constexpr std::uint32_t kSkip = UINT32_MAX;  // the record is at the ring's beginning

  static std::size_t rounded(std::size_t size) noexcept {
    return (size + kAlignment + kAlignment - 1) / kAlignment * kAlignment;
  }
  [[nodiscard]] std::byte* at(std::size_t position) const noexcept {
    return memory_ + (position & (capacity_ - 1));
  }
  void put_length(std::size_t position, std::uint32_t length) noexcept {
    std::memcpy(at(position), &length, sizeof length);
  }
  [[nodiscard]] std::uint32_t length_at(std::size_t position) const noexcept {
    std::uint32_t length = 0;
    std::memcpy(&length, at(position), sizeof length);
    return length;
  }
  bool has_room(std::size_t tail, std::size_t size) noexcept {
    if (tail + size - cached_head_ <= capacity_) return true;
    cached_head_ = head_.load(std::memory_order_acquire);
    return tail + size - cached_head_ <= capacity_;
  }

  std::byte* memory_ = nullptr;
  std::size_t capacity_ = 0;
  // Producer and consumer each write a cache line of their own.
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t cached_head_ = 0;
  std::size_t reserved_ = 0;
  alignas(64) std::atomic<std::size_t> head_{0};
};

}  // namespace rooftop::capture
