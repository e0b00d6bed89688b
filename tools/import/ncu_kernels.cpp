#include "tools/import/ncu_kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "profiler/core/error.h"
#include "tools/import/decimal.h"
#include "tools/import/metric_values.h"

namespace rooftop::import {
namespace {

constexpr std::string_view kDuration = "gpu__time_duration.sum";
constexpr std::string_view kCycles = "sm__cycles_elapsed.avg";
constexpr std::string_view kCyclesPerSecond = "sm__cycles_elapsed.avg.per_second";
constexpr std::size_t kMaxColumns = 65536;
constexpr std::size_t kMaxMetrics = 4096;  // of one kernel

// Totals and utilisations are kept; averages per unit, minima and maxima are not.
bool kept(std::string_view metric) {
  if (metric.find("__") == std::string_view::npos || metric.starts_with("launch__")) return false;
  return metric.ends_with(".sum") || metric.ends_with(".pct_of_peak_sustained_elapsed") ||
         metric == kCycles || metric == kCyclesPerSecond;
}

bool describes_launch(std::string_view metric) {
  return metric.starts_with("launch__") || metric.starts_with("device__attribute_display_name");
}

// The same counter, summed over the same units, has two names.
std::string cupti_name(std::string_view metric) {
  constexpr std::string_view kPerSm = "sm__sass_thread_inst_executed_op_";
  if (metric == "Duration") return std::string(kDuration);
  return metric.starts_with(kPerSm) ? "smsp" + std::string(metric.substr(2)) : std::string(metric);
}

std::uint32_t as_u32(double value) {
  return value >= 0 && value <= 4294967295.0 ? static_cast<std::uint32_t>(value) : 0;
}

std::uint32_t as_u32(std::string_view text) {
  const auto value = whole_number(text);
  return value && *value <= UINT32_MAX ? static_cast<std::uint32_t>(*value) : 0;
}

std::array<std::uint32_t, 3> dimensions(std::string_view text) {
  std::uint32_t out[3];
  if (!parse_dimensions(text, out)) return {};
  return {out[0], out[1], out[2]};
}

// The value before the instances that ncu may list behind it: "12 (3; 4; 5)".
std::string_view without_instances(std::string_view value) {
  return value.substr(0, value.find(" ("));
}

// Facts of the launch that stand among the metrics. False for what is none.
bool set_launch_fact(NcuKernel& kernel, std::string_view metric, double value) {
  const auto is = [&](std::string_view section_name, std::string_view metric_name) {
    return metric == section_name || metric == metric_name;
  };
  if (is("Registers Per Thread", "launch__registers_per_thread")) {
    kernel.registers = as_u32(value);
  } else if (is("Static Shared Memory Per Block", "launch__shared_mem_per_block_static")) {
    kernel.static_shared_bytes = as_u32(value);
  } else if (is("Dynamic Shared Memory Per Block", "launch__shared_mem_per_block_dynamic")) {
    kernel.dynamic_shared_bytes = as_u32(value);
  } else if (is("Grid Size", "launch__grid_size")) {
    if (kernel.grid[0] == 0) {
      kernel.grid = {as_u32(value), 1, 1};
      kernel.totals_only = true;
    }
  } else if (is("Block Size", "launch__block_size")) {
    if (kernel.block[0] == 0) kernel.block = {as_u32(value), 1, 1};
  } else {
    return false;
  }
  return true;
}

bool is_header(const std::vector<std::string>& cells) {
  return !cells.empty() && cells[0] == "ID" &&
         std::find(cells.begin(), cells.end(), "Kernel Name") != cells.end();
}

}  // namespace

std::optional<double> NcuKernel::metric(std::string_view wanted) const {
  for (const auto& [key, value] : metrics) {
    if (key == wanted) return value;
  }
  return std::nullopt;
}

std::optional<double> NcuKernel::duration_ns(bool& from_cycles) const {
  from_cycles = false;
  if (const auto duration = metric(kDuration)) return duration;
  const auto cycles = metric(kCycles);
  const auto frequency = metric(kCyclesPerSecond);
  if (!cycles || !frequency || *frequency <= 0) return std::nullopt;
  from_cycles = true;
  return *cycles / *frequency * 1e9;
}

NcuReader::NcuReader(ByteStream& input, std::string name) : input_(input), name_(std::move(name)) {
  learn_number_style();
}

// What precedes the header is the program's own output and ncu's messages.
void NcuReader::find_header(CsvRecords& records) {
  std::string line;
  while (records.next_line(line)) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    std::string_view text = line;
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    const bool begins =
        text.starts_with("\"ID\"") || text.starts_with("ID,") || text.starts_with("ID;");
    if (!begins) continue;
    const char separator = text.starts_with("ID;") || text.starts_with("\"ID\";") ? ';' : ',';
    MemoryStream header(text);
    CsvRecords cells(header);
    cells.set_separator(separator);
    if (!cells.next() || !is_header(cells.cells())) continue;
    records.set_separator(separator);
    set_header(cells.cells());
    return;
  }
  throw InputError(fmt::format(
      "'{}' has no header line with ID and Kernel Name: export with 'ncu --import REPORT --csv "
      "--page raw'.",
      name_));
}

