// A second process of this very program: here the test itself, told by its arguments to be the
// child.
#include "tools/run_again.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>

namespace rooftop::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

std::vector<std::string> child(const std::string& test) {
  return {"--gtest_also_run_disabled_tests", "--gtest_filter=Child.DISABLED_" + test};
}

TEST(Child, DISABLED_Fails) {
  std::fputs("progress 0.5 cell 1 of 2\n\nrooftop: the counters are busy\nprogress 1 done\n",
             stderr);
  std::_Exit(2);
}
TEST(Child, DISABLED_IsKilled) {
  std::fputs("an unfinished line", stderr);
  raise(SIGKILL);
}
TEST(Child, DISABLED_SeesItsSettings) {
  const char* setting = std::getenv(kProgressVariable);
  std::_Exit(setting != nullptr && setting == kProgressLines && std::getchar() == EOF ? 0 : 1);
}
TEST(Child, DISABLED_FloodsWithoutALineBreak) {
  const std::string much(1 << 20, 'x');
  std::fputs(much.c_str(), stderr);
  std::_Exit(0);
}

TEST(RunAgain, LastWordsAreTheErrorAndProgressIsNone) {
  Progress progress("Counting");
  const ChildResult result = run_again(child("Fails"), progress);
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.last_words, "the counters are busy");
}

TEST(RunAgain, SignalsAreStatuses) {
  Progress progress("Counting");
  const ChildResult result = run_again(child("IsKilled"), progress);
  EXPECT_EQ(result.status, 128 + SIGKILL);
  EXPECT_EQ(result.last_words, "an unfinished line");
}

TEST(RunAgain, ChildPrintsProgressAsLinesAndReadsNothing) {
  Progress progress("Counting");
  EXPECT_EQ(run_again(child("SeesItsSettings"), progress).status, 0);
}

TEST(RunAgain, WhatIsNoLineIsNotKept) {
  Progress progress("Counting");
  const ChildResult result = run_again(child("FloodsWithoutALineBreak"), progress);
  EXPECT_EQ(result.status, 0);
  EXPECT_LE(result.last_words.size(), 1U << 17);
}

TEST(ArgumentsOf, RunSaysEverythingThatChangesTheWork) {
  RunOptions o;
  o.engine.model = "llama-7b";
  o.engine.device = "cuda:1";
  o.engine.dtype = "bf16";
  o.engine.attention = "unfused";
  o.engine.layers = 3;
  o.engine.threads = 5;
  o.engine.seed = 9;
  o.engine.measure_roofs = false;
  o.engine.graphs = "off";
  o.engine.capture = "counters";
  o.engine.replay = true;
  o.prompts = {"--not an option", "b"};
  o.prompt_tokens = {"1,2"};
  o.batch = 4;
  o.max_tokens = 7;
  o.temperature = 0.25;
  o.top_p = 0.5;
  o.ignore_eos = true;
  o.candidates = 3;
  o.print_tokens = true;
  o.logits = "l.npy";
  o.output = "out";
  o.json = true;
  EXPECT_THAT(
      arguments_of(o),
      ElementsAre("run", "--model=llama-7b", "--device=cuda:1", "--dtype=bf16",
                  "--attention=unfused", "--layers=3", "--threads=5", "--seed=9", "--no-roofs",
                  "--graphs=off", "--capture=counters", "--replay", "--prompt=--not an option",
                  "--prompt=b", "--prompt-tokens=1,2", "--batch=4", "--max-tokens=7",
                  "--temperature=0.25", "--top-p=0.5", "--ignore-eos", "--candidates=3"));
}

TEST(ArgumentsOf, SweepSaysEverythingThatChangesTheWork) {
  SweepOptions o;
  o.engine.model = "m";
  o.engine.device = "cuda";
  o.batches = {1, 4};
  o.lengths = {128};
  o.candidates = {1, 16};
  o.phases = {"ar"};
  o.repeats = 5;
  o.max_cell_seconds = 2.5;
  EXPECT_THAT(
      arguments_of(o),
      ElementsAre("sweep", "--model=m", "--device=cuda", "--attention=flash", "--seed=0",
                  "--graphs=on", "--capture=auto", "--batches=1,4", "--lengths=128",
                  "--candidates=1,16", "--phases=ar", "--repeats=5", "--max-cell-seconds=2.5"));
  o.batches = {};
  o.lengths = {};
  o.grid = "paper";
  EXPECT_THAT(arguments_of(o), ::testing::Contains("--grid=paper"));
  EXPECT_THAT(arguments_of(o), ::testing::Not(::testing::Contains(StartsWith("--batches"))));
}

}  // namespace
}  // namespace rooftop::tools
