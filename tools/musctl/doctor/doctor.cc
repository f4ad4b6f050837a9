// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>

#include "musctl/commands.h"
#include "musctl/doctor/checks.h"
#include "musctl/exit_code.h"
#include "musctl/text.h"

namespace mus::ctl {

const char* state_name(Finding::State state) {
  switch (state) {
    case Finding::State::kOk:
      return "ok";
    case Finding::State::kWarning:
      return "warning";
    case Finding::State::kProblem:
      return "problem";
  }
  return "?";
}

std::vector<Finding> examine(const Machine& machine, const std::string& socket) {
  return {check_kernel_release(machine), check_sched_ext(machine),
          check_kernel_config(machine),  check_btf(machine),
          check_lockdown(machine),       check_scheduler(machine),
          check_cpus(machine),           check_cgroup_v2(machine),
          check_cpu_controller(machine), check_privileges(machine),
          check_memlock(machine),        check_bpffs(machine),
          check_container(machine),      check_daemon(machine, socket)};
}

Result<int> doctor(Session& session, const Arguments&) {
  auto findings = examine(Machine(), session.socket());
  auto count_of = [&](Finding::State state) { return std::ranges::count(findings, state, &Finding::state); };
  auto problems = count_of(Finding::State::kProblem), warnings = count_of(Finding::State::kWarning);
  const Output& output = session.output();
  int code = problems == 0 ? kExitOk : kExitRefused;

  if (output.json) {
    Json checks = Json::array();
    for (const Finding& found : findings) {
      Json check{{"name", found.name}, {"state", state_name(found.state)}, {"text", printable(found.text)}};
      if (!found.fix.empty()) check["fix"] = printable(found.fix);
      checks.push_back(check);
    }
    output.out << Json{{"ok", problems == 0},
                       {"problems", problems},
                       {"warnings", warnings},
                       {"checks", checks}}
                      .dump()
               << '\n';
    return code;
  }
  for (const Finding& found : findings) {
    auto colour = found.state == Finding::State::kOk        ? Output::Colour::kGreen
                  : found.state == Finding::State::kWarning ? Output::Colour::kYellow
                                                            : Output::Colour::kRed;
    output.out << output.paint(colour, pad(state_name(found.state), 7)) << "  " << pad(found.name, 14) << "  "
               << printable(found.text) << '\n';
    if (!found.fix.empty()) output.out << std::string(25, ' ') << "fix: " << printable(found.fix) << '\n';
  }
  auto plural = [](std::ptrdiff_t n, const char* word) {
    return std::to_string(n) + " " + word + (n == 1 ? "" : "s");
  };
  output.out << '\n'
             << (problems ? "mus-userland will not run here as it should: " : "mus-userland can run here: ")
             << plural(problems, "problem") << ", " << plural(warnings, "warning") << '\n';
  return code;
}

}  // namespace mus::ctl
