// A table in CUPTI's place that plays back: launches and graph events reach the subscriber, records
// reach the buffers, every call is written down and can be made to fail. It stands for CUPTI's
// documented calls, never for a GPU.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/capture/cupti/activity_records.h"
#include "tests/capture/cupti/fake_cupti.h"

namespace rooftop::capture::testing {

class ReplayCupti {
 public:
  ReplayCupti();
  ~ReplayCupti() { instance() = nullptr; }
  ReplayCupti(const ReplayCupti&) = delete;
  ReplayCupti& operator=(const ReplayCupti&) = delete;

  CuptiApi api;

  // Set before a call: what it answers instead of success ("cuptiActivityEnable:10" for one kind,
  // attribute or callback only).
  std::map<std::string, CUptiResult> failures;
  std::string owner = "CUPTI for Nsight Systems";  // who holds CUPTI where cuptiSubscribe fails
  std::size_t dropped = 0;                         // told once, by the next count
  std::int64_t clock_ahead = 0;                    // of CUPTI's own clock

  // What was called, in order.
  std::vector<std::string> calls() const;
  [[nodiscard]] std::size_t position(const std::string& call) const;  // npos: never
  [[nodiscard]] bool enabled(CUpti_ActivityKind kind) const { return kinds_.contains(kind); }
  [[nodiscard]] bool subscribed() const { return callback_ != nullptr; }

  // The engine's side.
  void launch(std::uint32_t correlation,
              std::uint32_t cbid = CUPTI_DRIVER_TRACE_CBID_cuLaunchKernel) const;
  // Node handles are their ids.
  void node_created(std::uint64_t node) const;
  void node_cloned(std::uint64_t node, std::uint64_t original) const;
  void node_destroyed(std::uint64_t node) const;

  void fatal_error(CUptiResult result, const char* message) const;

  // A buffer of records: asked for, filled and handed back. False: none was to be had.
  bool deliver(BufferBuilder& records) const;
  // Asked for only: CUPTI holds it until the forced flush, and hands it back then.
  bool hold(BufferBuilder& records);

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

 private:
  static ReplayCupti*& instance() {
    static ReplayCupti* current = nullptr;
    return current;
  }
  static CUptiResult note(const std::string& call, const std::string& detail = {});
  void resource(CUpti_CallbackId id, const CUpti_GraphData& graph) const;
  static void fill_table(CuptiApi& api);

  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
  std::set<CUpti_ActivityKind> kinds_;
  std::set<std::pair<int, CUpti_CallbackId>> callbacks_;
  CUpti_CallbackFunc callback_ = nullptr;
  void* context_ = nullptr;
  CUpti_BuffersCallbackRequestFunc request_ = nullptr;
  CUpti_BuffersCallbackCompleteFunc complete_ = nullptr;
  CUpti_TimestampCallbackFunc clock_ = nullptr;
  struct Held {
    std::uint8_t* data;
    std::size_t size;
    std::size_t valid;
  };
  std::vector<Held> held_;
};

inline std::vector<std::string> ReplayCupti::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

inline std::size_t ReplayCupti::position(const std::string& call) const {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    if (calls_[i] == call) return i;
  }
  return npos;
}

inline CUptiResult ReplayCupti::note(const std::string& call, const std::string& detail) {
  ReplayCupti& self = *instance();
  const std::lock_guard lock(self.mutex_);
  self.calls_.push_back(detail.empty() ? call : call + ":" + detail);
  for (const std::string& key : {call, call + ":" + detail}) {
    const auto it = self.failures.find(key);
    if (it != self.failures.end()) return it->second;
  }
  return CUPTI_SUCCESS;
}

inline ReplayCupti::ReplayCupti() : api(refusing_cupti()) {
  instance() = this;
  fill_table(api);
  api.version = 130200;  // a later session of a process is as good as the first
}

