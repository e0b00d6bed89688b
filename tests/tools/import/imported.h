// What the import tests share: a folder, packed text, and an imported trace with its names looked
// up.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/core/error.h"
#include "profiler/trace/reader.h"
#include "tools/import/import.h"

namespace rooftop::import::testing {

class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "import-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }
  [[nodiscard]] std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(file(name), std::ios::binary) << bytes;
    return file(name);
  }

 private:
  std::filesystem::path path_;
};

inline std::string gzip(std::string_view text) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}

struct Trace : trace::Visitor {
  Meta meta;
  std::vector<ScopeRecord> scope_records;
  std::vector<KernelRecord> kernel_records;
  std::vector<CounterRecord> counter_records;
  std::vector<SampleRecord> sample_records;
  std::vector<MemcpyRecord> copies;
  std::vector<std::string> strings;
  std::string bytes;  // of the file

  void scopes(std::span<const ScopeRecord> r) override { append(scope_records, r); }
  void kernels(std::span<const KernelRecord> r) override { append(kernel_records, r); }
  void counters(std::span<const CounterRecord> r) override { append(counter_records, r); }
  void samples(std::span<const SampleRecord> r) override { append(sample_records, r); }
  void memcpys(std::span<const MemcpyRecord> r) override { append(copies, r); }

  [[nodiscard]] const std::string& text(StringId id) const { return strings.at(id); }
  [[nodiscard]] const ScopeRecord& scope(ScopeId id) const {
    for (const ScopeRecord& s : scope_records) {
      if (s.id == id) return s;
    }
    throw std::out_of_range("no such scope");
  }
  // Names from the innermost range outward: "aten::mm < aten::linear < step".
  [[nodiscard]] std::string chain(ScopeId id) const {
    std::string out;
    for (; id != 0; id = scope(id).parent) {
      out += (out.empty() ? "" : " < ") + text(scope(id).name);
    }
    return out;
  }
  [[nodiscard]] std::map<std::string, double> counters_of(KernelId kernel) const {
    std::map<std::string, double> out;
    for (const CounterRecord& c : counter_records) {
      if (c.kernel == kernel) out[text(c.metric)] = c.value;
    }
    return out;
  }
  [[nodiscard]] std::string notes() const {
    std::string out;
    for (const Note& n : meta.notes) out += n.text + '\n';
    return out;
  }

 private:
  template <class Record>
  static void append(std::vector<Record>& to, std::span<const Record> from) {
    to.insert(to.end(), from.begin(), from.end());
  }
};

inline Trace read_trace(const std::string& path) {
  Trace out;
  trace::Reader reader(path);
  reader.read(out);
  EXPECT_FALSE(reader.recovery().truncated);
  out.meta = reader.meta();
  out.strings.emplace_back();
  for (StringId id = 1; !reader.string(id).empty(); ++id)
    out.strings.emplace_back(reader.string(id));
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  out.bytes = bytes.str();
  return out;
}

inline Trace import_json(std::string_view json) {
  const TestFolder folder;
  MemoryStream input(json);
  import_pytorch(input, "test.json", folder.file("t.rtrace"), {.run = "test"});
  return read_trace(folder.file("t.rtrace"));
}

inline Trace import_csv(std::string_view csv) {
  const TestFolder folder;
  MemoryStream input(csv);
  import_ncu(input, "test.csv", folder.file("t.rtrace"), {.run = "test"});
  return read_trace(folder.file("t.rtrace"));
}

// The message of the InputError that `action` throws.
template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const InputError& e) {
    return e.what();
  }
  return "(no InputError)";
}

}  // namespace rooftop::import::testing
