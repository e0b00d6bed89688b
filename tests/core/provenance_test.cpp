#include "profiler/core/provenance.h"

#include <gtest/gtest.h>

namespace rooftop {
namespace {

constexpr Provenance kAll[] = {Provenance::kMeasured, Provenance::kJoined,   Provenance::kMemoised,
                               Provenance::kSampled,  Provenance::kModelled, Provenance::kPredicted,
                               Provenance::kAbsent};

TEST(Provenance, NamesRoundTrip) {
  for (const Provenance p : kAll) EXPECT_EQ(provenance_from_name(name_of(p)), p);
  EXPECT_EQ(name_of(Provenance::kMemoised), "MEMOISED");
  EXPECT_EQ(name_of(Provenance::kAbsent), "");
  EXPECT_EQ(provenance_from_name("GUESSED"), std::nullopt);
}

TEST(Provenance, ASumIsAsWeakAsItsWeakestPart) {
  for (std::size_t i = 0; i < std::size(kAll); ++i) {
    for (std::size_t j = 0; j < std::size(kAll); ++j) {
      EXPECT_EQ(weakest(kAll[i], kAll[j]), kAll[std::max(i, j)]);
    }
  }
}

TEST(Provenance, AFigureIsAbsentUntilItHasASource) {
  EXPECT_FALSE(Figure{}.present());
  EXPECT_TRUE((Figure{0.0, Provenance::kMeasured}.present()));
}

}  // namespace
}  // namespace rooftop
