// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <mus/abi.h>
#include <mus/units.h>

#include "core/kernel_facts.h"
#include "core/policy_driver.h"
#include "machine.h"

namespace mus::fakes {

struct KernelSpec {
  unsigned cpus = 1;
  Duration slice = 4ms, hold = 1ms, stall = 100ms, rescue = 2s, report = 4ms, batch = 1ms;
  Duration answer = 10us;  ///< from the moment userspace is asked until it has drained, decided and committed
  Duration look = 10ms;    ///< userspace looks by itself after this, while tasks are held
  std::size_t event_room = 4096, decision_room = 512;
  std::uint32_t low_water = 0;
  bool idle_direct = true;
  bool standing_orders = true;  ///< false: accepted, and never obeyed
  bool expect_busy = true;      ///< it is a violation that a CPU idles while a task that may run there is held: the policy decides
  double not_yet_chance = 0;    ///< of a good decision to be refused as NOT_YET
  std::uint64_t seed = 1;
};

/// Simulates the kernel half, deterministically, on a clock of its own: it holds tasks, writes events, validates and
/// obeys decisions, and runs the tasks. Follows bpf/ function by function, with one shard and no kernel threads.
/// It checks itself all the time; see violations().
/// Shape:   up to 64 CPUs.
/// Owner:   the test; the driver must outlive it.
class FakeKernel final : public Machine, public KernelFacts {
 public:
  FakeKernel(PolicyDriver& driver, const KernelSpec& spec);

  // ---- what happens on the machine
  void add_cgroup(std::uint64_t id, std::uint64_t parent, std::uint32_t weight = Weight::kDefault) override;
  void set_cgroup_weight(std::uint64_t id, std::uint32_t weight) override;
  void remove_cgroup(std::uint64_t id);
  int spawn(const TaskSpec& spec) override;
  void kill(int pid);  ///< leaves at once, wherever it is
  void set_weight(int pid, std::uint32_t weight);
  void set_allowed(int pid, std::uint64_t cpus);
  void move(int pid, std::uint64_t cgroup);
  void set_online(unsigned cpu, bool online);
  void lose_events(std::size_t count) { to_lose_ += count; }  ///< as if the ring were full, whatever they are about
  void set_userspace(bool alive) { alive_ = alive; }
  void want_resync() { resync_wanted_ = true, ask(); }
  void apply(const mus_decision& decision);  ///< one that the driver did not make
  void apply_record(std::span<const std::byte> record);  ///< the same, as it lies in the decision ring
  void run_for(Duration time) override;

  // ---- what it says when it is asked
  [[nodiscard]] bool has_task(Pid pid) override;
  [[nodiscard]] std::optional<CgroupFacts> cgroup(CgroupId id) override;

  // ---- what came of it
  [[nodiscard]] Time now() const override { return now_; }
  [[nodiscard]] Duration run_time(int pid) const override { return find(pid).total; }
  [[nodiscard]] Duration group_time(std::uint64_t cgroup) const;  ///< of its own tasks, gone ones included
  [[nodiscard]] Duration busy_time() const { return busy_; }      ///< of all CPUs
  [[nodiscard]] Duration longest_wait(int pid) const;             ///< runnable without running, also at present
  /// Times that a task that waited in turn since it woke up saw one begin that woke up later.
  [[nodiscard]] std::uint64_t overtaken() const { return overtaken_; }
  [[nodiscard]] bool alive(int pid) const { return tasks_.contains(pid) && find(pid).where != Where::kGone; }
  [[nodiscard]] std::vector<int> alive_pids() const;
  [[nodiscard]] const mus_counters& counters() const { return counters_; }
  [[nodiscard]] const std::vector<std::string>& violations() const override { return violations_; }
  [[nodiscard]] std::uint64_t pumps() const { return pumps_; }

