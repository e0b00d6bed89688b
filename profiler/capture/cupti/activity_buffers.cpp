#include "profiler/capture/cupti/activity_buffers.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

namespace rooftop::capture {

bool ActivityBuffers::open(std::size_t buffer_bytes, std::size_t total_bytes) noexcept try {
  const std::lock_guard lock(mutex_);
  // What an earlier session never took is not this one's.
  for (Buffer& buffer : buffers_) {
    if (buffer.state != State::kFilled) continue;
    std::memset(buffer.data.get(), 0, buffer.size);
    buffer.state = State::kFree;
  }
  // Free buffers of another size are of no use any more.
  std::erase_if(buffers_,
                [&](const Buffer& b) { return b.state == State::kFree && b.size != buffer_bytes; });
  buffer_bytes_ = buffer_bytes;
  most_ = std::max<std::size_t>(total_bytes / std::max<std::size_t>(buffer_bytes, 1), 2);
  buffers_.reserve(std::max(most_, buffers_.size()));  // so that request() allocates no more than
                                                       // the buffer itself
  declined_ = 0;
  return true;
} catch (const std::exception&) {
  return false;
}

void ActivityBuffers::close() noexcept {
  const std::lock_guard lock(mutex_);
  most_ = 0;
}

std::uint8_t* ActivityBuffers::request(std::size_t& size) noexcept {
  const std::lock_guard lock(mutex_);
  size = 0;
  if (most_ == 0) return nullptr;
  for (Buffer& buffer : buffers_) {
    if (buffer.state != State::kFree || buffer.size != buffer_bytes_) continue;
    buffer.state = State::kWithCupti;
    size = buffer.size;
    return buffer.data.get();
  }
  if (buffers_.size() < most_ && buffers_.size() < buffers_.capacity()) {
    Buffer fresh;
    fresh.data.reset(static_cast<std::uint8_t*>(std::calloc(1, buffer_bytes_)));
    if (fresh.data != nullptr) {
      fresh.size = buffer_bytes_;
      fresh.state = State::kWithCupti;
      buffers_.push_back(std::move(fresh));
      size = buffer_bytes_;
      return buffers_.back().data.get();
    }
  }
  ++declined_;
  return nullptr;
}

std::uint8_t* ActivityBuffers::request_or_scrap(std::size_t& size) noexcept try {
  if (std::uint8_t* data = request(size)) return data;
  std::unique_ptr<std::uint8_t, decltype(&std::free)> scrap(
      static_cast<std::uint8_t*>(std::calloc(1, kScrapBytes)), &std::free);
  const std::lock_guard lock(mutex_);
  if (scrap == nullptr || scraps_.size() == kMostScraps) return nullptr;
  scraps_.push_back(std::move(scrap));
  size = kScrapBytes;
  return scraps_.back().get();
} catch (const std::exception&) {
  return nullptr;
}

ActivityBuffers::Buffer* ActivityBuffers::find(const std::uint8_t* data) noexcept {
  for (Buffer& buffer : buffers_) {
    if (buffer.data.get() == data) return &buffer;
  }
  return nullptr;
}

void ActivityBuffers::complete(std::uint8_t* data, std::size_t valid) noexcept {
  const std::lock_guard lock(mutex_);
  if (data != nullptr && std::erase_if(scraps_, [&](const auto& s) { return s.get() == data; }) > 0)
    return;
  Buffer* buffer = data != nullptr ? find(data) : nullptr;
  if (buffer == nullptr || buffer->state != State::kWithCupti) return;
  buffer->state = State::kFilled;
  buffer->valid = std::min(valid, buffer->size);
  buffer->order = filled_++;
}

bool ActivityBuffers::take(Filled& filled) noexcept {
  const std::lock_guard lock(mutex_);
  Buffer* oldest = nullptr;
  for (Buffer& buffer : buffers_) {
    if (buffer.state == State::kFilled && (oldest == nullptr || buffer.order < oldest->order))
      oldest = &buffer;
  }
  if (oldest == nullptr) return false;
  oldest->state = State::kTaken;
  filled = {oldest->data.get(), oldest->valid};
  return true;
}

void ActivityBuffers::give_back(const Filled& filled) noexcept {
  std::size_t size = 0;
  {
    const std::lock_guard lock(mutex_);
    if (const Buffer* buffer = find(filled.data)) size = buffer->size;
  }
  std::memset(filled.data, 0, size);  // on the session's thread, so that no engine's has to
  const std::lock_guard lock(mutex_);
  if (Buffer* buffer = find(filled.data)) buffer->state = State::kFree;
}

std::uint64_t ActivityBuffers::take_declined() noexcept {
  const std::lock_guard lock(mutex_);
  return std::exchange(declined_, 0);
}

}  // namespace rooftop::capture
