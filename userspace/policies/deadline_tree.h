// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <boost/intrusive/rbtree_algorithms.hpp>
#include <cstdint>
#include <utility>

#include "policies/deadline_run.h"

namespace mus {

/// What waits in one cgroup, by virtual deadline: runs of some who come after each other. Each knows the least virtual time at and below
/// it, so that the first one that is eligible is found in one way down, and who is ahead need not stand elsewhere.
/// Shape:   a red-black tree of runs, of Boost.Intrusive, whose setters of links keep what is known of those below. Among equals, who
///          came first is first.
/// Owner:   of the nodes: whoever has them; of the runs: DeadlineRuns. They and the tree may end in any order: a node leaves its tree
///          when it ends.
/// Threads: one.
/// Cost:    O(log n), no allocation.
/// Source:  Stoica and Abdel-Wahab 1995, section 5: the augmented tree of EEVDF. docs/decisions/0016.
class DeadlineTree {
  using Run = DeadlineRun;
  using Links = DeadlineLinks;
  static Run* as_run(Links* links) { return static_cast<Run*>(links); }

 public:
  using Node = DeadlineNode;

  explicit DeadlineTree(DeadlineRuns& runs) : runs_(&runs) { Algorithms::init_header(&header_); }
  DeadlineTree(const DeadlineTree&) = delete;
  DeadlineTree& operator=(const DeadlineTree&) = delete;
  ~DeadlineTree() { clear(); }

  [[nodiscard]] bool empty() const { return !header_.up_; }

  void insert(Node& node) {
    if (empty()) return begin_run(header_, node);
    Run* run = run_for(node.deadline);
    std::uint32_t at = run->place_for(node.deadline);
    if (run->count() == Run::kPlaces) {
      if (run == header_.below_[1] && at == run->end_) return begin_run(header_, node);
      Run& other = split(*run);
      if (!before(node.deadline, other.first_)) run = &other;
      at = run->place_for(node.deadline);
    }
    run->put(at, node);
    if (!before(node.vruntime, run->own_)) return;
    run->own_ = node.vruntime;
    for (Links* above = run; above != &header_ && before(node.vruntime, above->least_); above = above->up_) above->least_ = node.vruntime;
  }

  void erase(Node& node) {
    Run& run = *node.run_;
    std::uint32_t at = run.place_of(node);
    Vtime vruntime = run.places_[at].vruntime;
    run.take(at);
    if (!run.count()) return end_run(run);
    if (vruntime == run.own_) {
      run.look_within();
      look_up(run);
    }
    if (run.count() <= DeadlineRuns::kFew) join(run);
  }

  /// Its vruntime was changed.
  void ran(Node& node) {
    Run& run = *node.run_;
    std::uint32_t at = run.place_of(node);
    Vtime vruntime = std::exchange(run.places_[at].vruntime, node.vruntime);
    run.look_for_order(node.vruntime, at, at + 1);
    if (vruntime != run.own_ && !before(node.vruntime, run.own_)) return;
    run.look_within();
    look_up(run);
  }

  /// So was its deadline.
  void put_back(Node& node) {
    erase(node);
    insert(node);
  }

  /// Who is first, and will probably be picked next: to be fetched before it is asked for. Null: it is empty.
  [[nodiscard]] const Node* first() const { return empty() ? nullptr : static_cast<const Run*>(header_.below_[0])->front().node; }

  /// Those whose vruntime is not past `now`, by deadline; null: that was all. Nothing may come or leave meanwhile.
  class Eligible {
   public:
    Eligible(DeadlineTree& tree, Vtime now) : tree_(tree), now_(now) {
      Links* first = tree.header_.below_[0];  // mostly it is
      stand(first != &tree.header_ && !before(now, first->own_) ? first : first_below(tree.header_.up_, now));
    }
    Node* next() {
      for (; run_; stand(after(*run_)))
        while (at_ < run_->end_)
          if (auto& place = run_->places_[at_++]; !before(now_, place.vruntime)) return place.node;
      return nullptr;
    }

   private:
    void stand(Links* links) {
      run_ = as_run(links);
      if (run_) at_ = run_->begin_;
    }
    Links* after(Links& links) {
      if (Links* found = first_below(links.below_[1], now_)) return found;
      for (Links *from = &links, *at = links.up_; at != &tree_.header_; from = at, at = at->up_) {
        if (at->below_[0] != from) continue;
        if (!before(now_, at->own_)) return at;
        if (Links* found = first_below(at->below_[1], now_)) return found;
      }
      return nullptr;
    }
    DeadlineTree& tree_;
    Vtime now_;
    Run* run_;
    std::uint32_t at_ = 0;
  };

