// The writer inside a process that must not be harmed: full disks, closed pipes, signals, forks,
// kills.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>

#include "tests/trace/memory_tracker.h"
#include "tests/trace/testing.h"

namespace rooftop::trace {
namespace {

using namespace testing;
using ::testing::HasSubstr;

static_assert(noexcept(std::declval<Writer&>().open(std::declval<const std::string&>(),
                                                    std::declval<const Meta&>())));
static_assert(noexcept(std::declval<Writer&>().add(KernelRecord{})));
static_assert(noexcept(std::declval<Writer&>().intern("")));
static_assert(noexcept(std::declval<Writer&>().flush()));
static_assert(noexcept(std::declval<Writer&>().finish()));

KernelRecord kernel(std::uint64_t id) {
  KernelRecord k;
  k.id = id;
  k.begin = {static_cast<std::int64_t>(id * 1000)};
  k.end = {static_cast<std::int64_t>(id * 1000 + id % 997)};
  const std::uint64_t mixed = id * 0x9e3779b97f4a7c15U;
  k.correlation = mixed ^ (mixed >> 29);  // does not compress away
  return k;
}

// Kernels 1, 2, 3, ... without a gap.
void expect_counted(const std::vector<KernelRecord>& kernels) {
  for (std::size_t i = 0; i < kernels.size(); ++i) ASSERT_EQ(kernels[i], kernel(i + 1));
}

class WriterTest : public TraceTest {};

TEST_F(WriterTest, PathsThatCannotBeWritten) {
  write_contents(path("file"), "x");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {folder_.string(), "is a directory"},
      {path("no/such/folder.rtrace"), "folder does not exist"},
      {path("file/t.rtrace"), "not a folder"},
      {"/proc/t.rtrace", "cannot be written"},
      {"", "cannot be written"},
      {"/dev/full", "disk is full"}};
  for (const auto& [where, why] : cases) {
    Writer writer;
    const Status status = writer.open(where, {});
    EXPECT_FALSE(status.ok()) << where;
    EXPECT_THAT(status.message(), HasSubstr(why));
    EXPECT_THAT(status.message(), HasSubstr("'" + where + "'"));
    // Nothing else may be called, but nothing breaks either.
    EXPECT_FALSE(writer.add(kernel(1)).ok());
    EXPECT_EQ(writer.intern("x"), 0U);
    EXPECT_FALSE(writer.finish().ok());
  }
}

TEST_F(WriterTest, MisuseIsAStatus) {
  Writer writer;
  EXPECT_FALSE(writer.add(kernel(1)).ok());
  EXPECT_FALSE(writer.flush().ok());
  EXPECT_FALSE(writer.add_meta({}).ok());
  EXPECT_FALSE(writer.finish().ok());
  ASSERT_TRUE(writer.open(path(), {}).ok());
  EXPECT_FALSE(writer.open(path("other.rtrace"), {}).ok());
  EXPECT_FALSE(std::filesystem::exists(path("other.rtrace")));
  ASSERT_TRUE(writer.finish().ok());
  EXPECT_TRUE(writer.finish().ok());  // says the same again
  EXPECT_THAT(writer.add(kernel(1)).message(), HasSubstr("already finished"));
  EXPECT_FALSE(writer.flush().ok());
}

// A record that names a string nobody interned would make the file damaged: it stays out.
TEST_F(WriterTest, UnknownStringIdsStayOut) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  KernelRecord wrong = kernel(9);
  wrong.name = 1;
  EXPECT_THAT(writer.add(wrong).message(), HasSubstr("never interned"));
  ASSERT_EQ(writer.intern("now"), 1U);
  EXPECT_TRUE(writer.add(wrong).ok());
  EXPECT_THAT(writer.finish().message(), HasSubstr("never interned"));  // the first error
  EXPECT_EQ(read_path(path()).records.kernels.size(), 1U);
}

