// Files that end too early, and files that were changed: what is lost is said, and no record is
// ever wrong.
#include <algorithm>
#include <utility>

#include "tests/trace/testing.h"

namespace rooftop::trace {
namespace {

using namespace testing;

constexpr Options kSalvage{.salvage = true};
// The least that shows a file to be a trace: tag, length (one byte in these files), magic.
constexpr std::size_t kSignature = 2 + 5;

template <class T>
bool is_subsequence(const std::vector<T>& part, const std::vector<T>& whole) {
  auto at = whole.begin();
  for (const T& record : part) {
    at = std::find(at, whole.end(), record);
    if (at == whole.end()) return false;
    ++at;
  }
  return true;
}

bool is_subsequence(const Records& part, const Records& whole) {
  return is_subsequence(part.scopes, whole.scopes) && is_subsequence(part.kernels, whole.kernels) &&
         is_subsequence(part.counters, whole.counters) &&
         is_subsequence(part.samples, whole.samples) &&
         is_subsequence(part.memcpys, whole.memcpys) && is_subsequence(part.drops, whole.drops);
}

class Recovering : public TraceTest {
 protected:
  void SetUp() override {
    TraceTest::SetUp();
    written_ = write_small_trace(path(), 3, 11);
    bytes_ = file_contents(path());
    offsets_ = frame_offsets(bytes_);
    // META, STRINGS, six chunks, STRINGS, six chunks, META, INDEX, END.
    ASSERT_EQ(offsets_.size(), 18U + 1U);
  }

  [[nodiscard]] std::string frame(std::size_t i) const {
    return bytes_.substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }
  [[nodiscard]] std::string frames(std::size_t first, std::size_t last) const {
    return bytes_.substr(offsets_[first], offsets_[last] - offsets_[first]);
  }
  [[nodiscard]] std::size_t frame_count() const { return offsets_.size() - 1; }

  void expect_error_at(const std::string& bytes, std::size_t offset, const std::string& why) {
    const std::string error = error_of(bytes);
    EXPECT_NE(error.find("is damaged at byte " + std::to_string(offset) + ": "), std::string::npos)
        << error;
    EXPECT_NE(error.find(why), std::string::npos) << error;
    EXPECT_NE(error.find("--salvage"), std::string::npos) << error;
  }

  Records written_;
  std::string bytes_;
  std::vector<std::size_t> offsets_;
};

TEST_F(Recovering, EveryTruncationGivesAPrefix) {
  for (const Options options : {Options{}, kSalvage}) {
    for (std::size_t size = 0; size < bytes_.size(); ++size) {
      const std::string cut = bytes_.substr(0, size);
      if (size < kSignature) {
        EXPECT_NE(error_of(cut, options).find("not a Rooftop trace"), std::string::npos) << size;
        continue;
      }
      const Result result = read_bytes(cut, options);
      const auto whole = static_cast<std::size_t>(
          std::upper_bound(offsets_.begin(), offsets_.end(), size) - offsets_.begin() - 1);
      EXPECT_TRUE(result.recovery.truncated) << size;
      EXPECT_EQ(result.recovery.frames, whole) << size;
      EXPECT_EQ(result.recovery.bytes_read, offsets_[whole]) << size;
      EXPECT_EQ(result.recovery.bytes_total, size);
      EXPECT_EQ(result.recovery.salvaged_frames, 0U);
      EXPECT_EQ(result.recovery.notes.size(), 1U);
      EXPECT_TRUE(is_prefix(result.records, written_)) << size;
    }
  }
}

// Every byte, changed in four ways: an error, or a truncated prefix, or no change of any record.
TEST_F(Recovering, EveryChangedByteIsSeen) {
  std::size_t refused = 0;
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    for (const int change : {0x01, 0x08, 0x80, 0xff}) {
      std::string bytes = bytes_;
      bytes[i] = static_cast<char>(bytes[i] ^ change);
      try {
        const Result result = read_bytes(bytes);
        EXPECT_TRUE(is_prefix(result.records, written_)) << i << " " << change;
        EXPECT_TRUE(result.recovery.truncated || result.records == written_) << i << " " << change;
      } catch (const InputError&) {
        ++refused;
      }
    }
  }
  // Harmless are only the few bytes of fields that hold a default anyway, and END's own length.
  EXPECT_GT(refused, 4 * bytes_.size() * 9 / 10);
}

TEST_F(Recovering, EveryChangedByteIsSalvagedAround) {
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    std::string bytes = bytes_;
    bytes[i] = static_cast<char>(bytes[i] ^ 0xff);
    try {
      const Result result = read_bytes(bytes, kSalvage);
      EXPECT_TRUE(is_subsequence(result.records, written_)) << i;
      EXPECT_GE(result.records.size() + 6, written_.size()) << i;  // of one frame's three rows
    } catch (const InputError& error) {
      // Only where the first META frame now claims another format.
      EXPECT_LT(i, offsets_[1]) << error.what();
      EXPECT_NE(std::string(error.what()).find("has format"), std::string::npos) << error.what();
    }
  }
}