inline void ReplayCupti::fill_table(CuptiApi& api) {
  api.cuptiActivityGetNextRecord = walk<false>;
  api.cuptiSubscribe = [](CUpti_SubscriberHandle* handle, CUpti_CallbackFunc callback,
                          void* context) {
    const CUptiResult result = note("cuptiSubscribe");
    if (result != CUPTI_SUCCESS) return result;
    *handle = reinterpret_cast<CUpti_SubscriberHandle>(instance());
    instance()->callback_ = callback;
    instance()->context_ = context;
    return CUPTI_SUCCESS;
  };
  api.cuptiSubscribe_v2 = [](CUpti_SubscriberHandle*, CUpti_CallbackFunc, void*,
                             CUpti_SubscriberParams* parameters) {
    if (parameters->structSize != CUpti_SubscriberParams_STRUCT_SIZE)
      return CUPTI_ERROR_INVALID_PARAMETER;
    std::strncpy(parameters->oldSubscriberName, instance()->owner.c_str(),
                 parameters->oldSubscriberSize - 1);
    return CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED;
  };
  api.cuptiUnsubscribe = [](CUpti_SubscriberHandle) {
    instance()->callback_ = nullptr;
    return note("cuptiUnsubscribe");
  };
  api.cuptiEnableCallback = [](std::uint32_t enable, CUpti_SubscriberHandle,
                               CUpti_CallbackDomain domain, CUpti_CallbackId id) {
    const CUptiResult result =
        note("cuptiEnableCallback", std::to_string(domain) + "." + std::to_string(id));
    if (result == CUPTI_SUCCESS && enable != 0) instance()->callbacks_.insert({domain, id});
    return result;
  };
  api.cuptiGetGraphNodeId = [](CUgraphNode node, std::uint64_t* id) {
    *id = reinterpret_cast<std::uintptr_t>(node);
    return CUPTI_SUCCESS;
  };
  api.cuptiSetThreadIdType = [](CUpti_ActivityThreadIdType) {
    return note("cuptiSetThreadIdType");
  };
  api.cuptiActivitySetAttribute = [](CUpti_ActivityAttribute attribute, std::size_t*, void*) {
    return note("cuptiActivitySetAttribute", std::to_string(attribute));
  };
  api.cuptiActivityRegisterTimestampCallback = [](CUpti_TimestampCallbackFunc clock) {
    const CUptiResult result = note("cuptiActivityRegisterTimestampCallback");
    if (result == CUPTI_SUCCESS) instance()->clock_ = clock;
    return result;
  };
  api.cuptiGetTimestamp = [](std::uint64_t* time) {
    const CUptiResult result = note("cuptiGetTimestamp");
    *time = static_cast<std::uint64_t>(now().ns + instance()->clock_ahead);
    return result;
  };
  api.cuptiActivityRegisterCallbacks = [](CUpti_BuffersCallbackRequestFunc request,
                                          CUpti_BuffersCallbackCompleteFunc complete) {
    const CUptiResult result = note("cuptiActivityRegisterCallbacks");
    if (result != CUPTI_SUCCESS) return result;
    instance()->request_ = request;
    instance()->complete_ = complete;
    return CUPTI_SUCCESS;
  };
  api.cuptiActivityEnable = [](CUpti_ActivityKind kind) {
    const CUptiResult result = note("cuptiActivityEnable", std::to_string(kind));
    if (result == CUPTI_SUCCESS) instance()->kinds_.insert(kind);
    return result;
  };
  api.cuptiActivityDisable = [](CUpti_ActivityKind kind) {
    const CUptiResult result = note("cuptiActivityDisable", std::to_string(kind));
    if (result == CUPTI_SUCCESS) instance()->kinds_.erase(kind);
    return result;
  };
  api.cuptiActivityEnableDriverApi = [](CUpti_CallbackId id, std::uint8_t on) {
    return note("cuptiActivityEnableDriverApi", std::to_string(id) + (on != 0 ? "+" : "-"));
  };
  api.cuptiActivityEnableHWTrace = [](std::uint8_t) { return note("cuptiActivityEnableHWTrace"); };
  api.cuptiActivityFlushAll = [](std::uint32_t flag) {
    const CUptiResult result = note("cuptiActivityFlushAll", std::to_string(flag));
    if (flag == CUPTI_ACTIVITY_FLAG_FLUSH_FORCED) {
      for (const Held& h : instance()->held_)
        instance()->complete_(nullptr, 0, h.data, h.size, h.valid);
      instance()->held_.clear();
    }
    return result;
  };
  api.cuptiActivityGetNumDroppedRecords = [](CUcontext, std::uint32_t, std::size_t* count) {
    *count = instance()->dropped;
    instance()->dropped = 0;
    return CUPTI_SUCCESS;
  };
}

