// A program that knows nothing of Rooftop and uses NVTX, and CUDA's way of loading a plugin, in
// every way that a plugin may be troubled by. `host SCENARIO [ARGUMENT]`: what it prints and how it
// ends must be the same with and without the plugin.
#include <dlfcn.h>
#include <nvtx3/nvToolsExt.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "rooftop/nvtx.h"

namespace {

using namespace std::chrono_literals;

void ranges(int count, const char* name) {
  for (int i = 0; i < count; ++i) {
    nvtxRangePushA(name);
    nvtxRangePop();
  }
}

nvtxEventAttributes_t message(nvtxMessageType_t type) {
  nvtxEventAttributes_t attributes{};
  attributes.version = NVTX_VERSION;
  attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  attributes.messageType = type;
  return attributes;
}

// Every form of a range, each once: the names that the test looks for.
int forms() {
  nvtxRangePushA("outer");
  nvtxRangePushW(L"wide \u00e9\u4e2d");
  nvtxRangePop();
  const nvtxDomainHandle_t domain = nvtxDomainCreateA("layers");
  nvtxEventAttributes_t attributes = message(NVTX_MESSAGE_TYPE_REGISTERED);
  attributes.message.registered = nvtxDomainRegisterStringA(domain, "registered");
  nvtxDomainRangePushEx(domain, &attributes);
  attributes.message.registered = nvtxDomainRegisterStringW(domain, L"registered wide \u00e9");
  nvtxDomainRangePushEx(domain, &attributes);
  nvtxDomainRangePop(domain);
  nvtxRangePushA("aten::mm, seq = 7, op_id = 9, sizes = [[16, 32], [32, 8]]");
  nvtxDomainRangePop(domain);  // crosses the range of the other domain
  nvtxRangePop();
  {
    rooftop::nvtx::StepPayload payload;
    payload.phase = rooftop::nvtx::kAr;
    payload.batch = 3;
    const rooftop::nvtx::Step step(payload, "decode");
    const rooftop::nvtx::Op op(rooftop::nvtx::kQkv, 5, "qkv");
  }
  nvtxRangeEnd(nvtxRangeStartA("apart"));
  nvtxRangePop();
  nvtxRangePop();  // one too many
  std::printf("forms done\n");
  return 7;
}

int threads(int count) {
  std::barrier all_at_a_time(count);
  std::vector<std::thread> all;
  for (int t = 0; t < count; ++t) {
    all.emplace_back([&] {
      ranges(3, "in a thread");
      all_at_a_time.arrive_and_wait();
      ranges(3, "in a thread");
    });
  }
  for (std::thread& thread : all) thread.join();
  std::printf("%d threads\n", count);
  return 0;
}

int short_threads(int count) {
  for (int t = 0; t < count; ++t) std::thread([] { ranges(5, "short-lived"); }).join();
  std::printf("%d threads\n", count);
  return 0;
}

int after_fork() {
  ranges(10, "parent");
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    ranges(1000, "child");
    std::thread([] { ranges(1000, "child's thread"); }).join();
    std::printf("child\n");
    std::exit(3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ranges(10, "parent");
  std::printf("child ended with %d\n", WEXITSTATUS(status));
  return 0;
}

int fork_storm() {
  ranges(1, "first");  // a fork while NVTX initialises itself would hang in NVTX
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int t = 0; t < 4; ++t) {
    busy.emplace_back([&] {
      while (!stop) ranges(10, "busy");
    });
  }
  int ended_well = 0;
  for (int i = 0; i < 50; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      ranges(10, "child");
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ended_well += WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 1 : 0;
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
  std::printf("%d children\n", ended_well);
  return 0;
}

// A signal handler that opens ranges, while the program is at its own, or inside malloc.
void handler(int /*signal*/) {
  nvtxRangePushA("in a handler");
  nvtxRangePop();
}

int signals() {
  ranges(1, "first");  // a handler's range while NVTX initialises itself would hang in NVTX
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  const itimerval often{.it_interval = {.tv_sec = 0, .tv_usec = 200},
                        .it_value = {.tv_sec = 0, .tv_usec = 200}};
  setitimer(ITIMER_REAL, &often, nullptr);
  const auto end = std::chrono::steady_clock::now() + 400ms;
  std::size_t sum = 0;
  while (std::chrono::steady_clock::now() < end) {
    ranges(50, "main");
    std::thread([&] { sum += std::string(1000, 'x').size(); }).join();
  }
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  std::printf("%s\n", sum > 0 ? "signals survived" : "nothing done");
  return 0;
}

// Signals that are sent to the process must reach its own threads only.
std::atomic<int> foreign_threads{0};
pthread_t main_thread;
void check_thread(int /*signal*/) {
  if (pthread_equal(pthread_self(), main_thread) == 0) ++foreign_threads;
}
int blocked_signals() {
  main_thread = pthread_self();
  ::signal(SIGUSR1, check_thread);
  ranges(10, "main");
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &one, nullptr);
  kill(getpid(), SIGUSR1);  // only a thread that does not block it could take it now
  std::this_thread::sleep_for(100ms);
  pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  std::printf("%d in foreign threads\n", foreign_threads.load());
  return 0;
}

void* cancelled(void* /*unused*/) {
  for (;;) {
    ranges(10, "cancelled");
    pthread_testcancel();
  }
}
int cancellation() {
  pthread_t thread{};
  pthread_create(&thread, nullptr, cancelled, nullptr);
  std::this_thread::sleep_for(20ms);
  pthread_cancel(thread);
  void* result = nullptr;
  pthread_join(thread, &result);
  std::printf("cancelled: %d\n", result == PTHREAD_CANCELED);
  return 0;
}

// As libcuda does it in the first cuInit().
int load_as_cuda(const char* path) {
  if (path == nullptr || *path == '\0') return 0;
  void* library = dlopen(path, RTLD_NOW);
  if (library == nullptr) return 0;
  auto* initialize = reinterpret_cast<int (*)()>(dlsym(library, "InitializeInjection"));
  return initialize == nullptr ? 0 : initialize();
}

int as_cuda(const char* variable) {
  load_as_cuda(std::getenv(variable));
  ranges(5, "with CUDA");
  std::printf("with CUDA\n");
  return 0;
}

int cuda_in_child() {
  ranges(5, "parent");
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    load_as_cuda(std::getenv("CUDA_INJECTION64_PATH"));
    ranges(5, "worker");
    std::exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::printf("worker ended with %d\n", WEXITSTATUS(status));
  return 0;
}

// Prints how many ranges it has closed, until it is killed.
int steady() {
  for (int i = 1;; ++i) {
    ranges(1, "steady");
    std::printf("%d\n", i);
    std::fflush(stdout);
    std::this_thread::sleep_for(1ms);
  }
}

int many(int count) {
  for (int i = 0; i < count; ++i) {
    ranges(1000, "aten::add");
    std::this_thread::sleep_for(2ms);
  }
  std::printf("%d thousand ranges\n", count);
  return 0;
}

struct AtTheVeryEnd {
  bool armed = false;
  ~AtTheVeryEnd() {
    if (armed) ranges(5, "in a destructor");
  }
} at_the_very_end;

[[noreturn]] int end_by(void (*how)(int)) {
  ranges(5, "before the end");
  std::this_thread::sleep_for(400ms);
  std::printf("ending\n");
  std::fflush(stdout);
  how(9);
  std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string scenario = argc > 1 ? argv[1] : "";
  const int number = argc > 2 ? std::atoi(argv[2]) : 0;
  const std::map<std::string, std::function<int()>> scenarios = {
      {"forms", forms},
      {"threads", [&] { return threads(number); }},
      {"short_threads", [&] { return short_threads(number); }},
      {"fork", after_fork},
      {"fork_storm", fork_storm},
      {"signals", signals},
      {"blocked_signals", blocked_signals},
      {"cancellation", cancellation},
      {"cuda", [] { return as_cuda("CUDA_INJECTION64_PATH"); }},
      {"second_copy", [] { return as_cuda("HOST_SECOND_COPY"); }},
      {"cuda_in_child", cuda_in_child},
      {"steady", steady},
      {"many", [&] { return many(number); }},
      {"exec",
       [&] {
         ranges(5, "before exec");
         execl("/proc/self/exe", argv[0], "forms", nullptr);
         return 1;
       }},
      {"destructor",
       [] {
         ranges(5, "main");
         at_the_very_end.armed = true;
         return 4;
       }},
      {"quick_exit", [] { return end_by([](int status) { std::quick_exit(status); }); }},
      {"_exit", [] { return end_by([](int status) { _exit(status); }); }},
      {"abort", [] { return end_by([](int) { std::abort(); }); }},
      {"terminate",
       [] {
         return end_by([](int) {
           kill(getpid(), SIGTERM);
           pause();
         });
       }},
      {"segfault", [] { return end_by([](int) { raise(SIGSEGV); }); }},
  };
  const auto known = scenarios.find(scenario);
  return known == scenarios.end() ? 99 : known->second();
}
