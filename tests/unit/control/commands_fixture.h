// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "control/commands.h"
#include "fakes/fake_port.h"
#include "fakes/temp_folder.h"

namespace mus {

/// The commands over a scheduler that a test plays, a tree of folders for cgroups, and a clock that it turns.
class CommandsTest : public testing::Test {
 protected:
  static constexpr ClientId kClient{3};

  CommandsTest() {
    for (const char* name : {"cgroup/redis", "cgroup/web"})
      std::filesystem::create_directories(folder_.path() / name);
    fs_.emplace(*CgroupFs::open(folder_.path() / "cgroup", folder_.path() / "proc"));
    now_ = {.steady = std::chrono::steady_clock::time_point(std::chrono::hours(5)), .wall = {}};
    DaemonFacts facts{.version = "0.1.0",
                      .kernel = "6.18",
                      .pid = 812,
                      .cpus = 2,
                      .config = {},
                      .policy = "vtime",
                      .settings = {},
                      .notes = {},
                      .started = now_.steady};
    commands_.emplace(facts, port_, &*fs_, store_, shelf_, outlet_);
  }

  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((folder_.path() / file).parent_path());
    std::ofstream(folder_.path() / file) << text;
  }
  [[nodiscard]] CgroupId id(const std::string& path) { return fs_->find(path)->id; }

  /// How many answers came at once.
  std::size_t answers(const std::string& line) {
    outlet_.answers[kClient].clear();
    (void)commands_->on_line({kClient, 0}, line, now_);
    return outlet_.answers[kClient].size();
  }
  /// The answer, which comes at once.
  Json ask(const std::string& line) {
    EXPECT_EQ(answers(line), 1u) << line;
    return last();
  }
  /// The answer, which the scheduler thread has to allow.
  Json obey(Reply::Result result = Reply::Result::kDone) {
    port_.obey(result);
    commands_->replies(now_);
    return last();
  }
  Json last() {
    auto& answers = outlet_.answers[kClient];
    return answers.empty() ? Json() : Json::parse(answers.back());
  }
  void set(const std::string& path, int weight, const std::string& more = "") {
    answers(R"({"cmd":"weight.set","cgroup":")" + path + R"(","weight":)" + std::to_string(weight) + more +
            "}");
    EXPECT_EQ(obey()["ok"], true);
  }
  void subscribe_while_redis_runs() {
    port_.publish(std::chrono::seconds(1));
    port_.group(id("/")) = {.id = id("/"), .parent = {}, .depth = 0, .weight = 100, .kernel_weight = 100};
    port_.group(id("/redis")) = {.id = id("/redis"), .parent = id("/"), .depth = 1, .weight = 100, .kernel_weight = 100, .runnable = 1};
    ask(R"({"cmd":"subscribe","interval":0.1})");
  }
  void tick(std::chrono::milliseconds later) {
    now_.steady += later;
    now_.wall += later;
    commands_->tick(now_);
  }

  fakes::TempFolder folder_;
  fakes::FakePort port_;
  fakes::FakeOutlet outlet_;
  PolicyShelf shelf_;
  std::optional<CgroupFs> fs_;
  WeightStore store_{""};
  Moment now_;
  std::optional<Commands> commands_;
};

}  // namespace mus