TEST_F(Recovering, DamageIsReportedWhereItIs) {
  for (std::size_t i = 0; i < frame_count(); ++i) {
    std::string bytes = bytes_;
    bytes[offsets_[i + 1] - 1] ^= 1;  // the end of the payload
    expect_error_at(bytes, offsets_[i], "checksum");
  }
}

TEST_F(Recovering, SalvageSkipsOneFrame) {
  std::string bytes = bytes_;
  bytes[offsets_[3] - 1] ^= 1;  // the first KERNELS frame
  const Result result = read_bytes(bytes, kSalvage);
  Records expected = written_;
  expected.kernels.erase(expected.kernels.begin(), expected.kernels.begin() + 3);
  EXPECT_TRUE(result.records == expected);
  EXPECT_FALSE(result.recovery.truncated);
  EXPECT_EQ(result.recovery.salvaged_frames, 1U);
  EXPECT_EQ(result.recovery.salvaged_bytes, offsets_[3] - offsets_[2]);
  EXPECT_EQ(result.recovery.bytes_read + result.recovery.salvaged_bytes, bytes.size());
  EXPECT_EQ(result.recovery.frames, frame_count() - 1);
  EXPECT_THAT(result.recovery.notes,
              ::testing::ElementsAre(::testing::HasSubstr("at byte " + std::to_string(offsets_[2])),
                                     "3 of 6 kernels were lost."));
}

TEST_F(Recovering, SalvageSkipsSeveralFramesAndGarbage) {
  std::string bytes = frames(0, 3) + "garbage \x0a\x7f\x0dRTRC more garbage" + frames(6, 10) +
                      std::string(100000, '\0') + frames(10, frame_count());
  const Result result = read_bytes(bytes, kSalvage);
  EXPECT_TRUE(is_subsequence(result.records, written_));
  EXPECT_EQ(result.recovery.salvaged_frames, 3U + 1U);
  EXPECT_EQ(result.recovery.frames, frame_count() - 3);
  EXPECT_FALSE(result.recovery.truncated);
  expect_error_at(bytes, offsets_[3], "no frame begins here");
}

TEST_F(Recovering, AWrongLengthIsNotATornEnd) {
  // The second frame swallows the rest of the file and more: two bytes of length instead of one.
  ASSERT_LT(frame(1).size(), 128U);
  std::string swallowing = frame(1);
  swallowing.replace(1, 1, "\xff\x7f");
  const std::string bytes = frame(0) + swallowing + frames(2, frame_count());
  expect_error_at(bytes, offsets_[1], "length is wrong");
  EXPECT_EQ(read_bytes(bytes, kSalvage).recovery.frames, frame_count() - 1);
}

