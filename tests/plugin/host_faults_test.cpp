// What goes wrong around the plugin must not go wrong in its host: one sentence at most, the same
// output, the same exit status.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>

#include "tests/plugin/host_run.h"

namespace rooftop::plugin::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

Environment scopes_to(const std::string& output) {
  Environment out = with_plugin(output);
  out["ROOFTOP_MODE"] = "scopes";
  return out;
}

// The host is as it was; one sentence of ours that contains `reason`.
void expect_unharmed(const std::vector<std::string>& scenario, const Environment& environment,
                     const std::string& reason, void (*prepare)() = nullptr) {
  const Ended alone = run_host(scenario, {}, prepare);
  const Ended recorded = run_host(scenario, environment, prepare);
  EXPECT_EQ(recorded.out, alone.out);
  EXPECT_EQ(recorded.status, alone.status);
  EXPECT_TRUE(recorded.err.starts_with("rooftop: ")) << recorded.err;
  EXPECT_EQ(std::count(recorded.err.begin(), recorded.err.end(), '\n'), 1) << recorded.err;
  EXPECT_NE(recorded.err.find(reason), std::string::npos) << recorded.err;
}

TEST(HostFaults, WrongValuesAndUnknownVariablesSwitchThePluginOff) {
  const Folder folder;
  const std::vector<std::array<std::string, 3>> wrong = {
      {"ROOFTOP_MODE", "everything", "ROOFTOP_MODE=everything is not"},
      {"ROOFTOP_OVERHEAD", "fast", "ROOFTOP_OVERHEAD=fast is not"},
      {"ROOFTOP_MAX_SIZE", "-3", "ROOFTOP_MAX_SIZE=-3 is not"},
      {"ROOFTOP_QUIET", "perhaps", "ROOFTOP_QUIET=perhaps is not"},
      {"ROOFTOP_OUTPT", "x", "ROOFTOP_OUTPT is no variable"},
  };
  for (const auto& [name, value, reason] : wrong) {
    Environment environment = scopes_to(folder.path());
    environment[name] = value;
    expect_unharmed({"forms"}, environment, reason);
  }
  EXPECT_TRUE(traces_in(folder.path()).empty());
}

TEST(HostFaults, QuietSaysNothing) {
  Environment environment = scopes_to("/nowhere/t.rtrace");
  environment["ROOFTOP_QUIET"] = "1";
  EXPECT_EQ(run_host({"forms"}, environment), run_host({"forms"}, {}));
}

TEST(HostFaults, OutputsThatCannotBe) {
  const Folder folder;
  fs::create_directory(folder / "d.rtrace");
  expect_unharmed({"forms"}, scopes_to("/nowhere/t.rtrace"), "its folder does not exist");
  expect_unharmed({"forms"}, scopes_to("/proc/rooftop/deep"), "cannot make /proc/rooftop/deep");
  expect_unharmed({"forms"}, scopes_to(folder / std::string(300, 'n')), "too long");
  expect_unharmed({"forms"}, scopes_to(folder / (std::string(300, 'n') + ".rtrace")), "too long");
  expect_unharmed({"forms"}, scopes_to("/dev/null/t.rtrace"), "not a folder");
}

TEST(HostFaults, FolderThatMayNotBeWritten) {
  const Folder folder;
  fs::create_directory(folder / "locked");
  chmod((folder / "locked").c_str(), 0555);
  chmod(folder.path().c_str(), 0755);
  static constexpr uid_t kNobody = 65534;
  const auto become_nobody = +[] {
    if (geteuid() == 0 && setuid(kNobody) != 0) _exit(126);
  };
  if (access(host_path().c_str(), X_OK) != 0 ||
      WEXITSTATUS(run_host({"forms"}, {}, become_nobody).status) != 7)
    GTEST_SKIP() << "another user cannot run the tests' program here";
  expect_unharmed({"forms"}, scopes_to(folder / "locked"), "Permission denied", become_nobody);
}

// On a disk of its own of 64 KiB; skipped where the system lets nobody mount one.
TEST(HostFaults, FullDisk) {
  const Folder folder;
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0)
      _exit(77);
    expect_unharmed({"many", "300"}, scopes_to(folder / "t.rtrace"), "the disk is full");
    const TraceContent trace = read_trace(folder / "t.rtrace");
    EXPECT_TRUE(trace.truncated);
    // From the beginning full: not even META has room.
    const int fill = open((folder / "fill").c_str(), O_WRONLY | O_CREAT, 0644);
    std::array<char, 4096> bytes{};
    while (write(fill, bytes.data(), bytes.size()) > 0) {
    }
    close(fill);
    expect_unharmed({"forms"}, scopes_to(folder / "u.rtrace"), "the disk is full");
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "nothing can be mounted here";
  EXPECT_EQ(status, 0);
}

