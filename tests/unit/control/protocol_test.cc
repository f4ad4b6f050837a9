// SPDX-License-Identifier: GPL-2.0-only
#include "control/protocol.h"

#include <gtest/gtest.h>

namespace mus {
namespace {

using std::chrono::milliseconds;

template <typename T>
T must(std::string_view line) {
  Request request = parse_request(line);
  EXPECT_TRUE(request.ask) << line << ": " << (request.ask ? "" : request.ask.error().message);
  if (!request.ask || !std::holds_alternative<T>(*request.ask)) {
    ADD_FAILURE() << line << " is another command";
    return {};
  }
  return std::get<T>(*request.ask);
}

struct Wrong {
  std::string_view line, code, field;
};

void refuses(const Wrong& wrong) {
  Request request = parse_request(wrong.line);
  ASSERT_FALSE(request.ask) << wrong.line;
  EXPECT_EQ(request.ask.error().code, wrong.code) << wrong.line << ": " << request.ask.error().message;
  EXPECT_EQ(request.ask.error().field, wrong.field) << wrong.line << ": " << request.ask.error().message;
  EXPECT_NE(request.ask.error().message, "") << wrong.line;
}

TEST(Protocol, ReadsEachCommand) {
  must<ask::Hello>(R"({"cmd":"hello"})");
  must<ask::PolicyList>(R"({"cmd":"policy.list"})");
  must<ask::Status>(R"({"cmd":"status"})");
  must<ask::Stats>(R"({"cmd":"stats"})");
  must<ask::Unsubscribe>(R"({"cmd":"unsubscribe"})");
  EXPECT_FALSE(must<ask::WeightList>(R"({"cmd":"weight.list"})").all);
  EXPECT_TRUE(must<ask::WeightList>(R"({"cmd":"weight.list","all":true})").all);
  EXPECT_EQ(must<ask::Subscribe>(R"({"cmd":"subscribe"})").interval, milliseconds(1000));
  EXPECT_EQ(must<ask::Subscribe>(R"({"cmd":"subscribe","interval":0.25})").interval, milliseconds(250));
  EXPECT_EQ(must<ask::PolicyShow>(R"({"cmd":"policy.show"})").policy, std::nullopt);
  EXPECT_EQ(must<ask::PolicyShow>(R"({"cmd":"policy.show","policy":"fifo"})").policy, "fifo");

  auto set = must<ask::WeightSet>(R"({"cmd":"weight.set","cgroup":"/redis","weight":400,"ttl":30})");
  EXPECT_EQ(std::get<std::string>(set.cgroup), "/redis");
  EXPECT_EQ(set.weight, 400u);
  EXPECT_EQ(set.ttl, milliseconds(30000));
  EXPECT_EQ(must<ask::WeightSet>(R"({"cmd":"weight.set","cgroup":"/redis","weight":1})").ttl, std::nullopt);
  EXPECT_EQ(std::get<CgroupId>(must<ask::WeightGet>(R"({"cmd":"weight.get","cgroup_id":71})").cgroup),
            CgroupId{71});
  EXPECT_EQ(std::get<Pid>(must<ask::WeightUnset>(R"({"cmd":"weight.unset","pid":12})").cgroup), Pid{12});
}

TEST(Protocol, ReadsTheOptionsOfAPolicyInBothForms) {
  EXPECT_TRUE(must<ask::PolicyUse>(R"({"cmd":"policy.use","policy":"fifo"})").settings.empty());
  std::vector<std::string> expected{"a=1", "slice-us=2000"};
  EXPECT_EQ(
      must<ask::PolicyUse>(R"({"cmd":"policy.use","policy":"vtime","set":{"a":1,"slice-us":2000}})").settings,
      expected);
  EXPECT_EQ(
      must<ask::PolicyUse>(R"({"cmd":"policy.use","policy":"vtime","set":["a=1","slice-us=2000"]})").settings,
      expected);
}

TEST(Protocol, RefusesWithTheFieldsName) {
  for (const Wrong& wrong : {
           Wrong{"", "bad_json", ""},
           {"hello", "bad_json", ""},
           {"[]", "bad_json", ""},
           {"{}", "bad_request", "cmd"},
           {R"({"cmd":1})", "bad_request", "cmd"},
           {R"({"cmd":"halt"})", "unknown_command", "cmd"},
           {R"({"cmd":"hello","cmd":"hello"})", "bad_request", "cmd"},
           {R"({"cmd":"hello","x":1})", "bad_request", "x"},
           {R"({"cmd":"weight.set","cgroup":"/a"})", "bad_request", "weight"},
           {R"({"cmd":"weight.set","weight":1})", "bad_request", "cgroup"},
           {R"({"cmd":"weight.set","cgroup":"/a","pid":1,"weight":1})", "bad_request", "pid"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":"1"})", "bad_request", "weight"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":null})", "bad_request", "weight"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":1.5})", "bad_value", "weight"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":0})", "bad_value", "weight"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":-1})", "bad_value", "weight"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":10001})", "bad_value", "weight"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":4294967396})", "bad_value", "weight"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":18446744073709551716})", "bad_value", "weight"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":1e400})", "bad_value", "weight"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":1,"ttl":0})", "bad_value", "ttl"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":1,"ttl":-1e300})", "bad_value", "ttl"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":1,"ttl":31536001})", "bad_value", "ttl"},
           {R"({"cmd":"weight.set","cgroup":"/a","weight":1,"ttl":"30"})", "bad_request", "ttl"},
           {R"({"cmd":"weight.get","cgroup_id":0})", "bad_value", "cgroup_id"},
           {R"({"cmd":"weight.get","pid":2147483648})", "bad_value", "pid"},
           {R"({"cmd":"weight.get","pid":-1})", "bad_value", "pid"},
           {R"({"cmd":"weight.list","all":1})", "bad_request", "all"},
           {R"({"cmd":"subscribe","interval":0.01})", "bad_value", "interval"},
           {R"({"cmd":"subscribe","interval":61})", "bad_value", "interval"},
           {R"({"cmd":"policy.use"})", "bad_request", "policy"},
           {R"({"cmd":"policy.use","policy":"fifo","set":{"a":1.5}})", "bad_request", "set"},
           {R"({"cmd":"policy.use","policy":"fifo","set":{"a":{}}})", "bad_request", "set"},
           {R"({"cmd":"policy.use","policy":"fifo","set":7})", "bad_request", "set"},
           {R"({"cmd":"hello","tag":1.5})", "bad_request", "tag"},
           {R"({"cmd":"hello","tag":[]})", "bad_request", "tag"},
       })
    refuses(wrong);
}

TEST(Protocol, RefusesPathsThatCouldLeadElsewhere) {
  for (std::string_view path :
       {"", "redis", "./redis", "/..", "/a/../b", "/a/.", "//a", "/a//b", "/a\\u0000b", "../../etc"})
    refuses({R"({"cmd":"weight.get","cgroup":")" + std::string(path) + "\"}", "bad_value", "cgroup"});
  refuses({R"({"cmd":"weight.get","cgroup":"/)" + std::string(5000, 'a') + "\"}", "bad_value", "cgroup"});
  refuses({R"({"cmd":"weight.get","cgroup":"/)" + std::string(256, 'a') + "\"}", "bad_value", "cgroup"});
  EXPECT_EQ(check_cgroup_path("/a/b/"), "/a/b");
  EXPECT_EQ(check_cgroup_path("/"), "/");
  EXPECT_EQ(check_cgroup_path("/..a/b.."), "/..a/b..");
}

