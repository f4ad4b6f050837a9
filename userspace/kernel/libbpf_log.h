// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

/// What libbpf and the verifier say: kept for the error message, and shown as it comes with -v.
/// Threads: install() once, before any use of libbpf; last_lines() from the thread that used it.
namespace mus::libbpf_log {

void install(bool verbose);

/// The last lines that say what was wrong, joined into one.
[[nodiscard]] std::string last_lines();

}  // namespace mus::libbpf_log
