// SPDX-License-Identifier: GPL-2.0-only
#include "policies/registry.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "policies/fifo.h"
#include "policies/vtime.h"

namespace mus {
namespace {

template <typename P>
std::unique_ptr<Policy> make(const PolicyConfig& config) {
  return std::make_unique<P>(config);
}

// To add a policy: include its header above and give it a line here.
constexpr std::array kPolicies{
    PolicyEntry{"vtime", "weighted fair by cgroup and nice (default)", make<VtimePolicy>},
    PolicyEntry{"fifo", "first come, first served: the one to learn from", make<FifoPolicy>},
};

}  // namespace

std::span<const PolicyEntry> policies() { return kPolicies; }

Result<const PolicyEntry*> find_policy(std::string_view name) {
  auto it = std::ranges::find(kPolicies, name, &PolicyEntry::name);
  if (it != kPolicies.end()) return &*it;
  std::vector<std::string_view> names;
  std::string all;
  for (const PolicyEntry& policy : kPolicies) {
    names.push_back(policy.name);
    all += (all.empty() ? "" : ", ") + std::string(policy.name);
  }
  std::string_view near = nearest_name(name, names);
  return fail("no policy is called '" + std::string(name) + "'",
              near.empty() ? "choose one of: " + all : "did you mean '" + std::string(near) + "'? (there are: " + all + ")");
}

}  // namespace mus
