// From what CUPTI tells to the records of a trace: scopes, names, devices.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "profiler/capture/cupti/activity_decode.h"
#include "profiler/capture/cupti/activity_names.h"
#include "profiler/capture/cupti/graph_nodes.h"
#include "profiler/capture/cupti/launch_scopes.h"
#include "profiler/capture/cupti/timeline.h"

namespace rooftop::capture {

// Index of a CUDA device in META: one of those that it has already, else the next free one.
class DeviceIndex {
 public:
  explicit DeviceIndex(const std::vector<DeviceInfo>& known);
  std::uint32_t operator()(std::uint32_t ordinal);
  // Ordinals that were not known, in the order of their indices.
  [[nodiscard]] const std::vector<std::uint32_t>& added() const { return added_; }

 private:
  std::map<std::uint32_t, std::uint32_t> indices_;
  std::uint32_t next_ = 0;
  std::vector<std::uint32_t> added_;
};

struct CallSummary {
  std::uint64_t count = 0;
  Duration time;
};

class TimelineRecords : public ActivityVisitor {
 public:
  TimelineRecords(const std::vector<DeviceInfo>& known, const LaunchScopes& launches,
                  const GraphNodes& nodes)
      : devices_(known), launches_(launches), nodes_(nodes) {}

  // Where records go until the next call.
  void set_sink(RecordSink& sink) { sink_ = &sink; }

  void visit(const GpuKernel& kernel) override;
  void visit(const GpuCopy& copy) override;
  void visit(const GpuGraph& graph) override;
  void visit(const ApiCall& call) override;
  void visit(const ExternalId& id) override;
  void visit(const ProfilerOverhead& overhead) override;

  [[nodiscard]] const DeviceIndex& devices() const { return devices_; }
  [[nodiscard]] Timeline::Counts counts() const { return counts_; }
  [[nodiscard]] const CallSummary& calls() const { return calls_; }
  [[nodiscard]] std::uint64_t external_ids() const { return external_ids_; }
  [[nodiscard]] const std::map<std::uint32_t, CallSummary>& overheads() const { return overheads_; }

 private:
  struct Scopes {
    ScopeId own = 0;
    ScopeId launch = 0;  // 0: the same
  };
  Scopes scopes_of(const GpuSpan& span);
  KernelRecord record_of(const GpuSpan& span);

  RecordSink* sink_ = nullptr;
  DeviceIndex devices_;
  const LaunchScopes& launches_;
  const GraphNodes& nodes_;
  ActivityNames names_;
  Timeline::Counts counts_;
  CallSummary calls_;
  std::uint64_t external_ids_ = 0;
  std::map<std::uint32_t, CallSummary> overheads_;
};

}  // namespace rooftop::capture
