// SPDX-License-Identifier: GPL-2.0-only
#include "control/scx_stats.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "commands_fixture.h"

namespace mus {
namespace {

using namespace std::chrono_literals;

class ScxStatsTest : public CommandsTest {
 protected:
  Json say(const std::string& line) {
    outlet_.answers[kClient].clear();
    scx_.on_line({kClient, 0}, line);
    EXPECT_EQ(outlet_.answers[kClient].size(), 1u);
    return last();
  }
  ScxStats scx_{commands_->stats(), outlet_};
};

TEST_F(ScxStatsTest, AnswersAsTheClientsOfScxExpect) {
  port_.publish(1s);
  port_.group(id("/redis")) = {
      .id = id("/redis"), .parent = CgroupId{1}, .depth = 1, .weight = 400, .runnable = 1, .promised = -1};
  for (const char* line :
       {R"({"req":"stats","args":{"target":"top"}})", R"({"req":"stats","args":{}})", R"({"req":"stats"})"}) {
    Json answer = say(line);
    EXPECT_EQ(answer["errno"], 0);
    EXPECT_EQ(answer["args"]["resp"]["cgroups"]["/redis"]["weight"], 400);
  }
}

// The bridge to OpenMetrics sets a gauge for each number that the description names: none may be null.
TEST_F(ScxStatsTest, TheDescriptionFitsTheFigures) {
  port_.publish(1s);
  port_.group(id("/redis")) = {
      .id = id("/redis"), .parent = CgroupId{1}, .depth = 1, .weight = 400, .runnable = 1, .promised = -1};
  Json meta = say(R"({"req":"stats_meta","args":{}})")["args"]["resp"];
  Json top = say(R"({"req":"stats","args":{"target":"top"}})")["args"]["resp"];
  EXPECT_EQ(meta["MusStats"]["top"], "true");
  auto check = [](const Json& fields, const Json& figures) {
    EXPECT_EQ(fields.size(), figures.size());
    for (const auto& [name, field] : fields.items()) {
      ASSERT_TRUE(figures.contains(name)) << name;
      EXPECT_FALSE(field["desc"].get<std::string>().empty());
      if (!field.contains("datum")) continue;
      const Json& figure = figures[name];
      std::string type = figure.is_string()                                       ? "string"
                         : figure.is_number_unsigned() && field["datum"] == "u64" ? "u64"
                         : figure.is_number()                                     ? "float"
                                                                                  : "";
      EXPECT_EQ(field["datum"], type) << name;
    }
  };
  check(meta["MusStats"]["fields"], top);
  check(meta["CgroupStats"]["fields"], top["cgroups"]["/redis"]);
  EXPECT_EQ(meta["MusStats"]["fields"]["cgroups"]["dict"]["datum"]["struct"], "CgroupStats");
  EXPECT_NE(meta["CgroupStats"]["user"]["_om_label"], nullptr);
  EXPECT_NE(meta["MusStats"]["user"]["_om_prefix"], meta["CgroupStats"]["user"]["_om_prefix"])
      << "names must differ";
}

TEST_F(ScxStatsTest, RefusesWithAnErrno) {
  for (const char* line :
       {"", "x", "[]", "{}", R"({"req":1})", R"({"req":"halt"})", R"({"req":"stats","args":{"target":"x"}})",
        R"({"req":"stats","args":[]})", R"({"req":"stats","args":{"target":1}})"}) {
    Json answer = say(line);
    EXPECT_EQ(answer["errno"], EINVAL) << line;
    EXPECT_TRUE(answer["args"]["resp"].is_string()) << line;
  }
}

}  // namespace
}  // namespace mus
