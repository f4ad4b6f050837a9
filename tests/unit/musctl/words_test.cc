// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "musctl/exit_code.h"

namespace mus::ctl {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(Duration, ReadsUnitsAndTheirSums) {
  for (auto [text, ms] :
       {std::pair("500ms", 500LL), std::pair("30s", 30'000LL), std::pair("5m", 300'000LL),
        std::pair("2h", 7'200'000LL), std::pair("1h30m", 5'400'000LL), std::pair("1.5h", 5'400'000LL),
        std::pair("1d", 86'400'000LL), std::pair("1m500ms", 60'500LL), std::pair("0.25s", 250LL),
        std::pair("365d", 31'536'000'000LL), std::pair("1ms", 1LL)}) {
    auto duration = parse_duration(text);
    ASSERT_TRUE(duration) << text;
    EXPECT_EQ(duration->count(), ms) << text;
  }
}

TEST(Duration, RefusesWhatIsNone) {
  for (const char* text : {"", "5", "s", "-5s", "5 s", "5x", "30m1h", "1h1h", "1e3s", "infs", "nans", "0s",
                           "0.1ms", "366d", "99999999999999999999h", "5s ", "0x5s"}) {
    auto duration = parse_duration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().exit_code, kExitUsage);
  }
  EXPECT_THAT(parse_duration("5").error().what, HasSubstr("no unit"));
  EXPECT_THAT(parse_duration("400d").error().what, HasSubstr("too long"));
}

TEST(Duration, IsWrittenInTwoUnitsAtMost) {
  EXPECT_EQ(duration_text(0.25), "250ms");
  EXPECT_EQ(duration_text(0.0001), "1ms");
  EXPECT_EQ(duration_text(21.44), "21.4s");
  EXPECT_EQ(duration_text(59.99), "59.9s");
  EXPECT_EQ(duration_text(30), "30s");
  EXPECT_EQ(duration_text(81.2), "1m21s");
  EXPECT_EQ(duration_text(3600), "1h");
  EXPECT_EQ(duration_text(5400), "1h30m");
  EXPECT_EQ(duration_text(90000), "1d1h");
  EXPECT_EQ(duration_text(0), "0s");
  EXPECT_EQ(duration_text(-1), "0s");
}

TEST(CgroupName, IsAPathAnIdOrAProcess) {
  EXPECT_EQ(*parse_cgroup("/redis"), (Json{{"cgroup", "/redis"}}));
  EXPECT_EQ(*parse_cgroup("/a/b/"), (Json{{"cgroup", "/a/b"}}));
  EXPECT_EQ(*parse_cgroup("/"), (Json{{"cgroup", "/"}}));
  EXPECT_EQ(*parse_cgroup("/a..b"), (Json{{"cgroup", "/a..b"}}));
  EXPECT_EQ(*parse_cgroup("id:71"), (Json{{"cgroup_id", 71}}));
  EXPECT_EQ(*parse_cgroup("id:18446744073709551615"), (Json{{"cgroup_id", 18446744073709551615u}}));
  EXPECT_EQ(*parse_cgroup("pid:812"), (Json{{"pid", 812}}));
}

TEST(CgroupName, MayBeThePathBelowTheMount) {
  EXPECT_EQ(*parse_cgroup("/sys/fs/cgroup/redis"), (Json{{"cgroup", "/redis"}}));
  EXPECT_EQ(*parse_cgroup("/sys/fs/cgroup/unified/redis/"), (Json{{"cgroup", "/redis"}}));
  EXPECT_EQ(*parse_cgroup("/sys/fs/cgroup"), (Json{{"cgroup", "/"}}));
  EXPECT_EQ(*parse_cgroup("/sys/fs/cgroups"), (Json{{"cgroup", "/sys/fs/cgroups"}}));
}

TEST(CgroupName, RefusesWhatTheProtocolDoes) {
  for (const char* text :
       {"", "redis", "id:", "id:x", "id:-1", "id:0", "pid:1x", "/a/../b", "/..", "/\xff"}) {
    auto cgroup = parse_cgroup(text);
    ASSERT_FALSE(cgroup) << text;
    EXPECT_EQ(cgroup.error().exit_code, kExitUsage);
  }
  EXPECT_THAT(parse_cgroup("redis").error().remedy, HasSubstr("did you mean /redis?"));
}

std::uint32_t applied(const char* text, std::uint32_t present) {
  return parse_weight(text)->apply(present).first;
}

TEST(WeightChange, IsANumberOrRelative) {
  EXPECT_FALSE(parse_weight("400")->relative);
  EXPECT_EQ(applied("400", 7), 400u);
  EXPECT_EQ(applied("+50%", 100), 150u);
  EXPECT_EQ(applied("-25%", 100), 75u);
  EXPECT_EQ(applied("+12.5%", 200), 225u);
  EXPECT_EQ(applied("x2", 100), 200u);
  EXPECT_EQ(applied("x0.5", 100), 50u);
  EXPECT_EQ(applied("x1", 33), 33u);
}

TEST(WeightChange, OfASmallWeightStillChangesIt) {
  EXPECT_EQ(applied("+25%", 1), 2u);
  EXPECT_EQ(applied("-25%", 2), 1u);
}

TEST(WeightChange, IsClampedAndSaysSo) {
  EXPECT_EQ(parse_weight("x200")->apply(100), std::pair(10000u, true));
  EXPECT_EQ(parse_weight("-25%")->apply(1), std::pair(1u, true));
  EXPECT_EQ(parse_weight("x2")->apply(5000), std::pair(10000u, false));
}

TEST(WeightChange, RefusesWhatIsNone) {
  for (const char* text : {"", "0", "10001", "-5", "+5", "5%", "+%", "-100%", "x", "x0", "x-2", "xinf", "1.5",
                           "40 0", "abc", "+5%%"}) {
    auto change = parse_weight(text);
    ASSERT_FALSE(change) << text;
    EXPECT_EQ(change.error().exit_code, kExitUsage);
  }
}

TEST(Setting, KeepsNumbersAsNumbers) {
  EXPECT_EQ(*parse_setting("slice-us=2000"), std::pair(std::string("slice-us"), Json(2000)));
  EXPECT_EQ(*parse_setting("mode=a=b"), std::pair(std::string("mode"), Json("a=b")));
  for (const char* text : {"", "a", "=1", "a="})
    EXPECT_FALSE(parse_setting(text)) << text;
}

}  // namespace
}  // namespace mus::ctl
