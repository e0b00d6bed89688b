#include "profiler/core/operator.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "rooftop/nvtx.h"

namespace rooftop {
namespace {

std::vector<Operator> all_operators() {
  std::vector<Operator> all;
  for (int i = 0; i < kOperatorCount; ++i) all.push_back(static_cast<Operator>(i));
  return all;
}

TEST(Operator, NamesAreUniqueAndRoundTrip) {
  std::set<std::string_view> names;
  for (const Operator op : all_operators()) {
    EXPECT_TRUE(names.insert(name_of(op)).second) << name_of(op);
    EXPECT_EQ(operator_from_name(name_of(op)), op);
  }
  EXPECT_EQ(operator_from_name("no such operator"), std::nullopt);
  EXPECT_EQ(name_of(static_cast<Operator>(200)), "unclassified");
}

TEST(Operator, PhasesRoundTrip) {
  for (const Phase phase : {Phase::kUnknown, Phase::kInit, Phase::kAr, Phase::kMixed}) {
    EXPECT_EQ(phase_from_name(name_of(phase)), phase);
  }
  EXPECT_EQ(phase_from_name("prefill"), std::nullopt);
}

TEST(Operator, EveryOperatorIsInOneRowAndRowsAreTheirOwn) {
  for (const Operator op : all_operators()) {
    EXPECT_EQ(row_of(row_of(op)), row_of(op));
    EXPECT_EQ(family_of(row_of(op)), family_of(op));
  }
}

TEST(Operator, SixSeriesInTheChartsOrder) {
  EXPECT_EQ(series_name(Operator::kV, Phase::kInit), series_names()[0]);
  EXPECT_EQ(series_name(Operator::kQkv, Phase::kAr), series_names()[1]);
  EXPECT_EQ(series_name(Operator::kDown, Phase::kInit), "up/gate/down init");
  EXPECT_EQ(series_name(Operator::kGateUpAct, Phase::kAr), series_names()[3]);
  EXPECT_EQ(series_name(Operator::kPv, Phase::kInit), series_names()[4]);
  EXPECT_EQ(series_name(Operator::kQkPv, Phase::kAr), "qk/pv ar");
  // Outside the six: named rows, and steps of both phases.
  EXPECT_EQ(series_name(Operator::kOProj, Phase::kInit), "");
  EXPECT_EQ(series_name(Operator::kSoftmax, Phase::kAr), "");
  EXPECT_EQ(series_name(Operator::kQkv, Phase::kMixed), "");
}

// An engine's header and trace files must mean the same by the same number.
TEST(Operator, NvtxHeaderUsesTheSameValues) {
  const std::pair<nvtx::Operator, Operator> pairs[] = {{nvtx::kQkv, Operator::kQkv},
                                                       {nvtx::kQ, Operator::kQ},
                                                       {nvtx::kK, Operator::kK},
                                                       {nvtx::kV, Operator::kV},
                                                       {nvtx::kGateUp, Operator::kGateUp},
                                                       {nvtx::kGateUpAct, Operator::kGateUpAct},
                                                       {nvtx::kGate, Operator::kGate},
                                                       {nvtx::kUp, Operator::kUp},
                                                       {nvtx::kDown, Operator::kDown},
                                                       {nvtx::kQkPv, Operator::kQkPv},
                                                       {nvtx::kQk, Operator::kQk},
                                                       {nvtx::kPv, Operator::kPv},
                                                       {nvtx::kOProj, Operator::kOProj},
                                                       {nvtx::kLmHead, Operator::kLmHead},
                                                       {nvtx::kEmbed, Operator::kEmbed},
                                                       {nvtx::kNorm, Operator::kNorm},
                                                       {nvtx::kRope, Operator::kRope},
                                                       {nvtx::kActivation, Operator::kActivation},
                                                       {nvtx::kResidual, Operator::kResidual},
                                                       {nvtx::kKvWrite, Operator::kKvWrite},
                                                       {nvtx::kSampling, Operator::kSampling},
                                                       {nvtx::kSoftmax, Operator::kSoftmax},
                                                       {nvtx::kComm, Operator::kComm},
                                                       {nvtx::kMemcpy, Operator::kMemcpy},
                                                       {nvtx::kOther, Operator::kOther}};
  for (const auto& [ours, core] : pairs) {
    EXPECT_EQ(static_cast<std::uint32_t>(ours), static_cast<std::uint32_t>(core)) << name_of(core);
  }
  // All but "unclassified" and "up_gate_down", which is a report's row and never one launch.
  EXPECT_EQ(std::size(pairs), kOperatorCount - 2U);
  EXPECT_EQ(static_cast<std::uint32_t>(nvtx::kInit), static_cast<std::uint32_t>(Phase::kInit));
  EXPECT_EQ(static_cast<std::uint32_t>(nvtx::kAr), static_cast<std::uint32_t>(Phase::kAr));
  EXPECT_EQ(static_cast<std::uint32_t>(nvtx::kMixed), static_cast<std::uint32_t>(Phase::kMixed));
}

}  // namespace
}  // namespace rooftop
