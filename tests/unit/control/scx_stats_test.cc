// SPDX-License-Identifier: GPL-2.0-only
#include "control/scx_stats.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <regex>
#include <set>
#include <string>

#include "commands_fixture.h"

namespace mus {
namespace {

using namespace std::chrono_literals;

class ScxStatsTest : public CommandsTest {
 protected:
  Json say(const std::string& line, ClientId client = kClient) {
    outlet_.answers[client].clear();
    scx_.on_line({client, 0}, line);
    EXPECT_EQ(outlet_.answers[client].size(), 1u);
    return Json::parse(outlet_.answers[client].back());
  }
  Json cgroups(ClientId client = kClient) {
    return say(R"({"req":"stats"})", client)["args"]["resp"]["cgroups"];
  }
  Snapshot::Group& redis() {
    port_.publish(1s);
    auto& group = port_.group(id("/redis"));
    group = {
        .id = id("/redis"), .parent = CgroupId{1}, .depth = 1, .weight = 400, .kernel_weight = 400, .runnable = 1, .promised = -1};
    return group;
  }
  /// The figures are made anew, of what the scheduler says now.
  void later() { (void)commands_->stats().current(std::chrono::steady_clock::now() + ++hours_ * 1h); }

  int hours_ = 0;
  ScxStats scx_{commands_->stats(), outlet_};
};

TEST_F(ScxStatsTest, AnswersAsTheClientsOfScxExpect) {
  redis();
  for (const char* line :
       {R"({"req":"stats","args":{"target":"top"}})", R"({"req":"stats","args":{}})", R"({"req":"stats"})"}) {
    Json answer = say(line);
    EXPECT_EQ(answer["errno"], 0);
    EXPECT_EQ(answer["args"]["resp"]["cgroups"]["/redis"]["weight"], 400);
  }
}

// The bridge to OpenMetrics sets a gauge for each number that the description names: none may be null.
TEST_F(ScxStatsTest, TheDescriptionFitsTheFigures) {
  redis();
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

// What the types of scx_stats 1.1.4 hold; its client refuses all else.
TEST_F(ScxStatsTest, TheDescriptionIsOneThatScxCanHold) {
  Json meta = say(R"({"req":"stats_meta"})")["args"]["resp"];
  auto is_kind = [&](const Json& kind) {
    if (kind.is_string()) return std::set<Json>{"i64", "u64", "float", "string"}.contains(kind);
    return kind.is_object() && kind.size() == 1 && meta.contains(kind.value("struct", ""));
  };
  auto check_texts = [](const Json& attributes) {
    ASSERT_TRUE(attributes["desc"].is_string());
    if (!attributes.contains("user")) return;
    ASSERT_FALSE(attributes["user"].empty());
    for (const auto& [name, value] : attributes["user"].items())
      EXPECT_TRUE(name.starts_with("_") && value.is_string()) << name;
  };
  std::size_t tops = 0;
  for (const auto& [name, described] : meta.items()) {
    EXPECT_EQ(described["name"], name);
    tops += described.contains("top");
    if (described.contains("top")) {
      EXPECT_EQ(described["top"], "true") << "a string";
    }
    check_texts(described);
    for (const auto& [field, is] : described["fields"].items()) {
      EXPECT_EQ(is.contains("datum") + is.contains("array") + is.contains("dict"), 1) << field;
      if (is.contains("dict")) {
        EXPECT_TRUE(is_kind(is["dict"]["datum"]) && is["dict"]["key"] == "string") << field;
      } else {
        EXPECT_TRUE(is_kind(is.contains("datum") ? is["datum"] : is["array"])) << field;
      }
      check_texts(is);
    }
  }
  EXPECT_EQ(tops, 1u);
}

// The bridge: a metric's name is its structure's prefix and the field. It complains about each text that it is not
// told to skip, and an id is no measure of anything.
TEST_F(ScxStatsTest, NumbersAreMetricsUnderNamesOfTheirOwn) {
  Json meta = say(R"({"req":"stats_meta"})")["args"]["resp"];
  std::set<std::string> names, skipped;
  for (const auto& [name, described] : meta.items()) {
    for (const auto& [field, is] : described["fields"].items()) {
      std::string metric = described["user"]["_om_prefix"].get<std::string>() + field;
      EXPECT_TRUE(std::regex_match(metric, std::regex("[a-zA-Z_:][a-zA-Z0-9_:]*"))) << metric;
      EXPECT_TRUE(names.insert(metric).second) << metric;
      if (is.contains("user") && is["user"]["_om_skip"] == "true") skipped.insert(metric);
    }
  }
  EXPECT_EQ(skipped, (std::set<std::string>{"mus_mode", "mus_policy", "mus_cgroup_id", "mus_cgroup_depth",
                                            "mus_cgroup_source"}));
}

TEST_F(ScxStatsTest, ACgroupThatGoesQuietIsToldOfOnceMoreWithZeros) {
  constexpr ClientId kOther{4};
  Snapshot::Group& group = redis();
  group.lag = 5ms;
  Json busy = cgroups()["/redis"];
  EXPECT_EQ(busy["runnable"], 1);
  EXPECT_EQ(busy["lag_ms"], 5.0);

  group.runnable = 0;
  later();
  Json ended = cgroups();
  ASSERT_TRUE(ended.contains("/redis"));
  EXPECT_FALSE(cgroups(kOther).contains("/redis")) << "was never told of it";
  for (const char* same : {"id", "depth", "weight", "source"})
    EXPECT_EQ(ended["/redis"][same], busy[same]) << same;
  ASSERT_EQ(ended["/redis"].size(), busy.size());
  for (const auto& [name, figure] : ended["/redis"].items()) {
    EXPECT_EQ(figure.type(), busy[name].type()) << name;
    if (name == "id" || name == "depth" || name == "weight" || name == "source") continue;
    EXPECT_EQ(figure, 0) << name;
  }
  EXPECT_FALSE(cgroups().contains("/redis")) << "once is enough";

  group.runnable = 1;
  later();
  EXPECT_EQ(cgroups()["/redis"]["runnable"], 1);
  EXPECT_EQ(cgroups(kOther)["/redis"]["runnable"], 1);
  port_.publish(2s).group_count = 0;  // removed
  later();
  scx_.on_closed(kOther);
  EXPECT_EQ(cgroups()["/redis"]["runnable"], 0);
  EXPECT_FALSE(cgroups(kOther).contains("/redis")) << "is another client by now";
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
