// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace mus {

/// Virtual time. Wraps: compare by difference.
using Vtime = std::uint64_t;
using VtimeSpan = std::int64_t;  ///< a difference of two
[[nodiscard]] constexpr bool before(Vtime a, Vtime b) { return static_cast<VtimeSpan>(a - b) < 0; }

class DeadlineRun;
class DeadlineTree;

/// What stands in a DeadlineTree.
class DeadlineNode {
 public:
  DeadlineNode() = default;
  DeadlineNode(const DeadlineNode&) = delete;
  DeadlineNode& operator=(const DeadlineNode&) = delete;
  inline ~DeadlineNode();
  [[nodiscard]] bool in_tree() const { return run_; }

  Vtime vruntime = 0;

 private:
  friend class DeadlineTree;
  friend class DeadlineRun;
  DeadlineRun* run_ = nullptr;  // here: two that have just been written are not read as one, which would have to wait

 public:
  Vtime deadline = 0;  ///< when, in virtual time, it will have had its next slice
};

/// What a way through a tree of runs needs of each: one cache line.
class DeadlineLinks {
 private:
  friend class DeadlineNode;
  friend class DeadlineTree;
  friend class DeadlineRun;
  friend class DeadlineRuns;

  DeadlineLinks* up_ = nullptr;
  std::array<DeadlineLinks*, 2> below_{};  ///< those that are earlier, and the others
  Vtime first_ = 0;                        ///< the first deadline
  Vtime own_ = 0;                          ///< the least vruntime
  Vtime least_ = 0;                        ///< the same, with those below
  std::uint32_t begin_ = 0, end_ = 0;      ///< of the places: who leaves at the front moves nobody
  bool red_ = false;
  bool in_order_ = true;                   ///< by vruntime too, surely: the first one has the least

  static Vtime first_of(Vtime a, Vtime b) { return before(b, a) ? b : a; }
  // Without a branch: what is below is as good as random.
  void look_below() {
    const Vtime& earlier = below_[0] ? below_[0]->least_ : own_;
    const Vtime& later = below_[1] ? below_[1]->least_ : own_;
    least_ = first_of(own_, first_of(earlier, later));
  }
};

/// Some of a tree, next to each other in deadlines and in memory: who comes is put among them without a look at the nodes, each of
/// which may be a cache miss.
/// Shape:   in order by deadline; in a tree it is not empty.
class alignas(64) DeadlineRun : private DeadlineLinks {
 public:
  struct Place {
    Vtime deadline;
    DeadlineNode* node;
    Vtime vruntime;
  };
  static constexpr std::uint32_t kPlaces = 32;

 private:
  friend class DeadlineNode;
  friend class DeadlineTree;
  friend class DeadlineRuns;

  std::array<Place, kPlaces> places_;

  [[nodiscard]] std::uint32_t count() const { return end_ - begin_; }
  [[nodiscard]] const Place& front() const { return places_[begin_]; }
  void look_within() {
    own_ = front().vruntime;
    if (in_order_) return;
    std::array<Vtime, 4> least{own_, own_, own_, own_};  // of every fourth: none waits for the one before it
    std::uint32_t at = begin_;
    for (; at + least.size() <= end_; at += least.size())
      for (std::uint32_t i = 0; i < least.size(); ++i) least[i] = first_of(least[i], places_[at + i].vruntime);
    for (; at < end_; ++at) own_ = first_of(own_, places_[at].vruntime);
    own_ = first_of(own_, first_of(first_of(least[0], least[1]), first_of(least[2], least[3])));
  }
  // One with this vruntime is to stand between the one before `at` and `next`.
  void look_for_order(Vtime vruntime, std::uint32_t at, std::uint32_t next) {
    bool early = at > begin_ && before(vruntime, places_[at - 1].vruntime);
    bool late = next < end_ && before(places_[next].vruntime, vruntime);
    if (early || late) in_order_ = false;
  }

  [[nodiscard]] std::uint32_t place_of(const DeadlineNode& node) const {
    std::uint32_t at = begin_;
    while (places_[at].node != &node) ++at;
    return at;
  }
  [[nodiscard]] std::uint32_t place_for(Vtime deadline) const {
    std::uint32_t at = end_;
    while (at > begin_ && before(deadline, places_[at - 1].deadline)) --at;
    return at;
  }

