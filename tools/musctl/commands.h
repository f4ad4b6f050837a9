// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <mus/result.h>

#include "musctl/session.h"
#include "musctl/top/top.h"

namespace mus::ctl {

/// The command line's arguments, of whichever command; what is not given is empty.
struct Arguments {
  std::string socket;
  bool json = false;
  std::string cgroup;
  std::string weight;
  std::string duration;
  bool all = false;
  std::string policy;
  std::vector<std::string> settings;
  TopOptions top;
};

/// A command: asks the daemon, prints for a person (or, with --json, the answer), gives the exit code.
using Command = Result<int> (*)(Session&, const Arguments&);

Result<int> hello(Session& session, const Arguments& arguments);
Result<int> status(Session& session, const Arguments& arguments);
Result<int> stats(Session& session, const Arguments& arguments);
Result<int> weight_set(Session& session, const Arguments& arguments);
Result<int> weight_get(Session& session, const Arguments& arguments);
Result<int> weight_list(Session& session, const Arguments& arguments);
Result<int> weight_unset(Session& session, const Arguments& arguments);
Result<int> policy_list(Session& session, const Arguments& arguments);
Result<int> policy_show(Session& session, const Arguments& arguments);
Result<int> policy_use(Session& session, const Arguments& arguments);
Result<int> top(Session& session, const Arguments& arguments);
Result<int> doctor(Session& session, const Arguments& arguments);

}  // namespace mus::ctl
