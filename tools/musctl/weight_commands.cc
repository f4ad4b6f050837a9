// SPDX-License-Identifier: GPL-2.0-only
#include <array>
#include <ctime>

#include "musctl/commands.h"
#include "musctl/exit_code.h"
#include "musctl/text.h"
#include "musctl/words.h"

namespace mus::ctl {
namespace {

Json request(const char* command, const Json& cgroup) {
  Json json = cgroup;
  json["cmd"] = command;
  return json;
}

/// "14:03:20" today, "2026-11-22 14:03" later.
std::string clock_in(double seconds) {
  std::time_t end = std::time(nullptr) + static_cast<std::time_t>(seconds + 0.5);
  std::tm local{};
  ::localtime_r(&end, &local);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), seconds < 86400 ? "%H:%M:%S" : "%Y-%m-%d %H:%M", &local);
  return text.data();
}

/// "ends in 30s (14:03:20)", or "until it is unset".
std::string ending(const Json& answer) {
  auto ttl = number(answer, "ttl");
  return ttl ? "ends in " + duration_text(*ttl) + " (" + clock_in(*ttl) + ")" : "until it is unset";
}

std::string source_text(const Json& answer) {
  std::string source = string(answer, "source");
  if (source == "mus") return "set through mus, " + ending(answer);
  if (source == "idle") return "from cpu.idle";
  if (source == "default") return "the default: this cgroup has no cpu.weight";
  return "from " + printable(source);
}

}  // namespace

Result<int> weight_set(Session& session, const Arguments& arguments) {
  auto cgroup = parse_cgroup(arguments.cgroup);
  if (!cgroup) return std::unexpected(cgroup.error());
  auto change = parse_weight(arguments.weight);
  if (!change) return std::unexpected(change.error());
  Json set = request("weight.set", *cgroup);
  if (!arguments.duration.empty()) {
    auto duration = parse_duration(arguments.duration);
    if (!duration) {
      Error error = duration.error();
      error.what = "--for " + error.what;
      return std::unexpected(error);
    }
    set["ttl"] = static_cast<double>(duration->count()) / 1000;
  }
  std::uint32_t present = 0;
  if (change->relative) {
    auto answer = session.ask(request("weight.get", *cgroup));
    if (!answer) return std::unexpected(answer.error());
    present = static_cast<std::uint32_t>(count(*answer, "weight"));
    if (present == 0)
      return fail(printable(arguments.cgroup) + " has no weight that " + arguments.weight + " could change",
                  "give a number", kExitUsage);
  }
  auto [weight, clamped] = change->apply(present);
  set["weight"] = weight;
  if (clamped)
    session.output().err << "musctl: " << arguments.weight << " of " << present
                         << " is beyond 1..10000: clamped to " << weight << '\n';
  auto answer = session.ask_last(set);
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return kExitOk;
  const Json& done = **answer;
  session.out() << printable(string(done, "cgroup", arguments.cgroup)) << ": " << count(done, "before")
                << " -> "
                << session.output().paint(Output::Colour::kBold, std::to_string(count(done, "weight")))
                << ", " << ending(done) << '\n';
  return kExitOk;
}

Result<int> weight_get(Session& session, const Arguments& arguments) {
  auto cgroup = parse_cgroup(arguments.cgroup);
  if (!cgroup) return std::unexpected(cgroup.error());
  auto answer = session.ask_last(request("weight.get", *cgroup));
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return kExitOk;
  const Json& got = **answer;
  auto& out = session.out();
  out << "cgroup      " << printable(string(got, "cgroup", arguments.cgroup)) << " (id "
      << count(got, "cgroup_id") << ")\n";
  out << "weight      " << count(got, "weight") << ", " << source_text(got) << '\n';
  if (string(got, "source") == "mus" && number(got, "cpu_weight"))
    out << "cpu.weight  " << count(got, "cpu_weight") << ", counts again when it is unset\n";
  if (auto promised = number(got, "promised"))
    out << "promised    " << percent(*promised) << " % of the machine now\n";
  return kExitOk;
}

Result<int> weight_list(Session& session, const Arguments& arguments) {
  Json list{{"cmd", "weight.list"}};
  if (arguments.all) list["all"] = true;
  auto answer = session.ask_last(list);
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return kExitOk;
  const Json& weights = inside(**answer, "weights");
  if (weights.empty()) {
    session.out() << (arguments.all ? "no cgroups\n"
                                    : "no weights are set through mus (those of all cgroups: --all)\n");
    return kExitOk;
  }
  using enum Table::Align;
  Table table({{"CGROUP"},
               {"ID", kRight},
               {"WEIGHT", kRight},
               {"CPU.WEIGHT", kRight},
               {"FROM"},
               {"ENDS IN", kRight}});
  for (const Json& weight : weights) {
    auto ttl = number(weight, "ttl");
    bool set = string(weight, "source") == "mus";
    auto kernel = number(weight, "cpu_weight");
    table.add({printable(string(weight, "cgroup", "?")), std::to_string(count(weight, "cgroup_id")),
               std::to_string(count(weight, "weight")), kernel ? fixed(*kernel, 0) : "-",
               printable(string(weight, "source")),
               ttl   ? duration_text(*ttl)
               : set ? "unset"
                     : "-"});
  }
  table.print(session.out());
  return kExitOk;
}

Result<int> weight_unset(Session& session, const Arguments& arguments) {
  auto cgroup = parse_cgroup(arguments.cgroup);
  if (!cgroup) return std::unexpected(cgroup.error());
  auto answer = session.ask_last(request("weight.unset", *cgroup));
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return kExitOk;
  const Json& done = **answer;
  std::string name = printable(string(done, "cgroup", arguments.cgroup));
  if (!is_true(done, "was_set"))
    session.out() << name << ": " << count(done, "weight") << ", was not set through mus\n";
  else
    session.out() << name << ": " << count(done, "before") << " -> " << count(done, "weight") << ", "
                  << source_text(done) << '\n';
  return kExitOk;
}

}  // namespace mus::ctl
