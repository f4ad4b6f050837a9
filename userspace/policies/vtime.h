// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <vector>

#include <mus/policy.h>

#include "policies/deadline_tree.h"

namespace mus {

/// The default policy: hierarchical weighted fair queueing by earliest eligible virtual deadline. Each cgroup has
/// a red-black tree of what can run in it (its tasks and child cgroups). An entity's virtual time is the CPU time that
/// it was given divided by its weight; the group's is the weighted average of its active entities'. Who is not ahead
/// of that average is eligible, and of those the one whose next slice should end first, at its own pace, runs next;
/// level by level from the root. So nothing gets more than a slice ahead of its share, or behind it.
///
///   - What is decided is charged at once with the run expected, and settled by the run measured, so that deciding
///     ahead does not let one group run away.
///   - What wakes up is placed where the others are; who uses little of what it is owed, at most one slice behind them: sleepers
///     cannot bank time.
///   - What a group or task cannot use (one thread, however heavy, uses one CPU) is shared by the others, by weight:
///     it is weighed by what it can use.
///   - Nobody waits for much longer than 0.9 s (longest-wait-ms): also the lightest runs before the kernel's watchdog looks.
///   - Who uses up its slices is compared with those that wait already while it runs, and may go on.
///   - Where its cgroup has the CPUs nearly to itself, who wakes joins those that have been decided on without asking, by how far it is
///     behind its share, and interrupts who should have come after it; where all are alike, so does who has used up a slice: taking turns
///     is what would be decided.
///   - Elsewhere, who uses little of what it is owed gets a standing order: it may interrupt others when it wakes, within a budget
///     of one slice that is refilled at the rate of its fair share. So may who uses more where its cgroup is behind, and nobody whose
///     cgroup is ahead.
///   - Who is owed most of a CPU and is not ahead goes before those that are decided on already.
///
/// Source: EEVDF, Stoica and Abdel-Wahab 1995; hierarchical packet fair queueing, Bennett and Zhang 1996;
/// docs/architecture.md.
class VtimePolicy final : public Policy {
 public:
  static constexpr std::array kOptions{
      PolicyOption{"slice-us", "how long a task runs while others wait, at an average share", 100, 100000, 4000},
      // Of the lightest task; the kernel's watchdog would not wait for as long as its weight may say.
      PolicyOption{"longest-wait-ms", "who has waited for this long runs, whatever its weight", 100, 2000, 900},
      PolicyOption{"min-run-us", "the most that a waking task leaves to the one that it interrupts", 100, 20000, 1000},
  };
  explicit VtimePolicy(const PolicyConfig& config);

  [[nodiscard]] std::string_view name() const override { return "vtime"; }
  [[nodiscard]] std::uint32_t wanted_events() const override;

  void task_runnable(Task& task, bool woke, Time now) override;
  void task_stopped(Task& task, Time now) override;
  [[nodiscard]] bool decide(const Room& room, Decision& decision, Time now) override;
  [[nodiscard]] bool decide_pinned(const Room& room, Decision& decision, Time now) override;
  void task_ran(Task& task, Duration ran, Time now) override;
  [[nodiscard]] StandingOrder standing_order(Task& task, Time now) override;
  void task_changed(Task& task, Change change, Cgroup* from, Time now) override;
  void cgroup_changed(Cgroup& cgroup, CgroupChange change, Time now) override;
  [[nodiscard]] Promise promise(const Cgroup& cgroup) override;

 private:
  /// What an entity weighs against its siblings, in 64ths: its weight, or less if it cannot use its part.
  using Load = std::uint32_t;
  static constexpr std::uint32_t kLoadOne = 64;
  static constexpr double kNearlyWhole = 0.6;  ///< of a CPU: who is owed that takes nobody's turn
  static constexpr int kAgainSlices = 4;       ///< saved up by who takes turns with its like
  static constexpr double kNoBound = 1e9;  ///< a load that no entity has
  /// Virtual time: nanoseconds of run time at weight 100, times 64 to keep a weight of 10000 exact enough.
  static constexpr std::uint64_t kScale = std::uint64_t{64} * Weight::kDefault * kLoadOne;

  struct Group;

