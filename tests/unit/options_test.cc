// SPDX-License-Identifier: GPL-2.0-only
#include "options.h"

#include <gtest/gtest.h>

#include <fstream>

#include "exit_code.h"
#include "fakes/temp_folder.h"

namespace mus {
namespace {

Result<Options> parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "mus-userland");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  bool exit_now = false;
  return parse_options(static_cast<int>(argv.size()), argv.data(), exit_now);
}

TEST(Options, TheKernelHalfOutlivesTheDaemonUnlessToldOtherwise) {
  auto options = parse({});
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->pin);
  EXPECT_FALSE(options->replace);
  EXPECT_EQ(options->orphan, 60s);
}

TEST(Options, PinReplaceAndOrphanAreRead) {
  auto options = parse({"--no-pin", "--replace", "--orphan-sec", "3"});
  ASSERT_TRUE(options);
  EXPECT_FALSE(options->pin);
  EXPECT_TRUE(options->replace);
  EXPECT_EQ(options->orphan, 3s);
  EXPECT_EQ(parse({"--orphan-sec", "0"})->orphan, 0s) << "never";
}

TEST(Options, AFileSaysTheSame) {
  fakes::TempFolder folder;
  std::string file = folder.path() / "mus.toml";
  std::ofstream(file) << "no-pin = true\norphan-sec = 7\n";
  auto options = parse({"--config", file});
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_FALSE(options->pin);
  EXPECT_EQ(options->orphan, 7s);
}

TEST(Options, WhatMakesNoSenseIsNamed) {
  for (const char* value : {"-1", "86401", "soon", ""}) {
    auto options = parse({"--orphan-sec", value});
    ASSERT_FALSE(options) << value;
    EXPECT_EQ(options.error().exit_code, kExitUsage);
    EXPECT_NE(options.error().what.find("orphan-sec"), std::string::npos) << options.error().what;
  }
  EXPECT_NE(parse({"--repalce"}).error().what.find("--replace"), std::string::npos) << "the nearest is named";
}

}  // namespace
}  // namespace mus