 private:
  enum class Where : std::uint8_t { kAsleep, kHeld, kQueued, kLocal, kRunning, kGone };
  struct Standing {
    Duration slice{}, min_run{}, budget_max{}, budget{};
    Time refilled{}, until{};
    std::uint32_t rate = 0, flags = 0;
  };
  struct FakeTask {
    int pid = 0, cpu = 0, queue_cpu = -1;
    TaskSpec spec;
    Where where = Where::kAsleep;
    mus_route route = MUS_ROUTE_NONE;
    std::uint64_t generation = 0;
    bool known = false, announced = false, uses_up = false, ahead = false, began_in_turn = false;
    Duration next_slice{};  // decided ahead, while it runs; 0: not
    std::uint64_t next_order = 0;
    int next_target = -1;
    Time order{};  // its turn: its place on the run queue that this run came from, or when that began
    Duration total{}, unreported{}, work_left{};
    Duration granted{}, used{}, slice_left{};  // of this run
    Time wake_at{}, woke_at{}, slept_at{}, runnable_since{}, held_since{}, reported_at{};
    Duration longest_wait{};
    Standing standing;
    unsigned seen = 0;
  };
  using RunQueue = std::multimap<std::uint64_t, FakeTask*>;
  struct FakeCpu {
    int id = 0;
    bool online = true;
    FakeTask* running = nullptr;
    Time since{}, idle_since{}, starved_since{}, preempt_at{}, rescued_at{}, standing_since{};
    Duration min_run{};  // what a task that waits here by standing order grants to the one that runs
    Duration turn_waits{};  // not zero: that task is on the shared queue, in turn, and comes first by more than this
    std::deque<FakeTask*> local;
    const FakeTask* begins = nullptr;  // taken from `local`, while who ran before is put away
    RunQueue queue;
  };

  // fake_kernel.cc: tasks and CPUs
  [[nodiscard]] FakeTask& find(int pid) { return tasks_.at(pid); }
  [[nodiscard]] const FakeTask& find(int pid) const { return tasks_.at(pid); }
  [[nodiscard]] bool may_run(const FakeTask& t, const FakeCpu& c) const { return t.spec.allowed >> c.id & 1; }
  [[nodiscard]] std::uint64_t online_mask() const;
  [[nodiscard]] FakeCpu& cpu_for(FakeTask& t);
  void wake(FakeTask& t, bool fork);
  void enqueue(FakeTask& t, bool wakeup, bool preempted);
  void enqueue_held(FakeTask& t, std::uint32_t flags);
  void enqueue_local(FakeTask& t, FakeCpu& c, mus_route route, Duration slice);
  void requeue(FakeTask& t);
  void take_off(FakeTask& t);
  [[nodiscard]] FakeTask* choose(FakeCpu& c, FakeTask* prev);
  [[nodiscard]] FakeTask* take(RunQueue& queue, const FakeCpu& c);
  [[nodiscard]] FakeTask* take_held(const FakeCpu& c);
  [[nodiscard]] FakeTask* take_decided(FakeCpu& c);
  [[nodiscard]] FakeTask* steal(FakeCpu& c);
  void reschedule(FakeCpu& c, bool preempt);
  void start(FakeCpu& c, FakeTask& t);
  void account(FakeTask& t);
  void renew_slice(FakeCpu& c, FakeTask& t, Duration slice);
  void report_use(FakeTask& t);
  void goes_on(FakeCpu& c, FakeTask& t, Duration slice);
  void announce_ahead(FakeTask& t, bool worth);
  void report_in_turn(FakeTask& t);
  void tell_begin(FakeTask& t, bool worth);
  void want_more(const FakeCpu& c, const FakeTask& t);
  [[nodiscard]] bool continue_decided(FakeCpu& c, FakeTask& t);
  void stop_running(FakeTask& t);
  void fall_asleep(FakeTask& t, bool exits);
  void change(FakeTask& t, mus_event_kind kind, const std::function<void()>& apply_change);

  // fake_kernel_time.cc: the clock
  [[nodiscard]] Time next_moment() const;
  [[nodiscard]] Time next_pump() const;
  void advance_to(Time t);
  void handle_due();

