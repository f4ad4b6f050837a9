// SPDX-License-Identifier: GPL-2.0-only
#include "core/policy_driver.h"

#include <algorithm>
#include <cstring>

namespace mus {
namespace {

constexpr std::size_t kRefreshAtOnce = 256;
constexpr Duration kUnknownRun = 1ms;  // expected of a task that has not slept yet
constexpr Duration kFurthest{MUS_ORDER_SPAN_NS};
constexpr std::uint64_t kUrgentOrder = 1;  // as early as the kernel half takes it
constexpr double kMostRate = double{MUS_STANDING_RATE_MAX} / MUS_STANDING_RATE_ONE;
constexpr std::uint32_t kPatience = 64;  // bad decisions in a row before the policy is given up

Duration average(Duration old, Duration latest) { return (3 * old + latest) / 4; }

constexpr std::uint64_t kLatestNs = std::uint64_t{1} << 62;  // differences of times up to this are Durations

bool in_range(const mus_event& e) {
  auto is_cpu = [](std::int32_t cpu) { return cpu >= 0 && cpu < static_cast<std::int32_t>(MUS_MAX_CPUS); };
  return e.kind > MUS_EVENT_NONE && e.kind < MUS_EVENT_KINDS && is_cpu(e.cpu) && e.affinity <= MUS_AFFINITY_ONE &&
         (e.affinity != MUS_AFFINITY_ONE || is_cpu(e.allowed_cpu)) && e.now_ns <= kLatestNs && e.wake_ns <= kLatestNs &&
         e.sleep_ns <= kLatestNs;
}

Weight clamp_weight(std::uint32_t weight) { return {std::clamp(weight, Weight::kMin, Weight::kMax)}; }

}  // namespace

PolicyDriver::PolicyDriver(Policy& policy, const PolicyConfig& config, const Ahead& ahead, const Sizes& sizes)
    : policy_(&policy),
      config_(config),
      ahead_(ahead),
      tasks_(sizes.tasks),
      cgroups_(sizes.cgroups),
      cpus_(sizes.cpus),
      going_on_at_(sizes.cpus),
      first_at_(sizes.cpus),
      online_(std::max(1u, config.online)),
      average_run_(kUnknownRun) {
  refresh_.reserve(kRefreshAtOnce);
  unsent_.reserve(1);
  changed(cgroups_.root(), CgroupChange::kAdded);
}

void PolicyDriver::on_event(const mus_event& event) {
  ++counters_.events;
  if (!in_range(event)) {
    ++counters_.bad_events;
    return;
  }
  set_now(time_from_ns(event.now_ns));
  if (event.pid > 0)
    on_task_event(event);
  else
    on_cgroup_event(event);
}

void PolicyDriver::on_record(const void* record, std::size_t bytes) {
  mus_event event{};  // a copy: the record is the kernel half's
  if (bytes == sizeof(event)) std::memcpy(&event, record, sizeof(event));  // of no kind otherwise
  on_event(event);
}

void PolicyDriver::on_cgroup_event(const mus_event& event) {
  CgroupId id{event.cgroup_id};
  Cgroup* cgroup = cgroups_.find(id);
  switch (event.kind) {
    case MUS_EVENT_CGROUP_NEW: {
      if (event.arg == 0) {
        cgroups_.name_root(id);
        return;
      }
      Cgroup* parent = cgroups_.find(CgroupId{event.arg});
      if (cgroup) {  // learned from a task of it before
        cgroup->kernel_weight = clamp_weight(event.weight);
        changed(*cgroup, CgroupChange::kWeight);
        return;
      }
      Cgroup& added = cgroups_.add(id, parent ? *parent : cgroups_.root(), clamp_weight(event.weight));
      if (added.id == id) changed(added, CgroupChange::kAdded);
      return;
    }
    case MUS_EVENT_CGROUP_WEIGHT:
      set_kernel_weight(id, event.weight);
      return;
    case MUS_EVENT_CGROUP_GONE:
      cgroup_gone(id);
      return;
    case MUS_EVENT_CPU:  // which CPUs are on line is read from the shared page
      return;
    default:
      ++counters_.bad_events;
  }
}

void PolicyDriver::on_task_event(const mus_event& event) {
  bool makes = event.kind == MUS_EVENT_RUNNABLE || event.kind == MUS_EVENT_RUNNING;
  Task* task = makes ? tasks_.find_or_create(Pid{event.pid}) : tasks_.find(Pid{event.pid});
  if (!task) {
    if (makes) ++counters_.shed;
    return;
  }
  if (!task->cgroup) {  // just made
    task->tgid = Pid{event.tgid};
    task->kernel_thread = event.flags & MUS_EVENT_KTHREAD;
    task->expected_run = kUnknownRun;
    task->weight = clamp_weight(event.weight);
    task->affinity = static_cast<Affinity>(event.affinity);
    task->allowed_cpu = Cpu{event.allowed_cpu};
    move_to_cgroup(*task, CgroupId{event.cgroup_id});
  }
  account(*task, event);
  task->last_cpu = Cpu{event.cpu};
  bool pinned_elsewhere = task->affinity == Affinity::kOne && task->allowed_cpu != Cpu{event.allowed_cpu};
  task->allowed_cpu = Cpu{event.allowed_cpu};
  if (task->cgroup->id != CgroupId{event.cgroup_id})
    move_to_cgroup(*task, CgroupId{event.cgroup_id});
  if (auto weight = clamp_weight(event.weight); task->weight != weight) {
    task->weight = weight;
    ask([&] { policy_->task_changed(*task, Change::kWeight, nullptr, now_); });
  }
  if (auto affinity = static_cast<Affinity>(event.affinity); task->affinity != affinity || pinned_elsewhere) {
    task->affinity = affinity;
    ask([&] { policy_->task_changed(*task, Change::kAffinity, nullptr, now_); });
  }
  switch (event.kind) {
    case MUS_EVENT_RUNNABLE:
    case MUS_EVENT_RUNNING:
      on_runnable(*task, event);
      return;
    case MUS_EVENT_REFUSED:
      ++counters_.refused;
      // Still held, of the same generation: it waits for another decision.
      if (task->state == Task::State::kDecided && task->generation == event.generation) {
        set_state(*task, Task::State::kWaiting);
        ask([&] { policy_->task_runnable(*task, false, now_); });
      }
      return;
    case MUS_EVENT_SLEEP:
      stop(*task);
      task->slept_at = time_from_ns(event.sleep_ns);
      task->expected_run = average(task->expected_run, task->burst);
      task->burst = {};
      return;
    case MUS_EVENT_REPORT:
      if (refresh_.size() < kRefreshAtOnce) refresh_.push_back(task->pid);
      return;
    case MUS_EVENT_EXIT: {
      stop(*task);
      Cgroup& cgroup = *task->cgroup;
      tasks_.erase(*task);
      cgroups_.release(cgroup);
      return;
    }
    default:  // WEIGHT, AFFINITY, CGROUP: done above
      return;
  }
}

void PolicyDriver::account(Task& task, const mus_event& event) {
  if (!event.run_ns) return;
  Duration ran{std::min<std::uint64_t>(event.run_ns, to_ns(Duration{10s}))};
  if (charged_from_ != Time{}) ran = std::clamp(now_ - charged_from_, Duration::zero(), ran);
  task.burst += ran;
  task.cgroup->run_time += ran;
  ask([&] { policy_->task_ran(task, ran, now_); });
}

void PolicyDriver::on_runnable(Task& task, const mus_event& event) {
  if (event.flags & MUS_EVENT_RESYNC && task.state == Task::State::kWaiting && task.generation == event.generation)
    return;
  bool woke = event.flags & MUS_EVENT_WAKEUP;
  if (woke) {
    task.woke_at = time_from_ns(event.wake_ns);
    task.slept_at = time_from_ns(event.sleep_ns);
    if (task.burst > Duration::zero()) {  // its SLEEP was not wanted, or was lost
      task.expected_run = average(task.expected_run, task.burst);
      task.burst = {};
    }
  }
  if (task.state == Task::State::kWaiting) stop(task);
  task.generation = event.generation;
  set_state(task, Task::State::kWaiting);
  task.running = event.kind == MUS_EVENT_RUNNING;
  ask([&] { policy_->task_runnable(task, woke, now_); });
}

void PolicyDriver::stop(Task& task) {
  if (task.state == Task::State::kAway) return;
  ask([&] { policy_->task_stopped(task, now_); });
  set_state(task, Task::State::kAway);
  task.running = false;
}

void PolicyDriver::count_going_on(const Task& task, bool in) {
  if (!task.running) return;
  std::uint32_t one = in ? 1u : -1u;
  (task.goes_on ? going_on_at_[index(*task.goes_on)] : going_on_) += one;
  if (!task.goes_on || !task.goes_first) return;
  std::uint32_t& first = first_at_[index(*task.goes_on)];
  kept_cpus_ -= first != 0;
  first += one;
  kept_cpus_ += first != 0;
}

void PolicyDriver::set_state(Task& task, Task::State state) {
  waiting_ += (state == Task::State::kWaiting);
  waiting_ -= (task.state == Task::State::kWaiting);
  if (task.state == Task::State::kDecided) count_going_on(task, false);
  if (state == Task::State::kDecided) count_going_on(task, true);
  task.cgroup->runnable += (state != Task::State::kAway);
  task.cgroup->runnable -= (task.state != Task::State::kAway);
  task.state = state;
}

void PolicyDriver::move_to_cgroup(Task& task, CgroupId id) {
  Cgroup* to = cgroups_.find(id);
  if (!to) { // not told of it (its event was lost): a child of the root until the kernel says more
    to = &cgroups_.add(id, cgroups_.root(), Weight{});
    if (to->id == id) changed(*to, CgroupChange::kAdded);
  }
  Cgroup* from = task.cgroup;
  if (from == to) return;
  cgroups_.acquire(*to);
  task.cgroup = to;
  if (!from) return;
  if (task.state != Task::State::kAway) {
    --from->runnable;
    ++to->runnable;
  }
  ask([&] { policy_->task_changed(task, Change::kCgroup, from, now_); });
  cgroups_.release(*from);
}

void PolicyDriver::set_kernel_weight(CgroupId id, std::uint32_t weight) {
  Cgroup* cgroup = cgroups_.find(id);
  if (!cgroup || cgroup->kernel_weight == clamp_weight(weight)) return;
  cgroup->kernel_weight = clamp_weight(weight);
  changed(*cgroup, CgroupChange::kWeight);
}

void PolicyDriver::cgroup_gone(CgroupId id) {
  Cgroup* cgroup = cgroups_.find(id);
  if (!cgroup || cgroup->removed) return;
  cgroups_.acquire(*cgroup);
  cgroups_.remove(*cgroup);
  changed(*cgroup, CgroupChange::kRemoved);
  cgroups_.release(*cgroup);
}

bool PolicyDriver::set_weight_override(CgroupId id, std::uint32_t weight) {
  if (!cgroups_.set_override(id, weight)) return false;
  if (Cgroup* cgroup = cgroups_.find(id)) changed(*cgroup, CgroupChange::kWeight);
  return true;
}

// What a policy throws must not end the scheduler thread: the kernel half would go on, but nobody would decide.
template <typename F>
void PolicyDriver::ask(F&& call) {
  try {
    call();
  } catch (...) {
    ++counters_.thrown;
    failed_ = true;
  }
}

void PolicyDriver::changed(Cgroup& cgroup, CgroupChange change) {
  ask([&] { policy_->cgroup_changed(cgroup, change, now_); });
}

void PolicyDriver::begin_after_another(Time now) {
  charged_from_ = now;
  order_ = std::max(order_, to_ns(now));
}

std::uint32_t PolicyDriver::use(Policy& next) {
  tasks_.for_each([](Task& task) { task.policy.reset(); });
  cgroups_.for_each([](Cgroup& cgroup) { cgroup.policy.reset(); });
  policy_ = &next;
  failed_ = false;
  nonsense_ = 0;
  cgroups_.for_each([this](Cgroup& cgroup) { changed(cgroup, CgroupChange::kAdded); });
  std::uint32_t handed_over = 0;
  tasks_.for_each([&](Task& task) {
    if (task.state != Task::State::kWaiting) return;
    ask([&] { policy_->task_runnable(task, false, now_); });
    ++handed_over;
  });
  return handed_over;
}

Promise PolicyDriver::promise(const Cgroup& cgroup) {
  Promise promise;
  ask([&] { promise = policy_->promise(cgroup); });
  return promise;
}

bool PolicyDriver::acceptable(const Decision& d) const {
  return d.task && d.task->state == Task::State::kWaiting && d.slice >= Duration{MUS_SLICE_MIN_NS} &&
         d.slice <= Duration{MUS_SLICE_MAX_NS} && (!d.cpu || index(*d.cpu) < cpus_.size());
}

void PolicyDriver::fill_standing(mus_decision& record, Task& task) {
  StandingOrder s;
  ask([&] { s = policy_->standing_order(task, now_); });
  record.flags |= MUS_DECIDE_STANDING;
  if (s.slice <= Duration::zero()) return;
  constexpr Duration kMax{MUS_SLICE_MAX_NS};
  record.standing_slice_ns = to_ns(std::clamp(s.slice, Duration{MUS_SLICE_MIN_NS}, kMax));
  record.standing_min_run_ns = to_ns(std::clamp(s.min_run, Duration::zero(), kMax));
  record.standing_budget_ns = to_ns(std::clamp(s.budget, Duration::zero(), kMax));
  record.standing_valid_ns = to_ns(std::clamp(s.valid_for, Duration::zero(), 60 * kMax));
  double rate = s.rate > 0 ? std::min(s.rate, kMostRate) : 0;  // what is not a number is none either
  record.standing_rate = static_cast<std::uint32_t>(rate * MUS_STANDING_RATE_ONE);
}

mus_decision PolicyDriver::to_record(const Decision& d) {
  mus_decision record{};
  record.pid = raw(d.task->pid);
  record.flags = MUS_DECIDE_MOVE;
  record.generation = d.task->generation;
  record.target = d.cpu ? raw(*d.cpu) : MUS_TARGET_ANY;
  record.slice_ns = to_ns(d.slice);
  order_ = std::max(order_ + 1, to_ns(now_));
  record.order = order_ - static_cast<std::uint64_t>(std::clamp(d.early, -kFurthest, kFurthest).count());
  fill_standing(record, *d.task);
  if (d.urgent && record.standing_slice_ns) {
    record.flags |= MUS_DECIDE_URGENT;
    record.order = kUrgentOrder;
  }
  return record;
}

// A CPU whose own task goes on takes nothing of what is decided for any: one more would be decided before it need be.
bool PolicyDriver::enough(std::uint32_t queued, Duration ahead) const {
  std::uint32_t cpus = online_ > kept_cpus_ ? online_ - kept_cpus_ : 1;
  if (queued < ahead_.min_per_cpu * cpus) return false;
  return queued >= ahead_.max_per_cpu * cpus || ahead >= ahead_.horizon * cpus;
}

std::size_t PolicyDriver::decide(const Queues& queues, const std::function<bool(const mus_decision&)>& send) {
  std::size_t sent = 0;
  if (!unsent_.empty()) {
    if (!send(unsent_.back())) return 0;
    unsent_.clear();
    ++sent;
  }
  for (Pid pid : refresh_) {
    Task* task = tasks_.find(pid);
    if (!task) continue;
    mus_decision record{};
    record.pid = raw(pid);
    record.generation = task->generation;
    record.target = MUS_TARGET_ANY;
    fill_standing(record, *task);
    if (!send(record)) break;  // an order that is not renewed runs out: no harm
    ++sent;
  }
  refresh_.clear();

  online_ = 0;
  std::uint32_t queued = queues.shared + going_on_;
  std::size_t n = std::min(queues.cpus.size(), cpus_.size());
  for (std::size_t i = 0; i < n; ++i) {
    cpus_[i] = queues.cpus[i];
    cpus_[i].queued += going_on_at_[i];
    online_ += cpus_[i].online && !cpus_[i].taken;
  }
  online_ = std::max(1u, online_);
  Duration ahead = average_run_ * queues.shared + ahead_.horizon * going_on_;

  while (waiting_ && unsent_.empty()) {
    bool pinned = enough(queued, ahead), decided = false;
    Room room{.cpus = {cpus_.data(), n}, .online = online_, .queued = queued};
    Decision decision;
    ask([&] { decided = pinned ? policy_->decide_pinned(room, decision, now_) : policy_->decide(room, decision, now_); });
    if (!decided) break;
    if (!acceptable(decision) || (pinned && !decision.cpu)) {
      ++counters_.bad_decisions;  // the kernel half's bound moves the task on
      failed_ = failed_ || ++nonsense_ >= kPatience;
      break;
    }
    nonsense_ = 0;
    Task& task = *decision.task;
    mus_decision record = to_record(decision);
    task.goes_on = decision.cpu;
    task.goes_first = decision.early > Duration::zero();
    set_state(task, Task::State::kDecided);
    ++counters_.decisions;
    Duration run = std::min(std::max(task.expected_run, task.burst), decision.slice);
    // Of those who use their slices, one is enough; and one that has never slept may be one of them.
    if (2 * run > decision.slice || task.slept_at == Time{}) run = std::max(run, ahead_.horizon);
    average_run_ = average(average_run_, run);
    if (decision.cpu) {
      ++cpus_[index(*decision.cpu)].queued;
    } else {
      ++queued;
      ahead += run;
    }
    if (send(record))
      ++sent;
    else
      unsent_.push_back(record);
  }
  return sent;
}

}  // namespace mus
