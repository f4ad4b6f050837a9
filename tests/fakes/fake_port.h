// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/port.h"
#include "control/server.h"

namespace mus::fakes {

/// A scheduler of which the commands see what a test puts here.
class FakePort : public Port {
 public:
  bool post(const Command& command) override {
    if (full) return false;
    posted.push_back(command);
    return true;
  }
  bool take(Reply& reply) override {
    if (replies.empty()) return false;
    reply = replies.front();
    replies.pop_front();
    return true;
  }
  const Snapshot* snapshot() override { return snapshot_.get(); }
  Totals totals() override { return counted; }
  bool ended() override { return has_ended; }
  bool pinned() override { return is_pinned; }
  std::optional<WaitBuckets> waits(CgroupId id) override {
    ++waits_asked;
    auto it = wait_buckets.find(id);
    return it == wait_buckets.end() ? std::nullopt : std::optional(it->second);
  }
  DaemonUsage usage() override { return used; }

  /// Answers everything that was posted, as the scheduler thread would.
  void obey(Reply::Result result = Reply::Result::kDone) {
    for (const Command& command : posted)
      replies.push_back({.result = result, .ticket = command.ticket, .handed_over = 37});
    obeyed.insert(obeyed.end(), posted.begin(), posted.end());
    posted.clear();
  }

  /// The snapshot of `at`; add groups to it.
  Snapshot& publish(Duration at) {
    if (!snapshot_) snapshot_ = std::make_unique<Snapshot>();
    snapshot_->at = mus::Time{at};
    snapshot_->policy = "vtime";
    return *snapshot_;
  }
  Snapshot::Group& group(CgroupId id) {
    for (std::uint32_t i = 0; i < snapshot_->group_count; ++i)
      if (snapshot_->groups[i].id == id) return snapshot_->groups[i];
    auto& added = snapshot_->groups[snapshot_->group_count++];
    added = {.id = id, .weight = 100, .kernel_weight = 100};
    return added;
  }

  std::vector<Command> posted, obeyed;
  std::deque<Reply> replies;
  Totals counted;
  DaemonUsage used;
  std::map<CgroupId, WaitBuckets> wait_buckets;
  std::size_t waits_asked = 0;
  bool full = false;
  bool has_ended = false;
  bool is_pinned = true;

 private:
  std::unique_ptr<Snapshot> snapshot_;
};

/// Keeps what a service says.
class FakeOutlet : public Outlet {
 public:
  void answer(RequestId request, std::string_view line) override { answers[request.client].emplace_back(line); }
  bool tell(ClientId client, std::string_view line) override {
    if (slow) return false;
    told[client].emplace_back(line);
    return true;
  }
  void set_subscribed(ClientId client, bool on) override { subscribed[client] = on; }

  std::map<ClientId, std::vector<std::string>> answers, told;
  std::map<ClientId, bool> subscribed;
  bool slow = false;
};

}  // namespace mus::fakes
