// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/unordered_set.hpp>
#include <cstddef>
#include <vector>

#include <mus/cgroup.h>

namespace mus {

/// The cgroups of the cpu controller, by id, and their weights.
/// Shape:   a tree under root(); at most `capacity` cgroups; memory is taken by the constructor.
/// Owner:   the tree; a Cgroup* is valid while it has users or the kernel has it.
/// Threads: scheduler thread only.
/// Cost:    O(1), no allocation after construction.
class CgroupTree {
 public:
  explicit CgroupTree(std::size_t capacity);
  ~CgroupTree();
  CgroupTree(const CgroupTree&) = delete;
  CgroupTree& operator=(const CgroupTree&) = delete;

  [[nodiscard]] Cgroup& root() { return *root_; }
  [[nodiscard]] Cgroup* find(CgroupId id);

  /// The cgroup with that id, made below `parent` if need be. When the tree is full, the nearest that it
  /// has: `parent` itself.
  Cgroup& add(CgroupId id, Cgroup& parent, Weight weight);

  /// The kernel's root cgroup has this id from now on.
  void name_root(CgroupId id);

  /// The kernel has removed it: forgotten as soon as nothing points to it.
  void remove(Cgroup& cgroup);

  void acquire(Cgroup& cgroup) { ++cgroup.users; }
  void release(Cgroup& cgroup);

  /// The weight that an operator gives, before the cgroup is known or after; 0 takes it back.
  /// False: no room for more of them.
  bool set_override(CgroupId id, std::uint32_t weight);

  [[nodiscard]] std::size_t size() const { return set_.size(); }
  [[nodiscard]] std::size_t slots() const { return cgroups_.size(); }
  /// The cgroup in a slot; null: it is free.
  [[nodiscard]] Cgroup* at(std::size_t slot) {
    Cgroup& cgroup = cgroups_[slot];
    return cgroup.boost::intrusive::unordered_set_base_hook<>::is_linked() ? &cgroup : nullptr;
  }

  /// Parents before children.
  template <typename F>
  void for_each(F&& f) {
    for (Cgroup& cgroup : known_) f(cgroup);
  }

  [[nodiscard]] static std::size_t depth(const Cgroup& cgroup) {
    std::size_t levels = 0;
    for (const Cgroup* c = cgroup.parent; c; c = c->parent) ++levels;
    return levels;
  }

 private:
  struct KeyOf {
    using type = CgroupId;
    CgroupId operator()(const Cgroup& cgroup) const { return cgroup.id; }
  };
  struct Hash {
    std::size_t operator()(CgroupId id) const { return static_cast<std::size_t>(raw(id) * 0x9e3779b97f4a7c15u >> 20); }
  };
  using Set = boost::intrusive::unordered_set<Cgroup, boost::intrusive::key_of_value<KeyOf>,
                                              boost::intrusive::hash<Hash>, boost::intrusive::power_2_buckets<true>>;
  struct Override {
    CgroupId id;
    std::uint32_t weight;
  };

  std::vector<Cgroup> cgroups_;
  std::vector<Set::bucket_type> buckets_;
  Set set_;
  boost::intrusive::list<Cgroup, boost::intrusive::constant_time_size<false>> free_;
  boost::intrusive::list<Cgroup, boost::intrusive::constant_time_size<false>> known_;  ///< in the order in which they were added
  Cgroup* root_;
  std::vector<Override> overrides_;  ///< few: searched from the front
};

}  // namespace mus