TEST_F(WriterTest, TheDestructorFinishes) {
  {
    Writer writer;
    ASSERT_TRUE(writer.open(path(), {}).ok());
    ASSERT_TRUE(writer.add(kernel(1)).ok());
  }
  const Result result = read_path(path());
  EXPECT_FALSE(result.recovery.truncated);
  expect_counted(result.records.kernels);
}

TEST_F(WriterTest, AnOlderFileIsReplaced) {
  write_contents(path(), std::string(100000, 'x'));
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  ASSERT_TRUE(writer.finish().ok());
  EXPECT_FALSE(read_path(path()).recovery.truncated);
}

// A file-size limit, whose signal would end the process.
TEST_F(WriterTest, FileSizeLimit) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit limit = before;
  limit.rlim_cur = 200'000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  Status failure;
  std::uint64_t id = 1;
  for (; id < 10 * kRowsPerChunk && failure.ok(); ++id) failure = writer.add(kernel(id));
  const Status again = writer.add(kernel(id));
  const Status end = writer.finish();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);

  EXPECT_THAT(failure.message(), HasSubstr("largest size"));
  EXPECT_EQ(again.message(), failure.message());
  EXPECT_EQ(end.message(), failure.message());
  const Result result = read_path(path());
  EXPECT_TRUE(result.recovery.truncated);
  EXPECT_EQ(result.recovery.bytes_read, result.recovery.bytes_total);  // no torn frame is left
  EXPECT_GE(result.records.kernels.size(), kRowsPerChunk);
  expect_counted(result.records.kernels);
}

TEST_F(WriterTest, ClosedPipe) {
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  {
    Writer unread;  // must not wait for a reader
    EXPECT_THAT(unread.open(path(), {}).message(), HasSubstr("no program reads"));
  }
  const int reader = ::open(path().c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  ::close(reader);
  ASSERT_TRUE(writer.add(kernel(1)).ok());
  EXPECT_THAT(writer.flush().message(), HasSubstr("no program reads"));  // and no SIGPIPE
  sigset_t pending;
  ASSERT_EQ(sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
  sigset_t blocked;
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, nullptr, &blocked), 0);
  EXPECT_EQ(sigismember(&blocked, SIGPIPE), 0);  // the host's mask is as it was
}