TEST(Protocol, HintsAtTheNearest) {
  EXPECT_EQ(parse_request(R"({"cmd":"wieght.set"})").ask.error().hint, "did you mean 'weight.set'?");
  EXPECT_EQ(parse_request(R"({"cmd":"weight.set","cgroup":"/a","wieght":1})").ask.error().hint,
            "did you mean 'weight'?");
}

TEST(Protocol, GivesTheTagBackAlsoWithAnError) {
  EXPECT_EQ(parse_request(R"({"cmd":"hello","tag":"t1"})").tag, "t1");
  EXPECT_EQ(parse_request(R"({"cmd":"hello","tag":18446744073709551615})").tag, 18446744073709551615u);
  Request wrong = parse_request(R"({"cmd":"halt","tag":-7})");
  ASSERT_FALSE(wrong.ask);
  EXPECT_EQ(wrong.tag, -7);
  EXPECT_NE(error_line(wrong.tag, wrong.ask.error()).find(R"("tag":-7)"), std::string::npos);
  refuses({R"({"cmd":"hello","tag":")" + std::string(65, 'x') + "\"}", "bad_value", "tag"});
}

TEST(Protocol, WritesAnswersAsDocumented) {
  EXPECT_EQ(ok_line(nullptr, {{"protocol", 1}}), "{\"ok\":true,\"protocol\":1}\n");
  EXPECT_EQ(ok_line("a"), "{\"ok\":true,\"tag\":\"a\"}\n");
  EXPECT_EQ(error_line(nullptr, {.code = "bad_value", .message = "m", .field = "f", .hint = {}}),
            "{\"ok\":false,\"error\":{\"code\":\"bad_value\",\"message\":\"m\",\"field\":\"f\"}}\n");
}

}  // namespace
}  // namespace mus