inline void ReplayCupti::launch(std::uint32_t correlation, std::uint32_t cbid) const {
  CUpti_CallbackData data{};
  data.correlationId = correlation;
  if (callback_ == nullptr || !callbacks_.contains({CUPTI_CB_DOMAIN_DRIVER_API, cbid})) return;
  for (const auto site : {CUPTI_API_ENTER, CUPTI_API_EXIT}) {
    data.callbackSite = site;
    callback_(context_, CUPTI_CB_DOMAIN_DRIVER_API, cbid, &data);
  }
}

inline void ReplayCupti::resource(CUpti_CallbackId id, const CUpti_GraphData& graph) const {
  CUpti_GraphData copy = graph;
  CUpti_ResourceData data{};
  data.resourceDescriptor = &copy;
  if (callback_ == nullptr || !callbacks_.contains({CUPTI_CB_DOMAIN_RESOURCE, id})) return;
  callback_(context_, CUPTI_CB_DOMAIN_RESOURCE, id, &data);
}

inline void ReplayCupti::node_created(std::uint64_t node) const {
  CUpti_GraphData graph{};
  graph.node = reinterpret_cast<CUgraphNode>(node);
  resource(CUPTI_CBID_RESOURCE_GRAPHNODE_CREATED, graph);
}

inline void ReplayCupti::node_cloned(std::uint64_t node, std::uint64_t original) const {
  CUpti_GraphData graph{};
  graph.node = reinterpret_cast<CUgraphNode>(node);
  graph.originalNode = reinterpret_cast<CUgraphNode>(original);
  resource(CUPTI_CBID_RESOURCE_GRAPHNODE_CLONED, graph);
}

inline void ReplayCupti::node_destroyed(std::uint64_t node) const {
  CUpti_GraphData graph{};
  graph.node = reinterpret_cast<CUgraphNode>(node);
  resource(CUPTI_CBID_RESOURCE_GRAPHNODE_DESTROY_STARTING, graph);
}

inline void ReplayCupti::fatal_error(CUptiResult result, const char* message) const {
  CUpti_StateData data{};
  data.notification.result = result;
  data.notification.message = message;
  callback_(context_, CUPTI_CB_DOMAIN_STATE, CUPTI_CBID_STATE_FATAL_ERROR, &data);
}

inline bool ReplayCupti::deliver(BufferBuilder& records) const {
  std::uint8_t* data = nullptr;
  std::size_t size = 0;
  std::size_t most = 1;
  request_(&data, &size, &most);
  if (data == nullptr || size < records.size() || most != 0) return false;
  std::memcpy(data, records.data(), records.size());
  complete_(nullptr, 0, data, size, records.size());
  return true;
}

inline bool ReplayCupti::hold(BufferBuilder& records) {
  std::uint8_t* data = nullptr;
  std::size_t size = 0;
  std::size_t most = 1;
  request_(&data, &size, &most);
  if (data == nullptr || size < records.size()) return false;
  std::memcpy(data, records.data(), records.size());
  held_.push_back({data, size, records.size()});
  return true;
}

}  // namespace rooftop::capture::testing
