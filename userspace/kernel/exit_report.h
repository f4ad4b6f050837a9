// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

#include "kernel/kernel_btf.h"
#include "kernel/kernel_half.h"

namespace mus {

/// What the kernel said when the scheduler ended.
struct ExitReport {
  bool ended = false;  ///< false: it still runs
  bool error = false;  ///< the kernel ended it because of a fault
  bool abandoned = false;  ///< the kernel half ended itself, since no daemon had looked for long
  std::string text;    ///< kind, reason, message and, if it was an error, the dump
};

[[nodiscard]] ExitReport read_exit(KernelHalf& kernel, const KernelBtf& btf);

}  // namespace mus
