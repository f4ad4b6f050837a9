// SPDX-License-Identifier: GPL-2.0-only
#include "cgroups/cgroup_tree.h"

#include <gtest/gtest.h>

namespace mus {
namespace {

constexpr CgroupId kA{10}, kB{11}, kC{12};

TEST(CgroupTree, BeginsWithARootThatStays) {
  CgroupTree tree(4);
  EXPECT_EQ(tree.root().parent, nullptr);
  EXPECT_EQ(tree.size(), 1u);
  tree.remove(tree.root());
  EXPECT_FALSE(tree.root().removed);
  EXPECT_EQ(tree.find(tree.root().id), &tree.root());
}

TEST(CgroupTree, AddsBelowTheParent) {
  CgroupTree tree(4);
  Cgroup& a = tree.add(kA, tree.root(), Weight{300});
  Cgroup& b = tree.add(kB, a, Weight{50});
  EXPECT_EQ(tree.find(kA), &a);
  EXPECT_EQ(b.parent, &a);
  EXPECT_EQ(a.weight(), Weight{300});
  EXPECT_EQ(b.weight(), Weight{50});
  EXPECT_EQ(a.users, 1u);
}

TEST(CgroupTree, AddingAKnownOneReturnsIt) {
  CgroupTree tree(4);
  Cgroup& a = tree.add(kA, tree.root(), Weight{300});
  EXPECT_EQ(&tree.add(kA, tree.root(), Weight{1}), &a);
  EXPECT_EQ(a.weight(), Weight{300});
  EXPECT_EQ(tree.size(), 2u);
}

TEST(CgroupTree, ForgetsARemovedOneAtOnceIfNothingPointsToIt) {
  CgroupTree tree(4);
  tree.remove(tree.add(kA, tree.root(), {}));
  EXPECT_EQ(tree.find(kA), nullptr);
  EXPECT_EQ(tree.size(), 1u);
}

TEST(CgroupTree, KeepsARemovedOneWhileItHasUsers) {
  CgroupTree tree(4);
  Cgroup& a = tree.add(kA, tree.root(), {});
  tree.acquire(a);
  tree.remove(a);
  EXPECT_EQ(tree.find(kA), &a);
  EXPECT_TRUE(a.removed);
  tree.release(a);
  EXPECT_EQ(tree.find(kA), nullptr);
}

TEST(CgroupTree, ReleasingTheLastUserFreesTheWholeRemovedChain) {
  CgroupTree tree(4);
  Cgroup& a = tree.add(kA, tree.root(), {});
  Cgroup& b = tree.add(kB, a, {});
  Cgroup& c = tree.add(kC, b, {});
  tree.acquire(c);
  tree.remove(a);
  tree.remove(b);
  tree.remove(c);
  EXPECT_EQ(tree.size(), 4u);
  tree.release(c);
  EXPECT_EQ(tree.size(), 1u);
  EXPECT_EQ(tree.root().users, 1u);
}

TEST(CgroupTree, AnUnremovedParentOutlivesItsChild) {
  CgroupTree tree(4);
  Cgroup& a = tree.add(kA, tree.root(), {});
  tree.remove(tree.add(kB, a, {}));
  EXPECT_EQ(tree.find(kA), &a);
  EXPECT_EQ(a.users, 0u);
}

TEST(CgroupTree, GivesTheParentWhenFull) {
  CgroupTree tree(1);
  Cgroup& a = tree.add(kA, tree.root(), {});
  EXPECT_EQ(&tree.add(kB, a, {}), &a);
  EXPECT_EQ(tree.find(kB), nullptr);
  tree.remove(a);
  EXPECT_EQ(raw(tree.add(kB, tree.root(), {}).id), raw(kB)) << "room comes back";
}

TEST(CgroupTree, RoomIsReusedClean) {
  CgroupTree tree(1);
  Cgroup& a = tree.add(kA, tree.root(), Weight{7});
  a.policy.emplace<int>(3);
  a.run_time = 5s;
  (void)tree.set_override(kA, 9);
  tree.remove(a);
  Cgroup& b = tree.add(kB, tree.root(), {});
  EXPECT_EQ(b.weight(), Weight{});
  EXPECT_EQ(b.run_time, 0s);
  EXPECT_FALSE(b.removed);
  EXPECT_TRUE(b.policy.empty());
}

TEST(CgroupTree, OverrideAfterItIsKnown) {
  CgroupTree tree(4);
  Cgroup& a = tree.add(kA, tree.root(), Weight{300});
  EXPECT_TRUE(tree.set_override(kA, 900));
  EXPECT_EQ(a.weight(), Weight{900});
  a.kernel_weight = Weight{20};
  EXPECT_EQ(a.weight(), Weight{900}) << "mus' weight stands until it is taken back";
  EXPECT_TRUE(tree.set_override(kA, 0));
  EXPECT_EQ(a.weight(), Weight{20});
}

TEST(CgroupTree, OverrideBeforeItIsKnown) {
  CgroupTree tree(4);
  EXPECT_TRUE(tree.set_override(kA, 900));
  EXPECT_EQ(tree.add(kA, tree.root(), Weight{300}).weight(), Weight{900});
}

TEST(CgroupTree, OverrideTakenBackBeforeItIsKnown) {
  CgroupTree tree(4);
  EXPECT_TRUE(tree.set_override(kA, 900));
  EXPECT_TRUE(tree.set_override(kA, 0));
  EXPECT_EQ(tree.add(kA, tree.root(), Weight{300}).weight(), Weight{300});
}

TEST(CgroupTree, OverrideGoesWithItsCgroup) {
  CgroupTree tree(4);
  tree.add(kA, tree.root(), {});
  (void)tree.set_override(kA, 900);
  tree.remove(*tree.find(kA));
  EXPECT_EQ(tree.add(kA, tree.root(), {}).weight(), Weight{});
}

TEST(CgroupTree, RenamesTheRoot) {
  CgroupTree tree(4);
  CgroupId old = tree.root().id;
  Cgroup& a = tree.add(kA, tree.root(), {});
  tree.name_root(CgroupId{77});
  EXPECT_EQ(tree.find(CgroupId{77}), &tree.root());
  EXPECT_EQ(tree.find(old), nullptr);
  EXPECT_EQ(a.parent, &tree.root());
  tree.name_root(CgroupId{77});
  EXPECT_EQ(tree.size(), 2u);
}

// A task of the root cgroup may be heard of before the root's own event.
TEST(CgroupTree, TheRootKeepsItsNameIfTheNewOneIsTaken) {
  CgroupTree tree(4);
  CgroupId old = tree.root().id;
  Cgroup& a = tree.add(CgroupId{77}, tree.root(), {});
  tree.name_root(CgroupId{77});
  EXPECT_EQ(tree.find(CgroupId{77}), &a);
  EXPECT_EQ(tree.find(old), &tree.root());
}

TEST(CgroupTree, VisitsAll) {
  CgroupTree tree(8);
  for (std::uint64_t id = 10; id < 18; ++id) tree.add(CgroupId{id}, tree.root(), {});
  std::size_t seen = 0;
  tree.for_each([&](Cgroup&) { ++seen; });
  EXPECT_EQ(seen, 9u);
}

}  // namespace
}  // namespace mus
