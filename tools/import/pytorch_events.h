// Events of a PyTorch profiler trace (kineto's JSON) and what they are to a timeline.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/import/timeline.h"

namespace rooftop::import {

// The shapes and types of an operator's inputs, as its trace event lists them.
class InputShapes {
 public:
  void clear();

  // "Input Dims": a list of tensors' sizes; a tensor list holds one list more.
  void open_list();
  void close_list();
  void add_size(std::string_view number);
  // "Input type": one entry an input.
  void add_type(std::string_view type);

  // "[16,559,1024]bf16[1024,1024]bf16": one bracket an input, empty for what is no tensor, "{...}"
  // around a list of tensors, with the type where it is known. Trailing inputs that are no tensors
  // are left out, and so is what would make the text longer than kMaxText.
  [[nodiscard]] std::string text() const;
  // Type of the first tensor: "bf16"; empty where unknown.
  [[nodiscard]] std::string_view first_type() const;

  static constexpr std::size_t kMaxText = 1024;

 private:
  static constexpr std::size_t kMaxInputs = 256;

  std::vector<std::string> sizes_;  // of each input, brackets included
  std::vector<std::string_view> types_;
  std::size_t inputs_ = 0;
  int depth_ = 0;
  bool nested_ = false;
};

struct TraceEvent {
  std::string phase;
  std::string category;
  std::string name;
  std::string process;
  std::string thread;
  std::optional<std::int64_t> begin_ns;
  std::optional<std::int64_t> duration_ns;

  // Arguments.
  std::optional<std::uint64_t> correlation;
  std::optional<std::uint32_t> device;
  std::optional<std::uint32_t> stream;
  std::uint32_t external = 0;
  std::array<std::uint32_t, 3> grid{};
  std::array<std::uint32_t, 3> block{};
  std::size_t grid_values = 0;
  std::size_t block_values = 0;
  std::uint32_t registers = 0;
  std::uint32_t shared_bytes = 0;
  std::uint64_t graph_node = 0;
  std::optional<std::uint64_t> bytes;
  InputShapes shapes;
  bool has_shapes = false;

  void clear();
};

// Puts events into a timeline.
class EventSorter {
 public:
  explicit EventSorter(Timeline& timeline) : timeline_(timeline) {}

  void add(const TraceEvent& event);

  // Of all events with an interval, whatever they are.
  [[nodiscard]] std::uint64_t events() const { return events_; }
  // Events that only open or close an interval: another tool's, not read.
  [[nodiscard]] std::uint64_t half_events() const { return half_events_; }
  // The type that most matrix products computed in; empty where no shapes were recorded.
  [[nodiscard]] std::string dtype() const;

 private:
  ThreadIndex thread_of(const TraceEvent& event);
  void add_range(const TraceEvent& event, RangeKind kind);
  void add_device_event(const TraceEvent& event, bool kernel, bool memset);

  Timeline& timeline_;
  std::uint64_t events_ = 0;
  std::uint64_t half_events_ = 0;
  std::map<std::string, std::uint64_t> matmul_types_;
  std::string last_thread_;
  ThreadIndex last_index_ = 0;
};

}  // namespace rooftop::import
