// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/command_line.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <map>
#include <memory>

#include "musctl/commands.h"
#include "musctl/exit_code.h"
#include "musctl/text.h"
#include "names.h"
#include "version.h"

namespace mus::ctl {
namespace {

constexpr const char* kDescription =
    "musctl: looks at mus-userland and steers it while it schedules this machine.\n"
    "A weight is 1..10000; 100 is ordinary. Twice the weight, twice the CPU time while others want it too.";

constexpr const char* kFooter =
    "Examples:\n"
    "  musctl top                                     who gets what, live; + and - change weights\n"
    "  musctl weight set /redis 400 --for 30s         four times an ordinary share, for half a minute\n"
    "  musctl weight set pid:812 +50%                 half as much again for the cgroup of process 812\n"
    "  musctl weight unset /redis                     its cpu.weight counts again\n"
    "  musctl policy use fifo --set slice-us=2000     another policy, under load\n"
    "  musctl status --json                           for programs: the daemon's answer, one line\n"
    "  musctl doctor                                  what on this machine helps or hinders mus\n"
    "\n"
    "Exit codes: 0 done; 1 the daemon refused, or doctor found a problem; 2 wrong command, flag or argument;\n"
    "3 cannot connect: mus-userland is not running, or not for you; 4 the connection was lost or not understood;\n"
    "5 a fault of musctl. See musctl(1); the protocol: docs/control_protocol.md.";

constexpr const char* kCgroupHelp = "A path from the root of cgroup v2 (/redis), id:NUMBER or pid:NUMBER";

/// What runs, by the names of the subcommands that lead to it.
const std::map<std::string, Command>& commands() {
  static const std::map<std::string, Command> kCommands{
      {"hello", hello},
      {"status", status},
      {"stats", stats},
      {"weight set", weight_set},
      {"weight get", weight_get},
      {"weight list", weight_list},
      {"weight unset", weight_unset},
      {"policy list", policy_list},
      {"policy show", policy_show},
      {"policy use", policy_use},
      {"top", top},
      {"doctor", doctor},
  };
  return kCommands;
}

void add_weight_commands(CLI::App& app, Arguments& arguments) {
  CLI::App* weight = app.add_subcommand("weight", "Weights of cgroups: set, get, list, unset");
  weight->require_subcommand(1);
  CLI::App* set =
      weight->add_subcommand("set", "Give a cgroup a weight that counts instead of its cpu.weight");
  set->add_option("CGROUP", arguments.cgroup, kCgroupHelp)->required();
  set->add_option("WEIGHT", arguments.weight, "1..10000, or a change of the present one: +50%, -25%, x2")
      ->required();
  set->add_option("--for", arguments.duration,
                  "Unset it by itself after this long: 500ms, 30s, 5m, 2h, 1h30m")
      ->type_name("DURATION");
  set->footer(
      "Examples:\n  musctl weight set /redis 400\n  musctl weight set /redis -25% --for 5m\n  musctl weight set id:71 x2");
  CLI::App* get =
      weight->add_subcommand("get", "The weight of a cgroup, where it comes from, what it promises");
  get->add_option("CGROUP", arguments.cgroup, kCgroupHelp)->required();
  CLI::App* list = weight->add_subcommand("list", "The weights that were set through mus");
  list->add_flag("--all", arguments.all, "Those of all cgroups");
  CLI::App* unset = weight->add_subcommand("unset", "Let the cgroup's cpu.weight count again");
  unset->add_option("CGROUP", arguments.cgroup, kCgroupHelp)->required();
}

void add_policy_commands(CLI::App& app, Arguments& arguments) {
  CLI::App* policy = app.add_subcommand("policy", "Who decides: list, show, use");
  policy->require_subcommand(1);
  policy->add_subcommand("list", "The policies there are");
  CLI::App* show =
      policy->add_subcommand("show", "A policy's options and their values; without NAME the active one's");
  show->add_option("NAME", arguments.policy, "Name of a policy");
  CLI::App* use = policy->add_subcommand("use", "Replace the policy, under load");
  use->add_option("NAME", arguments.policy, "Name of a policy")->required();
  use->add_option("--set", arguments.settings, "An option of the new policy (repeatable)")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  use->footer("Example:\n  musctl policy use vtime --set slice-us=2000");
}

std::unique_ptr<CLI::App> make_app(Arguments& arguments) {
  auto app = std::make_unique<CLI::App>(kDescription, "musctl");
  app->footer(kFooter);
  app->set_version_flag("-V,--version", "musctl " MUS_VERSION_STRING);
  app->require_subcommand(1);
  app->fallthrough();  // inherited: global flags may stand after the command
  arguments.socket = kDefaultSocket;
  app->add_option("--socket", arguments.socket, "Where mus-userland listens")
      ->type_name("PATH")
      ->envname("MUS_SOCKET")
      ->capture_default_str();
  app->add_flag("--json", arguments.json, "Print the daemon's answer as it came, one line");
  app->add_subcommand("status", "Mode, policy, daemon, tasks and counters");
  app->add_subcommand("stats", "What happened over the last second, by cgroup");
  CLI::App* top =
      app->add_subcommand("top", "The tree of cgroups, live; weights can be changed with + and -");
  top->add_option("--interval", arguments.top.interval_s, "Seconds between snapshots, 0.1 to 60")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 60.0))
      ->capture_default_str();
  top->add_flag("--once", arguments.top.once, "Print one snapshot as text, for scripts");
  top->footer("Press h in it for its keys. With --json: a line for each snapshot, without a screen.");
  add_weight_commands(*app, arguments);
  add_policy_commands(*app, arguments);
  app->add_subcommand("doctor", "What on this machine helps or hinders mus, with fixes; needs no daemon");
  app->add_subcommand("hello", "Versions of the daemon and of the protocol");
  return app;
}

