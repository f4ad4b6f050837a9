// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/exit_report.h"

#include <atomic>

namespace mus {

ExitReport read_exit(KernelHalf& kernel, const KernelBtf& btf) {
  const mus_exit& exit = kernel.shared().exit;
  auto kind = std::atomic_ref(kernel.shared().exit.kind).load(std::memory_order_acquire);
  if (!kind) return {};
  ExitReport report{.ended = true};
  report.error = kind >= btf.enum_value("scx_exit_kind", "SCX_EXIT_ERROR").value_or(1024);
  report.abandoned = !report.error && exit.code == MUS_EXIT_NO_DAEMON;
  auto name = btf.enum_name("scx_exit_kind", kind);
  report.text = (name.empty() ? "kind " + std::to_string(kind) : name) + ": " + exit.reason;
  if (exit.message[0]) report.text += std::string(" (") + exit.message + ")";
  if (exit.code) report.text += ", code " + std::to_string(exit.code);
  if (report.error) {
    if (auto dump = kernel.exit_dump(); !dump.empty()) report.text += "\n" + dump;
  }
  return report;
}

}  // namespace mus
