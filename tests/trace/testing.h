// What the trace tests share: temporary folders, random records, a visitor that keeps everything.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "profiler/core/records.h"
#include "profiler/trace/reader.h"
#include "profiler/trace/writer.h"

namespace rooftop {

// Every member of a record, named one by one: an oracle that knows nothing of the columns.
inline auto members(const ScopeRecord& r) {
  return std::tuple(r.id, r.parent, r.kind, r.begin, r.end, r.thread, r.name, r.op, r.layer,
                    r.fused_mask, r.phase, r.flags, r.batch, r.query_tokens, r.length,
                    r.total_query_tokens, r.total_keys, r.attention_pairs, r.causal_pairs,
                    r.logit_rows, r.args);
}
inline auto members(const KernelRecord& r) {
  return std::tuple(r.id, r.device, r.stream, r.begin, r.end, r.name, r.grid, r.block,
                    r.dynamic_shared_bytes, r.static_shared_bytes, r.registers_per_thread,
                    r.correlation, r.graph_node, r.scope, r.launch_scope);
}
// Doubles by their bits: NaN equals itself, and -0.0 is not 0.0.
inline auto members(const CounterRecord& r) {
  return std::tuple(r.kernel, r.metric, std::bit_cast<std::uint64_t>(r.value), r.source);
}
inline auto members(const SampleRecord& r) {
  return std::tuple(r.device, r.begin, r.end, r.metric, std::bit_cast<std::uint64_t>(r.value));
}
inline auto members(const MemcpyRecord& r) {
  return std::tuple(r.device, r.stream, r.begin, r.end, r.bytes, r.kind, r.correlation,
                    r.graph_node, r.scope);
}
inline auto members(const DropRecord& r) { return std::tuple(r.when, r.source, r.count); }

template <class Record>
requires requires(const Record& r) { members(r); }
bool operator==(const Record& a, const Record& b) { return members(a) == members(b); }

}  // namespace rooftop

namespace rooftop::trace::testing {

struct Records {
  std::vector<ScopeRecord> scopes;
  std::vector<KernelRecord> kernels;
  std::vector<CounterRecord> counters;
  std::vector<SampleRecord> samples;
  std::vector<MemcpyRecord> memcpys;
  std::vector<DropRecord> drops;

  bool operator==(const Records&) const = default;
  [[nodiscard]] std::size_t size() const {
    return scopes.size() + kernels.size() + counters.size() + samples.size() + memcpys.size() +
           drops.size();
  }
};

template <class T>
bool is_prefix(const std::vector<T>& part, const std::vector<T>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

// True where every list of `part` is how the list of `whole` begins.
inline bool is_prefix(const Records& part, const Records& whole) {
  return is_prefix(part.scopes, whole.scopes) && is_prefix(part.kernels, whole.kernels) &&
         is_prefix(part.counters, whole.counters) && is_prefix(part.samples, whole.samples) &&
         is_prefix(part.memcpys, whole.memcpys) && is_prefix(part.drops, whole.drops);
}

struct Recorder : Visitor {
  Records all;
  template <class T>
  static void append(std::vector<T>& to, std::span<const T> from) {
    to.insert(to.end(), from.begin(), from.end());
  }
  void scopes(std::span<const ScopeRecord> r) override { append(all.scopes, r); }
  void kernels(std::span<const KernelRecord> r) override { append(all.kernels, r); }
  void counters(std::span<const CounterRecord> r) override { append(all.counters, r); }
  void samples(std::span<const SampleRecord> r) override { append(all.samples, r); }
  void memcpys(std::span<const MemcpyRecord> r) override { append(all.memcpys, r); }
  void drops(std::span<const DropRecord> r) override { append(all.drops, r); }
};

struct Result {
  Records records;
  Recovery recovery;
  Meta meta;
};

inline Result read_from(Reader& reader) {
  Recorder recorder;
  reader.read(recorder);
  return {std::move(recorder.all), reader.recovery(), reader.meta()};
}
inline Result read_bytes(std::string_view bytes, Options options = {}) {
  Reader reader(std::as_bytes(std::span(bytes)), options);
  return read_from(reader);
}
inline Result read_path(const std::string& path, Options options = {}) {
  Reader reader(path, options);
  return read_from(reader);
}

// The message of the InputError that reading throws; empty where none is thrown.
inline std::string error_of(std::string_view bytes, Options options = {}) {
  try {
    (void)read_bytes(bytes, options);
  } catch (const InputError& error) {
    return error.what();
  }
  return {};
}

inline std::string file_contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_contents(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// A test with an empty folder of its own.
class TraceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "rooftop-trace-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name = "t.rtrace") const {
    return (folder_ / name).string();
  }

  std::filesystem::path folder_;
};

// Random values that like the edges of their types.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t bits() { return engine_(); }
  std::uint64_t below(std::uint64_t n) { return engine_() % n; }

