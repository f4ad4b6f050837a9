// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace mus {

/// Why a start-up or control operation failed, for a person: what failed and why, and what to do next.
/// The scheduler thread does not use it: there, failures are a status and a counter.
struct Error {
  std::string what;    ///< one line, no full stop: "/redis: no such cgroup"
  std::string remedy;  ///< what to do, same form; may be empty
  int exit_code = 1;   ///< what the daemon exits with (docs: mus-userland exit codes)

  [[nodiscard]] std::string message() const { return remedy.empty() ? what : what + "; " + remedy; }
};

/// A value or an Error. Must be looked at: `auto r = f(); if (!r) return std::unexpected(r.error());`
template <typename T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(std::string what, std::string remedy = {}, int exit_code = 1) {
  return std::unexpected(Error{std::move(what), std::move(remedy), exit_code});
}

}  // namespace mus
