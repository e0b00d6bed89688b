#include "tools/device_choice.h"

#include <gtest/gtest.h>

#include "profiler/core/error.h"

namespace rooftop::tools {
namespace {

TEST(DeviceChoice, ReadsWhatTheHelpPromises) {
  EXPECT_FALSE(parse_device("cpu").cuda);
  EXPECT_TRUE(parse_device("cuda").cuda);
  EXPECT_EQ(parse_device("cuda").ordinal, 0U);
  EXPECT_EQ(parse_device("cuda:13").ordinal, 13U);
}

TEST(DeviceChoice, RefusesTheRest) {
  for (const char* text :
       {"", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:1x", "cuda:99999999999", "cuda: 1"}) {
    EXPECT_THROW(parse_device(text), InputError) << text;
  }
}

}  // namespace
}  // namespace rooftop::tools
