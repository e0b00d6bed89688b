#include "tools/npy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "profiler/core/error.h"

namespace rooftop::tools {
namespace {

TEST(NpyWriter, WritesTheFormatOfVersionOne) {
  const auto path = std::filesystem::temp_directory_path() / "rooftop_npy_test.npy";
  {
    NpyWriter writer(path.string(), 3);
    writer.add_row(std::vector<float>{1, 2, 3});
    writer.add_row(std::vector<float>{4, 5, 6.5F});
    writer.finish();
  }
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  ASSERT_GT(bytes.size(), 10U);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t header =
      static_cast<unsigned char>(bytes[8]) + 256U * static_cast<unsigned char>(bytes[9]);
  EXPECT_EQ((10 + header) % 64, 0U);
  EXPECT_NE(bytes.find("'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)"),
            std::string::npos);
  EXPECT_EQ(bytes[9 + header], '\n');
  ASSERT_EQ(bytes.size(), 10 + header + 6 * sizeof(float));
  float last = 0;
  std::memcpy(&last, bytes.data() + bytes.size() - sizeof last, sizeof last);
  EXPECT_EQ(last, 6.5F);
  std::filesystem::remove(path);
}

TEST(NpyWriter, APathThatCannotBeWrittenIsAnError) {
  EXPECT_THROW(NpyWriter("/no/such/folder/x.npy", 3), InputError);
}

}  // namespace
}  // namespace rooftop::tools
