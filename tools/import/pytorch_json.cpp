// PyTorch profiler traces (kineto's JSON, Chrome's trace event format): one reading, event by
// event, whatever the size of the file.
#include <fmt/format.h>
#include <rapidjson/reader.h>

#include <cstdlib>
#include <functional>
#include <new>
#include <stdexcept>
#include <vector>

#include "profiler/core/error.h"
#include "tools/import/decimal.h"
#include "tools/import/import.h"
#include "tools/import/pytorch_events.h"
#include "tools/import/timeline.h"
#include "tools/import/timeline_trace.h"
#include "tools/import/trace_output.h"

namespace rooftop::import {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr std::size_t kMaxValueBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxDepth = 256;
constexpr std::size_t kMaxDescribedDevices = 4096;

// A single text or number that is longer than memory should be spent on.
struct ValueTooLong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What RapidJSON keeps the value in that it is reading.
class BoundedAllocator {
 public:
  void* Malloc(std::size_t size) { return Realloc(nullptr, 0, size); }
  void* Realloc(void* old, std::size_t /*old_size*/, std::size_t size) {
    if (size == 0) {
      std::free(old);
      return nullptr;
    }
    if (size > kMaxValueBytes) throw ValueTooLong("a value is longer than 16 MiB");
    void* out = std::realloc(old, size);
    if (out == nullptr) throw std::bad_alloc();
    return out;
  }
  static void Free(void* memory) { std::free(memory); }
};

// A ByteStream as RapidJSON reads it. A 0 byte ends the text, as the end of the file does.
class JsonText {
 public:
  using Ch = char;

  JsonText(ByteStream& input, const ImportOptions& options)
      : input_(input), options_(options), buffer_(kReadBytes) {
    refill();
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (std::string_view(current_, static_cast<std::size_t>(end_ - current_))
            .starts_with(kByteOrderMark)) {
      current_ += kByteOrderMark.size();
    }
  }

  [[nodiscard]] Ch Peek() const { return current_ == end_ ? '\0' : *current_; }
  Ch Take() {
    if (current_ == end_) return '\0';
    const char c = *current_++;
    if (current_ == end_) refill();
    return c;
  }
  [[nodiscard]] std::size_t Tell() const {
    return before_ + static_cast<std::size_t>(current_ - buffer_.data());
  }
  [[nodiscard]] bool at_end() const { return current_ == end_; }

  // RapidJSON asks for these by name; they are for parsing in place.
  Ch* PutBegin() { return nullptr; }
  void Put(Ch) {}
  void Flush() {}
  std::size_t PutEnd(Ch*) { return 0; }

 private:
  void refill() {
    before_ += static_cast<std::size_t>(end_ - buffer_.data());
    const std::size_t n = input_.read(buffer_);
    current_ = buffer_.data();
    end_ = current_ + n;
    options_.progress(input_.fraction());
  }

  ByteStream& input_;
  const ImportOptions& options_;
  std::vector<char> buffer_;
  const char* current_ = buffer_.data();
  const char* end_ = buffer_.data();
  std::size_t before_ = 0;  // bytes of earlier buffers
};

// What a trace says beside its events. Nothing else of its metadata is looked at: a recorder's
// environment, secrets included, may stand there.
struct TraceFacts {
  std::vector<DeviceInfo> devices;
  std::int64_t epoch_ns = 0;
  std::uint32_t rank = 0;
  std::uint32_t world_size = 1;
  bool events_list = false;
};

std::uint32_t as_u32(std::string_view text) {
  const auto value = whole_number(text);
  return value && *value <= UINT32_MAX ? static_cast<std::uint32_t>(*value) : 0;
}

// Called by RapidJSON for each token.
class TraceHandler {
 public:
  TraceHandler(TraceFacts& facts, EventSorter& events) : facts_(facts), events_(events) {}

  bool Null() { return value({}); }
  bool Bool(bool) { return value({}); }
  // Numbers come as text; these are for RapidJSON's interface.
  bool Int(int) { return value({}); }
  bool Uint(unsigned) { return value({}); }
  bool Int64(std::int64_t) { return value({}); }
  bool Uint64(std::uint64_t) { return value({}); }
  bool Double(double) { return value({}); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) { return value({text, size}); }
  bool String(const char* text, rapidjson::SizeType size, bool) { return value({text, size}); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    if (place() != Place::kSkipped) key_.assign(text, size);
    return true;
  }

