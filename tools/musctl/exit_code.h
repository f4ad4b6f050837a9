// SPDX-License-Identifier: GPL-2.0-only
#pragma once

namespace mus::ctl {

/// What musctl exits with; the list in --help and in musctl(1) is this one.
enum ExitCode : int {
  kExitOk = 0,
  kExitRefused = 1,     ///< the daemon refused; doctor: there is a problem
  kExitUsage = 2,       ///< a wrong subcommand, flag or argument: nothing was sent
  kExitNoDaemon = 3,    ///< cannot connect: no daemon, or no permission
  kExitConnection = 4,  ///< the connection was lost, or the answer made no sense
  kExitInternal = 5,    ///< a fault of musctl
};

}  // namespace mus::ctl
