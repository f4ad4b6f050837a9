// SPDX-License-Identifier: GPL-2.0-only
#include "options.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <span>

#include "control/cgroupfs.h"
#include "exit_code.h"
#include "policies/registry.h"
#include "version.h"

namespace mus {
namespace {

constexpr const char* kDescription =
    "mus: schedules this machine's tasks by a C++ policy in userspace, through BPF sched_ext.\n"
    "Runs in the foreground until SIGINT or SIGTERM; then the kernel's own scheduler takes over again.\n"
    "If it dies instead, the kernel half schedules on by the same weights, and the next mus-userland adopts it.";

constexpr const char* kFooter =
    "Examples:\n"
    "  mus-userland --stats 1                         the default policy, one line of figures a second\n"
    "  mus-userland --weight /redis=400               the cgroup /redis gets four times an ordinary share\n"
    "  mus-userland --policy fifo --slice-us 2000     another policy, slices of 2 ms\n"
    "  mus-userland --replace                         upgrade: take over from the one that runs, without a gap\n"
    "\n"
    "Exit codes: 0 stopped by a signal or switched off; 1 internal error; 2 wrong flag, weight, policy or\n"
    "cgroup; 3 not root; 4 this kernel cannot run it; 5 another mus-userland or sched_ext scheduler is there;\n"
    "6 the kernel ended the scheduler with an error, or the daemon had been stopped for too long.\n"
    "No sched_ext kernel at hand? tools/demo boots one in a virtual machine.";

std::string policy_help() {
  std::string text = "Who decides:";
  for (const PolicyEntry& p : policies()) text += "\n" + std::string(p.name) + ": " + std::string(p.summary);
  return text;
}

/// " (did you mean --policy?)", for the first long flag that is not one; else nothing.
std::string nearest_flag(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  std::vector<std::string_view> names(known.begin(), known.end());
  for (std::string_view argument : std::span(argv + 1, static_cast<std::size_t>(argc - 1))) {
    argument = argument.substr(0, argument.find('='));
    if (!argument.starts_with("--") || std::ranges::find(names, argument) != names.end()) continue;
    if (auto near = nearest_name(argument, names); !near.empty()) return " (did you mean " + std::string(near) + "?)";
  }
  return {};
}

Result<WeightOption> parse_weight(const std::string& text) {
  auto equals = text.rfind('=');
  const std::string remedy = "give a cgroup and a weight from 1 to 10000, like --weight /redis=400";
  if (equals == std::string::npos || equals == 0)
    return fail("--weight " + text + ": not CGROUP=WEIGHT", remedy, kExitUsage);
  WeightOption option{.path = text.substr(0, equals)};
  std::string_view number = std::string_view(text).substr(equals + 1);
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), option.weight);
  if (error != std::errc{} || end != number.data() + number.size() || option.weight < Weight::kMin ||
      option.weight > Weight::kMax)
    return fail("--weight " + text + ": '" + std::string(number) + "' is not a weight", remedy, kExitUsage);
  if (option.path.front() != '/' || option.path.find("..") != std::string::npos)
    return fail("--weight " + text + ": '" + option.path + "' is not a cgroup's path",
                "write it from the root of the cgroup v2 tree, like /system.slice/redis.service", kExitUsage);
  return option;
}

}  // namespace

