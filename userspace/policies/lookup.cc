// SPDX-License-Identifier: GPL-2.0-only
// What does not depend on which policies there are. Apart from the list, so that a test can bring one of its own.
#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "exit_code.h"
#include "policies/registry.h"

namespace mus {

Result<std::unique_ptr<Policy>> make_policy(const PolicyEntry& entry, PolicyConfig config,
                                            std::span<const std::string> settings) {
  std::vector<std::string_view> names;
  for (const PolicyOption& option : entry.options) names.push_back(option.name);
  for (const std::string& text : settings) {
    std::string_view name = std::string_view(text).substr(0, text.find('='));
    auto option = std::ranges::find(entry.options, name, &PolicyOption::name);
    if (option == entry.options.end()) {
      std::string_view near = nearest_name(name, names);
      return fail("policy " + std::string(entry.name) + " has no option '" + std::string(name) + "'",
                  near.empty() ? "see musctl policy show " + std::string(entry.name) : "did you mean '" + std::string(near) + "'?",
                  kExitUsage);
    }
    std::string_view number = std::string_view(text).substr(std::min(text.size(), name.size() + 1));
    PolicyConfig::Setting setting{option->name, 0};
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), setting.value);
    if (error != std::errc{} || end != number.data() + number.size() || setting.value < option->least ||
        setting.value > option->most)
      return fail("option " + text + ": not a whole number from " + std::to_string(option->least) + " to " +
                      std::to_string(option->most),
                  std::string(option->name) + ": " + std::string(option->help), kExitUsage);
    config.settings.push_back(setting);
  }
  return entry.make(config);
}

Result<const PolicyEntry*> find_policy(std::string_view name) {
  auto it = std::ranges::find(policies(), name, &PolicyEntry::name);
  if (it != policies().end()) return &*it;
  std::vector<std::string_view> names;
  std::string all;
  for (const PolicyEntry& policy : policies()) {
    names.push_back(policy.name);
    all += (all.empty() ? "" : ", ") + std::string(policy.name);
  }
  std::string_view near = nearest_name(name, names);
  return fail("no policy is called '" + std::string(name) + "'",
              near.empty() ? "choose one of: " + all : "did you mean '" + std::string(near) + "'? (there are: " + all + ")");
}

}  // namespace mus
