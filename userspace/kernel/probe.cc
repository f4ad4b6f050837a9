// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/probe.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include <mus/abi.h>

#include "exit_code.h"

namespace mus {
namespace {

namespace fs = std::filesystem;

const std::string kSchedExt = "/sys/kernel/sched_ext";
constexpr std::string_view kGoodKernels =
    "install a kernel that is known to work, such as Debian's 6.18 or 7.0 from trixie-backports";

/// kfuncs without which the kernel half cannot load. The second name, if any, does instead (6.12's).
struct Needed {
  std::string_view name, instead;
};
constexpr std::array kNeeded{
    Needed{"scx_bpf_create_dsq", ""},
    Needed{"scx_bpf_dsq_nr_queued", ""},
    Needed{"scx_bpf_select_cpu_dfl", ""},
    Needed{"scx_bpf_test_and_clear_cpu_idle", ""},
    Needed{"scx_bpf_pick_idle_cpu", ""},
    Needed{"scx_bpf_kick_cpu", ""},
    Needed{"scx_bpf_task_cpu", ""},
    Needed{"scx_bpf_error_bstr", ""},
    Needed{"scx_bpf_exit_bstr", ""},
    Needed{"scx_bpf_dsq_insert", "scx_bpf_dispatch"},
    Needed{"scx_bpf_dsq_insert_vtime", "scx_bpf_dispatch_vtime"},
    Needed{"scx_bpf_dsq_move_to_local", "scx_bpf_consume"},
    Needed{"scx_bpf_dsq_move_vtime", "scx_bpf_dispatch_vtime_from_dsq"},
    Needed{"scx_bpf_dsq_move_set_slice", "scx_bpf_dispatch_from_dsq_set_slice"},
    Needed{"bpf_iter_scx_dsq_new", ""},
    Needed{"bpf_iter_scx_dsq_next", ""},
    Needed{"bpf_task_from_pid", ""},
};

/// Debian builds whose BTF was found broken (docs/kernel_support.md).
constexpr std::array<std::string_view, 5> kBrokenDebianBuilds{"7.1.", "7.2.6+", "7.2.9+", "7.2.11+", "7.2.12+"};

std::string read_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string kernel_release() {
  utsname name{};
  ::uname(&name);
  return name.release;
}

/// "0-3,8" as a list of numbers.
std::vector<std::uint32_t> parse_cpu_list(std::string_view text) {
  std::vector<std::uint32_t> cpus;
  while (!text.empty()) {
    auto part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    std::uint32_t from = 0, to = 0;
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), from);
    if (error != std::errc{}) break;
    to = from;
    if (end != part.data() + part.size() && *end == '-') std::from_chars(end + 1, part.data() + part.size(), to);
    for (auto cpu = from; cpu <= to && cpu < MUS_MAX_CPUS; ++cpu) cpus.push_back(cpu);
  }
  return cpus;
}

/// The CPUs that share the largest cache of `cpu`, as the kernel writes it; empty if unknown.
std::string llc_key(std::uint32_t cpu) {
  std::string key;
  fs::path cache = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache";
  for (int i = 0; i < 8; ++i) {
    auto level = cache / ("index" + std::to_string(i));
    if (auto shared = read_line(level / "shared_cpu_list"); !shared.empty()) key = shared;
  }
  return key;
}

}  // namespace

Result<void> check_kernel_btf(const KernelBtf& btf, const std::string& release) {
  if (!btf.has_member("sched_ext_ops", "dispatch"))
    return fail("this kernel (" + release + ") has no sched_ext", std::string(kGoodKernels), kExitKernel);
  for (const Needed& need : kNeeded) {
    bool instead = !need.instead.empty() && btf.has_function(need.instead);
    if (!btf.has_function(need.name) && !instead)
      return fail("this kernel (" + release + ") is too old or too new: it has no " + std::string(need.name),
                  std::string(kGoodKernels), kExitKernel);
    if (btf.is_broken_kfunc(need.name)) {
      bool known = std::ranges::any_of(kBrokenDebianBuilds, [&](auto build) { return release.starts_with(build); });
      return fail("this kernel build (" + release + ") has broken BTF: the prototype of " + std::string(need.name) +
                      " is wrong, so that no program that calls it can be loaded" +
                      (known ? " (a known fault of Debian's 7.1.x and of 7.2.6 to 7.2.12)" : ""),
                  "install Debian's 6.18, 7.0, or 7.2.13 or later", kExitKernel);
    }
  }
  return {};
}

Result<void> check_machine() {
  if (::geteuid() != 0) return fail("mus-userland must run as root", "try: sudo mus-userland", kExitNotRoot);
  if (!fs::exists(kSchedExt))
    return fail("this kernel (" + kernel_release() + ") has no sched_ext: " + kSchedExt + " is not there",
                std::string(kGoodKernels) + ", or see it in a virtual machine with tools/demo", kExitKernel);
  return {};
}

Result<KernelInfo> probe_kernel() {
  std::string release = kernel_release();
  auto btf = KernelBtf::load();
  if (!btf) return std::unexpected(btf.error());
  if (auto good = check_kernel_btf(*btf, release); !good) return std::unexpected(good.error());
  KernelInfo info{.release = release, .btf = std::move(*btf)};
  info.cgroup_callbacks = info.btf.has_member("sched_ext_ops", "cgroup_init");
  info.queued_wakeup = info.btf.enum_value("scx_ops_flags", "SCX_OPS_ALLOW_QUEUED_WAKEUP").has_value();
  return info;
}

// What is ending or beginning has a moment to come to its end.
Result<void> check_vacant() {
  std::string state;
  for (int tries = 0; tries < 300; ++tries) {
    state = read_line(kSchedExt + "/state");
    if (state == "disabled") return {};
    if (state == "enabled" && tries) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  auto ops = read_line(kSchedExt + "/root/ops");
  return fail("another sched_ext scheduler is attached: " + (ops.empty() ? "its name is not known" : ops) + " (state: " +
                  state + ")",
              ops == "mus" ? "stop the mus-userland that runs already: it is not pinned, so --replace cannot take it over"
                           : "stop it first",
              kExitBusy);
}

Topology read_topology() {
  Topology topology;
  auto possible = parse_cpu_list(read_line("/sys/devices/system/cpu/possible"));
  auto online = parse_cpu_list(read_line("/sys/devices/system/cpu/online"));
  topology.cpu_count = possible.empty() ? 1 : std::ranges::max(possible) + 1;
  topology.llc_of.assign(topology.cpu_count, 0);
  topology.online.assign(topology.cpu_count, false);
  std::map<std::string, std::uint32_t> llcs;
  for (auto cpu : online) {
    if (cpu >= topology.cpu_count) continue;
    topology.online[cpu] = true;
    auto [it, added] = llcs.try_emplace(llc_key(cpu), static_cast<std::uint32_t>(llcs.size()));
    topology.llc_of[cpu] = it->second % MUS_MAX_SHARDS;
  }
  topology.llc_count = std::clamp<std::uint32_t>(static_cast<std::uint32_t>(llcs.size()), 1, MUS_MAX_SHARDS);
  return topology;
}

}  // namespace mus
