#include "profiler/capture/cupti/callback_subscriber.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>

#include "profiler/capture/cupti/activity_fork.h"
#include "profiler/capture/cupti/callback_ids.h"
#include "profiler/capture/cupti/obstacle.h"

namespace rooftop::capture {
namespace {

struct Heard {
  LaunchScopes launches;
  GraphNodes nodes;
  std::atomic<ScopeId (*)() noexcept> current_scope{nullptr};  // null: nobody listens
  std::atomic<decltype(&::cuptiGetGraphNodeId)> node_id{nullptr};
  std::atomic<bool> failing{false};  // somebody writes, or has written, the two that follow
  std::array<char, 256> message{};
  CUptiResult result = CUPTI_SUCCESS;
  std::atomic<bool> failed{false};
};

// Never destroyed: engine threads may be in a callback while the process ends.
Heard& heard() noexcept {
  alignas(Heard) static std::array<std::byte, sizeof(Heard)> memory;
  static auto* instance = new (memory.data()) Heard;
  return *instance;
}

std::uint64_t id_of(const Heard& h, CUgraphNode node) noexcept {
  std::uint64_t id = 0;
  const auto get = h.node_id.load(std::memory_order_acquire);
  if (node == nullptr || get == nullptr || get(node, &id) != CUPTI_SUCCESS) return 0;
  return id;
}

void on_graph_event(Heard& h, CUpti_CallbackId id, const CUpti_GraphData& graph,
                    ScopeId scope) noexcept {
  const std::uint64_t node = id_of(h, graph.node);
  if (id == CUPTI_CBID_RESOURCE_GRAPHNODE_CREATED) {
    h.nodes.created(node, scope);
  } else if (id == CUPTI_CBID_RESOURCE_GRAPHNODE_CLONED) {
    h.nodes.cloned(node, id_of(h, graph.originalNode));
  } else if (id == CUPTI_CBID_RESOURCE_GRAPHNODE_DESTROY_STARTING) {
    h.nodes.destroyed(node, now());
  }
}

void on_failure(Heard& h, const CUpti_StateData& state) noexcept {
  if (h.failing.exchange(true)) return;
  h.result = state.notification.result;
  if (state.notification.message != nullptr)
    std::strncpy(h.message.data(), state.notification.message, h.message.size() - 1);
  h.failed.store(true, std::memory_order_release);
}

void CUPTIAPI on_callback(void* context, CUpti_CallbackDomain domain, CUpti_CallbackId id,
                          const void* data) noexcept {
  Heard& h = *static_cast<Heard*>(context);
  const auto current_scope = h.current_scope.load(std::memory_order_acquire);
  if (current_scope == nullptr || data == nullptr || in_forked_child()) return;
  if (domain == CUPTI_CB_DOMAIN_RESOURCE) {
    const auto* graph = static_cast<const CUpti_GraphData*>(
        static_cast<const CUpti_ResourceData*>(data)->resourceDescriptor);
    if (graph != nullptr) on_graph_event(h, id, *graph, current_scope());
    return;
  }
  if (domain == CUPTI_CB_DOMAIN_STATE) {
    if (id == kFatalError.id) on_failure(h, *static_cast<const CUpti_StateData*>(data));
    return;
  }
  const auto& call = *static_cast<const CUpti_CallbackData*>(data);
  if (call.callbackSite != CUPTI_API_ENTER) return;
  if (const ScopeId scope = current_scope(); scope != 0) h.launches.note(call.correlationId, scope);
}

// Who holds CUPTI, in its own words; empty where it cannot be told.
std::string holder(const CuptiApi& api) {
  if (api.cuptiSubscribe_v2 == nullptr) return {};
  std::array<char, CUPTI_OLD_SUBSCRIBER_NAME_MIN_LEN + 1> name{};
  CUpti_SubscriberParams parameters{};
  parameters.structSize = CUpti_SubscriberParams_STRUCT_SIZE;
  parameters.subscriberName = "rooftop";
  parameters.oldSubscriberName = name.data();
  parameters.oldSubscriberSize = name.size() - 1;
  CUpti_SubscriberHandle handle = nullptr;
  const CUptiResult result = api.cuptiSubscribe_v2(&handle, on_callback, &heard(), &parameters);
  if (result == CUPTI_SUCCESS) (void)api.cuptiUnsubscribe(handle);
  return result == CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED ? name.data() : std::string();
}

}  // namespace

LaunchScopes& CallbackSubscriber::launches() noexcept { return heard().launches; }
GraphNodes& CallbackSubscriber::nodes() noexcept { return heard().nodes; }

Status CallbackSubscriber::subscribe() noexcept try {
  const CUptiResult result = api_.cuptiSubscribe(&handle_, on_callback, &heard());
  if (result == CUPTI_SUCCESS) return {};
  handle_ = nullptr;
  Status status = refused(api_, result, "cuptiSubscribe");
  if (result == CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED) {
    if (const std::string name = holder(api_); !name.empty())
      status = Status::failed(status.message() + " (it is \"" + name + "\")");
  }
  return status;
} catch (const std::exception&) {
  handle_ = nullptr;
  return Status::failed("not enough memory to record GPU kernels");
}

void CallbackSubscriber::listen(ScopeId (*current_scope)() noexcept,
                                std::vector<std::string>& notes) {
  Heard& h = heard();
  h.failed.store(false);
  h.failing.store(false);
  h.message = {};
  h.launches.clear();
  h.nodes.clear();
  h.node_id.store(api_.cuptiGetGraphNodeId, std::memory_order_release);
  h.current_scope.store(current_scope, std::memory_order_release);
  const auto enable = [&](const WatchedCall& call) {
    return api_.cuptiEnableCallback(1, handle_, call.domain, call.id);
  };
  CUptiResult launch_result = h.launches.usable() ? CUPTI_SUCCESS : CUPTI_ERROR_OUT_OF_MEMORY;
  for (const WatchedCall& call : kLaunches) {
    const CUptiResult result = enable(call);
    if (result != CUPTI_SUCCESS) launch_result = result;
  }
  for (const WatchedCall& call : kOtherCalls) (void)enable(call);
  (void)enable(kFatalError);
  if (launch_result != CUPTI_SUCCESS) {
    notes.push_back("Kernels of some launches are recorded without their scope: " +
                    refused(api_, launch_result, "cuptiEnableCallback").message() + ".");
  }
  CUptiResult graph_result = CUPTI_SUCCESS;
  for (const WatchedCall& call : kGraphEvents) {
    const CUptiResult result = enable(call);
    if (result != CUPTI_SUCCESS) graph_result = result;
  }
  if (graph_result != CUPTI_SUCCESS) {
    notes.push_back(
        "Kernels of CUDA graphs are recorded with the scope of the graph's launch only: " +
        refused(api_, graph_result, "cuptiEnableCallback").message() + ".");
  }
}

bool CallbackSubscriber::failed() const noexcept {
  return heard().failed.load(std::memory_order_acquire);
}

std::string CallbackSubscriber::failure() const {
  if (!failed()) return {};
  const std::string said(heard().message.data());
  return refused(api_, heard().result, "CUPTI").message() + (said.empty() ? "" : ", " + said);
}

void CallbackSubscriber::stop() noexcept {
  if (handle_ == nullptr) return;
  heard().current_scope.store(nullptr, std::memory_order_release);
  if (!in_forked_child() && !failed()) (void)api_.cuptiUnsubscribe(handle_);
  handle_ = nullptr;
}

}  // namespace rooftop::capture
