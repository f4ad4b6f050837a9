// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "control/port.h"
#include "kernel/exit_report.h"
#include "kernel/kernel_half.h"
#include "loop.h"

namespace mus {

/// The scheduler that runs, as the commands see it.
/// Threads: the control thread.
class LivePort : public Port {
 public:
  LivePort(Loop& loop, KernelHalf& kernel, const KernelBtf& btf) : loop_(loop), kernel_(kernel), btf_(btf) {}

  [[nodiscard]] bool post(const Command& command) override { return loop_.post(command); }
  [[nodiscard]] bool take(Reply& reply) override { return loop_.take(reply); }
  [[nodiscard]] const Snapshot* snapshot() override { return loop_.snapshot(); }
  [[nodiscard]] Totals totals() override { return read_totals(kernel_.shared()); }
  [[nodiscard]] bool ended() override { return read_exit(kernel_, btf_).ended; }
  [[nodiscard]] bool pinned() override { return kernel_.pinned(); }
  [[nodiscard]] std::optional<WaitBuckets> waits(CgroupId id) override { return kernel_.waits(id); }
  [[nodiscard]] DaemonUsage usage() override { return read_usage(); }

  [[nodiscard]] static DaemonUsage read_usage();

 private:
  Loop& loop_;
  KernelHalf& kernel_;
  const KernelBtf& btf_;
};

}  // namespace mus
