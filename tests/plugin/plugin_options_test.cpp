#include "profiler/plugin/plugin_options.h"

#include <gtest/gtest.h>

#include <array>

namespace rooftop::plugin {
namespace {

Status read(std::vector<const char*> environment, Options& options) {
  environment.push_back(nullptr);
  return read_options(environment.data(), options);
}

TEST(PluginOptions, ReadsItsVariablesAndLeavesOthersAlone) {
  Options options;
  ASSERT_TRUE(read({"PATH=/bin", "ROOFTOP_OUTPUT=out", "ROOFTOP_MODE=counters",
                    "ROOFTOP_OVERHEAD=1%", "ROOFTOP_MAX_SIZE=2.5G", "ROOFTOP_QUIET=1",
                    "ROOFTOP_CUPTI=/x", "ROOFTOPS_OF=Paris", "ROOFTOP_", "NOTHING"},
                   options)
                  .ok());
  EXPECT_EQ(options.output, "out");
  EXPECT_EQ(options.mode, Mode::kCounters);
  EXPECT_DOUBLE_EQ(options.overhead_budget, 0.01);
  EXPECT_EQ(options.max_bytes, 2'500'000'000U);
  EXPECT_TRUE(options.quiet);
}

TEST(PluginOptions, RefusesInOneSentence) {
  for (const char* wrong :
       {"ROOFTOP_OUTPUT=", "ROOFTOP_MODE=", "ROOFTOP_MODE=Timeline", "ROOFTOP_OVERHEAD=0",
        "ROOFTOP_OVERHEAD=100%", "ROOFTOP_OVERHEAD=nan", "ROOFTOP_OVERHEAD=1%%",
        "ROOFTOP_OVERHEAD=-1%", "ROOFTOP_OVERHEAD=1 %", "ROOFTOP_MAX_SIZE=", "ROOFTOP_MAX_SIZE=G",
        "ROOFTOP_MAX_STEPS=-1", "ROOFTOP_MAX_STEPS=3x", "ROOFTOP_ALLOW_COMMUNICATION=yes",
        "ROOFTOP_MAX_SIZE=1e30", "ROOFTOP_MAX_SIZE=inf", "ROOFTOP_QUIET=true", "ROOFTOP_MODES=auto",
        "ROOFTOP_=1"}) {
    Options options;
    const Status status = read({wrong}, options);
    EXPECT_FALSE(status.ok()) << wrong;
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
}

TEST(PluginOptions, DefaultsAreBounded) {
  Options options;
  ASSERT_TRUE(read({}, options).ok());
  EXPECT_EQ(options.mode, Mode::kAuto);
  EXPECT_GT(options.max_bytes, 0U);
  ASSERT_TRUE(read({"ROOFTOP_MAX_STEPS=7", "ROOFTOP_ALLOW_COMMUNICATION=1"}, options).ok());
  EXPECT_EQ(options.max_steps, 7U);
  EXPECT_TRUE(options.allow_communication);
  ASSERT_TRUE(read({"ROOFTOP_MAX_SIZE=0"}, options).ok());
  EXPECT_EQ(options.max_bytes, 0U);
}

}  // namespace
}  // namespace rooftop::plugin
