// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <boost/intrusive/list_hook.hpp>
#include <boost/intrusive/unordered_set_hook.hpp>
#include <cstdint>

#include <mus/task.h>
#include <mus/units.h>

namespace mus {

/// A cgroup as the cpu controller sees it. The root is its own kind: it has no parent and no weight.
/// Owner:   CgroupTree; lives until its last task and child are gone.
/// Threads: scheduler thread only.
class Cgroup : public boost::intrusive::unordered_set_base_hook<>, public boost::intrusive::list_base_hook<> {
 public:
  CgroupId id{};
  Cgroup* parent = nullptr;    ///< null: the root
  Weight kernel_weight;        ///< cpu.weight
  std::uint32_t override_ = 0; ///< weight set through mus; 0: none
  std::uint32_t users = 0;     ///< tasks and child cgroups that point here
  std::uint32_t runnable = 0;  ///< tasks directly in it that are not kAway
  bool removed = false;        ///< gone from the kernel; kept while it has users
  Duration run_time{};         ///< CPU time that its own tasks used, as far as events have told
  PolicyArea<368> policy;      ///< the policy's own

  /// The weight that counts: what mus was told, else cpu.weight, else 100.
  [[nodiscard]] Weight weight() const { return override_ ? Weight{override_} : kernel_weight; }
};

}  // namespace mus
