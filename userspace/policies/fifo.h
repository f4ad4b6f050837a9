// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <boost/intrusive/list.hpp>

#include <mus/policy.h>

namespace mus {

/// The teaching policy: tasks run in the order in which they became runnable, a slice each, on whichever
/// CPU is free first. Weights are ignored. docs/adding_a_policy.md explains it line by line.
class FifoPolicy final : public Policy {
 public:
  explicit FifoPolicy(const PolicyConfig& config) : slice_(config.slice) {}

  [[nodiscard]] std::string_view name() const override { return "fifo"; }
  [[nodiscard]] std::uint32_t wanted_events() const override { return MUS_EVENT_BIT(MUS_EVENT_SLEEP); }

  void task_runnable(Task& task, bool woke, Time now) override;
  void task_stopped(Task& task, Time now) override;
  [[nodiscard]] bool decide(const Room& room, Decision& decision, Time now) override;

 private:
  /// What this policy keeps in each task: its place in the queue.
  struct Place : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    explicit Place(Task& t) : task(&t) {}
    Task* task;
  };

  Duration slice_;
  boost::intrusive::list<Place, boost::intrusive::constant_time_size<false>> queue_;
};

}  // namespace mus
