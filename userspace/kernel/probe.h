// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <string>

#include <mus/result.h>

#include "kernel/kernel_btf.h"

namespace mus {

/// What the running kernel can do for us, found out before anything is loaded.
struct KernelInfo {
  std::string release;             ///< uname -r
  KernelBtf btf;
  bool cgroup_callbacks = false;   ///< EXT_GROUP_SCHED: ops.cgroup_*, of the hierarchy that has the cpu controller
  bool queued_wakeup = false;      ///< SCX_OPS_ALLOW_QUEUED_WAKEUP
};

/// Errors: not root -> kExitNotRoot; no sched_ext -> kExitKernel. Each says what to do.
[[nodiscard]] Result<void> check_machine();

/// Errors: old or broken BTF -> kExitKernel.
[[nodiscard]] Result<KernelInfo> probe_kernel();

/// Errors: a sched_ext scheduler is attached -> kExitBusy, with its name.
[[nodiscard]] Result<void> check_vacant();

/// Whether `btf` offers what the kernel half needs; the error names `release` and what to install.
[[nodiscard]] Result<void> check_kernel_btf(const KernelBtf& btf, const std::string& release);

/// CPUs: how many numbers are in use, and which last-level cache each belongs to.
struct Topology {
  std::uint32_t cpu_count = 1;   ///< possible CPU numbers are below this
  std::uint32_t llc_count = 1;
  std::vector<std::uint32_t> llc_of;  ///< by CPU number; CPUs that are off line: 0
  std::vector<bool> online;
};
[[nodiscard]] Topology read_topology();

}  // namespace mus
