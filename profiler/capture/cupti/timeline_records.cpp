#include "profiler/capture/cupti/timeline_records.h"

namespace rooftop::capture {

DeviceIndex::DeviceIndex(const std::vector<DeviceInfo>& known)
    : next_(static_cast<std::uint32_t>(known.size())) {
  for (std::uint32_t i = 0; i < known.size(); ++i) {
    if (known[i].kind == DeviceKind::kCuda) indices_.emplace(known[i].ordinal, i);
  }
}

std::uint32_t DeviceIndex::operator()(std::uint32_t ordinal) {
  const auto [it, fresh] = indices_.emplace(ordinal, next_);
  if (fresh) {
    added_.push_back(ordinal);
    ++next_;
  }
  return it->second;
}

// A graph's kernel ran in the scope that was open when its node was captured; what it is launched
// in is another one, most often another step.
TimelineRecords::Scopes TimelineRecords::scopes_of(const GpuSpan& span) {
  const ScopeId launch = launches_.find(span.correlation);
  const ScopeId captured = nodes_.find(span.graph_node);
  if (captured == 0) return {launch, 0};
  return {captured, launch != captured ? launch : 0};
}

KernelRecord TimelineRecords::record_of(const GpuSpan& span) {
  KernelRecord r;
  r.id = sink_->next_kernel();
  r.device = devices_(span.device);
  r.stream = span.stream;
  r.begin = span.begin;
  r.end = span.end;
  r.correlation = span.correlation;
  r.graph_node = span.graph_node;
  const Scopes scopes = scopes_of(span);
  r.scope = scopes.own;
  r.launch_scope = scopes.launch;
  if (r.scope == 0) ++counts_.without_scope;
  return r;
}

void TimelineRecords::visit(const GpuKernel& kernel) {
  KernelRecord r = record_of(kernel);
  r.name = names_.intern(kernel.name, *sink_);
  r.grid = kernel.grid;
  r.block = kernel.block;
  r.dynamic_shared_bytes = kernel.dynamic_shared_bytes;
  r.static_shared_bytes = kernel.static_shared_bytes;
  r.registers_per_thread = kernel.registers_per_thread;
  sink_->add(r);
  ++counts_.kernels;
}

void TimelineRecords::visit(const GpuGraph& graph) {
  KernelRecord r = record_of(graph);
  r.name = sink_->intern("CUDA graph");
  sink_->add(r);
  ++counts_.graphs;
}

void TimelineRecords::visit(const GpuCopy& copy) {
  MemcpyRecord r;
  r.device = devices_(copy.device);
  r.stream = copy.stream;
  r.begin = copy.begin;
  r.end = copy.end;
  r.bytes = copy.bytes;
  r.kind = copy.kind;
  r.correlation = copy.correlation;
  r.graph_node = copy.graph_node;
  r.scope = scopes_of(copy).own;
  sink_->add(r);
  ++counts_.copies;
}

void TimelineRecords::visit(const ApiCall& call) {
  ++calls_.count;
  calls_.time += call.end - call.begin;
}

void TimelineRecords::visit(const ExternalId& /*id*/) { ++external_ids_; }

void TimelineRecords::visit(const ProfilerOverhead& overhead) {
  CallSummary& sum = overheads_[overhead.kind];
  ++sum.count;
  sum.time += overhead.end - overhead.begin;
}

}  // namespace rooftop::capture
