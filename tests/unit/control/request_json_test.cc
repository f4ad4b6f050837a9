// SPDX-License-Identifier: GPL-2.0-only
#include "control/request_json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace mus {
namespace {

std::string fault_of(std::string_view text) {
  RequestJson json(text);
  return json.fault() ? json.fault()->what : "";
}

TEST(RequestJson, TakesAnObject) {
  RequestJson json(R"( {"a":[1,{"b":null}],"c":"\u00e9"} )");
  ASSERT_FALSE(json.fault());
  const auto& list = json.object().find("a")->as<RequestValue::Array>()->values;
  EXPECT_EQ(*list[0].as<std::uint64_t>(), 1u);
  EXPECT_TRUE(list[1].as<RequestValue::Object>()->find("b")->as<std::nullptr_t>());
  EXPECT_EQ(*json.object().find("c")->as<std::string_view>(), "é");
  EXPECT_EQ(json.object().find("d"), nullptr);
}

TEST(RequestJson, RefusesWhatIsNoObject) {
  for (const char* text : {"", " ", "1", "null", "\"x\"", "[]", "[{}]", "true"})
    EXPECT_NE(fault_of(text), "") << text;
}

TEST(RequestJson, RefusesWhatIsNoJson) {
  for (const char* text : {"{", "}", "{\"a\"}", "{\"a\":}", "{'a':1}", "{\"a\":NaN}", "{\"a\":Infinity}",
                           "{\"a\":01}", "{\"a\":+1}", "{\"a\":1,}", "{\"a\":1}{", "{\"a\":1} x", "{/**/}",
                           "{\"a\":\"\x01\"}", "{\"a\":\"\\ud800\"}", "{\"a\":0x1}"})
    EXPECT_NE(fault_of(text), "") << text;
}

TEST(RequestJson, RefusesInvalidUtf8) {
  for (const char* text : {"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xed\xa0\x80\"}",
                           "{\"a\":\"\xf5\x80\x80\x80\"}", "{\"\xe2\x82\":1}", "{\"\xf4", "\"}`\xf4"})
    EXPECT_NE(fault_of(text), "");
}

TEST(RequestJson, RefusesAFieldThatComesTwiceAndNamesIt) {
  RequestJson json(R"({"weight":1,"weight":2})");
  ASSERT_TRUE(json.fault());
  EXPECT_EQ(json.fault()->field, "weight");
  EXPECT_NE(fault_of(R"({"set":{"a":1,"a":1}})"), "");
  EXPECT_NE(fault_of(R"({"set":[0,{"a":1,"\u0061":1}]})"), "");
  EXPECT_EQ(fault_of(R"({"a":{"a":1},"b":{"a":1}})"), "");
}

TEST(RequestJson, RefusesNumbersThatNothingHolds) {
  RequestJson json(R"({"cmd":"x","ttl":1e400})");
  ASSERT_TRUE(json.fault());
  EXPECT_TRUE(json.fault()->out_of_range);
  EXPECT_EQ(json.fault()->field, "ttl");
}

TEST(RequestJson, RefusesAnObjectOfVeryManyFields) {
  auto object_of = [](int fields) {
    std::string text = "{";
    for (int i = 0; i < fields; ++i) text += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
    return text + "}";
  };
  EXPECT_EQ(fault_of(object_of(256)), "");
  RequestJson refused(object_of(257));
  ASSERT_TRUE(refused.fault());
  EXPECT_EQ(refused.fault()->field, "256");
}

TEST(RequestJson, RefusesWhatIsNestedDeeply) {
  EXPECT_EQ(fault_of(R"({"a":[[[1]]]})"), "");
  EXPECT_NE(fault_of(R"({"a":[[[[1]]]]})"), "");
  for (std::string_view bracket : {"[", "{\"a\":"}) {
    std::string bomb = "{\"a\":";
    while (bomb.size() < 1 << 20)
      bomb += bracket;
    EXPECT_EQ(fault_of(bomb), "nested too deeply");
  }
}

TEST(RequestJson, KeepsNumbersAsTheyAre) {
  RequestJson json(R"({"a":18446744073709551615,"b":-9223372036854775808,"c":18446744073709551616,"d":1.5,"e":0,"f":true})");
  ASSERT_FALSE(json.fault());
  EXPECT_EQ(*json.object().find("a")->as<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ(*json.object().find("b")->as<std::int64_t>(), INT64_MIN);
  EXPECT_EQ(*json.object().find("c")->as<double>(), 0x1p64);
  EXPECT_EQ(*json.object().find("d")->as<double>(), 1.5);
  EXPECT_EQ(*json.object().find("e")->as<std::uint64_t>(), 0u);
  EXPECT_TRUE(*json.object().find("f")->as<bool>());
}

TEST(RequestJson, RefusesWhatFollowsAZeroByte) {
  EXPECT_NE(fault_of(std::string_view("{}\0{}", 5)), "");
  EXPECT_NE(fault_of(std::string_view("{}\0", 3)), "");
  EXPECT_NE(fault_of(std::string_view("{\"a\":\"\0\"}", 9)), "");
}

TEST(RequestJson, HoldsAsMuchAsALineMay) {
  std::string list = "[0";
  while (list.size() < 60000) list += ",0";
  RequestJson json("{\"a\":" + list + "],\"b\":\"" + std::string(5000, 'x') + "\"}");
  ASSERT_FALSE(json.fault());
  EXPECT_EQ(json.object().find("a")->as<RequestValue::Array>()->values.size(), 30000u);
  EXPECT_EQ(*json.object().find("b")->as<std::string_view>(), std::string(5000, 'x'));
}

}  // namespace
}  // namespace mus
