// SPDX-License-Identifier: GPL-2.0-only
#include "policies/registry.h"

#include <array>

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
    PolicyEntry{"vtime", "weighted fair by cgroup and nice (default)", VtimePolicy::kOptions, make<VtimePolicy>},
    PolicyEntry{"fifo", "first come, first served: the one to learn from", {}, make<FifoPolicy>},
};

}  // namespace

std::span<const PolicyEntry> policies() { return kPolicies; }

}  // namespace mus
