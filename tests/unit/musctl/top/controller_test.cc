// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/top/controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "musctl/exit_code.h"
#include "snapshots.h"

namespace mus::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Message message(const Json& body) {
  return {.line = body.dump(), .body = body};
}

/// Connected, with the example on the screen and the first child selected.
struct Controller : testing::Test {
  TopController top{0.5};
  Controller() {
    top.connected();
    EXPECT_THAT(top.take_requests(),
                ElementsAre(Json{{"cmd", "status"}}, Json{{"cmd", "subscribe"}, {"interval", 0.5}}));
    EXPECT_TRUE(top.take(message({{"ok", true}, {"kernel", "6.18.15"}})));
    EXPECT_TRUE(top.take(message({{"ok", true}, {"interval", 0.5}})));
    EXPECT_TRUE(top.take(message(example_stats())));
    type("j");
  }
  void type(const std::string& keys) {
    for (char key : keys)
      EXPECT_TRUE(top.press({Key::kCharacter, key}));
  }
};

TEST_F(Controller, ShowsWhatItWasTold) {
  EXPECT_EQ(top.view().kernel, "6.18.15");
  EXPECT_EQ(top.model().selected_cgroup()->path, "/system");
}

TEST_F(Controller, PlusAndMinusChangeTheWeightThereAndThen) {
  type("++-");
  EXPECT_THAT(top.take_requests(),
              ElementsAre(Json{{"cmd", "weight.set"}, {"cgroup_id", 2}, {"weight", 125}},
                          Json{{"cmd", "weight.set"}, {"cgroup_id", 2}, {"weight", 156}},
                          Json{{"cmd", "weight.set"}, {"cgroup_id", 2}, {"weight", 117}}));
  EXPECT_TRUE(top.take(message({{"ok", true}, {"cgroup_id", 2}, {"weight", 125}, {"before", 100}})));
  EXPECT_THAT(top.view().message, HasSubstr("/system: 100 -> 125"));
}

TEST_F(Controller, ARefusedWeightIsSaidAndNothingEnds) {
  type("+");
  EXPECT_TRUE(top.take(message({{"ok", false}, {"error", {{"code", "full"}, {"message", "no room"}}}})));
  EXPECT_THAT(top.view().message, HasSubstr("no room [full]"));
  EXPECT_EQ(top.view().message_style, Style::kBad);
}

TEST_F(Controller, ARefusedSubscriptionEndsIt) {
  TopController other(1);
  other.connected();
  EXPECT_TRUE(other.take(message({{"ok", true}})));
  auto taken = other.take(message({{"ok", false}, {"error", {{"code", "internal"}, {"message", "no"}}}}));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().exit_code, kExitRefused);
}

TEST_F(Controller, AsksForANumber) {
  type("=40");
  EXPECT_THAT(top.view().prompt, HasSubstr("/system"));
  EXPECT_THAT(top.view().prompt, HasSubstr("40_"));
  EXPECT_TRUE(top.press({Key::kBackspace}));
  type("2qu");  // letters of commands are text here
  EXPECT_TRUE(top.press({Key::kBackspace}));
  EXPECT_TRUE(top.press({Key::kBackspace}));
  EXPECT_TRUE(top.press({Key::kEnter}));
  EXPECT_EQ(top.view().prompt, "");
  EXPECT_THAT(top.take_requests(),
              ElementsAre(Json{{"cmd", "weight.set"}, {"cgroup_id", 2}, {"weight", 42}}));
  type("=nonsense");
  EXPECT_TRUE(top.press({Key::kEnter}));
  EXPECT_THAT(top.view().message, HasSubstr("is not a weight"));
  type("=7");
  EXPECT_TRUE(top.press({Key::kEscape}));
  EXPECT_THAT(top.take_requests(), ElementsAre());
}

TEST_F(Controller, TheNumberGoesToTheCgroupThatWasAskedAbout) {
  type("=5");
  Json stats = example_stats();
  stats["cgroups"].erase(2);
  EXPECT_TRUE(top.take(message(stats)));  // gone meanwhile; another is selected now
  EXPECT_TRUE(top.press({Key::kEnter}));
  EXPECT_THAT(top.take_requests(), ElementsAre());
  EXPECT_THAT(top.view().message, HasSubstr("/system is gone"));
}

TEST_F(Controller, UnsetsAndLeavesTheRootAlone) {
  type("u");
  EXPECT_THAT(top.take_requests(), ElementsAre(Json{{"cmd", "weight.unset"}, {"cgroup_id", 2}}));
  EXPECT_TRUE(top.take(
      message({{"ok", true}, {"cgroup_id", 2}, {"weight", 100}, {"before", 400}, {"was_set", true}})));
  EXPECT_THAT(top.view().message, HasSubstr("400 -> 100, unset"));
  type("ku+=");
  EXPECT_THAT(top.take_requests(), ElementsAre());
  EXPECT_THAT(top.view().message, HasSubstr("root has no weight"));
}

TEST_F(Controller, PausesAndGoesOn) {
  type("p");
  Json stats = example_stats();
  stats["tasks"] = 7;
  EXPECT_TRUE(top.take(message(stats)));
  EXPECT_EQ(top.model().snapshot().tasks, 93u);
  type("p");
  EXPECT_TRUE(top.take(message(stats)));
  EXPECT_EQ(top.model().snapshot().tasks, 7u);
}

TEST_F(Controller, QuitsButNotFromHelp) {
  type("hq");
  EXPECT_FALSE(top.press({Key::kCharacter, 'q'}));
}

TEST_F(Controller, SilenceIsSaidUntilSomethingComes) {
  top.silent_for(5);
  EXPECT_THAT(top.view().message, HasSubstr("no news for 5s"));
  EXPECT_TRUE(top.take(message(example_stats())));
  EXPECT_EQ(top.view().message, "");
}

TEST_F(Controller, AnswersOfALostConnectionAreForgotten) {
  type("+");
  top.disconnected("lost");
  EXPECT_FALSE(top.view().connected);
  type("+");
  EXPECT_THAT(top.view().message, HasSubstr("no connection"));
  top.disconnected("lost");
  EXPECT_THAT(top.view().message, HasSubstr("no connection")) << "the same reason again must not cover it";
  EXPECT_THAT(top.take_requests(), ElementsAre());
  top.connected();
  EXPECT_EQ(top.take_requests().size(), 2u);
  EXPECT_TRUE(top.take(message({{"ok", true}, {"kernel", "7.0"}})));
  EXPECT_EQ(top.view().kernel, "7.0");
}

}  // namespace
}  // namespace mus::ctl
