#include "profiler/plugin/trace_path.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <ctime>

#include "profiler/plugin/process_facts.h"
#include "tests/plugin/host_run.h"

namespace rooftop::plugin {
namespace {

std::string choose(const std::string& output) {
  TracePath chosen;
  const Status status = choose_trace_path(output, chosen);
  return status.ok() ? chosen.path : "refused: " + status.message();
}

TEST(TracePath, PatternsAndFoldersNeverReplaceAFile) {
  const testing::Folder folder;
  const std::string pid = std::to_string(getpid());
  const std::string pattern = folder / "100%%-%h-%p.rtrace";
  const std::string first = folder / ("100%-" + host_name() + "-" + pid + ".rtrace");
  EXPECT_EQ(choose(pattern), first);
  EXPECT_EQ(choose(pattern), folder / ("100%-" + host_name() + "-" + pid + "-2.rtrace"));
  const std::string in_folder = choose(folder / "new");
  EXPECT_TRUE(in_folder.starts_with((folder / "new/").string())) << in_folder;
  EXPECT_NE(in_folder.find(pid), std::string::npos);
  EXPECT_NE(choose(folder / "new"), in_folder);
}

TEST(TracePath, ANamedFileIsSharedWithNobody) {
  const testing::Folder folder;
  const std::string name = folder / "t.rtrace";
  const int other = open(name.c_str(), O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(flock(other, LOCK_EX), 0);  // as another living process holds it
  EXPECT_EQ(choose(name), folder / ("t-" + std::to_string(getpid()) + ".rtrace"));
  close(other);
  EXPECT_EQ(choose(name), name);
}

TEST(TracePath, WhatIsNoFileIsLeftToTheWriter) {
  EXPECT_EQ(choose("/dev/full"),
            "refused: cannot make /dev/full: File exists; choose another "
            "ROOFTOP_OUTPUT");
  EXPECT_EQ(choose("/nowhere/t.rtrace"), "/nowhere/t.rtrace");
}

TEST(ProcessFacts, NamesOfPrograms) {
  using namespace std::string_literals;
  EXPECT_EQ(program_name("/usr/bin/python3\0/opt/generate.py\0--x\0"s), "generate");
  EXPECT_EQ(program_name("python3.11\0-m\0vllm.entrypoints\0"s), "vllm.entrypoints");
  EXPECT_EQ(program_name("python3\0-c\0print(1)\0"s), "python3");
  EXPECT_EQ(program_name("./llama-cli\0-m\0x\0"s), "llama-cli");
  EXPECT_EQ(program_name("../..\0"s), "_.");
  EXPECT_EQ(program_name(""), "process");
}

TEST(ProcessFacts, RanksOfLaunchers) {
  const char* slurm[] = {"SLURM_PROCID=2", "SLURM_NTASKS=4", nullptr};
  EXPECT_EQ(rank_of(slurm).rank, 2U);
  EXPECT_EQ(rank_of(slurm).world_size, 4U);
  const char* nonsense[] = {"RANK=9", "WORLD_SIZE=4", nullptr};
  EXPECT_EQ(rank_of(nonsense).rank, 0U);
  EXPECT_EQ(rank_of(nonsense).world_size, 1U);
}

TEST(ProcessFacts, ThisProcessStartedNotLongAgo) {
  const double age = static_cast<double>(std::time(nullptr)) - process_start_time();
  EXPECT_GE(age, -2);
  EXPECT_LT(age, 3600);
}

}  // namespace
}  // namespace rooftop::plugin
