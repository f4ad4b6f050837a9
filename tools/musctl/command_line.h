// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace mus::ctl {

/// All of musctl but the process: parses, runs the command, prints errors, gives the exit code.
/// `arguments` are without the program's name. `terminal`: colour is welcome, as far as the environment agrees.
/// Throws: nothing that has to do with arguments or the daemon.
[[nodiscard]] int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err,
                      bool terminal);

}  // namespace mus::ctl
