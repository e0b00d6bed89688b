// Writes GGUF bytes, right or wrong: what the tests feed the reader with.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace rooftop::inference {

// Little-endian bytes, appended.
class Bytes {
 public:
  template <typename T>
  Bytes& put(T value) {
    data_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& text(const std::string& s) {
    put<std::uint64_t>(s.size());
    data_ += s;
    return *this;
  }
  Bytes& raw(const std::string& s) {
    data_ += s;
    return *this;
  }
  [[nodiscard]] const std::string& data() const { return data_; }

 private:
  std::string data_;
};

struct BuiltTensor {
  std::string name;
  std::vector<std::uint64_t> shape;  // fastest first
  std::uint32_t type = 0;            // ggml_type
  std::string data;
  std::int64_t offset = -1;  // -1: the next aligned one
};

// A Llama of one layer, hidden 32, 2 heads of 16, 1 key/value head, MLP 32, vocabulary 8; every
// part can be changed before bytes() is called.
struct GgufBuilder {
  std::uint32_t version = 3;
  std::int64_t tensor_count = -1;  // -1: as many as there are
  std::int64_t value_count = -1;
  std::vector<std::pair<std::string, std::string>> values;  // key, encoded type and value
  std::vector<BuiltTensor> tensors;

  static std::string u32(std::uint32_t v) { return Bytes().put<std::uint32_t>(4).put(v).data(); }
  static std::string i32(std::int32_t v) { return Bytes().put<std::uint32_t>(5).put(v).data(); }
  static std::string f32(float v) { return Bytes().put<std::uint32_t>(6).put(v).data(); }
  static std::string str(const std::string& v) {
    return Bytes().put<std::uint32_t>(8).text(v).data();
  }
  static std::string strings(const std::vector<std::string>& v) {
    Bytes out;
    out.put<std::uint32_t>(9).put<std::uint32_t>(8).put<std::uint64_t>(v.size());
    for (const std::string& s : v) out.text(s);
    return out.data();
  }

  GgufBuilder() {
    values = {{"general.architecture", str("llama")},
              {"llama.block_count", u32(1)},
              {"llama.context_length", u32(64)},
              {"llama.embedding_length", u32(32)},
              {"llama.feed_forward_length", u32(32)},
              {"llama.attention.head_count", u32(2)},
              {"llama.attention.head_count_kv", u32(1)},
              {"llama.attention.layer_norm_rms_epsilon", f32(1e-5f)},
              {"llama.vocab_size", u32(8)}};
    add("token_embd.weight", {32, 8});
    add("output_norm.weight", {32});
    add("blk.0.attn_norm.weight", {32});
    add("blk.0.attn_q.weight", {32, 32});
    add("blk.0.attn_k.weight", {32, 16});
    add("blk.0.attn_v.weight", {32, 16});
    add("blk.0.attn_output.weight", {32, 32});
    add("blk.0.ffn_norm.weight", {32});
    add("blk.0.ffn_gate.weight", {32, 32});
    add("blk.0.ffn_up.weight", {32, 32});
    add("blk.0.ffn_down.weight", {32, 32});
  }

  // F32 values 0, 1, 2, ... in the order of the file.
  void add(const std::string& name, const std::vector<std::uint64_t>& shape) {
    std::size_t count = 1;
    for (const std::uint64_t extent : shape) count *= extent;
    Bytes data;
    for (std::size_t i = 0; i < count; ++i) data.put(static_cast<float>(i));
    tensors.push_back({name, shape, 0, data.data(), -1});
  }

  void set(const std::string& key, const std::string& value) {
    std::erase_if(values, [&](const auto& v) { return v.first == key; });
    values.emplace_back(key, value);
  }
  void erase(const std::string& key) {
    std::erase_if(values, [&](const auto& v) { return v.first == key; });
  }
  BuiltTensor& tensor(const std::string& name) {
    for (BuiltTensor& t : tensors) {
      if (t.name == name) return t;
    }
    std::abort();
  }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&](const BuiltTensor& t) { return t.name == name; });
  }

  [[nodiscard]] std::string bytes(std::size_t* header_bytes = nullptr) const {
    Bytes out;
    out.raw("GGUF").put(version);
    out.put(tensor_count < 0 ? tensors.size() : static_cast<std::uint64_t>(tensor_count));
    out.put(value_count < 0 ? values.size() : static_cast<std::uint64_t>(value_count));
    for (const auto& [key, value] : values) out.text(key).raw(value);
    std::string data;
    for (const BuiltTensor& t : tensors) {
      data.resize((data.size() + 31) / 32 * 32);
      out.text(t.name).put(static_cast<std::uint32_t>(t.shape.size()));
      for (const std::uint64_t extent : t.shape) out.put(extent);
      out.put(t.type).put(t.offset < 0 ? data.size() : static_cast<std::uint64_t>(t.offset));
      data += t.data;
    }
    if (header_bytes != nullptr) *header_bytes = out.data().size();
    out.raw(std::string((32 - out.data().size() % 32) % 32, '\0'));
    return out.data() + data;
  }
};

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace rooftop::inference
