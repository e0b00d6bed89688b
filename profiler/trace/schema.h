// Which member of a record stands in which column: the C++ side of the column enumerations in
// proto/rooftop/trace.proto. Inside the library only.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <tuple>
#include <type_traits>

#include "profiler/core/records.h"
#include "profiler/trace/columns.h"
#include "profiler/trace/format.h"

namespace rooftop::trace {

template <class Get, class Set>
struct RecordColumn {
  std::uint32_t id;
  ColumnType type;
  std::uint64_t limit;  // largest value of the member
  bool is_string;       // values are string ids
  bool needs_others;    // set() reads members that earlier columns set
  Get get;              // uint64(const Record&)
  Set set;              // void(Record&, uint64)
};

namespace column {

inline constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

template <class Get, class Set>
constexpr RecordColumn<Get, Set> make(std::uint32_t id, ColumnType type, std::uint64_t limit,
                                      Get get, Set set) {
  return {id, type, limit, false, false, get, set};
}

template <class T>
struct MemberOf;
template <class R, class T>
struct MemberOf<T R::*> {
  using Record = R;
  using Type = T;
};
template <auto kMember>
using RecordOf = typename MemberOf<decltype(kMember)>::Record;
template <auto kMember>
using TypeOf = typename MemberOf<decltype(kMember)>::Type;

// An integer member.
template <auto kMember>
constexpr auto number(std::uint32_t id) {
  using R = RecordOf<kMember>;
  using T = TypeOf<kMember>;
  return make(
      id, std::is_signed_v<T> ? ColumnType::kSigned : ColumnType::kUnsigned,
      static_cast<std::uint64_t>(std::numeric_limits<T>::max()),
      [](const R& r) { return static_cast<std::uint64_t>(r.*kMember); },
      [](R& r, std::uint64_t value) { r.*kMember = static_cast<T>(value); });
}

template <auto kMember>
constexpr auto string(std::uint32_t id) {
  static_assert(std::is_same_v<TypeOf<kMember>, StringId>);
  auto out = number<kMember>(id);
  out.is_string = true;
  return out;
}

// One element of an array of integers.
template <auto kMember, std::size_t kIndex>
constexpr auto element(std::uint32_t id) {
  using R = RecordOf<kMember>;
  return make(
      id, ColumnType::kUnsigned, std::numeric_limits<std::uint32_t>::max(),
      [](const R& r) { return std::uint64_t{(r.*kMember)[kIndex]}; },
      [](R& r, std::uint64_t value) { (r.*kMember)[kIndex] = static_cast<std::uint32_t>(value); });
}

template <auto kMember>
constexpr auto timestamp(std::uint32_t id) {
  using R = RecordOf<kMember>;
  return make(
      id, ColumnType::kSigned, kNoLimit,
      [](const R& r) { return static_cast<std::uint64_t>((r.*kMember).ns); },
      [](R& r, std::uint64_t value) { (r.*kMember).ns = static_cast<std::int64_t>(value); });
}

// The end of an interval, kept as its length: fewer digits. Its column follows the begin's.
template <auto kBegin, auto kEnd>
constexpr auto duration(std::uint32_t id) {
  using R = RecordOf<kBegin>;
  auto out = make(
      id, ColumnType::kSigned, kNoLimit,
      [](const R& r) {
        return static_cast<std::uint64_t>((r.*kEnd).ns) -
               static_cast<std::uint64_t>((r.*kBegin).ns);
      },
      [](R& r, std::uint64_t value) {
        (r.*kEnd).ns =
            static_cast<std::int64_t>(static_cast<std::uint64_t>((r.*kBegin).ns) + value);
      });
  out.needs_others = true;
  return out;
}

// An enumeration with values kFirst ... kLast; any other number is read as kUnknown.
template <auto kMember, auto kFirst, auto kLast, auto kUnknown>
constexpr auto enumeration(std::uint32_t id) {
  using R = RecordOf<kMember>;
  using T = TypeOf<kMember>;
  return make(
      id, ColumnType::kUnsigned, kNoLimit,
      [](const R& r) { return static_cast<std::uint64_t>(r.*kMember); },
      [](R& r, std::uint64_t value) {
        const bool known = value >= static_cast<std::uint64_t>(kFirst) &&
                           value <= static_cast<std::uint64_t>(kLast);
        r.*kMember = known ? static_cast<T>(value) : kUnknown;
      });
}

template <auto kMember>
constexpr auto real(std::uint32_t id) {
  using R = RecordOf<kMember>;
  return make(
      id, ColumnType::kDouble, kNoLimit,
      [](const R& r) { return std::bit_cast<std::uint64_t>(r.*kMember); },
      [](R& r, std::uint64_t value) { r.*kMember = std::bit_cast<double>(value); });
}

}  // namespace column

// Schema<Record>: its frame kind, its columns, and the times it covers (for the frame's range).
template <class Record>
struct Schema;

struct HasInterval {
  static constexpr bool kTimed = true;
  static std::int64_t begin(const auto& record) { return record.begin.ns; }
  static std::int64_t end(const auto& record) { return record.end.ns; }
};

template <>
struct Schema<ScopeRecord> : HasInterval {
  using R = ScopeRecord;
  static constexpr FrameKind kKind = FrameKind::kScopes;
  static constexpr auto kColumns = std::tuple{
      column::number<&R::id>(1),
      column::number<&R::parent>(2),
      column::enumeration<&R::kind, ScopeKind::kStep, ScopeKind::kForeign, ScopeKind::kForeign>(3),
      column::timestamp<&R::begin>(4),
      column::duration<&R::begin, &R::end>(5),
      column::number<&R::thread>(6),
      column::string<&R::name>(7),
      column::enumeration<&R::op, Operator::kUnclassified, Operator::kOther,
                          Operator::kUnclassified>(8),
      column::number<&R::layer>(9),
      column::number<&R::fused_mask>(10),
      column::enumeration<&R::phase, Phase::kUnknown, Phase::kMixed, Phase::kUnknown>(11),
      column::number<&R::flags>(12),
      column::number<&R::batch>(13),
      column::number<&R::query_tokens>(14),
      column::number<&R::length>(15),
      column::number<&R::total_query_tokens>(16),
      column::number<&R::total_keys>(17),
      column::number<&R::attention_pairs>(18),
      column::number<&R::causal_pairs>(19),
      column::number<&R::logit_rows>(20),
      column::string<&R::args>(21),
  };
};

template <>
struct Schema<KernelRecord> : HasInterval {
  using R = KernelRecord;
  static constexpr FrameKind kKind = FrameKind::kKernels;
  static constexpr auto kColumns = std::tuple{
      column::number<&R::id>(1),
      column::number<&R::device>(2),
      column::number<&R::stream>(3),
      column::timestamp<&R::begin>(4),
      column::duration<&R::begin, &R::end>(5),
      column::string<&R::name>(6),
      column::element<&R::grid, 0>(7),
      column::element<&R::grid, 1>(8),
      column::element<&R::grid, 2>(9),
      column::element<&R::block, 0>(10),
      column::element<&R::block, 1>(11),
      column::element<&R::block, 2>(12),
      column::number<&R::dynamic_shared_bytes>(13),
      column::number<&R::static_shared_bytes>(14),
      column::number<&R::registers_per_thread>(15),
      column::number<&R::correlation>(16),
      column::number<&R::graph_node>(17),
      column::number<&R::scope>(18),
      column::number<&R::launch_scope>(19),
  };
};

template <>
struct Schema<CounterRecord> {
  using R = CounterRecord;
  static constexpr FrameKind kKind = FrameKind::kCounters;
  static constexpr bool kTimed = false;
  static constexpr auto kColumns = std::tuple{
      column::number<&R::kernel>(1),
      column::string<&R::metric>(2),
      column::real<&R::value>(3),
      column::enumeration<&R::source, Provenance::kMeasured, Provenance::kAbsent,
                          Provenance::kAbsent>(4),
  };
};

template <>
struct Schema<SampleRecord> : HasInterval {
  using R = SampleRecord;
  static constexpr FrameKind kKind = FrameKind::kSamples;
  static constexpr auto kColumns =
      std::tuple{column::number<&R::device>(1), column::timestamp<&R::begin>(2),
                 column::duration<&R::begin, &R::end>(3), column::string<&R::metric>(4),
                 column::real<&R::value>(5)};
};

template <>
struct Schema<MemcpyRecord> : HasInterval {
  using R = MemcpyRecord;
  static constexpr FrameKind kKind = FrameKind::kMemcpys;
  static constexpr auto kColumns = std::tuple{
      column::number<&R::device>(1),
      column::number<&R::stream>(2),
      column::timestamp<&R::begin>(3),
      column::duration<&R::begin, &R::end>(4),
      column::number<&R::bytes>(5),
      column::enumeration<&R::kind, MemcpyKind::kOther, MemcpyKind::kMemset, MemcpyKind::kOther>(6),
      column::number<&R::correlation>(7),
      column::number<&R::graph_node>(8),
      column::number<&R::scope>(9),
  };
};

template <>
struct Schema<DropRecord> {
  using R = DropRecord;
  static constexpr FrameKind kKind = FrameKind::kDrops;
  static constexpr bool kTimed = true;
  static std::int64_t begin(const R& record) { return record.when.ns; }
  static std::int64_t end(const R& record) { return record.when.ns; }
  static constexpr auto kColumns = std::tuple{
      column::timestamp<&R::when>(1), column::string<&R::source>(2), column::number<&R::count>(3)};
};

template <class Record>
inline constexpr std::size_t kColumnCount = std::tuple_size_v<decltype(Schema<Record>::kColumns)>;

}  // namespace rooftop::trace