Result<Options> parse_options(int argc, char** argv, bool& exit_now) {
  Options options;
  std::uint32_t slice_us = 4000, stall_ms = 20, hold_us = 1000, orphan_sec = 60;
  bool no_pin = false;
  std::string chaos;
  CLI::App app(kDescription, "mus-userland");
  app.footer(kFooter);
  app.set_version_flag("-V,--version", "mus-userland " MUS_VERSION_STRING);
  app.set_config("--config", "", "Read flags from a TOML file: policy = \"fifo\"");
  app.add_option("--policy", options.policy, policy_help())->type_name("NAME")->capture_default_str();
  app.add_option("--set", options.settings, "Set an option of the policy (repeatable; musctl policy show lists them)")
      ->type_name("NAME=VALUE")
      ->take_all();
  app.add_option("--weight", options.weight_texts, "Give a cgroup a weight, 1..10000, instead of its cpu.weight (repeatable)")
      ->type_name("CGROUP=W")
      ->take_all();
  app.add_option("--slice-us", slice_us, "Longest time that a task runs while others wait, microseconds")
      ->check(CLI::Range(100u, 100000u))
      ->capture_default_str();
  app.add_option("--hold-us", hold_us, "Longest time that a CPU waits for a decision before it helps itself, microseconds")
      ->check(CLI::Range(50u, 100000u))
      ->capture_default_str();
  app.add_option("--stall-ms", stall_ms, "After this long without an answer, the kernel half schedules on alone, milliseconds")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  app.add_flag("--cgroup-files", options.cgroup_files,
               "Learn cgroups from tasks and cgroupfs, as on kernels without EXT_GROUP_SCHED, not from callbacks");
  app.add_flag("-p,--partial", options.partial, "Schedule only tasks of the class SCHED_EXT");
  app.add_flag("--replace", options.replace,
               "Take over from the mus-userland that runs, if one does: nothing is detached, and no task notices");
  app.add_flag("--no-pin", no_pin,
               "Do not keep the kernel half in /sys/fs/bpf/mus: if this daemon dies, the kernel's own scheduler takes over "
               "at once, and none can adopt what it left");
  app.add_option("--orphan-sec", orphan_sec,
                 "If no daemon looks for this long, the kernel half ends itself, seconds; 0: never")
      ->check(CLI::Range(0u, 86400u))
      ->capture_default_str();
  app.add_option("--stats", options.stats_sec, "Print a line of figures each SEC seconds")
      ->type_name("SEC")
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--stats-json", options.stats_json, "When it ends, write all counters to FILE as one JSON object")
      ->type_name("FILE");
  app.add_option("--socket", options.socket, "Where musctl finds the daemon; '' for nowhere")->type_name("PATH")->capture_default_str();
  app.add_option("--socket-group", options.socket_group, "Who may use it besides root")->type_name("GROUP");
  app.add_option("--state", options.state, "Keeps the weights that were set from one run to the next; '' for none")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--max-tasks", options.max_tasks, "Tasks that userspace keeps; the kernel half runs any others by itself")
      ->check(CLI::Range(64u, 4194304u))
      ->capture_default_str();
  app.add_option("--exit-dump-len", options.exit_dump_bytes, "Bytes of the kernel's dump to keep if it ends in an error")
      ->check(CLI::Range(4096u, 65536u))
      ->capture_default_str();
  app.add_option("--chaos", chaos, "Do harm on purpose, to see that nothing is lost by it: drop, dup or stale (rates of decisions),\n"
                                   "delay (of each), stop (the scheduler thread, for/every), kill (itself)")
      ->type_name("drop=0.01,delay=5ms,...");
  app.add_flag("-v,--verbose", options.verbose, "Say what happens, and all that the BPF verifier says");

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    app.exit(asked);
    exit_now = true;
    return options;
  } catch (const CLI::ExtrasError& unknown) {
    return fail(unknown.what() + nearest_flag(app, argc, argv), "see mus-userland --help", kExitUsage);
  } catch (const CLI::FileError& unreadable) {
    return fail("--config: " + std::string(unreadable.what()), "give a TOML file, or leave the flag out", kExitUsage);
  } catch (const CLI::ParseError& wrong) {
    return fail(wrong.what(), "see mus-userland --help", kExitUsage);
  }
  options.slice = std::chrono::microseconds(slice_us);
  options.hold = std::chrono::microseconds(hold_us);
  options.stall = std::chrono::milliseconds(stall_ms);
  options.orphan = std::chrono::seconds(orphan_sec);
  options.pin = !no_pin;
  if (auto policy = find_policy(options.policy); !policy) {
    Error error = policy.error();
    error.exit_code = kExitUsage;
    return std::unexpected(error);
  }
  if (!chaos.empty()) {
    auto plan = ChaosPlan::parse(chaos);
    if (!plan) return std::unexpected(plan.error());
    options.chaos = *plan;
  }
  for (const std::string& text : options.weight_texts) {
    auto weight = parse_weight(text);
    if (!weight) return std::unexpected(weight.error());
    options.weights.push_back(*weight);
  }
  return options;
}

Result<void> find_weight_cgroups(Options& options) {
  for (WeightOption& weight : options.weights) {
    auto id = find_cgroup(weight.path);
    if (!id) return std::unexpected(id.error());
    weight.id = *id;
  }
  return {};
}

}  // namespace mus
