// SPDX-License-Identifier: GPL-2.0-only
#pragma once

namespace mus {

/// What mus-userland exits with; the list in --help and the man page is this one.
enum ExitCode : int {
  kExitOk = 0,          ///< stopped by SIGINT or SIGTERM, switched off by the operator, or replaced
  kExitInternal = 1,    ///< something failed that should not
  kExitUsage = 2,       ///< a flag, weight, policy or cgroup is wrong
  kExitNotRoot = 3,     ///< needs root
  kExitKernel = 4,      ///< this kernel cannot run it: no sched_ext, broken BTF, program refused
  kExitBusy = 5,        ///< another daemon or sched_ext scheduler is there, or does not hand over
  kExitEvicted = 6,     ///< the kernel ended the scheduler with an error, or since this daemon had not looked for long
};

}  // namespace mus