TEST(HostFaults, FileSizeLimit) {
  const Folder folder;
  const auto limit = +[] {
    const rlimit size{.rlim_cur = 20'000, .rlim_max = 20'000};
    setrlimit(RLIMIT_FSIZE, &size);
  };
  expect_unharmed({"many", "300"}, scopes_to(folder / "t.rtrace"), "largest size allowed", limit);
  EXPECT_TRUE(read_trace(folder / "t.rtrace").truncated);
  EXPECT_LE(fs::file_size(folder / "t.rtrace"), 20'000U);
}

TEST(HostFaults, NoDescriptorsLeft) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer's runtime itself opens files";
#endif
  const Folder folder;
  const auto no_files = +[] {
    const rlimit files{.rlim_cur = 6, .rlim_max = 6};
    setrlimit(RLIMIT_NOFILE, &files);
    while (dup(0) >= 0) {
    }
    for (int fd = 3; fd < 6; ++fd) fcntl(fd, F_SETFD, FD_CLOEXEC);
  };
  const Ended alone = run_host({"forms"}, {}, no_files);
  const Ended recorded = run_host({"forms"}, scopes_to(folder.path()), no_files);
  EXPECT_EQ(recorded.out, alone.out);
  EXPECT_EQ(recorded.status, alone.status);
}

TEST(HostFaults, ClosedStderrAndBrokenPipes) {
  const auto broken = +[] {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) _exit(126);
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
  };
  const auto closed = +[] { close(STDERR_FILENO); };
  for (auto* prepare : {broken, closed}) {
    const Ended alone = run_host({"forms"}, {}, prepare);
    EXPECT_EQ(run_host({"forms"}, scopes_to("/nowhere/t.rtrace"), prepare), alone);
  }
}

TEST(HostFaults, OutputThatVanishes) {
  const Folder folder;
  const Ended alone = run_host({"quick_exit"}, {});
  std::thread remover([&] {
    std::this_thread::sleep_for(200ms);
    std::error_code ignored;
    fs::remove_all(folder / "gone", ignored);
  });
  EXPECT_EQ(run_host({"quick_exit"}, scopes_to(folder / "gone")), alone);
  remover.join();
}

TEST(HostFaults, TheTraceStopsAtItsLargestSize) {
  const Folder folder;
  Environment environment = scopes_to(folder / "t.rtrace");
  environment["ROOFTOP_MAX_SIZE"] = "10k";
  expect_unharmed({"many", "500"}, environment, "ROOFTOP_MAX_SIZE");
  const TraceContent trace = read_trace(folder / "t.rtrace");
  EXPECT_FALSE(trace.truncated);
  EXPECT_GT(trace.count("aten::add"), 0U);
  EXPECT_LT(trace.count("aten::add"), 500'000U);
  ASSERT_FALSE(trace.meta.notes.empty());
}

// What the process had closed when it was killed, and what the trace has of it.
TEST(HostFaults, SigkillCostsAQuarterOfASecond) {
  const Folder folder;
  const auto kill_later = +[] {
    const pid_t host = getpid();
    if (fork() != 0) return;
    for (int fd = 0; fd < 64; ++fd) close(fd);  // else the pipes never end
    std::this_thread::sleep_for(2s);
    kill(host, SIGKILL);
    _exit(0);
  };
  const Ended killed = run_host({"steady"}, scopes_to(folder / "t.rtrace"), kill_later);
  ASSERT_TRUE(WIFSIGNALED(killed.status) && WTERMSIG(killed.status) == SIGKILL);
  const std::size_t last = killed.out.find_last_of('\n', killed.out.size() - 2);
  const auto closed = static_cast<std::size_t>(
      std::atoi(killed.out.c_str() + (last + 1)));  // a range a millisecond
  const TraceContent trace = read_trace(folder / "t.rtrace");
  EXPECT_TRUE(trace.truncated);
  ASSERT_GT(closed, 300U);
  // A period of 250 ms, one of 50 ms, and as much again for a machine that is busy.
  EXPECT_GE(trace.count("steady") + 600, closed);
}

}  // namespace
}  // namespace rooftop::plugin::testing
