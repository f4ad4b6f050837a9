// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <vector>

#include <mus/policy.h>

namespace mus {

/// The default policy: hierarchical weighted fair queueing. Each cgroup has a red-black tree of what can run in
/// it (its tasks and child cgroups) ordered by virtual time, the CPU time used divided by the
/// weight; who is furthest behind runs next, level by level from the root.
///
///   - What is decided is charged at once with the run expected, and settled by the run measured, so that deciding
///     ahead does not let one group run away.
///   - What wakes up is placed at most one slice behind the others: sleepers cannot bank time.
///   - What a group or task cannot use (one thread, however heavy, uses one CPU) is shared by the others, by weight.
///   - Nobody waits for longer than a second: also the lightest runs before the kernel's watchdog looks.
///   - Slices are in proportion to what a task is owed, so that a few tasks that take turns get their shares too.
///   - Each decision carries a standing order: the task may interrupt others when it wakes, within a budget
///     of one slice that is refilled at the rate of its fair share.
///
/// Source: weighted fair queueing, Demers, Keshav and Shenker 1989; CFS's placement rule; design in docs/architecture.md.
class VtimePolicy final : public Policy {
 public:
  static constexpr std::array kOptions{
      PolicyOption{"slice-us", "how long a task runs while others wait, at an average share", 100, 100000, 4000},
      PolicyOption{"min-run-us", "what a waking task leaves to the one that it interrupts", 100, 20000, 2000},
  };
  explicit VtimePolicy(const PolicyConfig& config);

  [[nodiscard]] std::string_view name() const override { return "vtime"; }
  [[nodiscard]] std::uint32_t wanted_events() const override;

  void task_runnable(Task& task, bool woke, Time now) override;
  void task_stopped(Task& task, Time now) override;
  [[nodiscard]] bool decide(const Room& room, Decision& decision, Time now) override;
  void task_ran(Task& task, Duration ran, Time now) override;
  [[nodiscard]] StandingOrder standing_order(Task& task, Time now) override;
  void task_changed(Task& task, Change change, Cgroup* from, Time now) override;
  void cgroup_changed(Cgroup& cgroup, CgroupChange change, Time now) override;
  [[nodiscard]] Promise promise(const Cgroup& cgroup) override;

 private:
  /// Virtual time: nanoseconds at weight 100, times 64 to keep a weight of 10000 exact enough. Wraps: compare by difference.
  using Vtime = std::uint64_t;
  static constexpr std::uint64_t kScale = 64 * Weight::kDefault;
  static constexpr bool before(Vtime a, Vtime b) { return static_cast<std::int64_t>(a - b) < 0; }

  struct Group;

  template <typename Tag>
  using ListHook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                                    boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  template <typename T, typename Hook>
  using List = boost::intrusive::list<T, boost::intrusive::base_hook<Hook>, boost::intrusive::constant_time_size<false>>;

  /// What stands in a tree: a task or a group. It leaves its tree and its lists when it ends, in whatever order a
  /// driver and its policy go.
  struct Entity : boost::intrusive::set_base_hook<boost::intrusive::optimize_size<true>,
                                                  boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    Vtime vruntime = 0;
    std::uint32_t weight = Weight::kDefault;
    bool is_group = false;
    bool active = false;  ///< runnable or running, or has a descendant that is
    Group* parent = nullptr;
    [[nodiscard]] bool in_tree() const { return set_base_hook::is_linked(); }
    bool operator<(const Entity& other) const { return before(vruntime, other.vruntime); }
  };
  using Tree = boost::intrusive::multiset<Entity, boost::intrusive::constant_time_size<false>>;

  using Waiting = ListHook<struct WaitingTag>;
  using Parked = ListHook<struct ParkedTag>;  ///< never while in the tree
  struct TaskEntity : Entity, Waiting, Parked {
    explicit TaskEntity(Task& t) : task(&t) {}
    Task* task;
    Duration charged{};  ///< ahead of the run that was decided
    Duration used{};      ///< since used_since
    Time used_since{};
    double usage = 1;     ///< CPUs' worth of time that it used, over the last window
    Time waits_since{};
    bool woke = false;    ///< waits since it woke up, not since its slice ended
  };

  using Sibling = ListHook<struct SiblingTag>;
  struct Group : Entity, Sibling {
    Group() { is_group = true; }
    Tree tree;
    List<Group, Sibling> groups;           ///< the active ones directly below
    Vtime clock = 0;                       ///< virtual time of the group: that of the last entity picked in it
    std::uint64_t active_weight = 0;       ///< of the active entities directly below
    std::uint64_t active_task_weight = 0;  ///< of those that are tasks
    std::uint32_t active_tasks = 0;
    std::uint32_t most_cpus = 0;           ///< that all below can use, as of the last fill()
    double cpus = 0;                       ///< CPUs' worth of time that it is entitled to
    double task_cpus = 0;                  ///< the part of that for the tasks directly in it
    bool full = false;                     ///< has all that it can use
  };

  [[nodiscard]] Group& group_of(const Cgroup& cgroup) const;
  [[nodiscard]] static Vtime cost(Duration run, std::uint32_t weight);
  [[nodiscard]] Vtime credit(const Entity& entity) const { return cost(slice_, entity.weight); }
  void place(Entity& entity, bool woke) const;
  static void insert(Entity& entity);
  static void erase(Entity& entity);
  void activate(Entity& entity);
  void deactivate(Entity& entity);
  void charge(Entity& entity, Duration run);
  void park(TaskEntity& entity, Cpu cpu);
  void withdraw(TaskEntity& entity);
  void leave_tree(TaskEntity& entity);
  void set_weight(Entity& entity, std::uint32_t weight);
  void share_out();
  void measure(Group& group) const;
  void fill(Group& group);
  [[nodiscard]] double by_weight(const Entity& entity) const;
  [[nodiscard]] static double task_cpus(const TaskEntity& entity);
  [[nodiscard]] static Duration lag(const Entity& entity);
  [[nodiscard]] Duration minimum_run(TaskEntity& entity, double cpus, Time now) const;
  [[nodiscard]] Duration slice_for(const TaskEntity& entity) const;
  [[nodiscard]] TaskEntity* pick(const Room& room);
  [[nodiscard]] TaskEntity* pick_overdue(const Room& room, Time now);
  void unpark(const Room& room);
  [[nodiscard]] static std::optional<Cpu> target(const Task& task, const Room& room);

  Duration slice_;
  Duration min_run_;
  std::uint32_t online_;
  Time shared_out_{};
  bool changed_ = false;  ///< groups came, went or were weighed since
  Group* root_ = nullptr;
  std::uint32_t active_tasks_ = 0;
  /// Those that wait for a decision, the longest waiting first.
  List<TaskEntity, Waiting> waiting_;
  std::vector<List<TaskEntity, Parked>> parked_;  ///< by CPU: tasks picked in turn, whose CPU's queue was full
  std::size_t parked_count_ = 0;
};

}  // namespace mus
