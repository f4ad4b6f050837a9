// SPDX-License-Identifier: GPL-2.0-only
#include "names.h"

#include <gtest/gtest.h>

#include <array>
#include <string_view>

namespace mus {
namespace {

TEST(NearestName, CountsEdits) {
  constexpr std::array<std::string_view, 3> kNames{"vtime", "fifo", "lottery"};
  EXPECT_EQ(nearest_name("fif", kNames), "fifo");
  EXPECT_EQ(nearest_name("fiof", kNames), "fifo");
  EXPECT_EQ(nearest_name("lotery", kNames), "lottery");
  EXPECT_EQ(nearest_name("zzzzzzzz", kNames), "");
  EXPECT_EQ(nearest_name("vtime", {}), "");
}

}  // namespace
}  // namespace mus