  /// Who has the least vruntime; among equals, the last: mostly the lightest, and so least ahead in CPU time. The tree is not empty.
  [[nodiscard]] Node& least() {
    Links* at = header_.up_;
    for (Vtime least = at->least_;;) {
      if (Links* later = at->below_[1]; later && later->least_ == least)
        at = later;
      else if (at->own_ == least)
        break;
      else
        at = at->below_[0];
    }
    Run& run = *as_run(at);
    std::uint32_t place = run.end_ - 1;
    while (run.places_[place].vruntime != run.own_) --place;
    return *run.places_[place].node;
  }

  /// All, until `each` returns false.
  template <typename F>
  void for_each(F&& each) {
    for (Links* links = header_.below_[0]; links != &header_; links = Algorithms::next_node(links)) {
      Run& run = *as_run(links);
      for (std::uint32_t at = run.begin_; at < run.end_; ++at)
        if (!each(*run.places_[at].node)) return;
    }
  }

 private:
  friend class DeadlineNode;
  friend class DeadlineRuns;
  struct Traits {
    using node = Links;
    using node_ptr = Links*;
    using const_node_ptr = const Links*;
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

  struct Header : Links {  // up: the root; below: the first and the last
    explicit Header(DeadlineTree& t) : tree(&t) {}
    DeadlineTree* tree;
  };

  static DeadlineTree& tree_of(Run& run) { return *static_cast<Header*>(Algorithms::get_header(&run))->tree; }

  static Links* first_below(Links* at, Vtime now) {
    if (!at || before(now, at->least_)) return nullptr;
    for (;;) {
      if (Links* earlier = at->below_[0]; earlier && !before(now, earlier->least_))
        at = earlier;
      else if (!before(now, at->own_))
        return at;
      else
        at = at->below_[1];
    }
  }

  // The last one that does not begin later; else the first.
  Run* run_for(Vtime deadline) {
    Links* found = header_.below_[1];  // mostly
    if (!before(deadline, found->first_)) return as_run(found);
    found = header_.below_[0];
    for (Links* at = header_.up_; at;) {
      bool earlier = before(deadline, at->first_);
      found = earlier ? found : at;
      at = at->below_[!earlier];
    }
    return as_run(found);
  }

  // `run` knows what is in it, and those above do not yet.
  void look_up(Links& run) {
    for (Links* at = &run; at != &header_; at = at->up_) {
      Vtime known = at->least_;
      at->look_below();
      if (at->least_ == known) return;
    }
  }

  // Turned runs have looked below them, and those above have not.
  void add(Links& before_it, Run& run) {
    Algorithms::insert_before(&header_, &before_it, &run);
    for (Links* at = &run; at != &header_; at = at->up_) at->look_below();
  }

  void begin_run(Links& before_it, Node& node) {
    Run& run = runs_->take();
    run.put(0, node);
    run.own_ = node.vruntime;
    add(before_it, run);
  }

  Run& split(Run& run) {
    Run& other = runs_->take();
    run.split(run.begin_ + Run::kPlaces / 2, other);
    run.look_within();
    add(*Algorithms::next_node(&run), other);
    return other;
  }

  void join(Run& run) {
    auto may = [&](Links* with) { return with != &header_ && run.count() + as_run(with)->count() <= DeadlineRuns::kMany; };
    if (Links* later = Algorithms::next_node(&run); may(later)) return join(run, *as_run(later));
    if (&run == header_.below_[0]) return;
    if (Links* earlier = Algorithms::prev_node(&run); may(earlier)) join(*as_run(earlier), run);
  }
  void join(Run& run, Run& later) {
    run.join(later);
    end_run(later);
    look_up(run);
  }

  void end_run(Run& run) {
    Links* missing = run.up_;
    if (run.below_[0] && run.below_[1]) {  // the next one comes to stand in its place
      Links* next = run.below_[1];
      while (next->below_[0]) next = next->below_[0];
      missing = next->up_ == &run ? next : next->up_;
    }
    Algorithms::erase(&header_, &run);
    for (; missing != &header_; missing = missing->up_) missing->look_below();
    runs_->give_back(run);
  }

  void clear() {
    Algorithms::clear_and_dispose(&header_, [this](Links* links) {
      Run& run = *as_run(links);
      for (std::uint32_t at = run.begin_; at < run.end_; ++at) run.places_[at].node->run_ = nullptr;
      runs_->give_back(run);
    });
    header_.up_ = nullptr;
  }

  Header header_{*this};
  DeadlineRuns* runs_;
};

inline DeadlineNode::~DeadlineNode() {
  if (run_) DeadlineTree::tree_of(*run_).erase(*this);
}

inline DeadlineRuns::~DeadlineRuns() {
  auto end = [](DeadlineRun& run) {
    if (run.count()) DeadlineTree::tree_of(run).clear();
  };
  for (DeadlineRun& run : runs_) end(run);
  for (auto& run : more_) end(*run);
}

}  // namespace mus
