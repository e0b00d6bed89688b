#include "profiler/capture/cupti/timeline.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>

#include "profiler/capture/cupti/activity_file.h"
#include "profiler/capture/cupti/activity_fork.h"
#include "profiler/capture/cupti/activity_stream.h"
#include "profiler/capture/cupti/callback_subscriber.h"
#include "profiler/capture/cupti/cuda_driver.h"
#include "profiler/capture/cupti/timeline_notes.h"
#include "profiler/capture/cupti/timeline_records.h"
#include "profiler/capture/nvtx_scopes.h"

namespace rooftop::capture {
namespace {

// What CUPTI's interpolation between two clocks may be off by, and more: only times that have
// nothing to do with this run are to be found.
constexpr Duration kSlack{60'000'000'000};
// A destroyed graph's last kernels are recorded long before.
constexpr Duration kGrace{5'000'000'000};

std::atomic<std::uint32_t> sessions{0};

class CuptiTimeline final : public Timeline {
 public:
  CuptiTimeline(const CuptiApi& api, TimelineOptions options)
      : api_(api),
        options_(std::move(options)),
        subscriber_(api),
        stream_(api),
        decoder_(api),
        records_(options_.known_devices, CallbackSubscriber::launches(),
                 CallbackSubscriber::nodes()) {
    if (options_.current_scope == nullptr) options_.current_scope = capture::current_scope;
    decoder_.set_owns_details(true);
  }
  ~CuptiTimeline() override { CuptiTimeline::stop(); }

  Status start() noexcept override;
  void drain(RecordSink& sink) override;
  void flush() noexcept override {
    if (!subscriber_.failed()) stream_.flush();
  }
  [[nodiscard]] bool can_pause() const noexcept override { return true; }
  void pause() noexcept override {
    if (!subscriber_.failed() && !stream_.pause())
      refused_pauses_.fetch_add(1, std::memory_order_relaxed);
  }
  void resume() noexcept override {
    if (!subscriber_.failed() && !stream_.resume())
      refused_resumes_.fetch_add(1, std::memory_order_relaxed);
  }
  void stop() noexcept override;
  void describe(Meta& meta) const override;
  [[nodiscard]] Counts counts() const noexcept override;

 private:
  Status begin();
  void save(const std::uint8_t* buffer, std::size_t valid);
  bool abandon();

  const CuptiApi& api_;
  TimelineOptions options_;
  CallbackSubscriber subscriber_;
  ActivityStream stream_;
  ActivityDecoder decoder_;
  TimelineRecords records_;
  std::vector<std::string> notes_;
  bool running_ = false;
  bool another_session_ = false;
  bool abandoned_ = false;  // CUPTI failed
  Duration offset_;         // of its clock
  Timestamp started_;
  std::uint64_t dropped_ = 0;
  std::uint64_t declined_ = 0;
  std::uint64_t saved_ = 0;
  std::atomic<std::uint64_t> refused_pauses_{0};
  std::atomic<std::uint64_t> refused_resumes_{0};
};

Status CuptiTimeline::start() noexcept try {
  if (running_) return Status::failed("this timeline is already recording");
  if (!ActivityStream::claim()) {
    return Status::failed(
        "another recording of GPU kernels is at work in this process: end it first");
  }
  Status status = begin();
  if (!status.ok()) {
    subscriber_.stop();
    ActivityStream::release();
  }
  running_ = status.ok();
  return status;
} catch (const std::exception&) {
  stream_.stop();
  subscriber_.stop();
  ActivityStream::release();
  return Status::failed("not enough memory to record GPU kernels");
}

// The subscription comes first: where it is refused another tool records this process, and its
// buffers must not be replaced by ours.
Status CuptiTimeline::begin() {
  watch_forks();
  if (Status status = subscriber_.subscribe(); !status.ok()) return status;
  subscriber_.listen(options_.current_scope, notes_);
  started_ = now();
  Status status = stream_.start(options_, notes_);
  another_session_ = status.ok() && sessions.fetch_add(1) > 0;
  return status;
}

// A launch is noted as its call is entered, so whatever kernel is in a buffer by now has its launch
// and its node in the tables: none need wait for them.
void CuptiTimeline::drain(RecordSink& sink) {
  if (in_forked_child()) return;
  records_.set_sink(sink);
  const Timestamp present = now();
  const bool alive = !abandon();
  if (alive) offset_ = stream_.clock_offset();
  decoder_.set_clock(offset_, Timestamp{started_.ns - kSlack.ns}, present + kSlack);
  stream_.take([this](std::uint8_t* buffer, std::size_t valid) {
    if (!options_.save_buffers.empty()) save(buffer, valid);
    decoder_.decode(buffer, valid, records_);
  });
  declined_ += stream_.take_declined();
  if (const std::uint64_t dropped = alive ? stream_.take_dropped() : 0; dropped > 0) {
    dropped_ += dropped;
    sink.add(
        DropRecord{.when = present, .source = sink.intern("CUPTI activity"), .count = dropped});
  }
  CallbackSubscriber::nodes().forget_destroyed(Timestamp{present.ns - kGrace.ns});
}

// True where CUPTI has failed for good, and said so.
bool CuptiTimeline::abandon() {
  if (abandoned_ || !subscriber_.failed()) return abandoned_;
  abandoned_ = true;
  stream_.abandon();
  notes_.push_back("CUPTI ended the recording of kernels: " + subscriber_.failure() + ".");
  return true;
}

void CuptiTimeline::save(const std::uint8_t* buffer, std::size_t valid) {
  const std::string path = options_.save_buffers + "/" + std::to_string(getpid()) + "-" +
                           std::to_string(saved_++) + ".activity";
  Status status = save_activity(api_, buffer, valid, path);
  if (status.ok()) return;
  notes_.push_back("Raw buffers were not saved: " + status.message() + ".");
  options_.save_buffers.clear();
}

void CuptiTimeline::stop() noexcept {
  if (!running_) return;
  running_ = false;
  if (in_forked_child()) return;  // the recording is the parent's
  if (subscriber_.failed()) stream_.abandon();
  stream_.stop();
  subscriber_.stop();
  ActivityStream::release();
}

void CuptiTimeline::describe(Meta& meta) const {
  const CudaDriver* driver = cuda_driver().driver;
  for (const std::uint32_t ordinal : records_.devices().added()) {
    CUdevice device = 0;
    const bool known = driver != nullptr &&
                       driver->cuDeviceGet(&device, static_cast<int>(ordinal)) == CUDA_SUCCESS;
    DeviceInfo info = known ? describe_device(*driver, device) : DeviceInfo{};
    info.kind = DeviceKind::kCuda;
    info.ordinal = ordinal;
    meta.devices.push_back(std::move(info));
  }
  for (const std::string& note : notes_) meta.notes.push_back({note});
  TimelineAccount account;
  account.decoded = decoder_.counts();
  account.declined_buffers = declined_;
  account.lost_nodes = CallbackSubscriber::nodes().lost();
  account.another_session = another_session_;
  account.cupti_version = api_.version;
  for (std::string& note : timeline_notes(account, records_))
    meta.notes.push_back({std::move(note)});
  if (refused_pauses_ > 0 || refused_resumes_ > 0) {
    meta.notes.push_back(
        {"CUPTI refused to stop recording kernels " + std::to_string(refused_pauses_) +
         " times and to go on " + std::to_string(refused_resumes_) +
         " times: steps may lack their kernels, and the overhead is not what was asked for."});
  }
  if (meta.capture.empty()) meta.capture = "timeline";
}

Timeline::Counts CuptiTimeline::counts() const noexcept {
  Counts counts = records_.counts();
  counts.dropped = dropped_;
  for (const std::uint64_t count : decoder_.counts().rejected) counts.rejected += count;
  return counts;
}

}  // namespace

TimelineOptions timeline_options_from_environment() {
  TimelineOptions options;
  if (const char* folder = std::getenv("ROOFTOP_SAVE_ACTIVITY")) options.save_buffers = folder;
  return options;
}

std::unique_ptr<Timeline> make_timeline(const CuptiApi& api, TimelineOptions options) {
  return std::make_unique<CuptiTimeline>(api, std::move(options));
}

}  // namespace rooftop::capture