  // fake_kernel_standing.cc: standing orders
  [[nodiscard]] bool standing_holds(FakeTask& t);
  static void standing_refill(Standing& s, Time now);
  void standing_drain(Standing& s, Duration used) const;
  [[nodiscard]] bool standing_valid(const mus_decision& d) const;
  void standing_set(FakeTask& t, const mus_decision& d);
  [[nodiscard]] unsigned standing_rank(const FakeTask& t, const FakeCpu& c, Duration min_run) const;
  [[nodiscard]] FakeCpu& standing_cpu(const FakeTask& t, Duration min_run, FakeCpu& prev);
  [[nodiscard]] bool waits_elsewhere(const FakeCpu& c) const { return !c.queue.empty() || !shared_.empty() || !held_.empty(); }
  [[nodiscard]] bool looks_at_queues(const FakeCpu& c) const {
    return c.standing_since == Time{} || now_ - c.standing_since < spec_.slice;
  }
  [[nodiscard]] bool keeps_out_held() const { return undecided_since_ != Time{} && now_ - undecided_since_ > spec_.stall; }
  [[nodiscard]] bool served_elsewhere(const FakeCpu& c) const;
  [[nodiscard]] bool has_turn(const FakeTask& t, const FakeCpu& c) const {
    return looks_at_queues(c) || !waits_elsewhere(c) || (t.standing.flags & MUS_STANDING_RETURNS && served_elsewhere(c));
  }
  void note_turn(FakeCpu& c, const FakeTask& t);
  [[nodiscard]] static const FakeTask* returning(const FakeCpu& c);
  [[nodiscard]] static bool sibling_waits(const FakeTask& t, const FakeCpu& c);
  [[nodiscard]] bool is_kept(const FakeTask& t, const FakeCpu& c) const;
  [[nodiscard]] static bool urgent(const FakeCpu& c) { return c.running && c.running->route == MUS_ROUTE_STANDING; }
  void preempt_later(FakeCpu& c, Duration delay);
  [[nodiscard]] bool interruptible(const FakeCpu& c, Duration min_run) const;
  [[nodiscard]] static Duration return_min_run(const Standing& s);
  void interrupt_with(FakeTask& t, FakeCpu& c);
  void standing_enqueue(FakeTask& t, bool sibling, Duration min_run, FakeCpu& c);
  [[nodiscard]] static bool interrupts(const FakeTask& t) { return !(t.standing.flags & MUS_STANDING_IN_TURN); }
  [[nodiscard]] static bool takes_turns(const FakeTask& t) { return t.standing.slice > Duration::zero() && !interrupts(t); }
  [[nodiscard]] static bool by_standing_order(const FakeTask& t) { return t.route == MUS_ROUTE_STANDING || t.route == MUS_ROUTE_IN_TURN; }
  [[nodiscard]] bool may_join(FakeTask& t, mus_standing_flag flag);
  [[nodiscard]] Time turn_order(const Standing& s) const;
  [[nodiscard]] bool comes_before(Time order, const FakeCpu& c, Duration margin) const { return c.running->order - order > margin; }
  [[nodiscard]] bool waits_for_turn(const FakeCpu& c) const;
  [[nodiscard]] static Duration turn_margin(const Standing& s);
  [[nodiscard]] bool pinned_is_due(const FakeTask& t, Time order) const;
  void interrupt_for_turn(const FakeTask& t, Time order);
  [[nodiscard]] static bool waits_since_it_woke(const RunQueue::value_type& entry);
  [[nodiscard]] Time woken_order(Time turn, const RunQueue& queue) const;
  void join_in_turn(FakeTask& t, bool woke);
  [[nodiscard]] std::size_t decided_for_any() const;

  // fake_kernel_rings.cc: events, decisions, the pump, the checks
  [[nodiscard]] bool wanted(mus_event_kind kind) const;
  bool post(mus_event event);
  bool post_task(mus_event_kind kind, std::uint32_t flags, FakeTask& t, std::uint64_t arg = 0);
  void ask();
  void pump();
  void deliver();
  void resync();
  void commit();
  void kick_for(FakeTask& t, const mus_decision& d);
  [[nodiscard]] std::uint64_t bounded_order(std::uint64_t order) const;
  [[nodiscard]] mus_refusal apply_to(FakeTask& t, const mus_decision& d);
  [[nodiscard]] PolicyDriver::Queues queues();
  void check();
  void violation(const std::string& what);

  PolicyDriver& driver_;
  KernelSpec spec_;
  std::mt19937_64 random_;
  Time now_ = Time{1s};
  std::map<int, FakeTask> tasks_;
  std::map<std::uint64_t, CgroupFacts> cgroups_;
  std::vector<FakeCpu> cpus_;
  std::vector<CpuView> views_;
  Time undecided_since_{};         // since when no CPU has begun a run that was decided on, while tasks are held
  std::deque<FakeTask*> held_;  // in the order in which they came: nothing here depends on the fallback order
  RunQueue shared_;
  std::deque<mus_event> events_;
  std::deque<mus_decision> decisions_;
  std::map<std::uint64_t, Duration> group_time_;
  Duration busy_{};
  int next_pid_ = 100, starved_cpu_ = -1;
  std::size_t to_lose_ = 0;
  bool alive_ = true, resync_wanted_ = false, committing_ = false;
  Time looked_{}, asked_{};  // asked_ at the epoch: not waiting
  mus_counters counters_{};
  std::uint64_t pumps_ = 0;
  std::vector<std::string> violations_;
  std::uint64_t overtaken_ = 0;
};

}  // namespace mus::fakes
