// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mus/policy.h>
#include <mus/result.h>

#include "names.h"

namespace mus {

/// A policy that can be asked for by name.
struct PolicyEntry {
  std::string_view name;
  std::string_view summary;  ///< one line, for --help
  std::span<const PolicyOption> options;
  std::unique_ptr<Policy> (*make)(const PolicyConfig&);
};

/// All of them, the default first.
[[nodiscard]] std::span<const PolicyEntry> policies();

/// Errors: unknown name -> names the nearest and lists all.
[[nodiscard]] Result<const PolicyEntry*> find_policy(std::string_view name);

/// Makes a policy with "name=value" settings.
/// Errors: kExitUsage: unknown option (names the nearest), not a number, out of range.
[[nodiscard]] Result<std::unique_ptr<Policy>> make_policy(const PolicyEntry& entry, PolicyConfig config,
                                                          std::span<const std::string> settings);

}  // namespace mus
