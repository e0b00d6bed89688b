// Writes a .npy file (format version 1.0, C order, little-endian float32) row by row, so that any
// number of rows fits: the row count in the header is completed at the end.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

namespace rooftop::tools {

class NpyWriter {
 public:
  // A matrix of [rows][columns] float32. Throws InputError where the file cannot be written.
  NpyWriter(const std::string& path, std::int64_t columns);
  ~NpyWriter();
  NpyWriter(const NpyWriter&) = delete;
  NpyWriter& operator=(const NpyWriter&) = delete;

  void add_row(std::span<const float> row);
  void finish();

 private:
  void write_header();

  std::string path_;
  std::int64_t columns_;
  std::int64_t rows_ = 0;
  std::FILE* file_ = nullptr;
};

}  // namespace rooftop::tools