  bool StartObject() { return enter(object_place()); }
  bool EndObject(rapidjson::SizeType) {
    if (place() == Place::kEvent) events_.add(event_);
    return leave();
  }
  bool StartArray() {
    const Place next = array_place();
    if (next == Place::kSizes) event_.shapes.open_list();
    return enter(next);
  }
  bool EndArray(rapidjson::SizeType) {
    if (place() == Place::kSizes) event_.shapes.close_list();
    return leave();
  }

 private:
  enum class Place : std::uint8_t {
    kDocument,
    kTop,
    kEvents,
    kEvent,
    kArgs,
    kSizes,
    kTypes,
    kGrid,
    kBlock,
    kDevices,
    kDevice,
    kDistributed,
    kSkipped
  };

  [[nodiscard]] Place place() const { return places_.back(); }
  bool enter(Place next) {
    places_.push_back(next);
    return places_.size() <= kMaxDepth;
  }
  bool leave() {
    places_.pop_back();
    return true;
  }

  Place object_place() {
    switch (place()) {
      case Place::kDocument:
        return Place::kTop;
      case Place::kTop:
        return key_ == "distributedInfo" ? Place::kDistributed : Place::kSkipped;
      case Place::kEvents:
        event_.clear();
        return Place::kEvent;
      case Place::kEvent:
        return key_ == "args" ? Place::kArgs : Place::kSkipped;
      case Place::kDevices:
        if (facts_.devices.size() >= kMaxDescribedDevices) return Place::kSkipped;
        facts_.devices.emplace_back();
        return Place::kDevice;
      default:
        return Place::kSkipped;
    }
  }

  Place array_place() {
    switch (place()) {
      case Place::kDocument:
        facts_.events_list = true;
        return Place::kEvents;
      case Place::kTop:
        if (key_ == "traceEvents") {
          facts_.events_list = true;
          return Place::kEvents;
        }
        return key_ == "deviceProperties" ? Place::kDevices : Place::kSkipped;
      case Place::kSizes:
        return Place::kSizes;
      case Place::kArgs:
        return argument_list();
      default:
        return Place::kSkipped;
    }
  }

  Place argument_list() {
    if (key_ == "grid") return Place::kGrid;
    if (key_ == "block") return Place::kBlock;
    if (key_ == "Input type" || key_ == "Input Types") return Place::kTypes;
    if (key_ == "Input Dims" || key_ == "Input dims") {
      event_.has_shapes = true;
      return Place::kSizes;
    }
    return Place::kSkipped;
  }

  bool value(std::string_view text) {
    switch (place()) {
      case Place::kTop:
        if (key_ == "baseTimeNanoseconds") facts_.epoch_ns = scaled_decimal(text, 0).value_or(0);
        break;
      case Place::kEvent:
        event_value(text);
        break;
      case Place::kArgs:
        argument(text);
        break;
      case Place::kSizes:
        event_.shapes.add_size(text);
        break;
      case Place::kTypes:
        event_.has_shapes = true;
        event_.shapes.add_type(text);
        break;
      case Place::kGrid:
        if (event_.grid_values < 3) event_.grid[event_.grid_values++] = as_u32(text);
        break;
      case Place::kBlock:
        if (event_.block_values < 3) event_.block[event_.block_values++] = as_u32(text);
        break;
      case Place::kDevice:
        device_value(facts_.devices.back(), text);
        break;
      case Place::kDistributed:
        if (key_ == "rank") facts_.rank = as_u32(text);
        if (key_ == "world_size") facts_.world_size = std::max(1U, as_u32(text));
        break;
      default:
        break;
    }
    return true;
  }

  void event_value(std::string_view text) {
    if (key_ == "ph") {
      event_.phase = text.substr(0, 1);
    } else if (key_ == "cat") {
      event_.category = text;
    } else if (key_ == "name") {
      event_.name = text;
    } else if (key_ == "ts") {
      event_.begin_ns = ns_of_us(text);
    } else if (key_ == "dur") {
      event_.duration_ns = ns_of_us(text);
    } else if (key_ == "pid") {
      event_.process = text;
    } else if (key_ == "tid") {
      event_.thread = text;
    }
  }

