// SPDX-License-Identifier: GPL-2.0-only
#include "control/commands.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "commands_fixture.h"

namespace mus {
namespace {

using namespace std::chrono_literals;

TEST_F(CommandsTest, HelloSaysWhoIsThere) {
  Json answer = ask(R"({"cmd":"hello","tag":7})");
  EXPECT_EQ(answer, Json::parse(R"({"ok":true,"tag":7,"protocol":1,"version":"0.1.0","pid":812})"));
}

TEST_F(CommandsTest, AWeightIsAnsweredWhenTheSchedulerHasTakenIt) {
  EXPECT_EQ(answers(R"({"cmd":"weight.set","cgroup":"/redis","weight":400,"ttl":30})"), 0u);
  ASSERT_EQ(port_.posted.size(), 1u);
  EXPECT_EQ(port_.posted[0].cgroup, id("/redis"));
  EXPECT_EQ(port_.posted[0].weight, 400u);
  Json answer = obey();
  EXPECT_EQ(answer["weight"], 400);
  EXPECT_EQ(answer["before"], 100);
  EXPECT_EQ(answer["source"], "mus");
  EXPECT_EQ(answer["ttl"], 30.0);
}

TEST_F(CommandsTest, AWeightEndsByItself) {
  set("/redis", 400, R"(,"ttl":1)");
  tick(999ms);
  EXPECT_TRUE(port_.posted.empty());
  tick(1ms);
  ASSERT_EQ(port_.posted.size(), 1u);
  EXPECT_EQ(port_.posted[0].weight, 0u);
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup":"/redis"})")["source"], "default");
}

TEST_F(CommandsTest, SettingItAgainWithoutATimeMakesItStay) {
  set("/redis", 400, R"(,"ttl":1)");
  set("/redis", 500);
  tick(1h);
  EXPECT_TRUE(port_.posted.empty());
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup":"/redis"})")["weight"], 500);
}

TEST_F(CommandsTest, AnEndThatCouldNotBeSentIsSentLaterButNotAfterANewBeginning) {
  set("/redis", 400, R"(,"ttl":1)");
  port_.full = true;
  tick(2s);
  port_.full = false;
  set("/redis", 300);
  tick(1s);
  EXPECT_TRUE(port_.posted.empty());
  set("/web", 7, R"(,"ttl":1)");
  port_.full = true;
  tick(2s);
  port_.full = false;
  tick(1s);
  ASSERT_EQ(port_.posted.size(), 1u);
  EXPECT_EQ(port_.posted[0].cgroup, id("/web"));
}

TEST_F(CommandsTest, AWeightForWhichThereIsNoRoomIsNotKept) {
  answers(R"({"cmd":"weight.set","cgroup":"/redis","weight":400})");
  Json answer = obey(Reply::Result::kFull);
  EXPECT_EQ(answer["error"]["code"], "full");
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup":"/redis"})")["source"], "default");
}

TEST_F(CommandsTest, TheCgroupMayBeNamedByIdAndByProcess) {
  write("proc/7/cgroup", "0::/redis\n");
  EXPECT_EQ(ask(R"({"cmd":"weight.get","pid":7})")["cgroup"], "/redis");
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup_id":)" + std::to_string(raw(id("/web"))) + "}")["cgroup"],
            "/web");
}

TEST_F(CommandsTest, WhatIsNotThereIsSaidWithAHint) {
  Json answer = ask(R"({"cmd":"weight.get","cgroup":"/redid"})");
  EXPECT_EQ(answer["error"]["code"], "no_such_cgroup");
  EXPECT_EQ(answer["error"]["field"], "cgroup");
  EXPECT_EQ(answer["error"]["hint"], "did you mean /redis?");
  EXPECT_EQ(ask(R"({"cmd":"weight.get","pid":7})")["error"]["code"], "no_such_process");
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup_id":7})")["error"]["code"], "no_such_cgroup");
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup":"/"})")["error"]["code"], "bad_value");
  EXPECT_EQ(ask(R"({"cmd":"policy.show","policy":"vtme"})")["error"]["code"], "no_such_policy");
  EXPECT_EQ(ask(R"({"cmd":"policy.use","policy":"x"})")["error"]["code"], "no_such_policy");
}

