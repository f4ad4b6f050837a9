// SPDX-License-Identifier: GPL-2.0-only
#include "control/json_lines.h"

#include <gtest/gtest.h>

namespace mus {
namespace {

std::string fault_of(std::string_view text) {
  auto json = parse_object(text);
  return json ? "" : json.error().what;
}

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

TEST(ParseObject, TakesAnObject) {
  auto json = parse_object(R"( {"a":[1,{"b":null}],"c":"\u00e9"} )");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["a"][1]["b"], nullptr);
  EXPECT_EQ((*json)["c"], "é");
}

TEST(ParseObject, RefusesWhatIsNoObject) {
  for (const char* text : {"", " ", "1", "null", "\"x\"", "[]", "[{}]", "true"})
    EXPECT_NE(fault_of(text), "") << text;
}

TEST(ParseObject, RefusesWhatIsNoJson) {
  for (const char* text : {"{", "}", "{\"a\"}", "{\"a\":}", "{'a':1}", "{\"a\":NaN}", "{\"a\":Infinity}",
                           "{\"a\":01}", "{\"a\":+1}", "{\"a\":1,}", "{\"a\":1}{", "{\"a\":1} x", "{/**/}",
                           "{\"a\":\"\x01\"}", "{\"a\":\"\\ud800\"}", "{\"a\":0x1}"})
    EXPECT_NE(fault_of(text), "") << text;
}

TEST(ParseObject, RefusesInvalidUtf8) {
  for (const char* text : {"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xed\xa0\x80\"}",
                           "{\"a\":\"\xf5\x80\x80\x80\"}", "{\"\xe2\x82\":1}"})
    EXPECT_NE(fault_of(text), "");
}

TEST(ParseObject, RefusesAFieldThatComesTwiceAndNamesIt) {
  auto json = parse_object(R"({"weight":1,"weight":2})");
  ASSERT_FALSE(json);
  EXPECT_EQ(json.error().field, "weight");
  EXPECT_FALSE(parse_object(R"({"set":{"a":1,"a":1}})"));
  EXPECT_TRUE(parse_object(R"({"a":{"a":1},"b":{"a":1}})"));
}

TEST(ParseObject, RefusesNumbersThatNothingHolds) {
  auto json = parse_object(R"({"cmd":"x","ttl":1e400})");
  ASSERT_FALSE(json);
  EXPECT_TRUE(json.error().out_of_range);
  EXPECT_EQ(json.error().field, "ttl");
}

TEST(ParseObject, RefusesAnObjectOfVeryManyFields) {
  auto object_of = [](int fields) {
    std::string text = "{";
    for (int i = 0; i < fields; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
    return text + "}";
  };
  EXPECT_TRUE(parse_object(object_of(256)));
  auto refused = parse_object(object_of(257));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().field, "256");
}

TEST(ParseObject, RefusesWhatIsNestedDeeply) {
  EXPECT_TRUE(parse_object(R"({"a":[[[1]]]})"));
  EXPECT_FALSE(parse_object(R"({"a":[[[[1]]]]})"));
  for (std::string_view bracket : {"[", "{\"a\":"}) {
    std::string bomb = "{\"a\":";
    while (bomb.size() < 1 << 20)
      bomb += bracket;
    EXPECT_EQ(fault_of(bomb), "nested too deeply");
  }
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
