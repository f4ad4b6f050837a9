// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "musctl/doctor/checks.h"

namespace mus::ctl {
namespace {

using enum Finding::State;

const std::string kGoodKernels =
    "install Debian's 6.18 or 7.0 (trixie-backports), or another kernel with CONFIG_SCHED_CLASS_EXT=y";
const std::string kSchedExt = "/sys/kernel/sched_ext";

/// docs/kernel_support.md; mus-userland finds such a build by its BTF, whatever it is called.
constexpr std::array<std::string_view, 5> kBrokenDebianBuilds{"7.1.", "7.2.6+", "7.2.9+", "7.2.11+",
                                                              "7.2.12+"};

/// "6.18.15-amd64" -> {6, 18}
std::optional<std::pair<int, int>> version_of(std::string_view release) {
  int major = 0, minor = 0;
  const char* end = release.data() + release.size();
  auto [dot, error] = std::from_chars(release.data(), end, major);
  if (error != std::errc{} || dot == end || *dot != '.') return std::nullopt;
  if (std::from_chars(dot + 1, end, minor).ec != std::errc{}) return std::nullopt;
  return std::pair(major, minor);
}

/// The kernel's configuration, from wherever this system keeps it.
std::optional<std::string> kernel_config(const Machine& machine) {
  std::string release = machine.kernel_release();
  for (const std::string& path : {"/boot/config-" + release, "/lib/modules/" + release + "/config",
                                  "/usr/lib/modules/" + release + "/config"})
    if (auto text = machine.read(path)) return text;
  return machine.exists("/proc/config.gz") ? machine.read_gzip("/proc/config.gz") : std::nullopt;
}

bool is_set(const std::string& config, const std::string& option) {
  return ("\n" + config).find("\n" + option + "=y") != std::string::npos;
}

/// How many CPUs "0-3,8" names.
std::size_t cpu_count(std::string_view list) {
  std::size_t total = 0;
  while (!list.empty()) {
    auto part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), part.size() + 1));
    std::size_t from = 0, to = 0;
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), from);
    if (error != std::errc{}) break;
    to = from;
    if (end != part.data() + part.size() && *end == '-')
      std::from_chars(end + 1, part.data() + part.size(), to);
    total += to >= from ? to - from + 1 : 0;
  }
  return total;
}

}  // namespace

Finding check_kernel_release(const Machine& machine) {
  Finding found{.name = "kernel"};
  std::string release = machine.kernel_release();
  auto version = version_of(release);
  if (!version) return {found.name, kWarning, "the kernel's release is not known", "is /proc mounted?"};
  bool debian = release.find("deb") != std::string::npos || release.ends_with("-amd64");
  bool broken =
      std::ranges::any_of(kBrokenDebianBuilds, [&](auto build) { return release.starts_with(build); });
  if (debian && broken)
    return {found.name, kProblem,
            release + ": a build with broken BTF, on which no sched_ext scheduler loads",
            "install Debian's 6.18, 7.0, or 7.2.13 or later"};
  if (*version < std::pair(6, 12))
    return {found.name, kProblem, release + ": sched_ext came with 6.12", kGoodKernels};
  if (*version < std::pair(6, 16))
    return {found.name, kWarning, release + ": mus was not tested on kernels before 6.16",
            "6.18 and 7.0 are tested"};
  found.text = release;
  return found;
}

Finding check_sched_ext(const Machine& machine) {
  if (machine.exists(kSchedExt)) return {"sched_ext", kOk, "the kernel has sched_ext", {}};
  auto config = kernel_config(machine);
  if (config && is_set(*config, "CONFIG_SCHED_CLASS_EXT") && machine.list("/sys/kernel").empty())
    return {"sched_ext", kProblem, "/sys is not mounted here, so sched_ext cannot be seen",
            "mount -t sysfs sysfs /sys"};
  return {"sched_ext", kProblem, "this kernel has no sched_ext: there is no " + kSchedExt,
          kGoodKernels + "; or see mus in a virtual machine: tools/demo"};
}

