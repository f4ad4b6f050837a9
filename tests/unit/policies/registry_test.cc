// SPDX-License-Identifier: GPL-2.0-only
#include "policies/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace mus {
namespace {

TEST(Registry, EveryPolicyCanBeMadeAndKnowsItsName) {
  std::set<std::string_view> names;
  for (const PolicyEntry& entry : policies()) {
    auto policy = entry.make({});
    ASSERT_NE(policy, nullptr) << entry.name;
    EXPECT_EQ(policy->name(), entry.name);
    EXPECT_FALSE(entry.summary.empty()) << entry.name;
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name << " is there twice";
  }
}

TEST(Registry, TheDefaultComesFirst) { EXPECT_EQ(policies().front().name, "vtime"); }

TEST(Registry, FindsByName) {
  for (const PolicyEntry& entry : policies()) {
    auto found = find_policy(entry.name);
    ASSERT_TRUE(found);
    EXPECT_EQ((*found)->name, entry.name);
  }
}

TEST(Registry, SuggestsTheNearestName) {
  auto found = find_policy("vtme");
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message(), testing::HasSubstr("no policy is called 'vtme'"));
  EXPECT_THAT(found.error().remedy, testing::HasSubstr("did you mean 'vtime'?"));
}

TEST(Registry, ListsAllWhenNoneIsNear) {
  auto found = find_policy("something-else-altogether");
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().remedy, testing::Not(testing::HasSubstr("did you mean")));
  for (const PolicyEntry& entry : policies())
    EXPECT_THAT(found.error().remedy, testing::HasSubstr(std::string(entry.name)));
}

TEST(Registry, AnEmptyNameIsNearNothingLong) {
  EXPECT_FALSE(find_policy(""));
}

}  // namespace
}  // namespace mus
