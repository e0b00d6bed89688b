// make_sample_report DIR: writes the sample reports' folders into DIR, for the browser tests and
// for looking at them. `make_sample_report --table NAME WIDTH` prints a table instead.
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "profiler/core/error.h"
#include "tests/tools/report/sample_report.h"
#include "tools/report/folder.h"
#include "tools/report/table.h"

int main(int argc, char** argv) {
  using rooftop::Report;
  namespace samples = rooftop::testing;
  const std::map<std::string, std::function<Report()>> all = {
      {"sweep", [] { return samples::sample_gpu_sweep(); }},
      {"counted", [] { return samples::sample_gpu_sweep(samples::Bytes::kCounted); }},
      {"counters", samples::sample_counters_only},
      {"cpu", samples::sample_cpu_run},
      {"empty", samples::sample_empty},
      {"many", [] { return samples::sample_many_points(20000); }},
      {"hostile", samples::sample_hostile},
  };
  const std::string first = argc > 1 ? argv[1] : "";
  try {
    if (first == "--table" && argc == 4 && all.count(argv[2]) == 1) {
      const rooftop::TableOptions options{true, std::atoi(argv[3]), true};
      std::fputs(rooftop::render_table(all.at(argv[2])(), options).c_str(), stdout);
      return 0;
    }
    if (argc != 2 || first.substr(0, 1) == "-") {
      std::fputs("usage: make_sample_report DIR | --table NAME WIDTH\n", stderr);
      return 2;
    }
    for (const auto& [name, make] : all) {
      rooftop::write_report_folder(make(), (std::filesystem::path(first) / name).string());
    }
  } catch (const rooftop::InputError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
