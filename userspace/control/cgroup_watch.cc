// SPDX-License-Identifier: GPL-2.0-only
#include "control/cgroup_watch.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

namespace mus {
namespace {

constexpr std::uint64_t kNobodysTicket = std::numeric_limits<std::uint64_t>::max();

}  // namespace

void CgroupWatch::look(std::chrono::steady_clock::time_point now) {
  const Snapshot* snapshot = port_.snapshot();
  if (!snapshot || now - looked_ < kEvery) return;
  looked_ = now;
  std::span groups(snapshot->groups.data(), snapshot->group_count);
  for (const Snapshot::Group& group : groups)
    if (group.runnable && raw(group.parent) && !look_at_weight(group)) return;
  look_for_gone(groups);
}

// False: too much is under way, so the rest waits until next time.
bool CgroupWatch::look_at_weight(const Snapshot::Group& group) {
  auto place = fs_.find(group.id);
  if (!place) return true;
  CgroupWeight said = fs_.weight(place->path);
  std::uint32_t weight = said.idle ? Weight::kMin : said.weight.value_or(0);
  return !weight || weight == group.kernel_weight ||
         port_.post({.kind = Command::Kind::kKernelWeight, .ticket = kNobodysTicket, .cgroup = group.id, .weight = weight});
}

void CgroupWatch::look_for_gone(std::span<const Snapshot::Group> groups) {
  for (std::size_t left = std::min(kIdleAtOnce, groups.size()); left > 0; --left) {
    const Snapshot::Group& group = groups[next_idle_++ % groups.size()];
    if (group.runnable || !raw(group.parent) || !fs_.removed(group.id)) continue;
    if (!port_.post({.kind = Command::Kind::kCgroupGone, .ticket = kNobodysTicket, .cgroup = group.id})) return;
  }
}

}  // namespace mus
