// SPDX-License-Identifier: GPL-2.0-only
#include "control/compaction.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fakes/temp_folder.h"

namespace mus {
namespace {

class CompactionTest : public testing::Test {
 protected:
  static std::string text_of(const std::string& path) {
    std::string line;
    std::getline(std::ifstream(path), line);
    return line;
  }
  void set(const char* value) { std::ofstream(setting) << value << '\n'; }
  /// A daemon that is killed: it restores nothing.
  void die() { Compaction(setting, file).leave(); }

  fakes::TempFolder folder;
  std::string setting = folder.path() / "setting", file = folder.path() / "run/mus/was";
};

TEST_F(CompactionTest, IsOffWhileTheDaemonRuns) {
  set("1");
  {
    Compaction compaction(setting, file);
    EXPECT_EQ(text_of(setting), "0");
    EXPECT_EQ(compaction.note(), "");
  }
  EXPECT_EQ(text_of(setting), "1");
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(CompactionTest, TheNextDaemonRestoresWhatAKilledOneFound) {
  set("1");
  die();
  EXPECT_EQ(text_of(setting), "0");
  die();
  { Compaction compaction(setting, file); }
  EXPECT_EQ(text_of(setting), "1");
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(CompactionTest, OneThatReplacesAnotherRestoresWhatThatOneFound) {
  set("1");
  Compaction old(setting, file);
  {
    Compaction next(setting, file);
    old.leave();
    EXPECT_EQ(text_of(setting), "0");
  }
  EXPECT_EQ(text_of(setting), "1");
}

TEST_F(CompactionTest, WhatWasOffStaysOff) {
  set("0");
  { Compaction compaction(setting, file); }
  EXPECT_EQ(text_of(setting), "0");
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(CompactionTest, SomebodySetItAfterACrash) {
  set("1");
  die();
  set("1");
  {
    Compaction compaction(setting, file);
    EXPECT_EQ(text_of(setting), "0");
  }
  EXPECT_EQ(text_of(setting), "1");
}

TEST_F(CompactionTest, AFileOfSomebodyElseIsNotBelieved) {
  std::filesystem::create_directories(folder.path() / "run/mus");
  for (const char* text : {"", "7", "x1"}) {
    std::ofstream(file) << text;
    set("0");
    { Compaction compaction(setting, file); }
    EXPECT_EQ(text_of(setting), "0") << text;
  }
}

TEST_F(CompactionTest, IsLeftAloneIfItCannotBeRemembered) {
  set("1");
  std::ofstream(folder.path() / "run") << "not a folder";
  {
    Compaction compaction(setting, file);
    EXPECT_EQ(text_of(setting), "1");
    EXPECT_NE(compaction.note().find("compact_unevictable_allowed"), std::string::npos) << compaction.note();
  }
  EXPECT_EQ(text_of(setting), "1");
}

TEST_F(CompactionTest, AKernelThatDoesNotCompactNeedsNothing) {
  Compaction compaction(setting, file);
  EXPECT_EQ(compaction.note(), "");
  EXPECT_FALSE(std::filesystem::exists(setting));
}

}  // namespace
}  // namespace mus
