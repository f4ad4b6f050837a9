// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/adoption.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "exit_code.h"
#include "rings/ring_repair.h"

namespace mus {
namespace {

std::optional<RingMapping> map_ring(int fd, RingMapping::Direction direction) {
  bpf_map_info info{};
  __u32 bytes = sizeof(info);
  if (bpf_map_get_info_by_fd(fd, &info, &bytes)) return std::nullopt;
  return RingMapping::open(fd, info.max_entries, direction);
}

}  // namespace

std::vector<mus_event> cgroup_events(std::vector<KernelHalf::KnownCgroup> cgroups) {
  std::ranges::sort(cgroups, {}, [](const auto& known) { return std::pair(known.cgroup.level, raw(known.id)); });
  std::vector<mus_event> events;
  events.reserve(cgroups.size());
  for (const auto& [id, cgroup] : cgroups) {
    mus_event event{};
    event.kind = MUS_EVENT_CGROUP_NEW;
    event.cgroup_id = raw(id);
    event.weight = cgroup.weight;
    event.arg = cgroup.parent_id;
    events.push_back(event);
  }
  return events;
}

Result<Adopter> Adopter::open(KernelHalf& kernel) {
  auto events = map_ring(kernel.events_fd(), RingMapping::Direction::kToUserspace);
  auto decisions = map_ring(kernel.decisions_fd(), RingMapping::Direction::kToKernel);
  if (!events || !decisions) return fail("the rings of the kernel half cannot be mapped", "look at ulimit -l");
  return Adopter(kernel, std::move(*events), std::move(*decisions));
}

std::size_t Adopter::tell_cgroups(const std::function<void(const mus_event&)>& tell) const {
  auto events = cgroup_events(kernel_.cgroups());
  std::ranges::for_each(events, tell);
  return events.size();
}

Result<Adoption> Adopter::adopt(const KernelSettings& settings) {
  mus_shared& shared = kernel_.shared();
  if (std::atomic_ref(shared.exit.kind).load())
    return fail("the kernel half has ended meanwhile", "start mus-userland again", kExitBusy);
  kernel_.hold();
  kernel_.sign();
  std::atomic_ref(shared.daemon.replaced_by).store(0);

  Adoption done;
  RingRepair repair = repair_decisions(decisions_.memory());
  if (!kernel_.commit_all()) return fail("the decision ring of the kernel half cannot be read");
  done.decisions_discarded = repair.records;
  done.reset = repair.reset;
  repair = skip_events(events_.memory());
  done.events_skipped = repair.records;
  done.reset |= repair.reset;
  kernel_.apply(settings);
  std::atomic_ref(shared.resync_wanted).store(1);
  return done;
}

}  // namespace mus
