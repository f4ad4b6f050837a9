// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/text.h"

#include <gtest/gtest.h>

#include <sstream>

namespace mus::ctl {
namespace {

TEST(Text, NoNameReachesTheTerminalAsAnEscape) {
  EXPECT_EQ(printable("/a\033[2J\x07"), "/a?[2J?");
  EXPECT_EQ(printable("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(printable("bad\xff\xc3"), "bad??");
  EXPECT_EQ(printable("\xc2\x9b"), "?");        // C1's CSI
  EXPECT_EQ(printable("\xe2\x80\xae"), "?");    // right-to-left override
  EXPECT_EQ(printable("\xed\xa0\x80"), "???");  // a surrogate
  EXPECT_EQ(printable("\xc0\xaf"), "??");       // an overlong slash
}

TEST(Text, IsMeasuredInColumnsNotBytes) {
  EXPECT_EQ(columns("abc"), 3u);
  EXPECT_EQ(columns("caf\xc3\xa9"), 4u);
  EXPECT_EQ(pad("\xc3\xa9", 3), "\xc3\xa9  ");
  EXPECT_EQ(pad("7", 3, true), "  7");
  EXPECT_EQ(pad("1234", 3), "1234");
}

TEST(Text, IsShortenedInTheMiddle) {
  EXPECT_EQ(shorten("/system.slice", 20), "/system.slice");
  EXPECT_EQ(shorten("/system.slice/redis.service", 12), "/syst~ervice");
  EXPECT_EQ(shorten("abc", 1), "~");
  EXPECT_EQ(shorten("abc", 0), "");
  for (std::size_t width = 0; width < 10; ++width)
    EXPECT_LE(columns(shorten("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9xyz", width)), width);
}

TEST(Text, IsClippedAtTheEnd) {
  EXPECT_EQ(clip("abc", 5), "abc");
  EXPECT_EQ(clip("abc", 2), "ab");
  EXPECT_EQ(clip("\xc3\xa9z", 1), "\xc3\xa9");
  EXPECT_EQ(clip("abc", 0), "");
}

TEST(Text, NumbersForPeople) {
  EXPECT_EQ(percent(0.79), "79.0");
  EXPECT_EQ(fixed(-0.04, 1), "0.0");
  EXPECT_EQ(fixed(-1.25, 1), "-1.2");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(memory(512), "512 KiB");
  EXPECT_EQ(memory(30211), "29.5 MiB");
  EXPECT_EQ(memory(3 << 20), "3.0 GiB");
}

TEST(Table, AlignsAndLeavesNoBlanksAtTheEnd) {
  Table table({{"NAME"}, {"WEIGHT", Table::Align::kRight}, {"FROM"}});
  table.add({"/redis", "400", "mus"});
  table.add({"/a", "10000"});
  std::ostringstream out;
  table.print(out);
  EXPECT_EQ(out.str(),
            "NAME    WEIGHT  FROM\n"
            "/redis     400  mus\n"
            "/a       10000\n");
}

}  // namespace
}  // namespace mus::ctl
