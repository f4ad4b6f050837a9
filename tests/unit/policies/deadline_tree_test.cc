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

void put(DeadlineTree& tree, Node& node, Vtime vruntime, Vtime deadline, bool in_tree = false) {
  node.vruntime = vruntime;
  node.deadline = deadline;
  in_tree ? tree.insert_in_tree(node) : tree.insert(node);
}

TEST(DeadlineTree, TheEligibleComeByDeadline) {
  DeadlineTree tree;
  Node late, soon, ahead;
  put(tree, late, 5, 30);
  put(tree, soon, 7, 10);
  put(tree, ahead, 20, 21);
  EXPECT_EQ(eligible(tree, 10), (std::vector{&soon, &late}));
  EXPECT_EQ(eligible(tree, 20), (std::vector{&soon, &ahead, &late}));
  EXPECT_TRUE(eligible(tree, 4).empty());
}

TEST(DeadlineTree, VirtualTimeMayWrap) {
  DeadlineTree tree;
  Node before_it, after_it;
  put(tree, before_it, ~Vtime{0} - 5, ~Vtime{0});
  put(tree, after_it, 1, 7);
  EXPECT_EQ(eligible(tree, 3), (std::vector{&before_it, &after_it}));
  EXPECT_EQ(eligible(tree, 0), (std::vector{&before_it}));
  EXPECT_EQ(&tree.least(), &before_it);
}

TEST(DeadlineTree, NodesAndTreeMayEndInAnyOrder) {
  Node survivor_of_line, survivor_of_tree;
  {
    DeadlineTree tree;
    put(tree, survivor_of_line, 1, 2);
    put(tree, survivor_of_tree, 1, 2, true);
    {
      Node in_line, in_tree;
      put(tree, in_line, 2, 3);
      put(tree, in_tree, 2, 3, true);
    }
    EXPECT_EQ(eligible(tree, 9).size(), 2u);
  }
  EXPECT_FALSE(survivor_of_line.in_tree());
  EXPECT_FALSE(survivor_of_tree.in_tree());
}

// Against all of them looked at one by one, after each of many random changes: nearly in order, as what comes back from its run,
// and in none.
TEST(DeadlineTree, AgreesWithLookingAtAll) {
  for (std::uint64_t seed : fakes::seeds(30)) {
    SCOPED_TRACE("MUS_TEST_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    Vtime spread = std::array<Vtime, 3>{0, 3, 1000}[random() % 3];
    DeadlineTree tree;
    std::vector<std::unique_ptr<Node>> nodes(200);
    for (auto& node : nodes) node = std::make_unique<Node>();
    auto below = [&](Vtime most) { return most ? random() % most : 0; };
    for (Vtime step = 0; step < 2000; ++step) {
      Vtime at = ~Vtime{0} - 1000 + step;  // wraps on the way
      Node& node = *nodes[below(nodes.size())];
      Vtime vruntime = at + below(spread);
      if (!node.in_tree()) {
        put(tree, node, vruntime, vruntime + (below(4) ? 50 : below(500)), below(3) == 0);
      } else if (Vtime what = below(4); what == 0) {
        node.vruntime = vruntime;
        tree.ran(node);
      } else if (what == 1) {
        node.vruntime = vruntime;
        node.deadline += below(100);
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
      ASSERT_EQ(tree.least().vruntime, least);
      auto found = eligible(tree, now);
      ASSERT_TRUE(std::ranges::is_sorted(found, [](Node* a, Node* b) { return before(a->deadline, b->deadline); }));
      ASSERT_TRUE(std::ranges::is_permutation(found, expected));
    }
  }
}

}  // namespace
}  // namespace mus
