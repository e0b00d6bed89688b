// Writes the seed corpus of trace_reader_fuzz into a folder: small traces of every record type.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "profiler/trace/writer.h"

namespace rooftop::trace {
namespace {

Meta meta() {
  Meta out;
  out.run = "seed";
  out.world_size = 2;
  out.devices.resize(1);
  out.devices[0].name = "device";
  out.model.name = "llama-7b";
  out.model.hidden = 4096;
  out.roofs.push_back({0, "compute", "bf16", 1e15, 1e9});
  out.skipped.push_back({Phase::kAr, 1, 2, 3, "does not fit"});
  return out;
}

// `rows` records of each kind, flushed every `flush_every` rows.
bool write_seed(const std::string& path, std::uint64_t rows, std::uint64_t flush_every) {
  Writer writer;
  if (!writer.open(path, meta()).ok()) return false;
  const StringId name = writer.intern("kernel");
  const StringId metric = writer.intern("dram__bytes_read.sum");
  for (std::uint64_t i = 1; i <= rows; ++i) {
    const auto time = static_cast<std::int64_t>(1'790'000'000'000'000'000 + 1000 * i);
    const Timestamp begin{time};
    const Timestamp end{time + static_cast<std::int64_t>(i * i % 777)};
    ScopeRecord scope;
    scope.id = i;
    scope.parent = i / 8;
    scope.kind = i % 8 == 0 ? ScopeKind::kStep : ScopeKind::kOp;
    scope.begin = begin;
    scope.end = end;
    scope.op = static_cast<Operator>(i % kOperatorCount);
    scope.layer = static_cast<std::int32_t>(i % 3) - 1;
    scope.total_keys = i * i;
    KernelRecord kernel;
    kernel.id = i;
    kernel.begin = begin;
    kernel.end = end;
    kernel.name = name;
    kernel.grid = {static_cast<std::uint32_t>(1 + i % 100), 1, 1};
    kernel.correlation = i * 12345678901;
    CounterRecord counter;
    counter.kernel = i;
    counter.metric = metric;
    counter.value = rows > 10 ? static_cast<double>(i * 4096) : 0.1 * static_cast<double>(i);
    SampleRecord sample;
    sample.begin = begin;
    sample.end = end;
    sample.metric = metric;
    sample.value = 0.5;
    MemcpyRecord copy;
    copy.begin = begin;
    copy.end = end;
    copy.bytes = i << 20;
    copy.kind = MemcpyKind::kHostToDevice;
    DropRecord drop;
    drop.when = begin;
    drop.count = i;
    const bool added = writer.add(scope).ok() && writer.add(kernel).ok() &&
                       writer.add(counter).ok() && writer.add(sample).ok() &&
                       writer.add(copy).ok() && writer.add(drop).ok();
    if (!added || (i % flush_every == 0 && !writer.flush().ok())) return false;
  }
  return writer.add_meta(meta()).ok() && writer.finish().ok();
}

}  // namespace
}  // namespace rooftop::trace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: trace_seeds FOLDER\n", stderr);
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  using rooftop::trace::write_seed;
  const bool written = write_seed(folder / "empty", 0, 1) && write_seed(folder / "one", 1, 1) &&
                       write_seed(folder / "short_chunks", 6, 2) &&
                       write_seed(folder / "one_chunk", 300, 1000);
  if (!written) std::fputs("trace_seeds: the folder cannot be written\n", stderr);
  return written ? 0 : 2;
}