TEST_F(CommandsTest, TheSourceOfAWeightIsTold) {
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup":"/redis"})")["source"], "default");
  write("cgroup/redis/cpu.weight", "250\n");
  Json answer = ask(R"({"cmd":"weight.get","cgroup":"/redis"})");
  EXPECT_EQ(answer["source"], "cpu.weight");
  EXPECT_EQ(answer["weight"], 250);
  write("cgroup/redis/cpu.idle", "1\n");
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup":"/redis"})")["source"], "idle");
  set("/redis", 400);
  answer = ask(R"({"cmd":"weight.get","cgroup":"/redis"})");
  EXPECT_EQ(answer["source"], "mus");
  EXPECT_EQ(answer["cpu_weight"], 250);
  EXPECT_EQ(answer["set"], 400);
  EXPECT_FALSE(answer.contains("ttl"));
}

TEST_F(CommandsTest, UnsettingWhatWasNotSetChangesNothing) {
  Json answer = ask(R"({"cmd":"weight.unset","cgroup":"/redis"})");
  EXPECT_EQ(answer["was_set"], false);
  EXPECT_TRUE(port_.posted.empty());
}

TEST_F(CommandsTest, AWeightGoesWithItsCgroup) {
  set("/redis", 400);
  set("/web", 300);
  std::filesystem::remove_all(folder_.path() / "cgroup/redis");
  tick(1s);
  EXPECT_EQ(ask(R"({"cmd":"weight.list"})")["weights"].size(), 1u);
  ASSERT_EQ(port_.posted.size(), 1u);
  EXPECT_EQ(port_.posted[0].weight, 0u);
}

TEST_F(CommandsTest, AllWeightsAreListedOnce) {
  set("/redis", 400);
  port_.publish(1s);
  port_.group(CgroupId{1}) = {.id = id("/"), .parent = {}};
  port_.group(id("/redis")).parent = id("/");
  port_.group(id("/web")).parent = id("/");
  Json all = ask(R"({"cmd":"weight.list","all":true})")["weights"];
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["cgroup"], "/redis");
  EXPECT_EQ(all[1]["cgroup"], "/web");
}

TEST_F(CommandsTest, OptionsCountAndWhatTheLastRunLeftToo) {
  std::vector<SetWeight> options{{.id = id("/web"), .path = "/web", .weight = 50}};
  EXPECT_TRUE(commands_->weights().load(now_, options).empty());
  ASSERT_EQ(port_.posted.size(), 1u);
  EXPECT_EQ(port_.posted[0].weight, 50u);
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup":"/web"})")["source"], "mus");
}

TEST_F(CommandsTest, APolicyIsReplaced) {
  Json list = ask(R"({"cmd":"policy.list"})")["policies"];
  EXPECT_EQ(list[0]["name"], "vtime");
  EXPECT_EQ(list[0]["active"], true);
  EXPECT_EQ(answers(R"({"cmd":"policy.use","policy":"fifo"})"), 0u);
  ASSERT_EQ(port_.posted.size(), 1u);
  EXPECT_EQ(port_.posted[0].policy->name(), "fifo");
  EXPECT_EQ(shelf_.size(), 1u);
  EXPECT_EQ(obey(), Json::parse(R"({"ok":true,"policy":"fifo","before":"vtime","handed_over":37})"));
  EXPECT_EQ(ask(R"({"cmd":"policy.show"})")["policy"], "fifo");
}

TEST_F(CommandsTest, WhatTheSchedulerHasRetiredIsDeleted) {
  answers(R"({"cmd":"policy.use","policy":"fifo"})");
  Policy* made = port_.posted[0].policy;
  obey();
  port_.replies.push_back({.ticket = 0, .retired = made});
  commands_->replies(now_);
  EXPECT_EQ(shelf_.size(), 0u);
}

