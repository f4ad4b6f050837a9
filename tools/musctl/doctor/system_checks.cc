// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

#include "musctl/doctor/checks.h"

namespace mus::ctl {
namespace {

using enum Finding::State;

constexpr unsigned kCapSysAdmin = 21, kCapIpcLock = 14, kCapPerfmon = 38, kCapBpf = 39;

bool has_word(const std::string& text, const std::string& word, char separator = ' ') {
  std::istringstream words(text);
  for (std::string other; std::getline(words, other, separator);)
    if (other == word) return true;
  return false;
}

std::string cgroup_v2_mount(const Machine& machine) {
  for (const auto& mount : machine.mounts())
    if (mount.type == "cgroup2") return mount.path;
  return {};
}

std::string cgroup_v1_cpu_mount(const Machine& machine) {
  for (const auto& mount : machine.mounts())
    if (mount.type == "cgroup" && has_word(mount.options, "cpu", ',')) return mount.path;
  return {};
}

bool has_capability(const Machine& machine, unsigned number) {
  std::string text = machine.value("/proc/self/status", "CapEff");
  std::uint64_t set = 0;
  std::from_chars(text.data(), text.data() + text.size(), set, 16);
  return (set >> number & 1) != 0;
}

bool is_root(const Machine& machine) {
  // Real, effective, saved, file system.
  std::istringstream ids(machine.value("/proc/self/status", "Uid"));
  std::string real, effective;
  ids >> real >> effective;
  return effective == "0";
}

}  // namespace

Finding check_cgroup_v2(const Machine& machine) {
  std::string mount = cgroup_v2_mount(machine);
  if (mount.empty())
    return {"cgroup-v2", kProblem, "cgroup v2 is not mounted: there are no weights of cgroups",
            "mount -t cgroup2 none /sys/fs/cgroup (systemd: boot with systemd.unified_cgroup_hierarchy=1)"};
  if (!cgroup_v1_cpu_mount(machine).empty())
    return {"cgroup-v2", kWarning,
            "mounted at " + mount + ", beside cgroup v1 (hybrid): the paths of mus are those of v2",
            "boot with systemd.unified_cgroup_hierarchy=1 to have v2 alone"};
  return {"cgroup-v2", kOk, "mounted at " + mount, {}};
}

Finding check_cpu_controller(const Machine& machine) {
  std::string mount = cgroup_v2_mount(machine);
  if (mount.empty())
    return {"cpu-controller", kWarning, "not looked for: cgroup v2 is not mounted", "mount cgroup v2"};
  if (auto v1 = cgroup_v1_cpu_mount(machine); !v1.empty())
    return {"cpu-controller", kWarning,
            "it belongs to cgroup v1 (" + v1 + "): cgroups of v2 have no cpu.weight",
            "use musctl weight set, or boot with systemd.unified_cgroup_hierarchy=1"};
  if (!has_word(machine.line(mount + "/cgroup.controllers"), "cpu"))
    return {"cpu-controller", kWarning, "not available in this cgroup tree: cgroups have no cpu.weight",
            "in a container it must be delegated from outside; musctl weight set works without it"};
  if (!has_word(machine.line(mount + "/cgroup.subtree_control"), "cpu"))
    return {"cpu-controller", kWarning, "switched off below the root: cgroups have no cpu.weight",
            "echo +cpu > " + mount + "/cgroup.subtree_control"};
  return {"cpu-controller", kOk, "on: cpu.weight of each cgroup counts", {}};
}

Finding check_bpffs(const Machine& machine) {
  for (const auto& mount : machine.mounts())
    if (mount.type == "bpf") return {"bpffs", kOk, "mounted at " + mount.path, {}};
  return {"bpffs", kWarning, "the BPF file system is not mounted: nothing can be pinned",
          "mount -t bpf bpf /sys/fs/bpf (mus does not need it yet)"};
}

Finding check_privileges(const Machine& machine) {
  // The initial user namespace maps everything.
  std::istringstream map(machine.line("/proc/self/uid_map"));
  std::uint64_t inside = 0, outside = 0, length = 4294967295;
  map >> inside >> outside >> length;
  if (is_root(machine) && length < 4294967295)
    return {"privileges", kProblem, "root of a user namespace only: the kernel grants it no sched_ext",
            "run mus-userland on the host, or in a container without a user namespace"};
  std::string lacking;
  for (auto [number, name] : {std::pair(kCapBpf, "CAP_BPF"), std::pair(kCapPerfmon, "CAP_PERFMON"),
                              std::pair(kCapSysAdmin, "CAP_SYS_ADMIN")})
    if (!has_capability(machine, number)) lacking += (lacking.empty() ? "" : ", ") + std::string(name);
  if (!is_root(machine))
    return {"privileges", kWarning,
            "not root: mus-userland could not be started from here, and some checks see less",
            "sudo musctl doctor"};
  if (!lacking.empty())
    return {"privileges", kProblem, "root without " + lacking,
            "in a container: run it privileged; else start mus-userland from a root shell"};
  return {"privileges", kOk, "root, with all capabilities that it takes", {}};
}

Finding check_memlock(const Machine& machine) {
  std::istringstream limits(machine.read("/proc/self/limits").value_or(""));
  for (std::string line; std::getline(limits, line);) {
    constexpr std::string_view kName = "Max locked memory";
    if (!line.starts_with(kName)) continue;
    std::istringstream fields(line.substr(kName.size()));
    std::string soft;
    fields >> soft;
    if (soft == "unlimited") return {"memlock", kOk, "unlimited", {}};
    std::uint64_t bytes = 0;
    std::from_chars(soft.data(), soft.data() + soft.size(), bytes);
    std::string text = "locked memory is limited to " + std::to_string(bytes / 1024) + " KiB";
    if (has_capability(machine, kCapIpcLock))
      return {"memlock", kOk, text + ", which does not bind root", {}};
    constexpr std::uint64_t kEnough = 64 << 20;
    if (bytes >= kEnough) return {"memlock", kOk, text, {}};
    return {"memlock", kWarning, text + ": the daemon's memory could be paged out",
            "ulimit -l unlimited, or LimitMEMLOCK=infinity in its service"};
  }
  return {"memlock", kOk, "not known", {}};
}

Finding check_container(const Machine& machine) {
  std::string kind;
  for (auto [path, name] : {std::pair("/.dockerenv", "Docker"), std::pair("/run/.containerenv", "Podman")})
    if (machine.exists(path)) kind = name;
  if (kind.empty()) kind = machine.line("/run/systemd/container");
  std::string cgroups = machine.read("/proc/self/cgroup").value_or("");
  if (kind.empty() && cgroups.find("0::/../") != std::string::npos) kind = "a cgroup namespace";
  if (kind.empty()) return {"container", kOk, "none that can be seen", {}};
  return {"container", kWarning,
          kind + ": mus schedules the whole machine, and cgroup paths are those seen from inside",
          "run mus-userland on the host; give containers /var/run/scx to use musctl in them"};
}

Finding check_daemon(const Machine& machine, const std::string& socket) {
  std::string pid;
  for (const std::string& entry : machine.list("/proc"))
    if (!entry.empty() && std::ranges::all_of(entry, [](unsigned char c) { return std::isdigit(c); }) &&
        machine.line("/proc/" + entry + "/comm") == "mus-userland")
      pid = entry;
  bool listens = machine.exists(socket);
  if (pid.empty() && listens)
    return {"daemon", kWarning, "mus-userland is not seen running, but its socket is there: " + socket,
            "it was killed, or runs outside this PID namespace: musctl status tells"};
  if (pid.empty())
    return {"daemon", kWarning, "mus-userland is not running", "start it as root: mus-userland"};
  if (!listens)
    return {"daemon", kWarning, "mus-userland runs (pid " + pid + ") without a socket at " + socket,
            "is it started with another --socket? give musctl the same"};
  return {"daemon", kOk, "mus-userland runs (pid " + pid + ") and listens at " + socket, {}};
}

}  // namespace mus::ctl