  void argument(std::string_view text) {
    if (key_ == "External id" || key_ == "external id") {
      event_.external = as_u32(text);
    } else if (key_ == "correlation") {
      event_.correlation = whole_number(text);
    } else if (key_ == "device") {
      event_.device = as_u32(text);
    } else if (key_ == "stream") {
      event_.stream = as_u32(text);
    } else if (key_ == "registers per thread") {
      event_.registers = as_u32(text);
    } else if (key_ == "shared memory") {
      event_.shared_bytes = as_u32(text);
    } else if (key_ == "graph node id") {
      event_.graph_node = whole_number(text).value_or(0);
    } else if (key_ == "bytes") {
      event_.bytes = whole_number(text);
    }
  }

  void device_value(DeviceInfo& device, std::string_view text) const {
    if (key_ == "id") {
      device.ordinal = as_u32(text);
    } else if (key_ == "name") {
      device.name = text.substr(0, 256);
    } else if (key_ == "totalGlobalMem") {
      device.memory_bytes = whole_number(text).value_or(0);
    } else if (key_ == "computeMajor") {
      device.compute_major = as_u32(text);
    } else if (key_ == "computeMinor") {
      device.compute_minor = as_u32(text);
    } else if (key_ == "numSms") {
      device.multiprocessors = as_u32(text);
    }
  }

  TraceFacts& facts_;
  EventSorter& events_;
  std::vector<Place> places_{Place::kDocument};
  std::string key_;
  TraceEvent event_;
};

// Empty where the text was whole, else a sentence about where it was not.
std::string parse(ByteStream& input, const ImportOptions& options, TraceHandler& handler,
                  const EventSorter& events) {
  constexpr unsigned kFlags =
      rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseNanAndInfFlag;
  BoundedAllocator allocator;
  rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>, BoundedAllocator> reader(
      &allocator);
  JsonText text(input, options);
  try {
    if (reader.Parse<kFlags>(text, handler)) return {};
  } catch (const ValueTooLong& e) {
    return fmt::format("The file is damaged near byte {} ({}): the {} events before it were read.",
                       text.Tell(), e.what(), events.events());
  }
  if (input.cut_short()) {
    return fmt::format("The compressed data break off or are damaged: {} events were read.",
                       events.events());
  }
  if (text.at_end()) {
    return fmt::format("The file breaks off (was the process killed?): {} events were read.",
                       events.events());
  }
  return fmt::format("The file is damaged at byte {}: the {} events before it were read.",
                     reader.GetErrorOffset(), events.events());
}

}  // namespace

ImportResult import_pytorch(ByteStream& input, const std::string& name, const std::string& output,
                            const ImportOptions& options) {
  Timeline timeline;
  EventSorter events(timeline);
  TraceFacts facts;
  TraceHandler handler(facts, events);
  const std::string damage = parse(input, options, handler, events);
  if (!facts.events_list || events.events() == 0) {
    throw InputError(fmt::format(
        "'{}' is JSON without trace events{}: give what torch.profiler's export_chrome_trace() "
        "wrote.",
        name, damage.empty() ? "" : " that could be read"));
  }
  timeline.link();

  Meta meta = imported_meta(options.run, "PyTorch profiler");
  meta.rank = facts.rank;
  meta.world_size = facts.world_size;
  meta.dtype = events.dtype();
  if (!damage.empty()) meta.notes.push_back({damage});
  if (events.half_events() > 0) {
    meta.notes.push_back(
        {fmt::format("{} events that only begin or end were not read.", events.half_events())});
  }
  std::vector<DeviceInfo> devices;
  for (const DeviceInfo& d : facts.devices) {
    devices.push_back(cuda_device(d.ordinal, d.name));
    devices.back().memory_bytes = d.memory_bytes;
    devices.back().multiprocessors = d.multiprocessors;
    devices.back().compute_major = d.compute_major;
    devices.back().compute_minor = d.compute_minor;
  }
  return write_timeline(timeline, std::move(meta), devices, facts.epoch_ns, output,
                        fmt::format("'{}' holds no GPU kernels and no operators: record with "
                                    "torch.profiler.profile(activities=[ProfilerActivity.CPU, "
                                    "ProfilerActivity.CUDA]).",
                                    name));
}

}  // namespace rooftop::import
