// SPDX-License-Identifier: GPL-2.0-only
#include <mus/units.h>

#include <gtest/gtest.h>

#include <type_traits>

#include <mus/abi.h>

namespace mus {
namespace {

TEST(Units, TimesGoToNanosecondsAndBack) {
  EXPECT_EQ(to_ns(time_from_ns(123)), 123u);
  EXPECT_EQ(to_ns(2ms), 2000000u);
  EXPECT_EQ(time_from_ns(5) - time_from_ns(3), 2ns);
}

TEST(Units, IdsCannotBeMixedUp) {
  EXPECT_FALSE((std::is_convertible_v<Pid, Cpu>));
  EXPECT_FALSE((std::is_convertible_v<int, Pid>));
  EXPECT_FALSE((std::is_convertible_v<CgroupId, std::uint64_t>));
  EXPECT_EQ(raw(Pid{7}), 7);
  EXPECT_EQ(index(Cpu{3}), 3u);
}

TEST(Units, WeightsAgreeWithTheAbi) {
  EXPECT_EQ(Weight::kMin, MUS_WEIGHT_MIN);
  EXPECT_EQ(Weight::kMax, MUS_WEIGHT_MAX);
  EXPECT_EQ(Weight{}.value, MUS_WEIGHT_DEFAULT);
  EXPECT_LT(Weight{1}, Weight{2});
}

}  // namespace
}  // namespace mus