TEST_F(CommandsTest, APolicyThatFailedIsNotShownAsActive) {
  answers(R"({"cmd":"policy.use","policy":"fifo"})");
  obey();
  port_.publish(1s).policy_faults = 1;
  Json shown = ask(R"({"cmd":"policy.show"})");
  EXPECT_EQ(shown["policy"], "vtime");
  EXPECT_EQ(shown["faults"], 1);
  EXPECT_EQ(ask(R"({"cmd":"status"})")["policy_faults"], 1);
}

TEST_F(CommandsTest, AnOptionThatAPolicyDoesNotHaveChangesNothing) {
  Json answer = ask(R"({"cmd":"policy.use","policy":"fifo","set":{"wings":2}})");
  EXPECT_EQ(answer["error"]["code"], "bad_value");
  EXPECT_EQ(answer["error"]["field"], "set");
  EXPECT_TRUE(port_.posted.empty());
}

TEST_F(CommandsTest, ModeSaysWhoDecides) {
  EXPECT_EQ(ask(R"({"cmd":"status"})")["mode"], "userland");
  port_.counted.stalled = true;
  tick(1s);
  EXPECT_EQ(ask(R"({"cmd":"status"})")["mode"], "fallback");
  port_.has_ended = true;
  EXPECT_EQ(ask(R"({"cmd":"status"})")["mode"], "detached");
  EXPECT_EQ(ask(R"({"cmd":"weight.set","cgroup":"/redis","weight":1})")["error"]["code"], "detached");
}

TEST_F(CommandsTest, StatusSaysHowLongNobodyDecidedAndWhoTookOver) {
  port_.counted.counters.stalls = 2;
  port_.counted.stall_total = 841'200us;
  port_.counted.stall_longest = 812ms;
  port_.counted.adopted = 3;
  port_.counted.gap = 2500us;
  port_.counted.orphan = 60s;
  Json status = ask(R"({"cmd":"status"})");
  EXPECT_EQ(status["stalls"], Json::parse(R"({"count":2,"total_ms":841.2,"longest_ms":812.0})"));
  EXPECT_EQ(status["kernel_half"], Json::parse(R"({"pinned":true,"adopted":3,"gap_ms":2.5,"orphan_s":60.0})"));
  port_.is_pinned = false;
  EXPECT_EQ(ask(R"({"cmd":"status"})")["kernel_half"]["pinned"], false);
}

TEST_F(CommandsTest, ASchedulerThatDoesNotAnswerIsNotWaitedForForEver) {
  answers(R"({"cmd":"weight.set","cgroup":"/redis","weight":400,"tag":"t"})");
  tick(4s);
  EXPECT_TRUE(outlet_.answers[kClient].empty());
  tick(1s);
  ASSERT_EQ(outlet_.answers[kClient].size(), 1u);
  Json answer = Json::parse(outlet_.answers[kClient][0]);
  EXPECT_EQ(answer["error"]["code"], "internal");
  EXPECT_EQ(answer["tag"], "t");
  port_.obey(Reply::Result::kFull);
  commands_->replies(now_);
  EXPECT_EQ(outlet_.answers[kClient].size(), 1u) << "answered once";
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup":"/redis"})")["source"], "default")
      << "the late refusal counts";
}

TEST_F(CommandsTest, AQueueThatIsFullIsSaid) {
  port_.full = true;
  EXPECT_EQ(ask(R"({"cmd":"weight.set","cgroup":"/redis","weight":400})")["error"]["code"], "internal");
  EXPECT_EQ(ask(R"({"cmd":"weight.get","cgroup":"/redis"})")["source"], "default");
  EXPECT_EQ(ask(R"({"cmd":"policy.use","policy":"fifo"})")["error"]["code"], "internal");
  EXPECT_EQ(shelf_.size(), 0u);
}