void NcuReader::set_header(const std::vector<std::string>& cells) {
  if (cells.size() > kMaxColumns) {
    throw InputError(
        fmt::format("'{}' has more than {} columns: it is damaged.", name_, kMaxColumns));
  }
  header_ = cells;
  units_.assign(cells.size(), {});
  columns_ = {};
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string& name = cells[i];
    const std::pair<std::string_view, std::size_t*> known[] = {{"ID", &columns_.id},
                                                               {"Process ID", &columns_.process},
                                                               {"Kernel Name", &columns_.name},
                                                               {"Stream", &columns_.stream},
                                                               {"Device", &columns_.device},
                                                               {"CC", &columns_.compute},
                                                               {"Grid Size", &columns_.grid},
                                                               {"Block Size", &columns_.block},
                                                               {"Metric Name", &columns_.metric},
                                                               {"Metric Unit", &columns_.unit},
                                                               {"Metric Value", &columns_.value}};
    for (const auto& [text, column] : known) {
      if (name == text && *column == kNone) *column = i;
    }
    if ((kept(name) || describes_launch(name)) && columns_.metrics.size() < kMaxMetrics) {
      columns_.metrics.push_back(i);
    }
  }
  // The long layout's rows may lack the cells of rules at their end.
  columns_.needed = columns_.wide() ? cells.size()
                                    : std::max({columns_.id, columns_.name, columns_.metric,
                                                columns_.value == kNone ? 0 : columns_.value}) +
                                          1;
  const bool torn_long = !columns_.wide() && columns_.value == kNone;
  if (torn_long || (columns_.wide() && columns_.metrics.empty())) {
    throw InputError(fmt::format(
        "'{}' has no metrics: export with 'ncu --import REPORT --csv --page raw'.", name_));
  }
}

void NcuReader::for_each_row(const std::function<void(const std::vector<std::string>&)>& row) {
  input_.rewind();
  CsvRecords records(input_);
  find_header(records);
  bool first = true;
  while (records.next()) {
    const std::vector<std::string>& cells = records.cells();
    losses_.torn = records.torn();
    if (cells.size() == 1 && (cells[0].empty() || cells[0].starts_with("=="))) continue;
    if (is_header(cells)) {  // files that were put one behind the other
      set_header(cells);
      first = true;
    } else if (cells.size() < columns_.needed || records.torn()) {
      ++losses_.short_rows;
    } else if (columns_.wide() && first && cells[columns_.id].empty()) {
      units_ = cells;
      first = false;
    } else {
      row(cells);
      first = false;
    }
  }
}

void NcuReader::learn_number_style() {
  NumberStyle style;
  for_each_row([&](const std::vector<std::string>& cells) {
    if (!columns_.wide()) {
      style.observe(without_instances(cell(cells, columns_.value)));
      return;
    }
    for (const std::size_t i : columns_.metrics) style.observe(without_instances(cells[i]));
  });
  if (style.contradictory()) {
    throw InputError(fmt::format(
        "'{}' writes some numbers with a decimal point and others with a decimal comma: export it "
        "again in one go, with LC_ALL=C.",
        name_));
  }
  decimal_sign_ = style.decimal_sign();
  losses_ = {};
}

void NcuReader::read(const std::function<void(NcuKernel&)>& sink) {
  NcuKernel kernel;
  bool open = false;
  for_each_row([&](const std::vector<std::string>& cells) {
    const bool same = !columns_.wide() && open && cell(cells, columns_.id) == kernel.id &&
                      cell(cells, columns_.process) == kernel.process;
    if (!same) {
      if (open) sink(kernel);
      kernel = {};
      start_kernel(cells, kernel);
      open = true;
    }
    add_metrics(cells, kernel);
  });
  if (open) sink(kernel);
}

std::string_view NcuReader::cell(const std::vector<std::string>& cells, std::size_t column) const {
  return column < cells.size() ? std::string_view(cells[column]) : std::string_view();
}

void NcuReader::start_kernel(const std::vector<std::string>& cells, NcuKernel& kernel) const {
  kernel.id = cell(cells, columns_.id);
  kernel.process = cell(cells, columns_.process);
  kernel.name = cell(cells, columns_.name);
  kernel.stream = as_u32(cell(cells, columns_.stream));
  kernel.device = as_u32(cell(cells, columns_.device));
  kernel.grid = dimensions(cell(cells, columns_.grid));
  kernel.block = dimensions(cell(cells, columns_.block));
  const std::string_view compute = cell(cells, columns_.compute);
  if (const auto point = compute.find('.'); point != std::string_view::npos) {
    kernel.compute_major = as_u32(compute.substr(0, point));
    kernel.compute_minor = as_u32(compute.substr(point + 1));
  }
}

void NcuReader::add_metrics(const std::vector<std::string>& cells, NcuKernel& kernel) {
  if (!columns_.wide()) {
    add_metric(kernel, cell(cells, columns_.metric), cell(cells, columns_.unit),
               cell(cells, columns_.value));
    return;
  }
  for (const std::size_t i : columns_.metrics) {
    add_metric(kernel, header_[i], units_[i], cells[i]);
  }
}

void NcuReader::add_metric(NcuKernel& kernel, std::string_view metric, std::string_view unit,
                           std::string_view value) {
  if (metric.empty() || value.empty()) return;  // rows of rules have no metric
  if (metric == "device__attribute_display_name") {
    kernel.device_name = value.substr(0, 256);
    return;
  }
  const std::optional<double> number = metric_number(without_instances(value), decimal_sign_);
  const double scaled = number.value_or(0) * unit_factor(unit);
  if (number && set_launch_fact(kernel, metric, scaled)) return;
  const std::string name = cupti_name(metric);
  if (!kept(name)) return;
  if (!number) {
    ++losses_.not_available;
  } else if (kernel.metrics.size() < kMaxMetrics && !kernel.metric(name)) {
    kernel.metrics.emplace_back(name, scaled);
  }
}

}  // namespace rooftop::import
