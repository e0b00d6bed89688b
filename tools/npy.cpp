#include "tools/npy.h"

#include <fmt/format.h>

#include <bit>
#include <cerrno>
#include <cstring>

#include "profiler/core/error.h"

namespace rooftop::tools {
namespace {

static_assert(std::endian::native == std::endian::little, "'<f4' below means little-endian");
constexpr std::size_t kHeaderBytes = 128;  // a multiple of 64, as the format asks

}  // namespace

NpyWriter::NpyWriter(const std::string& path, std::int64_t columns)
    : path_(path), columns_(columns) {
  file_ = std::fopen(path.c_str(), "wb");
  if (file_ == nullptr) {
    throw InputError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  }
  write_header();
}

NpyWriter::~NpyWriter() {
  if (file_ != nullptr) std::fclose(file_);
}

void NpyWriter::write_header() {
  std::string header("\x93NUMPY\x01\x00", 8);
  constexpr std::size_t text_bytes = kHeaderBytes - 10;
  header += static_cast<char>(text_bytes & 0xff);
  header += static_cast<char>(text_bytes >> 8);
  header += fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows_,
                        columns_);
  header.resize(kHeaderBytes - 1, ' ');
  header += '\n';
  std::rewind(file_);
  std::fwrite(header.data(), 1, header.size(), file_);
}

void NpyWriter::add_row(std::span<const float> row) {
  std::fwrite(row.data(), sizeof(float), row.size(), file_);
  ++rows_;
}

void NpyWriter::finish() {
  write_header();
  const bool failed = std::ferror(file_) != 0;
  const bool not_closed = std::fclose(file_) != 0;
  file_ = nullptr;
  if (failed || not_closed)
    throw InputError(fmt::format("cannot write {}: is the disk full?", path_));
}

}  // namespace rooftop::tools