  template <class T = std::uint64_t>
  T integer() {
    using Limits = std::numeric_limits<T>;
    switch (below(8)) {
      case 0:
        return Limits::min();
      case 1:
        return Limits::max();
      case 2:
        return T{0};
      case 3:
        return static_cast<T>(Limits::max() / 2 + 1);
      default:
        return static_cast<T>(bits() >> below(64));
    }
  }

  double real() {
    switch (below(8)) {
      case 0:
        return -0.0;
      case 1:
        return std::numeric_limits<double>::quiet_NaN();
      case 2:
        return std::numeric_limits<double>::infinity();
      case 3:
        return std::numeric_limits<double>::denorm_min();
      case 4:
        return 9007199254740993.0;
      case 5:
        return static_cast<double>(below(1'000'000'000));
      default:
        return std::bit_cast<double>(bits());
    }
  }

  template <class Enum>
  Enum enumeration(Enum first, Enum last) {
    const auto low = static_cast<std::uint64_t>(first);
    return static_cast<Enum>(low + below(static_cast<std::uint64_t>(last) - low + 1));
  }

  void fill(ScopeRecord& r, StringId strings) {
    r = {.id = integer(),
         .parent = integer(),
         .kind = enumeration(ScopeKind::kStep, ScopeKind::kForeign),
         .begin = {integer<std::int64_t>()},
         .end = {integer<std::int64_t>()},
         .thread = integer<std::uint32_t>(),
         .name = string(strings),
         .op = enumeration(Operator::kUnclassified, Operator::kOther),
         .layer = integer<std::int32_t>(),
         .fused_mask = integer(),
         .phase = enumeration(Phase::kUnknown, Phase::kMixed),
         .flags = integer<std::uint32_t>(),
         .batch = integer<std::uint32_t>(),
         .query_tokens = integer<std::uint32_t>(),
         .length = integer<std::uint32_t>(),
         .total_query_tokens = integer(),
         .total_keys = integer(),
         .attention_pairs = integer(),
         .causal_pairs = integer(),
         .logit_rows = integer<std::uint32_t>(),
         .args = string(strings)};
  }
  void fill(KernelRecord& r, StringId strings) {
    r = {.id = integer(),
         .device = integer<std::uint32_t>(),
         .stream = integer<std::uint32_t>(),
         .begin = {integer<std::int64_t>()},
         .end = {integer<std::int64_t>()},
         .name = string(strings),
         .grid = {integer<std::uint32_t>(), integer<std::uint32_t>(), integer<std::uint32_t>()},
         .block = {integer<std::uint32_t>(), integer<std::uint32_t>(), integer<std::uint32_t>()},
         .dynamic_shared_bytes = integer<std::uint32_t>(),
         .static_shared_bytes = integer<std::uint32_t>(),
         .registers_per_thread = integer<std::uint32_t>(),
         .correlation = integer(),
         .graph_node = integer(),
         .scope = integer(),
         .launch_scope = integer()};
  }
  void fill(CounterRecord& r, StringId strings) {
    r = {.kernel = integer(),
         .metric = string(strings),
         .value = real(),
         .source = enumeration(Provenance::kMeasured, Provenance::kAbsent)};
  }
  void fill(SampleRecord& r, StringId strings) {
    r = {.device = integer<std::uint32_t>(),
         .begin = {integer<std::int64_t>()},
         .end = {integer<std::int64_t>()},
         .metric = string(strings),
         .value = real()};
  }
  void fill(MemcpyRecord& r, StringId) {
    r = {.device = integer<std::uint32_t>(),
         .stream = integer<std::uint32_t>(),
         .begin = {integer<std::int64_t>()},
         .end = {integer<std::int64_t>()},
         .bytes = integer(),
         .kind = enumeration(MemcpyKind::kOther, MemcpyKind::kMemset),
         .correlation = integer(),
         .graph_node = integer(),
         .scope = integer()};
  }
  void fill(DropRecord& r, StringId strings) {
    r = {.when = {integer<std::int64_t>()}, .source = string(strings), .count = integer()};
  }

 private:
  StringId string(StringId strings) { return static_cast<StringId>(below(strings)); }

  std::mt19937_64 engine_;
};

// `counts` random records of each kind; string ids below `strings`.
inline Records random_records(Random& random, std::size_t count, StringId strings) {
  Records out;
  const auto fill = [&](auto& list) {
    list.resize(count);
    for (auto& record : list) random.fill(record, strings);
  };
  fill(out.scopes);
  fill(out.kernels);
  fill(out.counters);
  fill(out.samples);
  fill(out.memcpys);
  fill(out.drops);
  return out;
}

inline void add_all(Writer& writer, const Records& records) {
  const auto add = [&](const auto& list) {
    for (const auto& record : list) {
      const Status status = writer.add(record);
      ASSERT_TRUE(status.ok()) << status.message();
    }
  };
  add(records.scopes);
  add(records.kernels);
  add(records.counters);
  add(records.samples);
  add(records.memcpys);
  add(records.drops);
}

// A small whole trace: META, strings, two flushes of `rows` records of each kind, second META, END.
inline Records write_small_trace(const std::string& path, std::size_t rows, std::uint64_t seed) {
  Random random(seed);
  Writer writer;
  Meta meta;
  meta.tool_version = "0.1";
  meta.run = "small";
  meta.created = {1'790'000'000'000'000'000};
  EXPECT_TRUE(writer.open(path, meta).ok());
  EXPECT_EQ(writer.intern("gemm"), 1U);
  EXPECT_EQ(writer.intern("flash"), 2U);
  Records all = random_records(random, rows, 3);
  add_all(writer, all);
  EXPECT_TRUE(writer.flush().ok());
  EXPECT_EQ(writer.intern("norm"), 3U);
  const Records more = random_records(random, rows, 4);
  add_all(writer, more);
  Meta late;
  late.overhead_fraction = 0.25;
  EXPECT_TRUE(writer.add_meta(late).ok());
  EXPECT_TRUE(writer.finish().ok());
  const auto join = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  join(all.scopes, more.scopes);
  join(all.kernels, more.kernels);
  join(all.counters, more.counters);
  join(all.samples, more.samples);
  join(all.memcpys, more.memcpys);
  join(all.drops, more.drops);
  return all;
}

// Offsets at which frames begin, and the size of the file last: by the outer protobuf alone.
inline std::vector<std::size_t> frame_offsets(std::string_view bytes) {
  std::vector<std::size_t> out{0};
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::size_t length = 0;
    int shift = 0;
    ++at;
    do {
      length |= (static_cast<std::size_t>(bytes[at]) & 0x7f) << shift;
      shift += 7;
    } while (static_cast<unsigned char>(bytes[at++]) >= 0x80);
    at += length;
    out.push_back(at);
  }
  return out;
}

}  // namespace rooftop::trace::testing
