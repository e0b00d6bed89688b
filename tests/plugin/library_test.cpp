// The library as a file: what it offers to a host, and what it asks of one.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <set>
#include <sstream>
#include <string>

#include "tests/plugin/host_run.h"

namespace rooftop::plugin::testing {
namespace {

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string out;
  std::array<char, 4096> bytes;
  for (std::size_t n = 0; (n = fread(bytes.data(), 1, bytes.size(), pipe.get())) > 0;)
    out.append(bytes.data(), n);
  return out;
}

TEST(PluginLibrary, ExportsItsTwoEntryPointsOnly) {
  std::istringstream symbols(output_of("nm -D --defined-only " + plugin_path().string()));
  std::set<std::string> names;
  for (std::string address, type, name; symbols >> address >> type >> name;) names.insert(name);
  EXPECT_EQ(names, (std::set<std::string>{"InitializeInjection", "InitializeInjectionNvtx2"}));
}

TEST(PluginLibrary, NeedsTheCLibraryOnly) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "a sanitizer's runtime is a library of its own";
#endif
  std::istringstream lines(output_of("readelf -dW " + plugin_path().string()));
  std::set<std::string> needed;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t open = line.find('[');
    if (line.find("(NEEDED)") != std::string::npos)
      needed.insert(line.substr(open + 1, line.find(']') - open - 1));
  }
  for (const std::string& name : needed) {
    EXPECT_TRUE(name.starts_with("libc.so") || name.starts_with("libm.so") ||
                name.starts_with("ld-linux"))
        << name;
  }
  EXPECT_FALSE(needed.empty());
}

TEST(PluginLibrary, HoldsNoProtobufAndNoCuda) {
  const std::string strings = output_of("nm -C " + plugin_path().string());
  EXPECT_EQ(strings.find("google::protobuf"), std::string::npos);
  const std::string undefined = output_of("nm -D --undefined-only " + plugin_path().string());
  EXPECT_EQ(undefined.find(" cupti"), std::string::npos);
  EXPECT_EQ(undefined.find(" cuInit"), std::string::npos);
}

TEST(PluginLibrary, TakesLittleOfTheThreadsStaticStorage) {
  // A library that is loaded late shares about 1.6 KB of it with all others.
  std::istringstream lines(output_of("readelf -lW " + plugin_path().string()));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string type, offset, virtual_address, physical_address, file_size, memory_size;
    words >> type >> offset >> virtual_address >> physical_address >> file_size >> memory_size;
    if (type != "TLS") continue;
    EXPECT_LE(std::stoul(memory_size, nullptr, 16), 128U);
  }
}

}  // namespace
}  // namespace rooftop::plugin::testing
