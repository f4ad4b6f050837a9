// SPDX-License-Identifier: GPL-2.0-only
#include "core/policy_driver.h"

#include <algorithm>
#include <cstring>

namespace mus {
namespace {

constexpr std::size_t kRefreshAtOnce = 256;
constexpr Duration kUnknownRun = 1ms;  // expected of a task that has not slept yet
constexpr std::uint64_t kLatestNs = std::uint64_t{1} << 62;  // differences of times up to this are Durations

bool in_range(const mus_event& e) {
  auto is_cpu = [](std::int32_t cpu) { return cpu >= 0 && cpu < static_cast<std::int32_t>(MUS_MAX_CPUS); };
  return e.kind > MUS_EVENT_NONE && e.kind < MUS_EVENT_KINDS && is_cpu(e.cpu) && e.affinity <= MUS_AFFINITY_ONE &&
         (e.affinity != MUS_AFFINITY_ONE || is_cpu(e.allowed_cpu)) && e.now_ns <= kLatestNs && e.wake_ns <= kLatestNs &&
         e.sleep_ns <= kLatestNs;
}

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
      Cgroup* parent = find_or_learn(CgroupId{event.arg});
      if (cgroup) {  // learned from a task of it before
        cgroup->kernel_weight = Weight::nearest(event.weight);
        changed(*cgroup, CgroupChange::kWeight);
        return;
      }
      Cgroup& added = cgroups_.add(id, parent ? *parent : cgroups_.root(), Weight::nearest(event.weight));
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
  if (Task* former = makes && event.flags & MUS_EVENT_NEW_TASK ? tasks_.find(Pid{event.pid}) : nullptr) forget(*former);  // its EXIT was lost
  Task* task = makes ? tasks_.find_or_create(Pid{event.pid}) : tasks_.find(Pid{event.pid});
  if (!task) {
    if (makes) ++counters_.shed;
    return;
  }
  if (!task->cgroup) {  // just made
    task->tgid = Pid{event.tgid};
    task->kernel_thread = event.flags & MUS_EVENT_KTHREAD;
    task->expected_run = kUnknownRun;
    task->weight = Weight::nearest(event.weight);
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
  if (auto weight = Weight::nearest(event.weight); task->weight != weight) {
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
      begun(*task);
      if (refresh_.size() < kRefreshAtOnce) refresh_.push_back(task->pid);
      return;
    case MUS_EVENT_EXIT:
      forget(*task);
      return;
    default:  // WEIGHT, AFFINITY, CGROUP: done above
      return;
  }
}

void PolicyDriver::forget(Task& task) {
  stop(task);
  Cgroup& cgroup = *task.cgroup;
  tasks_.erase(task);
  cgroups_.release(cgroup);
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

// What was decided while it ran has begun, and it goes on by standing order.
void PolicyDriver::begun(Task& task) {
  if (task.state != Task::State::kDecided) return;
  count_going_on(task, false);
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
  Cgroup* to = find_or_learn(id);
  bool gone = !to;
  if (gone) {  // or there is no room for it in the kernel half: a child of the root while it has tasks
    to = &cgroups_.add(id, cgroups_.root(), Weight{});
    if (to->id == id) changed(*to, CgroupChange::kAdded);
  }
  Cgroup* from = task.cgroup;
  if (from == to) return;
  cgroups_.acquire(*to);
  if (gone && facts_ && to->id == id) cgroups_.remove(*to);
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
  if (!cgroup || cgroup->kernel_weight == Weight::nearest(weight)) return;
  cgroup->kernel_weight = Weight::nearest(weight);
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

void PolicyDriver::changed(Cgroup& cgroup, CgroupChange change) {
  ask([&] { policy_->cgroup_changed(cgroup, change, now_); });
}

Promise PolicyDriver::promise(const Cgroup& cgroup) {
  Promise promise;
  ask([&] { promise = policy_->promise(cgroup); });
  return promise;
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

}  // namespace mus
