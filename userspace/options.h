// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mus/result.h>
#include <mus/units.h>

#include "core/chaos.h"

namespace mus {

/// A weight given on the command line, its cgroup found.
struct WeightOption {
  std::string path;  ///< as cgroup v2 sees it: "/redis"
  CgroupId id{};
  std::uint32_t weight = Weight::kDefault;
};

/// The command line and the configuration file, checked.
struct Options {
  std::string policy = "vtime";
  Duration slice = 4ms;
  Duration stall = 20ms;
  Duration hold = 1ms;
  std::vector<std::string> settings;      ///< options of the policy: "slice-us=2000"
  std::string socket = "/var/run/scx/mus/control.sock";  ///< "": none
  std::string socket_group;
  std::string state = "/var/run/scx/mus/state.json";     ///< "": weights end with the daemon
  std::vector<std::string> weight_texts;  ///< "/redis=400"
  std::vector<WeightOption> weights;
  bool partial = false;
  bool cgroup_files = false;  ///< cgroups from their files, not from the kernel's callbacks
  bool pin = true;            ///< the kernel half outlives the daemon
  bool replace = false;       ///< take over from a daemon that runs
  Duration orphan = 60s;      ///< without a daemon it ends itself after this long; 0: never
  bool verbose = false;
  double stats_sec = 0;
  std::string stats_json;
  std::uint32_t exit_dump_bytes = 32768;
  std::uint32_t max_tasks = 32768;
  ChaosPlan chaos;  ///< harm done on purpose
};

/// Parses the command line. Prints and sets `exit_now` for --help and --version.
/// Errors: kExitUsage: unknown flag, value out of range, unknown policy, malformed weight.
[[nodiscard]] Result<Options> parse_options(int argc, char** argv, bool& exit_now);

/// Finds the cgroups that the weights name. Apart from parsing, since it needs a cgroup v2 mount.
/// Errors: kExitUsage: no such cgroup, no cgroup v2.
[[nodiscard]] Result<void> find_weight_cgroups(Options& options);

}  // namespace mus
