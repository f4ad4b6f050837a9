// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

#include <mus/result.h>
#include <mus/units.h>

namespace mus {

/// Where cgroup v2 is mounted in this mount namespace, also beside v1 (hybrid).
/// Errors: nowhere -> kExitUsage.
[[nodiscard]] Result<std::string> cgroup_mount();

/// The id of the cgroup at `path` ("/redis"), from the root of the v2 tree.
/// Errors: no such cgroup -> kExitUsage, names the nearest sibling.
[[nodiscard]] Result<CgroupId> find_cgroup(const std::string& path);

}  // namespace mus
