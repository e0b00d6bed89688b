// The kernels of an Nsight Compute CSV file, in both of its layouts: one row a metric, or one row a
// kernel with a column a metric (`--page raw`).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/import/byte_stream.h"
#include "tools/import/csv_records.h"

namespace rooftop::import {

struct NcuKernel {
  std::string process;
  std::string id;
  std::string name;
  std::uint32_t device = 0;
  std::uint32_t stream = 0;
  std::string device_name;
  std::uint32_t compute_major = 0;
  std::uint32_t compute_minor = 0;
  std::array<std::uint32_t, 3> grid{};
  std::array<std::uint32_t, 3> block{};
  bool totals_only = false;  // grid and block are counts, their shape is not known
  std::uint32_t registers = 0;
  std::uint32_t static_shared_bytes = 0;
  std::uint32_t dynamic_shared_bytes = 0;
  // Under CUPTI's names and in its units.
  std::vector<std::pair<std::string, double>> metrics;

  [[nodiscard]] std::optional<double> metric(std::string_view name) const;
  // Of the launch, in nanoseconds; `from_cycles` where it is cycles over frequency.
  [[nodiscard]] std::optional<double> duration_ns(bool& from_cycles) const;
};

struct NcuLosses {
  std::uint64_t not_available = 0;  // values such as "n/a"
  std::uint64_t short_rows = 0;     // with fewer cells than the header
  bool torn = false;                // the file ends within a cell
};

class NcuReader {
 public:
  // `name` stands for the input in errors. Reads the whole input once to learn how it writes
  // numbers. Throws InputError for what is no such file.
  NcuReader(ByteStream& input, std::string name);

  // Calls `sink` for each kernel in the order of the file. Throws InputError.
  void read(const std::function<void(NcuKernel&)>& sink);
  [[nodiscard]] const NcuLosses& losses() const { return losses_; }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  // Where a header has what; metrics are the columns of the wide layout that are kept.
  struct Columns {
    std::size_t id = kNone, process = kNone, name = kNone, stream = kNone, device = kNone,
                compute = kNone, grid = kNone, block = kNone, metric = kNone, unit = kNone,
                value = kNone;
    std::vector<std::size_t> metrics;
    std::size_t needed = 0;  // cells of a whole row
    [[nodiscard]] bool wide() const { return metric == kNone; }
  };

  void find_header(CsvRecords& records);
  void set_header(const std::vector<std::string>& cells);
  // Each row of data, from the beginning of the file.
  void for_each_row(const std::function<void(const std::vector<std::string>&)>& row);
  void learn_number_style();
  [[nodiscard]] std::string_view cell(const std::vector<std::string>& cells,
                                      std::size_t column) const;
  void start_kernel(const std::vector<std::string>& cells, NcuKernel& kernel) const;
  void add_metrics(const std::vector<std::string>& cells, NcuKernel& kernel);
  void add_metric(NcuKernel& kernel, std::string_view metric, std::string_view unit,
                  std::string_view value);

  ByteStream& input_;
  std::string name_;
  Columns columns_;
  std::vector<std::string> header_;
  std::vector<std::string> units_;  // of the wide layout, by column
  char decimal_sign_ = '.';
  NcuLosses losses_;
};

}  // namespace rooftop::import
