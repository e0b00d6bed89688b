// Records of comma-separated values, one at a time: quoted cells may hold separators, line breaks
// and doubled quotes. What one record can cost is bounded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/import/byte_stream.h"

namespace rooftop::import {

class CsvRecords {
 public:
  explicit CsvRecords(ByteStream& input);

  // Reads the next record; false at the end. Throws InputError for a record of more than 4 MiB.
  bool next();
  // Reads the next line as it stands, without looking for cells.
  bool next_line(std::string& line);
  [[nodiscard]] const std::vector<std::string>& cells() const { return cells_; }
  [[nodiscard]] std::size_t line() const { return line_; }  // where the record began, from 1

  void set_separator(char separator) { separator_ = separator; }
  // True where the last record's last cell was quoted and never closed.
  [[nodiscard]] bool torn() const { return torn_; }

 private:
  int get();
  [[nodiscard]] int peek();
  std::string& start_cell();
  void read_quoted(std::string& cell);

  ByteStream& input_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t size_ = 0;
  std::vector<std::string> cells_;  // its strings keep their memory
  std::size_t used_ = 0;
  std::size_t record_bytes_ = 0;
  std::size_t line_ = 0;
  std::size_t lines_ = 1;
  char separator_ = ',';
  bool torn_ = false;
};

}  // namespace rooftop::import