TEST_F(CommandsTest, SubscribersAreToldEachInterval) {
  Json answer = ask(R"({"cmd":"subscribe","interval":0.5})");
  EXPECT_EQ(answer["interval"], 0.5);
  EXPECT_TRUE(outlet_.subscribed[kClient]);
  for (int i = 0; i < 20; ++i)
    tick(100ms);
  ASSERT_EQ(outlet_.told[kClient].size(), 4u);
  Json event = Json::parse(outlet_.told[kClient][0]);
  EXPECT_EQ(event["event"], "stats");
  EXPECT_FALSE(event.contains("ok"));
  EXPECT_NEAR(event["interval_s"].get<double>(), 0.5, 0.06);
  EXPECT_EQ(ask(R"({"cmd":"unsubscribe"})")["ok"], true);
  tick(10s);
  EXPECT_EQ(outlet_.told[kClient].size(), 4u);
  EXPECT_FALSE(outlet_.subscribed[kClient]);
}

TEST_F(CommandsTest, WhoReadsTooSlowlyIsToldHowManyWereMissed) {
  ask(R"({"cmd":"subscribe","interval":1})");
  outlet_.slow = true;
  for (int i = 0; i < 3; ++i)
    tick(1s);
  outlet_.slow = false;
  tick(1s);
  tick(1s);
  ASSERT_EQ(outlet_.told[kClient].size(), 2u);
  EXPECT_EQ(Json::parse(outlet_.told[kClient][0])["dropped"], 3);
  EXPECT_FALSE(Json::parse(outlet_.told[kClient][1]).contains("dropped"));
}

TEST_F(CommandsTest, WhoHasGoneIsToldNothing) {
  ask(R"({"cmd":"subscribe","interval":1})");
  commands_->on_closed(kClient);
  tick(5s);
  EXPECT_TRUE(outlet_.told[kClient].empty());
}

TEST_F(CommandsTest, ThereIsAlwaysAReasonToWake) {
  tick(0ms);
  EXPECT_GT(commands_->due(now_), now_.steady) << "and never one that has passed, which would spin";
  ask(R"({"cmd":"subscribe","interval":0.1})");
  set("/redis", 400, R"(,"ttl":0.001)");
  for (int i = 0; i < 300; ++i) {
    tick(7ms);
    ASSERT_GT(commands_->due(now_), now_.steady) << i;
  }
}

TEST_F(CommandsTest, FiguresShowAWeightAsSoonAsItWasSet) {
  port_.publish(1s);
  port_.group(id("/redis")) = {.id = id("/redis"), .depth = 1, .weight = 250, .kernel_weight = 100, .set = 250, .runnable = 1};
  port_.group(id("/redis")).parent = id("/");
  auto shown = [&] {
    tick(100ms);  // figures are given again for 50 ms
    return ask(R"({"cmd":"stats"})")["cgroups"][0]["weight"];
  };
  set("/redis", 400);
  EXPECT_EQ(shown(), 400) << "although the scheduler thread has not published it";
  answers(R"({"cmd":"weight.unset","cgroup":"/redis"})");
  obey();
  EXPECT_EQ(shown(), 100);
}

TEST_F(CommandsTest, ACgroupKeepsItsFiguresUntilTheSchedulerSaysSomethingNew) {
  subscribe_while_redis_runs();
  port_.publish(1250ms);
  port_.group(id("/redis")).run_time = 250ms;
  for (int i = 0; i < 3; ++i)
    tick(100ms);
  ASSERT_EQ(outlet_.told[kClient].size(), 3u);
  for (const std::string& line : outlet_.told[kClient]) {
    Json event = Json::parse(line);
    EXPECT_EQ(event["cgroups"].back()["cgroup"], "/redis");
    EXPECT_NEAR(event["cgroups"].back()["share"].get<double>(), 0.5, 1e-3);
  }
}

TEST_F(CommandsTest, CgroupsAreToldThoughTheSchedulerHasSaidNothingSince) {
  subscribe_while_redis_runs();
  for (int i = 0; i < 2; ++i)
    tick(100ms);
  ASSERT_EQ(outlet_.told[kClient].size(), 2u);
  for (const std::string& line : outlet_.told[kClient])
    EXPECT_EQ(Json::parse(line)["cgroups"].back()["cgroup"], "/redis") << line;
}

}  // namespace
}  // namespace mus