  template <typename Tag>
  using ListHook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                                    boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  template <typename T, typename Hook>
  using List = boost::intrusive::list<T, boost::intrusive::base_hook<Hook>, boost::intrusive::constant_time_size<false>>;

  /// What stands in a tree: a task or a group. It leaves its tree and its lists when it ends, in whatever order a
  /// driver and its policy go.
  struct Entity : DeadlineTree::Node {
    bool is_group = false;
    bool active = false;  ///< runnable or running, or has a descendant that is
    Load load = Weight::kDefault * kLoadOne;
    Group* parent = nullptr;
    double pace = static_cast<double>(kScale) / load;  ///< virtual time that passes for it in a nanosecond of its run time
    std::uint32_t weight = Weight::kDefault;
    Time seen{};  ///< when it, or one below, was last known to have run
  };

  using Waiting = ListHook<struct WaitingTag>;
  using Parked = ListHook<struct ParkedTag>;  ///< never while in the tree
  using Active = ListHook<struct ActiveTag>;
  struct TaskEntity : Entity, Waiting, Parked, Active {
    explicit TaskEntity(Task& t) : task(&t) {}
    Task* task;
    Duration charged{};       ///< ahead of the run that was decided
    Duration charged_next{};  ///< the same, of the run after the present one
    Duration used{};      ///< since used_since
    Time used_since{};
    double usage = 1;     ///< CPUs' worth of time that it used, over the last window
    Time waits_since{};
    std::uint32_t whole_slices = 0;  ///< at once, last time; 0: was not full
    bool woke = false;    ///< waits since it woke up, not since its slice ended
    bool full = false;    ///< has all that it can use, as of the last fill()
    bool in_whole = false;  ///< Parked in whole_
    double most = 1;      ///< CPUs that it can use: less than one beside others that are pinned to the same
  };

  using Sibling = ListHook<struct SiblingTag>;
  struct Group : Entity, Sibling {
    explicit Group(DeadlineRuns& runs) : waiting(runs) { is_group = true; }
    DeadlineTree waiting;                  ///< what can run next
    List<Group, Sibling> groups;           ///< the active ones directly below
    Vtime base = 0;                        ///< the clock, but for `off`
    VtimeSpan off = 0;                     ///< sum of load x (vruntime - base) over the active entities
    std::uint64_t active_load = 0;         ///< of the active entities directly below
    double per_load = 0;                   ///< 1 / active_load; 0: there are none
    std::uint64_t active_weight = 0;       ///< the same, by weight
    List<TaskEntity, Active> tasks;        ///< the active ones directly in it
    std::uint64_t active_task_weight = 0;  ///< theirs
    std::uint32_t active_tasks = 0;
    double recent_weight = 0;              ///< of the entities directly below that ran lately: see()
    Time recent_at{};
    double most_cpus = 0;                  ///< that all below can use, as of the last fill()
    double cpus = 0;                       ///< CPUs' worth of time that it is entitled to
    double task_cpus = 0;                  ///< the part of that for the tasks directly in it
    double cpu_load = kNoBound;            ///< what an entity directly below weighs that is entitled to one CPU
    bool full = false;                     ///< has all that it can use
  };

