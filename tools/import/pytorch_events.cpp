#include "tools/import/pytorch_events.h"

#include <algorithm>
#include <cctype>

#include "tools/import/decimal.h"

namespace rooftop::import {
namespace {

constexpr std::string_view kModulePrefix = "nn.Module: ";

enum class EventKind : std::uint8_t {
  kOther,
  kKernel,
  kCopy,
  kMemset,
  kLaunch,
  kOperator,
  kAnnotation,
  kPython
};

struct Category {
  std::string_view name;  // in small letters
  EventKind kind;
};

// Kineto's names, and those of its first versions.
constexpr std::array<Category, 15> kCategories = {{
    {"kernel", EventKind::kKernel},
    {"gpu_memcpy", EventKind::kCopy},
    {"memcpy", EventKind::kCopy},
    {"gpu_memset", EventKind::kMemset},
    {"memset", EventKind::kMemset},
    {"cuda_runtime", EventKind::kLaunch},
    {"cuda_driver", EventKind::kLaunch},
    {"runtime", EventKind::kLaunch},
    {"driver", EventKind::kLaunch},
    {"cpu_op", EventKind::kOperator},
    {"operator", EventKind::kOperator},
    {"user_annotation", EventKind::kAnnotation},
    {"python_function", EventKind::kPython},
    {"gpu_user_annotation", EventKind::kOther},
    {"ac2g", EventKind::kOther},
}};

bool same_ignoring_case(std::string_view text, std::string_view small_letters) {
  return text.size() == small_letters.size() &&
         std::equal(text.begin(), text.end(), small_letters.begin(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         });
}

// Some tools write no categories: then the arguments tell.
EventKind guess(const TraceEvent& event) {
  if (event.grid_values > 0) return EventKind::kKernel;
  if (event.stream && event.name.starts_with("Memset")) return EventKind::kMemset;
  if (event.stream && event.name.starts_with("Memcpy")) return EventKind::kCopy;
  if (event.correlation && !event.stream) return EventKind::kLaunch;
  if (event.has_shapes || event.name.starts_with("aten::")) return EventKind::kOperator;
  if (event.name.starts_with(kModulePrefix)) return EventKind::kPython;
  if (event.name.starts_with("ProfilerStep#")) return EventKind::kAnnotation;
  return EventKind::kOther;
}

EventKind kind_of(const TraceEvent& event) {
  if (event.category.empty()) return guess(event);
  for (const Category& c : kCategories) {
    if (same_ignoring_case(event.category, c.name)) return c.kind;
  }
  return EventKind::kOther;
}

struct TypeName {
  std::string_view torch;
  std::string_view ours;
};
constexpr std::array<TypeName, 18> kTypes = {{
    {"c10::BFloat16", "bf16"},
    {"c10::Half", "f16"},
    {"float", "f32"},
    {"double", "f64"},
    {"c10::Float8_e4m3fn", "fp8"},
    {"c10::Float8_e5m2", "fp8"},
    {"long int", "i64"},
    {"long", "i64"},
    {"int", "i32"},
    {"short", "i16"},
    {"short int", "i16"},
    {"signed char", "i8"},
    {"unsigned char", "u8"},
    {"bool", "bool"},
    {"c10::complex<float>", "c64"},
    {"c10::complex<double>", "c128"},
    {"c10::qint8", "i8"},
    {"c10::quint8", "u8"},
}};

std::string_view short_type(std::string_view torch) {
  for (const TypeName& t : kTypes) {
    if (t.torch == torch) return t.ours;
  }
  return {};
}

MemcpyKind copy_kind(std::string_view name) {
  const auto has = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (has("HtoD")) return MemcpyKind::kHostToDevice;
  if (has("DtoH")) return MemcpyKind::kDeviceToHost;
  if (has("DtoD") || has("PtoP")) return MemcpyKind::kDeviceToDevice;
  return MemcpyKind::kOther;
}

std::uint32_t small_number(std::string_view text, std::uint32_t otherwise) {
  const auto value = whole_number(text);
  return value && *value <= UINT32_MAX ? static_cast<std::uint32_t>(*value) : otherwise;
}

bool is_matmul(std::string_view name) {
  return name == "aten::mm" || name == "aten::addmm" || name == "aten::bmm" ||
         name == "aten::linear" || name == "aten::matmul";
}

}  // namespace

void InputShapes::clear() {
  inputs_ = 0;
  types_.clear();
  depth_ = 0;
}

void InputShapes::open_list() {
  ++depth_;
  if (depth_ == 2 && inputs_ < kMaxInputs) {
    if (sizes_.size() <= inputs_) sizes_.emplace_back();
    sizes_[inputs_] = "[";
    nested_ = false;
  }
  if (depth_ == 3 && inputs_ < kMaxInputs) {
    if (!nested_) sizes_[inputs_] = "{";
    nested_ = true;
    sizes_[inputs_] += '[';
  }
}

void InputShapes::close_list() {
  if (inputs_ < kMaxInputs) {
    if (depth_ == 3) sizes_[inputs_] += ']';
    if (depth_ == 2) {
      sizes_[inputs_] += nested_ ? '}' : ']';
      ++inputs_;
    }
  }
  --depth_;
}

void InputShapes::add_size(std::string_view number) {
  if (depth_ < 2 || depth_ > 3 || inputs_ >= kMaxInputs || !whole_number(number)) return;
  std::string& text = sizes_[inputs_];
  if (text.size() > kMaxText) return;
  if (text.back() != '[') text += ',';
  text += number;
}

void InputShapes::add_type(std::string_view type) {
  if (types_.size() < kMaxInputs) types_.push_back(short_type(type));
}

std::string InputShapes::text() const {
  std::size_t last = inputs_;
  while (last > 0 && sizes_[last - 1] == "[]") --last;
  std::string out;
  for (std::size_t i = 0; i < last; ++i) {
    const bool tensor = sizes_[i] != "[]";
    const std::string_view type = tensor && i < types_.size() ? types_[i] : std::string_view();
    if (out.size() + sizes_[i].size() + type.size() > kMaxText) break;
    out += sizes_[i];
    out += type;
  }
  return out;
}

std::string_view InputShapes::first_type() const {
  for (std::size_t i = 0; i < std::min(inputs_, types_.size()); ++i) {
    if (sizes_[i] != "[]") return types_[i];
  }
  return {};
}

void TraceEvent::clear() {
  for (std::string* text : {&phase, &category, &name, &process, &thread}) text->clear();
  begin_ns.reset();
  duration_ns.reset();
  correlation.reset();
  device.reset();
  stream.reset();
  bytes.reset();
  external = registers = shared_bytes = 0;
  graph_node = 0;
  grid = block = {};
  grid_values = block_values = 0;
  if (has_shapes) shapes.clear();
  has_shapes = false;
}

void EventSorter::add(const TraceEvent& event) {
  half_events_ += event.phase == "B" || event.phase == "E" ? 1 : 0;
  if (event.phase != "X") return;
  ++events_;
  const EventKind kind = kind_of(event);
  if (kind == EventKind::kOther) return;
  if (kind == EventKind::kPython && !event.name.starts_with(kModulePrefix)) return;
  if (!event.begin_ns || (!event.duration_ns && kind != EventKind::kLaunch)) {
    ++timeline_.losses.unusable_times;
    return;
  }
  switch (kind) {
    case EventKind::kKernel:
    case EventKind::kCopy:
    case EventKind::kMemset:
      return add_device_event(event, kind == EventKind::kKernel, kind == EventKind::kMemset);
    case EventKind::kLaunch:
      if (event.correlation) {
        timeline_.add_launch(*event.correlation, thread_of(event), *event.begin_ns);
      }
      return;
    case EventKind::kOperator:
      return add_range(event, RangeKind::kOperator);
    case EventKind::kAnnotation:
      return add_range(event, RangeKind::kAnnotation);
    default:
      return add_range(event, RangeKind::kModule);
  }
}

ThreadIndex EventSorter::thread_of(const TraceEvent& event) {
  if (event.thread != last_thread_ || last_thread_.empty()) {
    last_index_ = timeline_.thread(event.thread, small_number(event.thread, 0));
    last_thread_ = event.thread;
  }
  return last_index_;
}

void EventSorter::add_range(const TraceEvent& event, RangeKind kind) {
  Range range;
  range.begin = *event.begin_ns;
  range.end = *event.begin_ns + *event.duration_ns;
  range.thread = thread_of(event);
  range.name = timeline_.names.id(event.name);
  if (event.has_shapes) range.args = timeline_.names.id(event.shapes.text());
  range.external = event.external;
  range.kind = kind;
  timeline_.add_range(range);
  if (kind == RangeKind::kOperator && event.has_shapes && is_matmul(event.name)) {
    const std::string_view type = event.shapes.first_type();
    if (!type.empty()) ++matmul_types_[std::string(type)];
  }
}

void EventSorter::add_device_event(const TraceEvent& event, bool kernel, bool memset) {
  DeviceWork work;
  work.kernel = kernel;
  work.device = event.device ? *event.device : small_number(event.process, 0);
  work.stream = event.stream ? *event.stream : small_number(event.thread, 0);
  work.graph_node = event.graph_node;
  if (kernel) {
    work.name = timeline_.names.id(event.name);
    work.grid = event.grid;
    work.block = event.block;
    work.registers_per_thread = event.registers;
    work.dynamic_shared_bytes = event.shared_bytes;
  } else {
    work.copy = memset ? MemcpyKind::kMemset : copy_kind(event.name);
    work.bytes = event.bytes.value_or(0);
  }
  timeline_.add_device_event(work, *event.begin_ns, *event.begin_ns + *event.duration_ns,
                             event.correlation.value_or(0), event.external);
}

std::string EventSorter::dtype() const {
  const auto most =
      std::max_element(matmul_types_.begin(), matmul_types_.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == matmul_types_.end()) return {};
  const std::string& type = most->first;
  return type == "bf16" || type == "f16" || type == "f32" ? type : std::string();
}

}  // namespace rooftop::import
