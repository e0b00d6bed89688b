#include "tools/import/csv_records.h"

#include "profiler/core/error.h"

namespace rooftop::import {
namespace {

constexpr int kEnd = -1;
constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
constexpr std::size_t kMaxRecordBytes = std::size_t{4} << 20;

}  // namespace

CsvRecords::CsvRecords(ByteStream& input) : input_(input), buffer_(kBufferBytes) {}

int CsvRecords::peek() {
  if (at_ == size_) {
    at_ = 0;
    size_ = input_.read(buffer_);
    if (size_ == 0) return kEnd;
  }
  return static_cast<unsigned char>(buffer_[at_]);
}

int CsvRecords::get() {
  const int c = peek();
  if (c == kEnd) return c;
  ++at_;
  lines_ += c == '\n' ? 1 : 0;
  if (++record_bytes_ > kMaxRecordBytes) {
    throw InputError("line " + std::to_string(line_) +
                     " of the CSV file is longer than 4 MiB: it is damaged, or no CSV file");
  }
  return c;
}

std::string& CsvRecords::start_cell() {
  record_bytes_ += sizeof(std::string);
  if (used_ == cells_.size()) cells_.emplace_back();
  std::string& cell = cells_[used_++];
  cell.clear();
  return cell;
}

void CsvRecords::read_quoted(std::string& cell) {
  for (;;) {
    const int c = get();
    if (c == kEnd) {
      torn_ = true;
      return;
    }
    if (c != '"') {
      cell += static_cast<char>(c);
    } else if (peek() == '"') {
      cell += static_cast<char>(get());
    } else {
      return;
    }
  }
}

bool CsvRecords::next_line(std::string& line) {
  line_ = lines_;
  record_bytes_ = 0;
  line.clear();
  if (peek() == kEnd) return false;
  for (int c = get(); c != kEnd && c != '\n'; c = get()) {
    if (c != '\r') line += static_cast<char>(c);
  }
  return true;
}

bool CsvRecords::next() {
  line_ = lines_;
  record_bytes_ = 0;
  used_ = 0;
  torn_ = false;
  if (peek() == kEnd) return false;
  std::string* cell = &start_cell();
  for (;;) {
    const int c = get();
    if (c == kEnd || c == '\n') break;
    if (c == separator_) {
      cell = &start_cell();
    } else if (c == '"' && cell->empty()) {
      read_quoted(*cell);
    } else if (c != '\r') {
      *cell += static_cast<char>(c);
    }
  }
  cells_.resize(used_);
  return true;
}

}  // namespace rooftop::import