// A slow pipe takes frames in pieces, and a timer interrupts every one of them.
TEST_F(WriterTest, PartialAndInterruptedWrites) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  struct sigaction ignore_alarm {};
  ignore_alarm.sa_handler = [](int) {};  // no SA_RESTART: write(2) returns early
  struct sigaction before {};
  ASSERT_EQ(sigaction(SIGALRM, &ignore_alarm, &before), 0);
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &alarm, nullptr);  // the reader's thread inherits this
  std::string received;
  std::thread reader([&] {
    char buffer[1000];
    ssize_t n = 0;
    while ((n = ::read(ends[0], buffer, sizeof buffer)) > 0) {
      received.append(buffer, static_cast<std::size_t>(n));
      if (received.size() % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
  const itimerval every_ms = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &every_ms, nullptr);
  Status status;
  {
    Writer writer;
    status = writer.open("/proc/self/fd/" + std::to_string(ends[1]), {});
    for (std::uint64_t id = 1; id <= 3 * kRowsPerChunk && status.ok(); ++id) {
      status = writer.add(kernel(id));
    }
    if (status.ok()) status = writer.finish();
  }
  const itimerval off{};
  setitimer(ITIMER_REAL, &off, nullptr);
  ::close(ends[1]);
  reader.join();
  ::close(ends[0]);
  sigaction(SIGALRM, &before, nullptr);

  EXPECT_TRUE(status.ok()) << status.message();
  const Result result = read_bytes(received);
  EXPECT_FALSE(result.recovery.truncated);
  EXPECT_EQ(result.records.kernels.size(), 3 * kRowsPerChunk);
  expect_counted(result.records.kernels);
}

// A host that forks: the child must not write a second END into its parent's file.
TEST_F(WriterTest, ForksLeaveTheFileAlone) {
  Writer writer;
  ASSERT_TRUE(writer.open(path(), {}).ok());
  ASSERT_TRUE(writer.add(kernel(1)).ok());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool refused = !writer.flush().ok() && !writer.finish().ok();
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ASSERT_TRUE(writer.add(kernel(2)).ok());
  ASSERT_TRUE(writer.finish().ok());
  const Result result = read_path(path());
  EXPECT_FALSE(result.recovery.truncated);
  EXPECT_EQ(result.records.kernels.size(), 2U);
  expect_counted(result.records.kernels);
}

// SIGKILL at any moment leaves a file that reads.
TEST_F(WriterTest, KilledInMidWrite) {
  std::size_t recovered = 0;
  for (int round = 0; round < 20; ++round) {
    std::filesystem::remove(path());
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Writer writer;
      Meta meta;
      meta.run = "killed";
      if (!writer.open(path(), meta).ok()) _exit(1);
      for (std::uint64_t id = 1;; ++id) {
        if (!writer.add(kernel(id)).ok()) _exit(1);
        if (id % 500 == 0 && !writer.flush().ok()) _exit(1);
      }
    }
    while (!std::filesystem::exists(path()) || std::filesystem::file_size(path()) == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(700 * round));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const Result result = read_path(path());
    EXPECT_TRUE(result.recovery.truncated);
    EXPECT_EQ(result.meta.run, "killed");
    expect_counted(result.records.kernels);
    recovered += result.records.kernels.size();
  }
  EXPECT_GT(recovered, 0U);
}

TEST_F(WriterTest, MemoryIsBounded) {
  if (!rooftop::testing::tracks_memory()) GTEST_SKIP() << "sanitizers keep their own memory";
  rooftop::testing::reset_peak();
  {
    Writer writer;
    ASSERT_TRUE(writer.open(path(), {}).ok());
    const StringId name = writer.intern("gemm");
    for (std::uint64_t id = 1; id <= 300'000; ++id) {
      KernelRecord k = kernel(id);
      k.name = name;
      ASSERT_TRUE(writer.add(k).ok());
      if (id % 10 == 0) {
        ScopeRecord s;
        s.id = id;
        ASSERT_TRUE(writer.add(s).ok());
      }
    }
    ASSERT_TRUE(writer.finish().ok());
  }
  EXPECT_LT(rooftop::testing::peak_bytes(), std::size_t{10} << 20);
  const auto file_size = std::filesystem::file_size(path());

  rooftop::testing::reset_peak();
  Visitor visitor;
  Reader(path()).read(visitor);
  EXPECT_LT(rooftop::testing::peak_bytes(), std::size_t{4} << 20);
  EXPECT_GT(file_size, std::size_t{1} << 20);
}

class TraceFiles : public TraceTest {};

TEST_F(TraceFiles, AFileIsItself) {
  write_contents(path("any.name"), "x");
  EXPECT_EQ(trace_files(path("any.name")), std::vector<std::string>{path("any.name")});
}

TEST_F(TraceFiles, AFolderGivesItsTracesByName) {
  for (const char* const name : {"rank10.rtrace", "rank2.rtrace", "notes.txt", "a.rtrace"}) {
    write_contents(path(name), "x");
  }
  std::filesystem::create_directory(folder_ / "folder.rtrace");
  EXPECT_EQ(
      trace_files(folder_.string()),
      (std::vector<std::string>{path("a.rtrace"), path("rank10.rtrace"), path("rank2.rtrace")}));
}

TEST_F(TraceFiles, ClearErrors) {
  const auto error = [](const std::string& where) {
    try {
      trace_files(where);
    } catch (const InputError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_THAT(error(path("missing")), HasSubstr("There is no trace"));
  EXPECT_THAT(error(""), HasSubstr("There is no trace"));
  EXPECT_THAT(error(folder_.string()), HasSubstr("holds no *.rtrace file"));
}

}  // namespace
}  // namespace rooftop::trace
