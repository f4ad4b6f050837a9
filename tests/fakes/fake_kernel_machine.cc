// SPDX-License-Identifier: GPL-2.0-only
// What a test does to the fake kernel's machine: tasks, cgroups and CPUs come, go and change.
#include <deque>
#include <string>

#include "fake_kernel.h"

namespace mus::fakes {

void FakeKernel::add_cgroup(std::uint64_t id, std::uint64_t parent, std::uint32_t weight) {
  cgroups_[id] = {.parent = CgroupId{parent}, .weight = weight};
  post({.kind = MUS_EVENT_CGROUP_NEW, .cgroup_id = id, .weight = weight, .arg = parent});
}

void FakeKernel::set_cgroup_weight(std::uint64_t id, std::uint32_t weight) {
  cgroups_[id].weight = weight;
  post({.kind = MUS_EVENT_CGROUP_WEIGHT, .cgroup_id = id, .weight = weight});
}

void FakeKernel::remove_cgroup(std::uint64_t id) {
  cgroups_.erase(id);
  post({.kind = MUS_EVENT_CGROUP_GONE, .cgroup_id = id});
}

int FakeKernel::spawn(const TaskSpec& spec) {
  int pid = next_pid_++;
  FakeTask& t = tasks_[pid];
  t.pid = pid;
  t.spec = spec;
  if (!(spec.allowed & online_mask())) t.spec.allowed = ~0ull;
  t.cpu = static_cast<int>(random_() % cpus_.size());
  wake(t, true);
  return pid;
}

void FakeKernel::kill(int pid) {
  FakeTask& t = find(pid);
  if (t.where == Where::kGone) return;
  if (t.where == Where::kRunning) {
    fall_asleep(t, true);
    return;
  }
  take_off(t);
  t.where = Where::kGone;
  if (t.known) post_task(MUS_EVENT_EXIT, 0, t);
}

void FakeKernel::set_weight(int pid, std::uint32_t weight) {
  FakeTask& t = find(pid);
  change(t, MUS_EVENT_WEIGHT, [&] { t.spec.weight = weight; });
}

void FakeKernel::set_allowed(int pid, std::uint64_t cpus) {
  FakeTask& t = find(pid);
  if (!(cpus & online_mask())) return;  // sched_setaffinity() says EINVAL
  change(t, MUS_EVENT_AFFINITY, [&] { t.spec.allowed = cpus; });
}

void FakeKernel::move(int pid, std::uint64_t cgroup) {
  FakeTask& t = find(pid);
  change(t, MUS_EVENT_CGROUP, [&] { t.spec.cgroup = cgroup; });
}

std::uint64_t FakeKernel::online_mask() const {
  std::uint64_t mask = 0;
  for (const FakeCpu& c : cpus_) mask |= std::uint64_t{c.online} << c.id;
  return mask;
}

void FakeKernel::set_online(unsigned cpu, bool online) {
  FakeCpu& c = cpus_[cpu];
  if (c.online == online) return;
  c.online = online;
  post({.kind = MUS_EVENT_CPU, .cpu = c.id, .arg = online});
  if (online) {
    reschedule(c, false);
    return;
  }
  std::uint64_t left = online_mask();
  for (auto& [pid, t] : tasks_)  // as the kernel does: who has no CPU left may use all
    if (t.where != Where::kGone && !(t.spec.allowed & left)) set_allowed(pid, ~0ull);
  if (FakeTask* t = c.running) {
    stop_running(*t);
    requeue(*t);
  }
  for (FakeTask* t : std::deque(c.local)) {
    take_off(*t);
    requeue(*t);
  }
  c.starved_since = c.preempt_at = {};
}

// What the kernel does around each change: off its queue, the callback, and on again.
void FakeKernel::change(FakeTask& t, mus_event_kind kind, const std::function<void()>& apply_change) {
  if (t.where == Where::kGone) return;
  Where was = t.where;
  FakeCpu& c = cpus_[static_cast<std::size_t>(t.cpu)];
  if (was == Where::kRunning)
    stop_running(t);
  else
    take_off(t);
  t.ahead = false;
  t.next_slice = {};
  apply_change();
  if (t.known && wanted(kind)) post_task(kind, 0, t);
  if (was == Where::kAsleep) {
    t.where = was;
    return;
  }
  if (was == Where::kRunning && may_run(t, c) && c.online) {  // has the CPU still: taken off the queue at once
    enqueue_held(t, 0);
    take_off(t);
    start(c, t);
    return;
  }
  requeue(t);
  if (was == Where::kRunning) reschedule(c, false);
}

}  // namespace mus::fakes
