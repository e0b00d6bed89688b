// What the doctor says of machines that are described by files of a folder of the test's own.
#include "profiler/capture/doctor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace rooftop::capture {
namespace {

namespace fs = std::filesystem;

class Machine : public ::testing::Test {
 protected:
  Machine() : root_(fs::temp_directory_path() / ("rooftop-doctor-" + std::to_string(getpid()))) {
    fs::create_directories(root_);
  }
  ~Machine() override { fs::remove_all(root_); }
  void put(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  // A machine with a driver, as a user without rights.
  void put_driver(const std::string& admin_only) {
    put("proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n"
        "GCC version:  gcc version 12.2.0\n");
    put("proc/driver/nvidia/params", "EnableMSI: 1\nRmProfilingAdminOnly: " + admin_only + "\n");
    put("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA H100\nIRQ: 33\n");
    put("proc/self/status", "Name:\tx\nUid:\t1000\t1000\nCapEff:\t0000000000000000\n");
  }
  [[nodiscard]] MachineState look() const { return look_at_machine(root_.string()); }

 private:
  fs::path root_;
};

// A driver with one GPU that answers everything.
CuptiState willing() {
  CuptiState state;
  state.gpus.push_back({.name = "NVIDIA H100",
                        .chip = "GH100",
                        .compute_major = 9,
                        .compute_minor = 0,
                        .virtual_gpu = false,
                        .mig = false,
                        .counters = {},
                        .sampling = {}});
  return state;
}

const Rung& rung(const std::vector<Rung>& rungs, const std::string& name) {
  for (const Rung& r : rungs) {
    if (r.name == name) return r;
  }
  throw std::out_of_range(name);
}

TEST_F(Machine, ReadsTheDriversFiles) {
  put_driver("1");
  const MachineState state = look();
  EXPECT_EQ(state.kernel_driver, "580.65.06");
  EXPECT_EQ(state.models, std::vector<std::string>{"NVIDIA H100"});
  EXPECT_EQ(state.counters, MachineState::Counters::kAdminOnly);
  EXPECT_FALSE(state.admin);
  EXPECT_EQ(state.user, 1000U);
  EXPECT_FALSE(state.wsl || state.mps || state.container);
  put_driver("0");
  EXPECT_EQ(look().counters, MachineState::Counters::kEveryone);
}

TEST_F(Machine, WithoutFilesNothingIsKnown) {
  const MachineState state = look();
  EXPECT_TRUE(state.kernel_driver.empty());
  EXPECT_EQ(state.counters, MachineState::Counters::kUnknown);
}

TEST_F(Machine, NonsenseInTheFilesIsNoState) {
  put_driver("perhaps");
  put("proc/driver/nvidia/version", std::string(100'000, '.') + "\nNVRM version: ..\n");
  put("proc/self/status", "Uid:\tall\nCapEff:\tzz\n");
  const MachineState state = look();
  EXPECT_EQ(state.counters, MachineState::Counters::kUnknown);
  EXPECT_FALSE(state.admin);
}

TEST_F(Machine, SeesWhoHoldsCountersAndWhereItIs) {
  put("proc/41/comm", "nv-hostengine\n");
  put("proc/42/comm", "nvidia-cuda-mps-control\n");
  put("proc/43/comm", "python3\n");
  put("proc/sys/kernel/osrelease", "5.15.90.1-microsoft-standard-WSL2\n");
  put(".dockerenv", "");
  const MachineState state = look();
  EXPECT_EQ(state.counter_holders, std::vector<std::string>{"nv-hostengine (process 41)"});
  EXPECT_TRUE(state.mps && state.wsl && state.container);
}

TEST_F(Machine, CapSysAdminIsEnough) {
  put("proc/self/status", "Uid:\t1000\t1000\nCapEff:\t0000000000200000\n");
  EXPECT_TRUE(look().admin);
  put("proc/self/status", "Uid:\t0\t0\nCapEff:\t00000000a80425fb\n");  // root of a container
  EXPECT_FALSE(look().admin);
}

TEST(Ladder, AWillingMachineRecordsEverything) {
  for (const Rung& r : ladder({}, willing())) {
    EXPECT_TRUE(r.works) << r.name << ": " << r.why;
    EXPECT_TRUE(r.why.empty());
  }
}

TEST(Ladder, WithoutADriverTheScopesAreLeft) {
  CuptiState none;
  none.driver = Status::failed("no driver was found: install one");
  const auto rungs = ladder({}, none);
  EXPECT_TRUE(rung(rungs, "scopes").works);
  for (const char* name : {"timeline", "sampling", "counters"}) {
    EXPECT_FALSE(rung(rungs, name).works);
    EXPECT_EQ(rung(rungs, name).why, "no driver was found");
    EXPECT_EQ(rung(rungs, name).remedy, "install one");
  }
  MachineState container;
  container.kernel_driver = "580.65.06";
  container.container = true;
  EXPECT_NE(rung(ladder(container, none), "timeline").remedy.find("--gpus"), std::string::npos);
  MachineState wsl;
  wsl.wsl = true;
  EXPECT_NE(rung(ladder(wsl, none), "timeline").remedy.find("Windows"), std::string::npos);
}

TEST(Ladder, WithoutCuptiOrGpusNothingOfTheGpu) {
  CuptiState no_cupti = willing();
  no_cupti.cupti = Status::failed("CUPTI was not found: install it");
  EXPECT_EQ(rung(ladder({}, no_cupti), "timeline").remedy, "install it");
  CuptiState hidden;
  EXPECT_NE(rung(ladder({}, hidden), "counters").remedy.find("CUDA_VISIBLE_DEVICES"),
            std::string::npos);
}

TEST(Ladder, WithoutPermissionTheTimelineIsLeft) {
  MachineState machine;
  machine.counters = MachineState::Counters::kAdminOnly;
  auto rungs = ladder(machine, willing());
  EXPECT_TRUE(rung(rungs, "timeline").works);
  EXPECT_FALSE(rung(rungs, "sampling").works);
  EXPECT_FALSE(rung(rungs, "counters").works);
  EXPECT_NE(rung(rungs, "counters").remedy.find("NVreg_RestrictProfilingToAdminUsers=0"),
            std::string::npos);
  machine.admin = true;
  rungs = ladder(machine, willing());
  EXPECT_TRUE(rung(rungs, "counters").works);
}

TEST(Ladder, EachRungAsksForItself) {
  CuptiState state = willing();
  state.gpus[0].sampling = Status::failed("this GPU has no sampling: use counters");
  auto rungs = ladder({}, state);
  EXPECT_FALSE(rung(rungs, "sampling").works);
  EXPECT_TRUE(rung(rungs, "counters").works);
  state = willing();
  state.timeline = Status::failed("another profiler holds CUPTI: end it");
  rungs = ladder({}, state);
  EXPECT_FALSE(rung(rungs, "timeline").works);
  EXPECT_FALSE(rung(rungs, "sampling").works);  // samples are split over the timeline's kernels
  EXPECT_TRUE(rung(rungs, "counters").works);
}

TEST(Ladder, WarnsOfWhoMayHoldTheCounters) {
  MachineState machine;
  machine.counter_holders = {"nv-hostengine (process 41)"};
  machine.mps = true;
  CuptiState state = willing();
  state.gpus[0].mig = true;
  const auto rungs = ladder(machine, state);
  const Rung& counters = rung(rungs, "counters");
  EXPECT_TRUE(counters.works);
  EXPECT_NE(counters.why.find("nv-hostengine"), std::string::npos);
  EXPECT_NE(counters.why.find("MPS"), std::string::npos);
  EXPECT_NE(counters.why.find("MIG"), std::string::npos);
  EXPECT_NE(counters.remedy.find("dcgmi profile --pause"), std::string::npos);
  EXPECT_TRUE(rung(rungs, "timeline").why.empty());
}

}  // namespace
}  // namespace rooftop::capture
