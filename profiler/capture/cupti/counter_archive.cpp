#include "profiler/capture/cupti/counter_archive.h"

#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>

#include "profiler/capture/cupti/metric_host.h"
#include "profiler/capture/cupti/obstacle.h"

#define XXH_INLINE_ALL  // no libxxhash to carry into the profiled process
#include <xxhash.h>

namespace rooftop::capture {
namespace {

constexpr char kMagic[] = "RTCNT001";
constexpr std::size_t kHeader = 24;  // magic, length, checksum
constexpr std::uint64_t kLargest = std::uint64_t{2} << 30;

class Encoder {
 public:
  void number(std::uint64_t value) { raw(&value, sizeof value); }
  void bytes(const void* data, std::size_t size) {
    number(size);
    raw(data, size);
  }
  void text(const std::string& value) { bytes(value.data(), value.size()); }
  void texts(const std::vector<std::string>& values) {
    number(values.size());
    for (const std::string& value : values) text(value);
  }
  [[nodiscard]] const std::string& payload() const { return payload_; }

 private:
  void raw(const void* data, std::size_t size) {
    payload_.append(static_cast<const char*>(data), size);
  }
  std::string payload_;
};

class Decoder {
 public:
  Decoder(std::string_view payload, const std::string& path) : rest_(payload), path_(path) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view part() { return take(number()); }
  std::vector<std::string> texts() {
    std::vector<std::string> out;
    // Each takes eight bytes at least, so that a wrong number ends soon.
    for (std::uint64_t n = number(); n > 0; --n) out.emplace_back(part());
    return out;
  }
  std::vector<std::uint8_t> bytes() {
    const std::string_view p = part();
    return {p.begin(), p.end()};
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[noreturn]] void damaged(const char* how) const {
    throw InputError(path_ + " is no whole file of saved counters (" + how + "): record it again");
  }

 private:
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) damaged("it ends too soon");
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  std::string_view rest_;
  const std::string& path_;
};

std::uint64_t range_count(const CuptiApi& api, const SavedCounters& saved, Status& status) {
  if (saved.kind == CounterKind::kPm) {
    CUpti_PmSampling_GetCounterDataInfo_Params info{};
    info.structSize = CUpti_PmSampling_GetCounterDataInfo_Params_STRUCT_SIZE;
    info.pCounterDataImage = saved.counters.data();
    info.counterDataImageSize = saved.counters.size();
    if (const CUptiResult code = api.cuptiPmSamplingGetCounterDataInfo(&info);
        code != CUPTI_SUCCESS)
      status = refused(api, code, "cuptiPmSamplingGetCounterDataInfo");
    return info.numCompletedSamples;
  }
  CUpti_RangeProfiler_GetCounterDataInfo_Params info{};
  info.structSize = CUpti_RangeProfiler_GetCounterDataInfo_Params_STRUCT_SIZE;
  info.pCounterDataImage = saved.counters.data();
  info.counterDataImageSize = saved.counters.size();
  if (const CUptiResult code = api.cuptiRangeProfilerGetCounterDataInfo(&info);
      code != CUPTI_SUCCESS)
    status = refused(api, code, "cuptiRangeProfilerGetCounterDataInfo");
  return info.numTotalRanges;
}

}  // namespace

Status save_counters(const SavedCounters& saved, const std::string& path) {
  Encoder encoder;
  encoder.number(saved.cupti_version);
  encoder.number(static_cast<std::uint64_t>(saved.kind));
  encoder.text(saved.chip);
  encoder.texts(saved.metrics);
  encoder.texts(saved.launches);
  encoder.bytes(saved.availability.data(), saved.availability.size());
  encoder.bytes(saved.configuration.data(), saved.configuration.size());
  encoder.bytes(saved.counters.data(), saved.counters.size());
  encoder.bytes(saved.values.data(), saved.values.size() * sizeof(double));
  const std::string& payload = encoder.payload();
  const std::uint64_t head[] = {payload.size(), XXH3_64bits(payload.data(), payload.size())};

  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wbx"),
                                                             std::fclose);
  const bool written =
      file != nullptr && std::fwrite(kMagic, 8, 1, file.get()) == 1 &&
      std::fwrite(head, sizeof head, 1, file.get()) == 1 &&
      std::fwrite(payload.data(), 1, payload.size(), file.get()) == payload.size() &&
      std::fflush(file.get()) == 0;
  if (!written) return Status::failed("counters cannot be saved as " + path + ": does it exist?");
  return {};
}

SavedCounters load_counters(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw InputError(path + " cannot be read: name a file of saved counters");
  const auto size = static_cast<std::uint64_t>(file.tellg());
  if (size > kLargest) throw InputError(path + " is too large for a file of saved counters");
  std::string text(size, '\0');
  file.seekg(0);
  file.read(text.data(), static_cast<std::streamsize>(size));
  const std::string_view whole = text;
  Decoder decoder(whole.substr(std::min<std::size_t>(kHeader, whole.size())), path);
  if (!file || whole.size() < kHeader || whole.substr(0, 8) != kMagic)
    decoder.damaged("its first bytes are others");
  std::uint64_t head[2];
  std::memcpy(head, whole.data() + 8, sizeof head);
  if (head[0] != whole.size() - kHeader) decoder.damaged("its length differs");
  if (head[1] != XXH3_64bits(whole.data() + kHeader, head[0]))
    decoder.damaged("its checksum differs");

  SavedCounters out;
  out.cupti_version = decoder.number();
  const std::uint64_t kind = decoder.number();
  if (kind > static_cast<std::uint64_t>(CounterKind::kPm)) decoder.damaged("its kind is unknown");
  out.kind = static_cast<CounterKind>(kind);
  out.chip = decoder.part();
  out.metrics = decoder.texts();
  out.launches = decoder.texts();
  out.availability = decoder.bytes();
  out.configuration = decoder.bytes();
  out.counters = decoder.bytes();
  const std::string_view values = decoder.part();
  out.values.resize(values.size() / sizeof(double));
  std::memcpy(out.values.data(), values.data(), out.values.size() * sizeof(double));
  if (!decoder.at_end()) decoder.damaged("it goes on after its end");
  return out;
}

Status evaluate_saved(const CuptiApi& api, const SavedCounters& saved,
                      std::vector<double>& values) {
  const CUpti_ProfilerType type = saved.kind == CounterKind::kPm
                                      ? CUPTI_PROFILER_TYPE_PM_SAMPLING
                                      : CUPTI_PROFILER_TYPE_RANGE_PROFILER;
  MetricHost host(api);
  if (Status status = host.open(type, saved.chip, saved.availability); !status.ok()) return status;
  if (Status status = host.schedule(saved.metrics); !status.ok()) return status;
  Status status;
  const std::uint64_t ranges = range_count(api, saved, status);
  if (!status.ok()) return status;
  if (ranges > saved.values.size())
    return Status::failed("the saved image holds more ranges than were evaluated");
  values.assign(ranges * saved.metrics.size(), 0);
  for (std::uint64_t i = 0; i < ranges; ++i) {
    const auto one = std::span(values).subspan(i * saved.metrics.size(), saved.metrics.size());
    if (status = host.evaluate(saved.counters, i, one); !status.ok()) return status;
  }
  return {};
}

}  // namespace rooftop::capture
