// SPDX-License-Identifier: GPL-2.0-only
#include "control/json_lines.h"

#include <gtest/gtest.h>

namespace mus {
namespace {

TEST(LineBuffer, CutsLinesHoweverTheyArrive) {
  LineBuffer lines(64);
  lines.add("one\ntw");
  EXPECT_EQ(lines.next(), "one");
  EXPECT_EQ(lines.next(), std::nullopt);
  lines.add("o\n\nth");
  EXPECT_EQ(lines.next(), "two");
  EXPECT_EQ(lines.next(), "");
  EXPECT_FALSE(lines.has_line());
  lines.add("ree\n");
  EXPECT_EQ(lines.next(), "three");
}

TEST(LineBuffer, ALineThatFitsExactlyIsNotTooLong) {
  LineBuffer lines(8);
  lines.add("1234567");
  EXPECT_EQ(lines.room(), 1u);
  lines.add("\n");
  EXPECT_FALSE(lines.too_long());
  EXPECT_EQ(lines.next(), "1234567");
  EXPECT_EQ(lines.room(), 8u);
}

TEST(LineBuffer, ALineThatDoesNotFitIsTooLong) {
  LineBuffer lines(8);
  lines.add("12345678");
  EXPECT_TRUE(lines.too_long());
  EXPECT_EQ(lines.next(), std::nullopt);
}

TEST(LineBuffer, StaysWithinItsBoundOverALongTime) {
  LineBuffer lines(100);
  std::size_t taken = 0;
  for (int i = 0; i < 10000; ++i) {
    lines.add(std::string(static_cast<std::size_t>(i % 37), 'x') + "\n");
    ASSERT_LE(lines.room(), 100u);
    if (i % 2) continue;
    while (lines.next())
      ++taken;
  }
  while (lines.next())
    ++taken;
  EXPECT_EQ(taken, 10000u);
}

TEST(ToLine, ReplacesInvalidUtf8) {
  EXPECT_EQ(to_line({{"a", "x\xff"}}), "{\"a\":\"x\xef\xbf\xbd\"}\n");
}

TEST(Excerpt, CutsBetweenCharacters) {
  EXPECT_EQ(excerpt("short"), "short");
  EXPECT_EQ(excerpt("ééé", 3), "é...");
}

}  // namespace
}  // namespace mus
