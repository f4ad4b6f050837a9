// SPDX-License-Identifier: GPL-2.0-only
#include <gtest/gtest.h>

#include <mus/result.h>

namespace mus {
namespace {

Result<int> half(int n) {
  if (n % 2) return fail("odd", "give an even one", 3);
  return n / 2;
}

TEST(Result, HoldsTheValue) {
  auto r = half(8);
  ASSERT_TRUE(r);
  EXPECT_EQ(*r, 4);
}

TEST(Result, HoldsWhatFailedAndWhatToDo) {
  auto r = half(7);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message(), "odd; give an even one");
  EXPECT_EQ(r.error().exit_code, 3);
}

TEST(Result, LeavesOutAnEmptyRemedy) { EXPECT_EQ(Error{.what = "odd"}.message(), "odd"); }

}  // namespace
}  // namespace mus
