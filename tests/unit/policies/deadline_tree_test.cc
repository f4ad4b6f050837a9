// SPDX-License-Identifier: GPL-2.0-only
#include "policies/deadline_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "seed.h"

namespace mus {
namespace {

using Node = DeadlineTree::Node;

std::vector<Node*> eligible(DeadlineTree& tree, Vtime now) {
  std::vector<Node*> found;
  DeadlineTree::Eligible walk(tree, now);
  while (Node* node = walk.next()) found.push_back(node);
  return found;
}

void put(DeadlineTree& tree, Node& node, Vtime vruntime, Vtime deadline) {
  node.vruntime = vruntime;
  node.deadline = deadline;
  tree.insert(node);
}

TEST(DeadlineTree, TheEligibleComeByDeadline) {
  DeadlineRuns runs(10, 1);
  DeadlineTree tree(runs);
  Node late, soon, ahead;
  put(tree, late, 5, 30);
  put(tree, soon, 7, 10);
  put(tree, ahead, 20, 21);
  EXPECT_EQ(eligible(tree, 10), (std::vector{&soon, &late}));
  EXPECT_EQ(eligible(tree, 20), (std::vector{&soon, &ahead, &late}));
  EXPECT_TRUE(eligible(tree, 4).empty());
}

TEST(DeadlineTree, VirtualTimeMayWrap) {
  DeadlineRuns runs(10, 1);
  DeadlineTree tree(runs);
  Node before_it, after_it;
  put(tree, before_it, ~Vtime{0} - 5, ~Vtime{0});
  put(tree, after_it, 1, 7);
  EXPECT_EQ(eligible(tree, 3), (std::vector{&before_it, &after_it}));
  EXPECT_EQ(eligible(tree, 0), (std::vector{&before_it}));
  EXPECT_EQ(&tree.least(), &before_it);
}

TEST(DeadlineTree, AmongEqualsWhoCameFirstIsFirst) {
  DeadlineRuns runs(100, 1);
  DeadlineTree tree(runs);
  std::array<Node, 100> nodes;
  std::vector<Node*> expected;
  for (Node& node : nodes) {
    put(tree, node, 1, 2);
    expected.push_back(&node);
  }
  EXPECT_EQ(eligible(tree, 9), expected);
  EXPECT_EQ(tree.first(), &nodes[0]);
}

TEST(DeadlineTree, OfThoseThatAreLeastTheLastIsTaken) {
  DeadlineRuns runs(100, 1);
  DeadlineTree tree(runs);
  std::array<Node, 100> nodes;
  Vtime at = 0;
  for (Node& node : nodes) put(tree, node, at < 60 ? 1 : 2, at), ++at;
  EXPECT_EQ(&tree.least(), &nodes[59]);
  tree.erase(nodes[59]);
  EXPECT_EQ(&tree.least(), &nodes[58]);
}

TEST(DeadlineTree, NodesAndTreesAndRunsMayEndInAnyOrder) {
  std::array<Node, 100> survivors;
  {
    DeadlineRuns runs(200, 2);
    DeadlineTree ends_before_them(runs), another(runs);
    for (Node& node : survivors) put(&node < &survivors[50] ? ends_before_them : another, node, 1, 2);
    {
      std::array<Node, 100> in_between;
      for (Node& node : in_between) put(another, node, 2, 1);
    }
    EXPECT_EQ(eligible(another, 9).size(), 50u);
  }
  for (Node& node : survivors) EXPECT_FALSE(node.in_tree());

  auto runs = std::make_unique<DeadlineRuns>(100, 1);
  DeadlineTree tree(*runs);
  for (Node& node : survivors) put(tree, node, 1, 2);
  runs.reset();
  EXPECT_TRUE(tree.empty());
  for (Node& node : survivors) EXPECT_FALSE(node.in_tree());
}

TEST(DeadlineTree, HasRoomForMoreThanWasSaid) {
  DeadlineRuns runs(1, 1);
  DeadlineTree tree(runs), another(runs);
  std::array<Node, 500> nodes;
  for (int turn = 0; turn < 2; ++turn) {
    for (Node& node : nodes) put(tree, node, 1, 2);
    EXPECT_EQ(eligible(tree, 9).size(), nodes.size());
    for (Node& node : nodes) {
      tree.erase(node);
      put(another, node, 1, 2);
    }
    for (Node& node : nodes) another.erase(node);
  }
}

// Whoever comes and leaves, no two neighbours stay so empty that there could be too few runs for all.
TEST(DeadlineTree, NeedsNoMoreRunsThanThereAre) {
  constexpr std::size_t kNodes = 3000;
  for (std::uint64_t seed : fakes::seeds(5)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    DeadlineRuns runs(kNodes, 1);
    DeadlineTree tree(runs);
    std::vector<std::unique_ptr<Node>> nodes(kNodes);
    for (auto& node : nodes) node = std::make_unique<Node>();
    for (int turn = 0; turn < 20; ++turn) {
      for (auto& node : nodes)
        if (!node->in_tree()) put(tree, *node, random() % 1000, random() % 1000);
      std::ranges::shuffle(nodes, random);
      for (std::size_t i = 0, leave = random() % kNodes; i < leave; ++i) tree.erase(*nodes[i]);
    }
    EXPECT_EQ(runs.beyond(), 0u);
  }
}

// Against all of them looked at one by one, after each of many random changes: nearly in order, as what comes back from its run,
// and in none.
TEST(DeadlineTree, AgreesWithLookingAtAll) {
  for (std::uint64_t seed : fakes::seeds(30)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    Vtime spread = std::array<Vtime, 3>{0, 3, 1000}[random() % 3];
    DeadlineRuns runs(400, 1);
    DeadlineTree tree(runs);
    std::vector<std::unique_ptr<Node>> nodes(400);
    for (auto& node : nodes) node = std::make_unique<Node>();
    auto below = [&](Vtime most) { return most ? random() % most : 0; };
    for (Vtime step = 0; step < 2000; ++step) {
      Vtime at = ~Vtime{0} - 1000 + step;  // wraps on the way
      Node& node = *nodes[below(nodes.size())];
      Vtime vruntime = at + below(spread);
      if (!node.in_tree()) {
        put(tree, node, vruntime, vruntime + (below(4) ? 50 : below(500)));
      } else if (Vtime what = below(4); what == 0) {
        node.vruntime = vruntime;
        tree.ran(node);
      } else if (what == 1) {
        node.vruntime = vruntime;
        node.deadline += below(100) - 20;
        tree.put_back(node);
      } else {
        tree.erase(node);
      }
      Vtime now = at - 200 + below(400);
      std::vector<Node*> expected;
      bool any = false;
      Vtime least = 0;
      for (auto& each : nodes) {
        if (!each->in_tree()) continue;
        if (!any || before(each->vruntime, least)) least = each->vruntime;
        any = true;
        if (!before(now, each->vruntime)) expected.push_back(each.get());
      }
      ASSERT_EQ(tree.empty(), !any);
      if (!any) continue;
      Node* last = nullptr;
      tree.for_each([&](Node& each) {
        if (each.vruntime == least) last = &each;
        return true;
      });
      ASSERT_EQ(&tree.least(), last);
      auto found = eligible(tree, now);
      ASSERT_TRUE(std::ranges::is_sorted(found, [](Node* a, Node* b) { return before(a->deadline, b->deadline); }));
      ASSERT_TRUE(std::ranges::is_permutation(found, expected));
    }
  }
}

}  // namespace
}  // namespace mus
