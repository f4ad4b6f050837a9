// SPDX-License-Identifier: GPL-2.0-only
#include "control/cgroup_watch.h"

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
  for (const Snapshot::Group& group : std::span(snapshot->groups.data(), snapshot->group_count)) {
    if (!group.runnable || !raw(group.parent)) continue;
    auto place = fs_.find(group.id);
    if (!place) continue;
    CgroupWeight said = fs_.weight(place->path);
    std::uint32_t weight = said.idle ? Weight::kMin : said.weight.value_or(0);
    if (weight && weight != group.kernel_weight &&
        !port_.post({.kind = Command::Kind::kKernelWeight, .ticket = kNobodysTicket, .cgroup = group.id, .weight = weight}))
      return;  // too much is under way: next time
  }
}

}  // namespace mus
