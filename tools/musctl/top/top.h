// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <mus/result.h>

#include "musctl/session.h"

namespace mus::ctl {

struct TopOptions {
  double interval_s = 1;
  bool once = false;
};

/// `musctl top`: the screen until q; with `once` one snapshot as text; with --json the snapshots as they come,
/// a line each.
/// Errors: those of Client until the first snapshot; later it reconnects. kExitUsage: no terminal.
[[nodiscard]] Result<void> run_top(Session& session, const TopOptions& options);

}  // namespace mus::ctl
