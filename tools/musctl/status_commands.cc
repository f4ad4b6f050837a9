// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/commands.h"
#include "musctl/exit_code.h"
#include "musctl/text.h"
#include "musctl/top/view.h"
#include "musctl/words.h"
#include "version.h"

namespace mus::ctl {
namespace {

const char* mode_text(const std::string& mode) {
  if (mode == "userland") return "the policy decides";
  if (mode == "fallback") return "userspace is late: the kernel half decides, by the same weights";
  if (mode == "detached") return "the kernel half has ended: mus schedules nothing";
  return "";
}

/// "decided 1, standing 1": the numbers of an object, in the order of `names`; what has another name comes after.
std::string numbers(const Json& object, std::initializer_list<const char*> names) {
  std::string text;
  auto add = [&](const std::string& name, std::uint64_t value) {
    text += (text.empty() ? "" : ", ") + name + " " + grouped(value);
  };
  for (const char* name : names)
    if (number(object, name)) add(name, count(object, name));
  for (const auto& [name, value] : object.items()) {
    bool known = false;
    for (const char* other : names)
      known |= name == other;
    if (!known && value.is_number()) add(printable(name), count(object, name.c_str()));
  }
  return text.empty() ? "none" : text;
}

/// "pinned, adopted 2 times (last after 1.2 ms), without a daemon it ends itself after 60 s without a daemon"
std::string kernel_half_text(const Json& half) {
  if (!is_true(half, "pinned")) return "not pinned: it ends with the daemon";
  auto adopted = count(half, "adopted");
  std::string gap = adopted ? " (last after " + duration_text(number_or(half, "gap_ms", 0) / 1000) + ")" : "";
  double orphan_s = number_or(half, "orphan_s", 0);
  return "pinned, adopted " + grouped(adopted) + (adopted == 1 ? " time" : " times") + gap + ", without a daemon it " +
         (orphan_s > 0 ? "ends itself after " + duration_text(orphan_s) : "goes on for ever");
}

/// "2 (0.84 s in all, the longest 0.81 s)"
std::string stalls_text(const Json& counters, const Json& stalls) {
  std::string text = grouped(count(counters, "stalls"));
  double total_ms = number_or(stalls, "total_ms", 0);
  if (total_ms <= 0) return text;
  return text + " (" + fixed(total_ms / 1e3, 2) + " s in all, the longest " +
         fixed(number_or(stalls, "longest_ms", 0) / 1e3, 2) + " s)";
}

}  // namespace

Result<int> hello(Session& session, const Arguments&) {
  auto answer = session.ask_last({{"cmd", "hello"}});
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return kExitOk;
  auto protocol = count(**answer, "protocol");
  session.out() << "mus-userland " << printable(string(**answer, "version", "?")) << ", pid "
                << count(**answer, "pid") << ", protocol " << protocol << "; musctl " MUS_VERSION_STRING
                << ", protocol 1\n";
  if (protocol != 1)
    session.output().err << "musctl: the daemon speaks another protocol: some commands may be refused\n";
  return kExitOk;
}

Result<int> status(Session& session, const Arguments&) {
  auto answer = session.ask_last({{"cmd", "status"}});
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return kExitOk;
  const Json& now = **answer;
  const Output& output = session.output();
  auto line = [&](const char* name, const std::string& text) {
    output.out << output.paint(Output::Colour::kDim, pad(name, 11)) << ' ' << text << '\n';
  };
  std::string mode = string(now, "mode", "unknown");
  line("mode", output.paint(mode_colour(mode), printable(mode)) + ": " + mode_text(mode));
  std::string policy = printable(string(now, "policy", "-"));
  if (auto faults = count(now, "policy_faults"))
    policy += output.paint(Output::Colour::kRed,
                           ", took over from one that failed (" + std::to_string(faults) + " in all)");
  line("policy", policy);
  const Json& daemon = inside(now, "daemon");
  line("daemon", "mus-userland " + printable(string(now, "version", "?")) + ", pid " +
                     std::to_string(count(now, "pid")) + ", up " +
                     duration_text(number_or(now, "uptime_s", 0)));
  line("its cost", fixed(number_or(daemon, "cpu_percent", 0), 1) + " % of a CPU (" +
                       fixed(number_or(daemon, "cpu_s", 0), 2) + " s so far), " +
                       memory(number_or(daemon, "rss_kib", 0)) + ", page faults " +
                       grouped(count(daemon, "page_faults")));
  line("machine",
       "kernel " + printable(string(now, "kernel", "?")) + ", CPUs " + std::to_string(count(now, "cpus")));
  line("cgroups", grouped(count(now, "cgroups")) +
                      " known, weights set through mus: " + grouped(count(now, "weights_set")));
  line("tasks", numbers(inside(now, "tasks"), {"known", "running", "held", "queued", "local", "kernel", "asleep", "seen", "exited",
                                                  "unaccounted"}));
  if (find_field(now, "kernel_half")) line("kernel half", kernel_half_text(inside(now, "kernel_half")));
  const Json& counters = inside(now, "counters");
  line("so far", "decisions " + grouped(count(counters, "decisions")) + ", events " +
                     grouped(count(counters, "events")) + ", events lost " +
                     grouped(count(counters, "events_lost")) + ", stalls " +
                     stalls_text(counters, inside(now, "stalls")) + ", rescued " + grouped(count(counters, "rescued")));
  line("runs", numbers(inside(counters, "runs"),
                       {"decided", "standing", "in_turn", "resumed", "idle", "held", "fallback", "kernel", "daemon"}));
  line("refused", numbers(inside(counters, "refused"), {}));
  for (const Json& note : inside(now, "notes"))
    if (note.is_string())
      line("note", output.paint(Output::Colour::kYellow, printable(note.get<std::string>())));
  return kExitOk;
}

Result<int> stats(Session& session, const Arguments&) {
  auto answer = session.ask_last({{"cmd", "stats"}});
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return kExitOk;
  const Json& now = **answer;
  const Output& output = session.output();
  TopModel model;
  model.update(read_snapshot(now));
  const Snapshot& snapshot = model.snapshot();
  auto optional = [](const std::optional<double>& value) {
    return value ? fixed(*value, 1) + " %" : std::string("-");
  };
  output.out << output.paint(mode_colour(snapshot.mode), printable(snapshot.mode)) << ", policy "
             << printable(snapshot.policy) << ", CPUs " << snapshot.cpus << ", over the last "
             << duration_text(snapshot.interval_s) << '\n'
             << "contended runs that userspace decided " << optional(snapshot.userland_percent)
             << ", the daemon " << optional(snapshot.daemon_cpu_percent) << " of a CPU\n"
             << "tasks " << snapshot.tasks << ", held " << snapshot.held << ", queued " << snapshot.queued
             << "\n\n";
  using enum Table::Align;
  Table rates({{"EACH SECOND"}, {"", kRight}});
  const Json& per_second = inside(now, "rates");
  for (const auto& [name, value] : per_second.items())
    if (value.is_number()) rates.add({printable(name), fixed(value.get<double>(), 1)});
  if (!per_second.empty()) rates.print(output.out);
  output.out << '\n';
  for (const std::string& line : table_lines(model))
    output.out << line << '\n';
  return kExitOk;
}

Result<int> top(Session& session, const Arguments& arguments) {
  auto done = run_top(session, arguments.top);
  if (!done) return std::unexpected(done.error());
  return kExitOk;
}

}  // namespace mus::ctl
