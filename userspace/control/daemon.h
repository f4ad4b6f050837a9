// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "options.h"

namespace mus {

/// Runs the scheduler until a signal, or until the kernel ends it. Returns the exit code.
/// Threads: the control thread, which starts the scheduler thread.
/// Errors:  printed, one line each; nothing is left attached.
[[nodiscard]] int run_daemon(const Options& options);

}  // namespace mus
