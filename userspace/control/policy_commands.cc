// SPDX-License-Identifier: GPL-2.0-only
#include "control/policy_commands.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace mus {
namespace {

constexpr std::uint32_t kLeastTasks = 1024, kLeastCgroups = 64;

Refusal no_such_policy(const Error& error) {
  return {.code = "no_such_policy", .message = error.what, .field = "policy", .hint = error.remedy};
}

/// The value that `settings` ("name=value") give to `option`; else its usual one.
std::uint64_t value_of(const PolicyOption& option, const PolicyConfig& config,
                       const std::vector<std::string>& settings) {
  std::uint64_t value = option.usual;
  if (option.name == "slice-us")  // --slice-us is the usual one then
    value = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(config.slice).count());
  for (const std::string& text : settings) {
    auto equals = text.find('=');
    if (equals == std::string::npos || std::string_view(text).substr(0, equals) != option.name) continue;
    std::from_chars(text.data() + equals + 1, text.data() + text.size(), value);
  }
  return value;
}

}  // namespace

PolicyCommands::PolicyCommands(Port& port, Poster& poster, PolicyShelf& shelf, PolicyConfig config,
                               std::string active, std::vector<std::string> settings)
    : port_(port),
      poster_(poster),
      shelf_(shelf),
      config_(std::move(config)),
      now_{std::move(active), std::move(settings)},
      last_good_(now_) {}

std::uint64_t PolicyCommands::faults() const {
  const Snapshot* snapshot = port_.snapshot();
  return snapshot ? snapshot->policy_faults : 0;
}

// A policy that fails is replaced by the last good one without anybody asking.
const PolicyCommands::InUse& PolicyCommands::look() {
  if (auto count = faults(); count > faults_seen_) {
    faults_seen_ = count;
    now_ = last_good_;
    const Snapshot* snapshot = port_.snapshot();
    if (snapshot->policy != now_.name) now_ = {.name = std::string(snapshot->policy), .settings = {}};
  }
  return now_;
}

// This thread takes the memory of a policy while others wait for its CPU, and all of it is locked: room for as many as may ever come
// took longer than two slices (docs/decisions/0016). What comes later has its memory then.
PolicyConfig PolicyCommands::config_now() const {
  PolicyConfig config = config_;
  if (const Snapshot* snapshot = port_.snapshot()) {
    auto twice = [](std::uint64_t known, std::uint32_t least, std::uint32_t most) {
      return static_cast<std::uint32_t>(std::min<std::uint64_t>(most, std::max<std::uint64_t>(least, 2 * known)));
    };
    config.tasks = twice(snapshot->tasks, kLeastTasks, config.tasks);
    config.cgroups = twice(snapshot->cgroups, kLeastCgroups, config.cgroups);
  }
  return config;
}

Outcome PolicyCommands::run(const ask::PolicyList&) {
  Json list = Json::array();
  for (const PolicyEntry& entry : policies())
    list.push_back({{"name", entry.name}, {"summary", entry.summary}, {"active", entry.name == active()}});
  return Json{{"policies", std::move(list)}};
}

Outcome PolicyCommands::run(const ask::PolicyShow& show) {
  const InUse& in_use = look();
  bool active = !show.policy || *show.policy == in_use.name;
  auto entry = find_policy(active ? in_use.name : excerpt(*show.policy));
  if (!entry) return no_such_policy(entry.error());
  Json options = Json::array();
  for (const PolicyOption& option : (*entry)->options)
    options.push_back(
        {{"name", option.name},
         {"value", value_of(option, config_, active ? in_use.settings : std::vector<std::string>{})},
         {"default", option.usual},
         {"min", option.least},
         {"max", option.most},
         {"help", option.help}});
  return Json{{"policy", (*entry)->name},
              {"summary", (*entry)->summary},
              {"active", active},
              {"options", std::move(options)},
              {"faults", faults()}};
}

Outcome PolicyCommands::run(const ask::PolicyUse& use) {
  auto entry = find_policy(excerpt(use.policy));
  if (!entry) return no_such_policy(entry.error());
  auto policy = make_policy(**entry, config_now(), use.settings);
  if (!policy)
    return Refusal{
        .code = "bad_value", .message = policy.error().what, .field = "set", .hint = policy.error().remedy};
  auto ticket = poster_.post({.kind = Command::Kind::kUsePolicy, .policy = policy->get()});
  if (!ticket) return queue_is_full();
  shelf_.add(std::move(*policy));
  return Waiting{
      *ticket,
      [this, next = InUse{std::string((*entry)->name), use.settings}](const Reply& reply) -> Outcome {
        if (reply.result != Reply::Result::kDone)
          return Refusal{.code = "internal",
                         .message = "the scheduler thread did not take the policy",
                         .field = {},
                         .hint = {}};
        last_good_ = look();
        now_ = next;
        return Json{{"policy", next.name}, {"before", last_good_.name}, {"handed_over", reply.handed_over}};
      }};
}

}  // namespace mus