/// The subcommand that was understood last; the app itself if none was. Its names are put into `path`.
const CLI::App* deepest(const CLI::App& app, std::string& path) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += (path.empty() ? "" : " ") + at->get_name();
  }
  return at;
}

/// "-25%" looks like a flag; it is made to look like none for CLI11, and mended afterwards.
constexpr std::string_view kMinusMark = "\x01minus";

std::vector<std::string> hide_minus(std::vector<std::string> arguments) {
  for (std::string& argument : arguments)
    if (argument.size() > 1 && argument[0] == '-' && std::isdigit(static_cast<unsigned char>(argument[1])))
      argument.replace(0, 1, kMinusMark);
  return arguments;
}

void show_minus(std::string& text) {
  for (auto at = text.find(kMinusMark); at != std::string::npos; at = text.find(kMinusMark))
    text.replace(at, kMinusMark.size(), "-");
}

/// What to say instead of "the following arguments were not expected": names the nearest.
std::optional<Error> unknown_word(const CLI::App& app) {
  std::string path;
  const CLI::App* at = deepest(app, path);
  std::vector<std::string> rest = app.remaining(true);
  if (rest.empty()) return std::nullopt;
  std::string wrong =
      rest.front().substr(0, rest.front().starts_with('-') ? rest.front().find('=') : std::string::npos);
  show_minus(wrong);
  std::string command = path.empty() ? "musctl" : "musctl " + path;
  std::vector<std::string> known;
  const bool flag = wrong.starts_with('-');
  if (flag) {
    for (const CLI::App* owner : {at, &app})
      for (const CLI::Option* option : owner->get_options())
        for (const std::string& name : option->get_lnames())
          known.push_back("--" + name);
  } else {
    for (const CLI::App* subcommand : at->get_subcommands([](const CLI::App*) { return true; }))
      known.push_back(subcommand->get_name());
  }
  std::vector<std::string_view> names(known.begin(), known.end());
  std::string_view near = nearest_name(wrong, names);
  std::string remedy = "see " + command + " --help";
  if (!near.empty()) {
    remedy = "did you mean " + (flag ? std::string(near) : command + " " + std::string(near)) + "?";
  } else if (!flag && !known.empty()) {
    remedy = "there are: ";
    for (const std::string& name : known)
      remedy += (&name == &known.front() ? "" : ", ") + name;
  }
  const char* what = flag ? "unknown flag" : known.empty() ? "unexpected argument" : "unknown command";
  return Error{std::string(what) + " '" + printable(wrong) + "'", remedy, kExitUsage};
}

void print(std::ostream& err, const Error& error) {
  err << "musctl: " << error.what << '\n';
  if (!error.remedy.empty()) err << "  " << error.remedy << '\n';
}

bool wants_colour(bool terminal) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return terminal && !(no_color && *no_color) && term && std::string_view(term) != "dumb";
}

}  // namespace

int run(const std::vector<std::string>& words, std::ostream& out, std::ostream& err, bool terminal) {
  Arguments arguments;
  auto app = make_app(arguments);
  try {
    std::vector<std::string> reversed = hide_minus(words);
    std::ranges::reverse(reversed);  // CLI11 takes them from the back
    app->parse(reversed);
  } catch (const CLI::Success& asked) {
    return app->exit(asked, out, err);
  } catch (const CLI::ParseError& wrong) {
    std::string path;
    deepest(*app, path);
    auto unknown = unknown_word(*app);
    std::string what = wrong.what();
    show_minus(what);
    print(err,
          unknown.value_or(Error{printable(what), "see musctl " + (path.empty() ? "" : path + " ") + "--help",
                                 kExitUsage}));
    return kExitUsage;
  }
  for (std::string* argument : {&arguments.weight, &arguments.cgroup, &arguments.duration, &arguments.policy})
    show_minus(*argument);
  for (std::string& setting : arguments.settings)
    show_minus(setting);

  std::string path;
  deepest(*app, path);
  Session session(arguments.socket,
                  {.out = out, .err = err, .json = arguments.json, .colour = wants_colour(terminal)});
  auto code = commands().at(path)(session, arguments);
  out.flush();
  if (code) return *code;
  print(err, code.error());
  return code.error().exit_code;
}

}  // namespace mus::ctl
