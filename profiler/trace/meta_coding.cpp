#include "profiler/trace/meta_coding.h"

#include <cstring>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <type_traits>

#include "profiler/trace/format.h"
#include "profiler/trace/text.h"

namespace rooftop::trace {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::pbf_writer;

// One list of fields serves both ways: fields(visitor, message) calls visitor.field(number, member)
// for every member, visitor.list(number, members) for every repeated one.

template <class Visitor, class Message>
void device_fields(Visitor& v, Message& d) {
  v.enumeration(1, d.kind, DeviceKind::kCuda);
  v.field(2, d.ordinal);
  v.field(3, d.name);
  v.field(4, d.table_id);
  v.field(5, d.multiprocessors);
  v.field(6, d.memory_bytes);
  v.field(7, d.compute_major);
  v.field(8, d.compute_minor);
  v.field(9, d.clock_hz);
  v.field(10, d.memory_clock_hz);
  v.field(11, d.driver);
}

template <class Visitor, class Message>
void model_fields(Visitor& v, Message& m) {
  v.field(1, m.name);
  v.field(2, m.hidden);
  v.field(3, m.layers);
  v.field(4, m.heads);
  v.field(5, m.kv_heads);
  v.field(6, m.head_dim);
  v.field(7, m.ffn);
  v.field(8, m.vocab);
  v.field(9, m.tied_embeddings);
  v.field(10, m.max_positions);
}

template <class Visitor, class Message>
void roof_fields(Visitor& v, Message& r) {
  v.field(1, r.device);
  v.field(2, r.kind);
  v.field(3, r.dtype);
  v.field(4, r.value);
  v.field(5, r.clock_hz);
}

template <class Visitor, class Message>
void skipped_fields(Visitor& v, Message& s) {
  v.enumeration(1, s.phase, Phase::kMixed);
  v.field(2, s.batch);
  v.field(3, s.query_tokens);
  v.field(4, s.length);
  v.field(5, s.reason);
}

template <class Visitor, class Message>
void meta_fields(Visitor& v, Message& m) {
  v.field(3, m.tool_version);
  v.field(4, m.run);
  v.field(5, m.command);
  v.field(6, m.created.ns);
  v.field(7, m.pid);
  v.field(8, m.rank);
  v.world_size(9, m.world_size);
  v.field(10, m.cpu_name);
  v.field(11, m.cpu_cores);
  v.field(12, m.memory_bytes);
  v.field(13, m.os);
  v.list(14, m.devices, [](auto& inner, auto& device) { device_fields(inner, device); });
  v.message(15, m.model, [](auto& inner, auto& model) { model_fields(inner, model); });
  v.field(16, m.weights);
  v.field(17, m.layers_run);
  v.field(18, m.dtype);
  v.field(19, m.weight_bytes);
  v.field(20, m.activation_bytes);
  v.field(21, m.kv_bytes);
  v.field(22, m.attention);
  v.field(23, m.causal_skip);
  v.field(24, m.threads);
  v.field(25, m.sweep);
  v.list(26, m.roofs, [](auto& inner, auto& roof) { roof_fields(inner, roof); });
  v.list(27, m.skipped, [](auto& inner, auto& cell) { skipped_fields(inner, cell); });
  v.field(28, m.scope_overhead_ns);
  v.field(29, m.overhead_fraction);
  v.field(30, m.prediction);
  v.field(31, m.capture);
  v.list(32, m.notes, [](auto& inner, auto& note) { inner.field(1, note.text); });
}

// Writes what is not 0 or empty, as proto3 does.
class FieldWriter {
 public:
  explicit FieldWriter(pbf_writer& out) : out_(out) {}