Finding check_kernel_config(const Machine& machine) {
  auto config = kernel_config(machine);
  if (!config)
    return {"config", kWarning,
            "the kernel's configuration cannot be read: whether CONFIG_EXT_GROUP_SCHED is set is not known",
            "nothing needs it; mus-userland says at its start (-v) what is missing"};
  for (const char* option : {"CONFIG_SCHED_CLASS_EXT", "CONFIG_BPF_SYSCALL", "CONFIG_DEBUG_INFO_BTF"})
    if (!is_set(*config, option))
      return {"config", kProblem, "the kernel was built without " + std::string(option), kGoodKernels};
  if (!is_set(*config, "CONFIG_EXT_GROUP_SCHED"))
    return {
        "config", kWarning,
        "built without CONFIG_EXT_GROUP_SCHED: cpu.weight is not followed live, weights set through mus are",
        "use musctl weight set, or a kernel built with it"};
  if (!is_set(*config, "CONFIG_BPF_JIT"))
    return {"config", kWarning, "built without CONFIG_BPF_JIT: the kernel half is interpreted, and slow",
            kGoodKernels};
  return {"config", kOk, "sched_ext with cgroups, BPF and BTF are built in", {}};
}

Finding check_btf(const Machine& machine) {
  if (machine.exists("/sys/kernel/btf/vmlinux")) return {"btf", kOk, "the kernel describes its types", {}};
  return {
      "btf", kProblem, "there is no /sys/kernel/btf/vmlinux: the kernel half cannot be fitted to this kernel",
      "use a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions' are; in a container, let it see /sys"};
}

Finding check_lockdown(const Machine& machine) {
  std::string modes = machine.line("/sys/kernel/security/lockdown");
  if (modes.find("[confidentiality]") != std::string::npos)
    return {"lockdown", kProblem, "lockdown in confidentiality mode forbids BPF to read the kernel's memory",
            "boot with lockdown=integrity, or without lockdown="};
  return {"lockdown", kOk, modes.empty() ? "none" : "does not hinder BPF", {}};
}

Finding check_scheduler(const Machine& machine) {
  std::string state = machine.line(kSchedExt + "/state");
  std::string ops = machine.line(kSchedExt + "/root/ops");
  if (state.empty()) return {"attached", kOk, "nothing, as far as can be seen", {}};
  if (state == "disabled") return {"attached", kOk, "no sched_ext scheduler: the kernel's own schedules", {}};
  if (ops == "mus") return {"attached", kOk, "mus (" + state + ")", {}};
  return {
      "attached", kProblem,
      "another sched_ext scheduler: " + (ops.empty() ? "its name is not known" : ops) + " (" + state + ")",
      "stop it first; only one can be attached (a service? systemctl stop scx, scx_loader)"};
}

Finding check_cpus(const Machine& machine) {
  std::size_t online = cpu_count(machine.line("/sys/devices/system/cpu/online"));
  std::size_t possible = cpu_count(machine.line("/sys/devices/system/cpu/possible"));
  if (online == 0) return {"cpus", kWarning, "how many CPUs are on line is not known", "is /sys mounted?"};
  std::string text = std::to_string(online) + (online == 1 ? " CPU" : " CPUs") + " on line";
  if (possible > online) text += ", " + std::to_string(possible) + " possible";
  if (std::string isolated = machine.line("/sys/devices/system/cpu/isolated"); cpu_count(isolated) > 0)
    return {"cpus", kWarning, text + "; isolated from scheduling: " + isolated,
            "mus does not use isolated CPUs well: boot without isolcpus="};
  if (online == 1)
    return {"cpus", kWarning, text + ": the daemon shares it with everything it schedules",
            "two CPUs or more are better"};
  return {"cpus", kOk, text, {}};
}

}  // namespace mus::ctl
