// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/pinned.h"

#include <linux/bpf.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "exit_code.h"

namespace mus {
namespace {

constexpr std::uint32_t kLargestRing = 1u << 30;

std::unexpected<Error> no(std::string why) { return fail(std::move(why), {}, kExitBusy); }

bool is_ring(const MapShape& map, std::uint32_t type) {
  return map.type == type && std::has_single_bit(map.entries) && map.entries >= 4096 && map.entries <= kLargestRing;
}

/// A data section: one value, in whole pages when it is mapped, so that what is asked for is there.
bool is_section(const MapShape& map, std::size_t bytes) {
  return map.type == BPF_MAP_TYPE_ARRAY && map.entries == 1 && map.value_bytes == bytes;
}

}  // namespace

Result<void> check_version(const mus_abi_info& abi) {
  if (abi.magic != MUS_ABI_MAGIC) return no("it is not of mus");
  if (abi.version != MUS_ABI_VERSION)
    return no("its ABI version is " + std::to_string(abi.version) + ", this build's is " + std::to_string(MUS_ABI_VERSION));
  return {};
}

Result<void> check_pinned(const PinnedFacts& facts) {
  const mus_abi_info& abi = facts.abi;
  if (auto good = check_version(abi); !good) return good;
  if (abi.event_bytes != sizeof(mus_event) || abi.decision_bytes != sizeof(mus_decision) ||
      abi.shared_bytes != sizeof(mus_shared) || abi.cgroup_bytes != sizeof(mus_cgroup))
    return no("its records have other sizes than this build's");
  const MapShape& cgroups = facts.cgroups;
  if (!is_ring(facts.events, BPF_MAP_TYPE_RINGBUF) || !is_ring(facts.decisions, BPF_MAP_TYPE_USER_RINGBUF) ||
      cgroups.type != BPF_MAP_TYPE_HASH || cgroups.key_bytes != sizeof(std::uint64_t) ||
      cgroups.value_bytes != sizeof(mus_cgroup) || !is_section(facts.shared, sizeof(mus_shared)) ||
      !is_section(facts.exit_dump, MUS_EXIT_DUMP_BYTES))
    return no("its maps have other shapes than this build's");
  return {};
}

Result<void> check_page(const mus_shared& page) {
  if (page.magic != MUS_ABI_MAGIC || page.version != MUS_ABI_VERSION)
    return no("its shared page is of another version, or damaged");
  if (page.exit.kind) return no("it has ended");
  if (!page.cpu_count || page.cpu_count > MUS_MAX_CPUS || !page.shard_count || page.shard_count > MUS_MAX_SHARDS)
    return no("its shared page is damaged");
  if (std::ranges::any_of(std::span(page.cpus).first(page.cpu_count),
                          [&](const mus_cpu& cpu) { return cpu.shard >= page.shard_count; }))
    return no("its shared page is damaged");
  return {};
}

Result<void> check_flags(const mus_shared& page, std::uint32_t flags) {
  if ((page.flags ^ flags) & MUS_CONFIG_PARTIAL) return no("--partial cannot be changed while it is attached");
  if ((page.flags ^ flags) & MUS_CONFIG_DFL_CGROUPS)
    return no("--cgroup-files cannot be changed while it is attached");
  return {};
}

std::string daemon_text(const mus_shared& page) {
  if (page.magic != MUS_ABI_MAGIC || page.version != MUS_ABI_VERSION || page.daemon_tgid <= 0) return {};
  std::string text = "pid " + std::to_string(page.daemon_tgid), version;
  for (char c : page.daemon.version) {
    if (c <= ' ' || c > '~') break;
    version += c;
  }
  return version.empty() ? text : text + ", version " + version;
}

}  // namespace mus
