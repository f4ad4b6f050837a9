// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "musctl/doctor/machine.h"

namespace mus::ctl {

/// What one look at the machine found.
struct Finding {
  enum class State : std::uint8_t { kOk, kWarning, kProblem };
  std::string name;  ///< "cgroup-v2"
  State state = State::kOk;
  std::string text;  ///< one line
  std::string fix;   ///< what to do; empty when it is ok
};
[[nodiscard]] const char* state_name(Finding::State state);

// One function for each thing that is looked at. A problem keeps mus-userland from running or from doing what
// it promises; a warning is worth knowing.

// kernel_checks.cc
[[nodiscard]] Finding check_kernel_release(const Machine& machine);
[[nodiscard]] Finding check_sched_ext(const Machine& machine);
[[nodiscard]] Finding check_kernel_config(const Machine& machine);
[[nodiscard]] Finding check_btf(const Machine& machine);
[[nodiscard]] Finding check_lockdown(const Machine& machine);
[[nodiscard]] Finding check_scheduler(const Machine& machine);
[[nodiscard]] Finding check_cpus(const Machine& machine);

// system_checks.cc
[[nodiscard]] Finding check_cgroup_v2(const Machine& machine);
[[nodiscard]] Finding check_cpu_controller(const Machine& machine);
[[nodiscard]] Finding check_bpffs(const Machine& machine);
[[nodiscard]] Finding check_privileges(const Machine& machine);
[[nodiscard]] Finding check_memlock(const Machine& machine);
[[nodiscard]] Finding check_container(const Machine& machine);
[[nodiscard]] Finding check_daemon(const Machine& machine, const std::string& socket);

/// All of them, in the order in which they are best mended.
[[nodiscard]] std::vector<Finding> examine(const Machine& machine, const std::string& socket);

}  // namespace mus::ctl
