// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <mus/abi.h>
#include <mus/result.h>

namespace mus {

/// Shape of a map, as the kernel says.
struct MapShape {
  std::uint32_t type = 0;
  std::uint32_t key_bytes = 0;
  std::uint32_t value_bytes = 0;
  std::uint32_t entries = 0;
};

/// What is known of a kernel half that is pinned, before any memory of it is mapped.
struct PinnedFacts {
  mus_abi_info abi{};
  MapShape events, decisions, cgroups, shared, exit_dump;
};

/// Whether this daemon can work with a kernel half that another one loaded, perhaps of another build. Whatever
/// bytes are there, nothing is believed that is not checked here.
/// Errors:  kExitBusy, saying why not; the remedy is the caller's.
[[nodiscard]] Result<void> check_pinned(const PinnedFacts& facts);

/// The first part of that, which no other build gets wrong: whose it is, and of which version.
[[nodiscard]] Result<void> check_version(const mus_abi_info& abi);

/// The same for its shared page.
[[nodiscard]] Result<void> check_page(const mus_shared& page);

/// And for what was settled when it was loaded. `flags`: the enum mus_config_flag that the options of this daemon need.
[[nodiscard]] Result<void> check_flags(const mus_shared& page, std::uint32_t flags);

/// The daemon that the page names: "pid 812, version 0.1.0". Empty: none, or it cannot be read.
[[nodiscard]] std::string daemon_text(const mus_shared& page);

}  // namespace mus
