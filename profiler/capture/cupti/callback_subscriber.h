// What CUPTI tells us as it happens, on the engine's own threads: the scope of every launch, and of
// every node of a graph. A callback costs a table's slot per launch; it never throws or waits for
// the session.
#pragma once

#include <string>
#include <vector>

#include "profiler/capture/cupti/cupti_api.h"
#include "profiler/capture/cupti/graph_nodes.h"
#include "profiler/capture/cupti/launch_scopes.h"

namespace rooftop::capture {

class CallbackSubscriber {
 public:
  explicit CallbackSubscriber(const CuptiApi& api) : api_(api) {}
  ~CallbackSubscriber() { stop(); }
  CallbackSubscriber(const CallbackSubscriber&) = delete;
  CallbackSubscriber& operator=(const CallbackSubscriber&) = delete;

  // Becomes this process's one subscriber: before anything else is asked of CUPTI, for a refusal
  // means that another tool is recording, whose buffers and settings are not to be touched.
  Status subscribe() noexcept;

  // Begins to listen. What CUPTI does not offer is left out and said in `notes`.
  void listen(ScopeId (*current_scope)() noexcept, std::vector<std::string>& notes);

  // What CUPTI said when it failed for good and ended itself; empty: it has not. Nothing more may
  // be asked of it then.
  [[nodiscard]] std::string failure() const;
  [[nodiscard]] bool failed() const noexcept;

  // Ends it: no callback is begun afterwards.
  void stop() noexcept;

  // What was heard. They outlive the subscriber: a callback may still be at work in another thread.
  static LaunchScopes& launches() noexcept;
  static GraphNodes& nodes() noexcept;

 private:
  const CuptiApi& api_;
  CUpti_SubscriberHandle handle_ = nullptr;
};

}  // namespace rooftop::capture