  // There is room.
  void put(std::uint32_t at, DeadlineNode& node) {
    Place* places = places_.data();
    look_for_order(node.vruntime, at, at);
    if (end_ < kPlaces) {
      std::copy_backward(places + at, places + end_, places + end_ + 1);
      ++end_;
    } else {
      std::copy(places + begin_, places + at, places + begin_ - 1);
      --begin_;
      --at;
    }
    places[at] = {node.deadline, &node, node.vruntime};
    node.run_ = this;
    first_ = front().deadline;
  }
  void take(std::uint32_t at) {
    places_[at].node->run_ = nullptr;
    if (at == begin_)
      ++begin_;
    else
      std::copy(places_.data() + at + 1, places_.data() + end_--, places_.data() + at);
    if (count()) first_ = front().deadline;
  }
  // All from a place on stand in `other` now, which is empty.
  void split(std::uint32_t at, DeadlineRun& other) {
    std::copy(places_.data() + at, places_.data() + end_, other.places_.data());
    other.begin_ = 0;
    other.end_ = end_ - at;
    end_ = at;
    for (std::uint32_t i = 0; i < other.end_; ++i) other.places_[i].node->run_ = &other;
    other.first_ = other.front().deadline;
    other.in_order_ = in_order_;
    other.look_within();
  }
  // All of the next one stand at the end of this one now. There is room.
  void join(DeadlineRun& next) {
    if (end_ + next.count() > kPlaces) {
      std::copy(places_.data() + begin_, places_.data() + end_, places_.data());
      end_ = count();
      begin_ = 0;
    }
    in_order_ = in_order_ && next.in_order_ && !before(next.front().vruntime, places_[end_ - 1].vruntime);
    for (std::uint32_t i = next.begin_; i < next.end_; ++i) {
      places_[end_++] = next.places_[i];
      next.places_[i].node->run_ = this;
    }
    next.begin_ = next.end_ = 0;
    own_ = first_of(own_, next.own_);
  }
};

/// The runs that trees take from, and give back to.
/// Shape:   as many as `nodes` nodes in `trees` trees need. The memory is taken by the constructor.
/// Owner:   of the runs. It, the trees and the nodes may end in any order.
class DeadlineRuns {
 public:
  DeadlineRuns(std::size_t nodes, std::size_t trees) : runs_(nodes / kNodesARun + trees) {
    free_.reserve(runs_.size());
    for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) free_.push_back(&*run);
  }
  DeadlineRuns(const DeadlineRuns&) = delete;
  DeadlineRuns& operator=(const DeadlineRuns&) = delete;
  inline ~DeadlineRuns();
  [[nodiscard]] std::size_t beyond() const { return more_.size(); }  ///< taken from the heap since: for more nodes than were said

 private:
  friend class DeadlineTree;
  static constexpr std::uint32_t kFew = DeadlineRun::kPlaces / 2;        // a run of so many looks for one to join
  static constexpr std::uint32_t kMany = DeadlineRun::kPlaces * 3 / 4;  // that they may be together: there is room for some that come
  static constexpr std::size_t kNodesARun = kFew / 2;                   // so each two have at least kFew + 1

  [[nodiscard]] DeadlineRun& take() {
    if (free_.empty()) {
      // By doubling: a policy that was swapped in has room for few.
      if (std::size_t all = runs_.size() + more_.size() + 1; free_.capacity() < all) free_.reserve(2 * all);
      return *more_.emplace_back(std::make_unique<DeadlineRun>());
    }
    DeadlineRun& run = *free_.back();
    free_.pop_back();
    return run;
  }
  void give_back(DeadlineRun& run) {
    run.begin_ = run.end_ = 0;
    run.in_order_ = true;
    free_.push_back(&run);
  }

  std::vector<DeadlineRun> runs_;
  std::vector<std::unique_ptr<DeadlineRun>> more_;
  std::vector<DeadlineRun*> free_;
};

}  // namespace mus