TEST_F(Recovering, FramesOutOfOrder) {
  const std::string tail = frames(5, frame_count());
  expect_error_at(frames(0, 4) + tail, offsets_[4], "number 5 where 4 was expected");
  expect_error_at(frames(0, 4) + frame(3) + frames(4, frame_count()), offsets_[4],
                  "number 3 where 4 was expected");
  EXPECT_EQ(read_bytes(frames(0, 4) + tail, kSalvage).recovery.salvaged_frames, 1U);

  const Result twice = read_bytes(frames(0, 4) + frame(3) + frames(4, frame_count()), kSalvage);
  EXPECT_TRUE(twice.records == written_);
  EXPECT_EQ(twice.recovery.salvaged_frames, 1U);
  EXPECT_EQ(twice.recovery.salvaged_bytes, frame(3).size());
}

TEST_F(Recovering, NothingFollowsTheEnd) {
  expect_error_at(bytes_ + "x", bytes_.size(), "no frame begins here");
  expect_error_at(bytes_ + bytes_, bytes_.size(), "number 0 where 18 was expected");
  const Result result = read_bytes(bytes_ + bytes_, kSalvage);
  EXPECT_TRUE(result.records == written_);
  EXPECT_EQ(result.recovery.salvaged_frames, frame_count());
}

TEST_F(Recovering, TheFirstFrameIsMeta) {
  // Sequence numbers from 0, but STRINGS first: made by hand from a trace without META's facts.
  expect_error_at(frames(1, frame_count()) + std::string(), 0, "number 1 where 0 was expected");
  const Result result = read_bytes(frames(1, frame_count()), kSalvage);
  EXPECT_TRUE(result.records == written_);
  EXPECT_EQ(result.meta.run, "");
  EXPECT_EQ(result.meta.overhead_fraction, 0.25);  // the second META frame
}

TEST_F(Recovering, NamesOfALostStringsFrameAreEmpty) {
  const std::string bytes = frame(0) + frames(2, frame_count());
  Reader reader(std::as_bytes(std::span(bytes)), kSalvage);
  const Result result = read_from(reader);
  EXPECT_TRUE(result.records == written_);
  EXPECT_EQ(reader.string(1), "");
  EXPECT_EQ(reader.string(2), "");
  EXPECT_EQ(reader.string(3), "norm");
  EXPECT_THAT(result.recovery.notes,
              ::testing::ElementsAre(::testing::HasSubstr("1 frame missing before byte"),
                                     "2 of 3 strings were lost."));
}

TEST_F(Recovering, AllFramesDamaged) {
  std::string bytes = bytes_;
  for (std::size_t i = 0; i < frame_count(); ++i) bytes[offsets_[i + 1] - 1] ^= 1;
  EXPECT_NE(error_of(bytes, kSalvage).find("no whole frame was found"), std::string::npos);
}

TEST_F(Recovering, SalvageAcrossLargeDamage) {
  // More than the reader keeps in memory at once, from a file.
  std::string hole(40 << 20, '\x0d');
  write_contents(path("hole.rtrace"), frames(0, 5) + hole + frames(5, frame_count()));
  const Result result = read_path(path("hole.rtrace"), kSalvage);
  EXPECT_TRUE(result.records == written_);
  EXPECT_EQ(result.recovery.salvaged_bytes, hole.size());
  EXPECT_EQ(result.recovery.salvaged_frames, 1U);
  EXPECT_THROW((void)read_path(path("hole.rtrace")), InputError);
}

TEST_F(Recovering, NotesAreBounded) {
  std::string bytes = frame(0);
  for (int i = 0; i < 100; ++i) bytes += "x" + frame(1);
  EXPECT_LT(read_bytes(bytes, kSalvage).recovery.notes.size(), 30U);
}

TEST_F(Recovering, VisitorsErrorsPassThrough) {
  struct Thrower : Visitor {
    void kernels(std::span<const KernelRecord>) override { throw std::range_error("mine"); }
  } thrower;
  EXPECT_THROW(Reader(path(), kSalvage).read(thrower), std::range_error);
}

TEST_F(Recovering, AFileIsReadOnce) {
  Reader reader(path());
  Visitor visitor;
  reader.read(visitor);
  EXPECT_THROW(reader.read(visitor), std::logic_error);
}

}  // namespace
}  // namespace rooftop::trace