  void field(std::uint32_t tag, const std::string& value) {
    if (!value.empty()) out_.add_string(tag, valid_utf8(value));
  }
  void field(std::uint32_t tag, double value) {
    std::uint64_t bits = 0;  // -0.0 is not the default
    std::memcpy(&bits, &value, sizeof bits);
    if (bits != 0) out_.add_double(tag, value);
  }
  template <class T>
  requires std::is_integral_v<T>
  void field(std::uint32_t tag, T value) {
    if (value != 0) out_.add_uint64(tag, static_cast<std::uint64_t>(value));
  }
  template <class T>
  void enumeration(std::uint32_t tag, T value, T /*last*/) {
    field(tag, static_cast<std::uint32_t>(value));
  }
  // 1 is the default of Meta: writing it would undo what an earlier frame said.
  void world_size(std::uint32_t tag, std::uint32_t value) {
    if (value != 1) field(tag, value);
  }
  template <class T, class Fields>
  void message(std::uint32_t tag, const T& value, Fields fields) {
    pbf_writer inner(out_, tag);
    FieldWriter writer(inner);
    fields(writer, value);
  }
  template <class T, class Fields>
  void list(std::uint32_t tag, const std::vector<T>& values, Fields fields) {
    for (const T& value : values) message(tag, value, fields);
  }

 private:
  pbf_writer& out_;
};

// Sets the member whose number is the current field of `in`. Members are tried in turn: META is a
// handful of fields, once or twice a file.
class FieldReader {
 public:
  explicit FieldReader(pbf_reader& in) : in_(in) {}
  [[nodiscard]] bool taken() const { return taken_; }

  void field(std::uint32_t tag, std::string& value) {
    if (!is(tag, pbf_wire_type::length_delimited)) return;
    const protozero::data_view view = in_.get_view();
    value = valid_utf8({view.data(), view.size()});
  }
  void field(std::uint32_t tag, double& value) {
    if (is(tag, pbf_wire_type::fixed64)) value = in_.get_double();
  }
  template <class T>
  requires std::is_integral_v<T>
  void field(std::uint32_t tag, T& value) {
    if (!is(tag, pbf_wire_type::varint)) return;
    value = static_cast<T>(in_.get_uint64());
  }
  template <class T>
  void enumeration(std::uint32_t tag, T& value, T last) {
    if (!is(tag, pbf_wire_type::varint)) return;
    const std::uint64_t number = in_.get_uint64();
    value = number <= static_cast<std::uint64_t>(last) ? static_cast<T>(number) : T{};
  }
  void world_size(std::uint32_t tag, std::uint32_t& value) { field(tag, value); }
  template <class T, class Fields>
  void message(std::uint32_t tag, T& value, Fields fields) {
    if (!is(tag, pbf_wire_type::length_delimited)) return;
    pbf_reader inner = in_.get_message();
    read_all(inner, value, fields);
  }
  template <class T, class Fields>
  void list(std::uint32_t tag, std::vector<T>& values, Fields fields) {
    if (!is(tag, pbf_wire_type::length_delimited)) return;
    if (values.size() == kMaxMetaEntries) throw Damage("a list of the run's facts is too long");
    pbf_reader inner = in_.get_message();
    read_all(inner, values.emplace_back(), fields);
  }

  template <class T, class Fields>
  static void read_all(pbf_reader& in, T& value, Fields fields) {
    while (in.next()) {
      FieldReader reader(in);
      fields(reader, value);
      if (!reader.taken()) in.skip();
    }
  }

 private:
  bool is(std::uint32_t tag, pbf_wire_type type) {
    if (taken_ || in_.tag() != tag || in_.wire_type() != type) return false;
    return taken_ = true;
  }

  pbf_reader& in_;
  bool taken_ = false;
};

constexpr std::uint32_t kMajorField = 1;
constexpr std::uint32_t kMinorField = 2;

}  // namespace

void encode_meta(const Meta& meta, std::string& out) {
  pbf_writer message(out);
  message.add_uint32(kMajorField, kFormatMajor);
  message.add_uint32(kMinorField, kFormatMinor);
  FieldWriter writer(message);
  meta_fields(writer, meta);
}

FormatVersion format_version(std::string_view payload) {
  FormatVersion out;
  pbf_reader in(payload.data(), payload.size());
  while (in.next()) {
    FieldReader reader(in);
    reader.field(kMajorField, out.major);
    reader.field(kMinorField, out.minor);
    if (!reader.taken()) in.skip();
  }
  return out;
}

void merge_meta(std::string_view payload, Meta& meta) {
  pbf_reader in(payload.data(), payload.size());
  FieldReader::read_all(in, meta, [](auto& reader, auto& m) { meta_fields(reader, m); });
}

}  // namespace rooftop::trace
