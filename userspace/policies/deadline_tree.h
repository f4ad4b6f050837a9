// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <boost/intrusive/circular_list_algorithms.hpp>
#include <boost/intrusive/rbtree_algorithms.hpp>
#include <cstdint>

namespace mus {

/// Virtual time. Wraps: compare by difference.
using Vtime = std::uint64_t;
using VtimeSpan = std::int64_t;  ///< a difference of two
[[nodiscard]] constexpr bool before(Vtime a, Vtime b) { return static_cast<VtimeSpan>(a - b) < 0; }

/// What waits in one cgroup, by virtual deadline. Each node knows the least virtual time at and below it, so that the first one
/// that is eligible is found in one way down, and who is ahead need not stand elsewhere. Tasks of one weight come back nearly in
/// the order of their deadlines, which is that of their virtual times: they stand in a line beside the tree, with nothing to balance.
/// Shape:   a red-black tree, of Boost.Intrusive, whose setters of links keep what is known of the nodes below; and a list that is
///          in order by deadline and by virtual time. Among equals, in the one or the other, who came first is first.
/// Owner:   of the nodes: whoever has them. Node and tree may end in any order: a node leaves its tree when it ends.
/// Threads: one.
/// Cost:    O(log n), no allocation.
/// Source:  Stoica and Abdel-Wahab 1995, section 5: the augmented tree of EEVDF. docs/decisions/0016.
class DeadlineTree {
 public:
  class Node {
   public:
    Node() = default;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node() {
      if (in_line_)
        leave_line(*this);
      else if (in_tree())
        leave_tree(*this, Algorithms::get_header(this));
    }
    [[nodiscard]] bool in_tree() const { return up_; }

    Vtime vruntime = 0;
    Vtime deadline = 0;  ///< when, in virtual time, it will have had its next slice

   private:
    friend class DeadlineTree;
    Vtime least_ = 0;  ///< vruntime, of this one and those below
    Node* up_ = nullptr;
    std::array<Node*, 2> below_{};  ///< those that are earlier, and the others; in the line: who stands before it and after it
    bool red_ = false;
    bool in_line_ = false;

    // Without a branch: what is below is as good as random.
    void look_below() {
      const Vtime& earlier = below_[0] ? below_[0]->least_ : vruntime;
      const Vtime& later = below_[1] ? below_[1]->least_ : vruntime;
      least_ = first_of(vruntime, first_of(earlier, later));
    }
  };

  DeadlineTree() {
    Algorithms::init_header(&tree_);
    LineAlgorithms::init_header(&line_);
  }
  DeadlineTree(const DeadlineTree&) = delete;
  DeadlineTree& operator=(const DeadlineTree&) = delete;
  ~DeadlineTree() {
    while (!line_empty()) leave_line(*line_.below_[1]);
    Algorithms::clear_and_dispose(&tree_, [](Node* node) { Algorithms::init(node); });
    tree_.up_ = nullptr;
  }

  [[nodiscard]] bool empty() const { return !tree_.up_ && line_empty(); }

  /// Into the line, if its place is near the end and it is in order there.
  void insert(Node& node) {
    Node* last = line_.below_[0];
    for (int steps = kSteps; last != &line_ && before(node.deadline, last->deadline); last = last->below_[0])
      if (!--steps) return insert_in_tree(node);
    Node* next = last->below_[1];
    if ((last != &line_ && before(node.vruntime, last->vruntime)) || (next != &line_ && before(next->vruntime, node.vruntime)))
      return insert_in_tree(node);
    LineAlgorithms::link_after(last, &node);
    node.up_ = &line_;
    node.in_line_ = true;
  }

  /// What is not in the order of its deadlines by virtual time.
  void insert_in_tree(Node& node) {
    // All that are passed on the way down will have it below them. The way is taken without a branch: it is as good as random.
    Algorithms::insert_commit_data place{};
    place.node = &tree_;
    node.least_ = node.vruntime;
    for (Node* at = tree_.up_; at;) {
      place.node = at;
      place.link_left = before(node.deadline, at->deadline);
      at->least_ = first_of(at->least_, node.vruntime);
      at = at->below_[!place.link_left];
    }
    Algorithms::insert_unique_commit(&tree_, &node, place);
  }

  void erase(Node& node) {
    if (node.in_line_)
      leave_line(node);
    else
      leave_tree(node, &tree_);
  }

  /// Its vruntime was changed.
  void ran(Node& node) {
    if (node.in_line_) {
      if (in_order(*node.below_[0], node) && in_order(node, *node.below_[1])) return;
      leave_line(node);
      insert_in_tree(node);
      return;
    }
    for (Node* at = &node; at != &tree_; at = at->up_) {
      Vtime known = at->least_;
      at->look_below();
      if (at->least_ == known) return;
    }
  }

  /// So was its deadline, to a later one.
  void put_back(Node& node) {
    Node* next = node.in_line_ ? nullptr : Algorithms::next_node(&node);
    if (next && (next == &tree_ || before(node.deadline, next->deadline))) return ran(node);
    erase(node);
    insert_in_tree(node);
  }

  /// Who will probably be picked next, in the line and in the tree: to be fetched before it is asked for. Not to be looked at.
  [[nodiscard]] std::array<const Node*, 2> next_ones() const { return {line_.below_[1], tree_.below_[0]}; }

