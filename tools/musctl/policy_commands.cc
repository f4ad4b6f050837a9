// SPDX-License-Identifier: GPL-2.0-only
#include "musctl/commands.h"
#include "musctl/exit_code.h"
#include "musctl/text.h"
#include "musctl/words.h"

namespace mus::ctl {
namespace {

/// A number as it is, a string without its quotes.
std::string value_text(const Json& object, const char* name) {
  const Json* field = find_field(object, name);
  if (!field || field->is_null()) return "-";
  return printable(field->is_string() ? field->get<std::string>() : field->dump());
}

}  // namespace

Result<int> policy_list(Session& session, const Arguments&) {
  auto answer = session.ask_last({{"cmd", "policy.list"}});
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return kExitOk;
  Table table({{"POLICY"}, {"ACTIVE"}, {"WHAT IT DOES"}});
  for (const Json& policy : inside(**answer, "policies"))
    table.add({printable(string(policy, "name")), is_true(policy, "active") ? "yes" : "",
               printable(string(policy, "summary"))});
  table.print(session.out());
  return kExitOk;
}

Result<int> policy_show(Session& session, const Arguments& arguments) {
  Json show{{"cmd", "policy.show"}};
  if (!arguments.policy.empty()) show["policy"] = arguments.policy;
  auto answer = session.ask_last(show);
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return kExitOk;
  const Json& policy = **answer;
  auto& out = session.out();
  out << printable(string(policy, "policy")) << ": " << printable(string(policy, "summary")) << '\n';
  if (auto faults = count(policy, "faults"))
    out << session.output().paint(Output::Colour::kRed,
                                  "failed " + std::to_string(faults) + (faults == 1 ? " time" : " times"))
        << ": the last good policy took over\n";
  const Json& options = inside(policy, "options");
  if (options.empty()) {
    out << "It has no options.\n";
    return kExitOk;
  }
  using enum Table::Align;
  Table table({{"OPTION"}, {"VALUE", kRight}, {"DEFAULT", kRight}, {"RANGE"}, {"MEANING"}});
  for (const Json& option : options)
    table.add({printable(string(option, "name")), value_text(option, "value"), value_text(option, "default"),
               value_text(option, "min") + ".." + value_text(option, "max"),
               printable(string(option, "help"))});
  out << '\n';
  table.print(out);
  return kExitOk;
}

Result<int> policy_use(Session& session, const Arguments& arguments) {
  Json use{{"cmd", "policy.use"}, {"policy", arguments.policy}};
  for (const std::string& text : arguments.settings) {
    auto setting = parse_setting(text);
    if (!setting) return std::unexpected(setting.error());
    auto& [key, value] = *setting;
    if (use.contains("set") && use["set"].contains(key))
      return fail("--set " + text + ": " + key + " is given twice", {}, kExitUsage);
    use["set"][key] = value;
  }
  auto answer = session.ask_last(use);
  if (!answer) return std::unexpected(answer.error());
  if (!*answer) return kExitOk;
  const Json& done = **answer;
  auto tasks = count(done, "handed_over");
  session.out() << "policy: " << printable(string(done, "before")) << " -> "
                << session.output().paint(Output::Colour::kBold, printable(string(done, "policy"))) << ", "
                << tasks << (tasks == 1 ? " waiting task" : " waiting tasks") << " handed over\n";
  return kExitOk;
}

}  // namespace mus::ctl
