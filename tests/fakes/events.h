// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>

#include <mus/abi.h>
#include <mus/units.h>

namespace mus::fakes {

/// Events as the kernel half would write them, for tests that need one or two by hand. Change what differs.
inline mus_event task_event(mus_event_kind kind, int pid, std::uint64_t generation, std::uint64_t cgroup, Time now = {}) {
  mus_event e{};
  e.kind = kind;
  e.pid = pid;
  e.tgid = pid;
  e.generation = generation;
  e.cgroup_id = cgroup;
  e.now_ns = to_ns(now);
  e.weight = MUS_WEIGHT_DEFAULT;
  e.affinity = MUS_AFFINITY_ALL;
  e.allowed_count = 1;
  return e;
}

inline mus_event runnable(int pid, std::uint64_t generation, std::uint64_t cgroup, Time now = {}, bool woke = false) {
  mus_event e = task_event(MUS_EVENT_RUNNABLE, pid, generation, cgroup, now);
  if (woke) e.flags |= MUS_EVENT_WAKEUP;
  return e;
}

inline mus_event cgroup_event(mus_event_kind kind, std::uint64_t id, std::uint64_t parent = 0,
                              std::uint32_t weight = MUS_WEIGHT_DEFAULT) {
  mus_event e{};
  e.kind = kind;
  e.cgroup_id = id;
  e.arg = parent;
  e.weight = weight;
  return e;
}

}  // namespace mus::fakes