  /// Those whose vruntime is not past `now`, by deadline; null: that was all.
  class Eligible {
   public:
    Eligible(DeadlineTree& tree, Vtime now) : tree_(tree), now_(now), in_line_(of_line(tree.line_.below_[1])) {
      Node* first = tree.tree_.below_[0];  // mostly it is
      in_tree_ = first != &tree.tree_ && !before(now, first->vruntime) ? first : first_below(tree.tree_.up_, now);
    }
    Node* next() {
      Node* found;
      if (in_line_ && !(in_tree_ && before(in_tree_->deadline, in_line_->deadline))) {
        found = in_line_;
        in_line_ = of_line(found->below_[1]);
      } else {
        found = in_tree_;
        if (found) in_tree_ = after(*found);
      }
      return found;
    }

   private:
    // Who stands after one that is not eligible is not either.
    Node* of_line(Node* node) { return node != &tree_.line_ && !before(now_, node->vruntime) ? node : nullptr; }
    Node* after(Node& node) {
      if (Node* found = first_below(node.below_[1], now_)) return found;
      for (Node *from = &node, *at = node.up_; at != &tree_.tree_; from = at, at = at->up_) {
        if (at->below_[0] != from) continue;
        if (!before(now_, at->vruntime)) return at;
        if (Node* found = first_below(at->below_[1], now_)) return found;
      }
      return nullptr;
    }
    DeadlineTree& tree_;
    Vtime now_;
    Node* in_line_;
    Node* in_tree_;
  };

  /// Who has the least vruntime. The tree is not empty.
  [[nodiscard]] Node& least() {
    Node *first = line_.below_[1], *at = tree_.up_;
    if (!at || (!line_empty() && !before(at->least_, first->vruntime))) return *first;
    while (at->vruntime != at->least_) at = at->below_[!at->below_[0] || at->below_[0]->least_ != at->least_];
    return *at;
  }

  /// All, in no order, until `each` returns false.
  template <typename F>
  void for_each(F&& each) {
    for (Node* node = line_.below_[1]; node != &line_; node = node->below_[1])
      if (!each(*node)) return;
    for (Node* node = Algorithms::begin_node(&tree_); node != &tree_; node = Algorithms::next_node(node))
      if (!each(*node)) return;
  }

 private:
  static constexpr int kSteps = 16;  // from the end of the line: with more to pass the tree is faster

  static Vtime first_of(Vtime a, Vtime b) { return before(b, a) ? b : a; }

  struct Traits {
    using node = Node;
    using node_ptr = Node*;
    using const_node_ptr = const Node*;
    using color = bool;
    static node_ptr get_parent(const_node_ptr n) { return n->up_; }
    static void set_parent(node_ptr n, node_ptr up) { n->up_ = up; }
    static node_ptr get_left(const_node_ptr n) { return n->below_[0]; }
    static void set_left(node_ptr n, node_ptr earlier) { set(n, 0, earlier); }
    static node_ptr get_right(const_node_ptr n) { return n->below_[1]; }
    static void set_right(node_ptr n, node_ptr later) { set(n, 1, later); }
    static color get_color(const_node_ptr n) { return n->red_; }
    static void set_color(node_ptr n, color c) { n->red_ = c; }
    static constexpr color black() { return false; }
    static constexpr color red() { return true; }
    static void set(node_ptr n, unsigned side, node_ptr below) {
      n->below_[side] = below;
      n->look_below();
    }
  };
  using Algorithms = boost::intrusive::rbtree_algorithms<Traits>;

  struct LineTraits {
    using node = Node;
    using node_ptr = Node*;
    using const_node_ptr = const Node*;
    static node_ptr get_previous(const_node_ptr n) { return n->below_[0]; }
    static void set_previous(node_ptr n, node_ptr previous) { n->below_[0] = previous; }
    static node_ptr get_next(const_node_ptr n) { return n->below_[1]; }
    static void set_next(node_ptr n, node_ptr next) { n->below_[1] = next; }
  };
  using LineAlgorithms = boost::intrusive::circular_list_algorithms<LineTraits>;

  [[nodiscard]] bool line_empty() const { return line_.below_[1] == &line_; }
  [[nodiscard]] bool in_order(const Node& a, const Node& b) const {
    return &a == &line_ || &b == &line_ || !before(b.vruntime, a.vruntime);
  }

  static Node* first_below(Node* at, Vtime now) {
    if (!at || before(now, at->least_)) return nullptr;
    for (;;) {
      if (Node* earlier = at->below_[0]; earlier && !before(now, earlier->least_))
        at = earlier;
      else if (!before(now, at->vruntime))
        return at;
      else
        at = at->below_[1];
    }
  }

  static void leave_line(Node& node) {
    LineAlgorithms::unlink(&node);
    node.below_ = {};
    node.up_ = nullptr;
    node.in_line_ = false;
  }

  // Turned nodes have looked below them; those above where a node is missing now have not.
  static void leave_tree(Node& node, Node* header) {
    Node* missing = node.up_;
    if (node.below_[0] && node.below_[1]) {  // the next one comes to stand in its place
      Node* next = node.below_[1];
      while (next->below_[0]) next = next->below_[0];
      missing = next->up_ == &node ? next : next->up_;
    }
    Algorithms::erase(header, &node);
    Algorithms::init(&node);
    for (; missing != header; missing = missing->up_) missing->look_below();
  }

  Node tree_;  ///< up: the root; below: the first and the last
  Node line_;  ///< below: the last and the first
};

}  // namespace mus