  [[nodiscard]] Group& group_of(const Cgroup& cgroup) const;
  [[nodiscard]] TaskEntity& entity_of(Task& task);
  [[nodiscard]] static Duration expected_run(const Task& task, Duration slice);
  [[nodiscard]] static Vtime cost(Duration run, const Entity& entity);
  [[nodiscard]] static Vtime cost_unasked(Duration run, const Entity& entity);
  [[nodiscard]] static Vtime clock(Group& group);
  [[nodiscard]] Vtime credit(const Entity& entity) const { return cost(slice_, entity); }
  static void weigh(Entity& entity, Load load);
  static void count(Entity& entity, bool in);
  static void move(Entity& entity, Vtime vruntime);
  void place(Entity& entity, bool credited);
  void request(Entity& entity) const;
  void insert(Entity& entity);
  static void erase(Entity& entity);
  void activate(Entity& entity);
  void deactivate(Entity& entity);
  void charge(Entity& entity, Duration run, bool unasked = false);
  void refund(TaskEntity& entity);
  void park(TaskEntity& entity, Cpu cpu);
  void withdraw(TaskEntity& entity);
  void leave_tree(TaskEntity& entity);
  void set_weight(Entity& entity, std::uint32_t weight);
  void set_load(Entity& entity, Load load);
  void share_out();
  [[nodiscard]] static Group* innermost_first(Group& group);
  [[nodiscard]] static Group* next_sibling(Group& group);
  [[nodiscard]] static Group* next_outward(Group& group);
  [[nodiscard]] static Group* next_inward(Group& group);
  void measure(Group& group, bool anew);
  void fill(Group& group);
  [[nodiscard]] bool cap_pinned();
  template <typename F>
  void for_each_pinned(F&& each);
  [[nodiscard]] static Load feasible_load(const TaskEntity& entity);
  [[nodiscard]] double by_weight(const Entity& entity) const;
  [[nodiscard]] static Duration lag(const Entity& entity);
  static double usage(TaskEntity& e, Time now);
  static void see(Entity& entity, Time now);
  [[nodiscard]] double owed_lately(const TaskEntity& e) const;
  [[nodiscard]] double owed_now(const TaskEntity& e) const;
  [[nodiscard]] bool alone_lately(const TaskEntity& e) const;
  [[nodiscard]] bool all_alike(const TaskEntity& e) const;
  [[nodiscard]] static Duration groups_lag(const TaskEntity& e);
  [[nodiscard]] static Duration lag_settled(const TaskEntity& e);
  [[nodiscard]] bool uses_little(TaskEntity& e, Time now) const;
  [[nodiscard]] static bool heavy(const TaskEntity& entity);
  [[nodiscard]] static bool owed_whole(const TaskEntity& entity) { return entity.full && entity.most >= 1; }
  [[nodiscard]] bool goes_first(const TaskEntity& e) const;
  [[nodiscard]] static bool behind(const Entity& entity, Duration spare = {});
  void count_tasks(std::int32_t more);
  [[nodiscard]] Duration slice() const { return slice_now_; }
  [[nodiscard]] Duration min_run(double part) const;
  [[nodiscard]] Duration next_slice(TaskEntity& entity) const;
  [[nodiscard]] Duration overdue_slice() const;
  [[nodiscard]] static TaskEntity* first_eligible(Group& group, std::size_t& looks);
  static void least_ahead(Group& group, Duration by, Duration& least, TaskEntity*& found, std::size_t& looks);
  [[nodiscard]] TaskEntity& first() const;
  [[nodiscard]] TaskEntity* pick(const Room& room, bool pinned);
  void make_ready(TaskEntity& entity);
  void fetch_overdue() const;
  [[nodiscard]] TaskEntity* pick_overdue(const Room& room, bool pinned, Time now);
  void look_again(const Room& room, Time now);
  [[nodiscard]] bool decide_next(const Room& room, bool pinned, Decision& decision, Time now);
  void unpark(const Room& room);
  [[nodiscard]] static std::optional<Cpu> target(const Task& task, const Room& room);

  DeadlineRuns runs_;  ///< that those who wait in the groups stand in
  Duration slice_;
  Duration slice_now_;  ///< as so many tasks are active on so many CPUs
  Duration min_run_;
  Duration longest_wait_;
  std::uint32_t online_;
  Time shared_out_{};
  bool changed_ = false;   ///< groups came, went or were weighed since
  bool pinned_ = false;    ///< some active task is pinned to one CPU
  bool any_heavy_ = false; ///< some active task is owed most of a CPU
  bool tight_ = false;     ///< some active task is owed nearly a whole CPU: it cannot make up for a turn that it misses
  Group* root_ = nullptr;
  std::uint32_t active_tasks_ = 0;
  /// Those that wait for a decision, the longest waiting first.
  List<TaskEntity, Waiting> waiting_;
  struct PinnedHere {
    double rate = 0;    ///< what those who are pinned to this CPU would get if each had one of its own, in CPUs
    double weight = 0;  ///< the same by weight alone, without a bound
  };
  std::vector<PinnedHere> pinned_here_;  ///< by CPU
  std::vector<List<TaskEntity, Parked>> parked_;  ///< by CPU: tasks picked in turn, whose CPU's queue was full
  List<TaskEntity, Parked> whole_;                ///< tasks that are owed all of a CPU, whatever the others do
  std::size_t parked_count_ = 0;
};

}  // namespace mus
