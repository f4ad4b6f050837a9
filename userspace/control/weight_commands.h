// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/cgroupfs.h"
#include "control/outcome.h"
#include "control/weights.h"

namespace mus {

/// weight.set, get, list and unset; and what happens to weights by itself: they end, and their cgroups go.
/// What is set counts in the store from when it is asked for; the scheduler thread applies in the same order.
/// Threads: the control thread.
class WeightCommands {
 public:
  /// `fs`: null where there is no cgroup v2.
  WeightCommands(Port& port, Poster& poster, CgroupFs* fs, WeightStore& store)
      : port_(port), poster_(poster), fs_(fs), store_(store) {}

  [[nodiscard]] Outcome run(const ask::WeightSet& set, Moment now);
  [[nodiscard]] Outcome run(const ask::WeightGet& get, Moment now);
  [[nodiscard]] Outcome run(const ask::WeightList& list, Moment now);
  [[nodiscard]] Outcome run(const ask::WeightUnset& unset, Moment now);

  /// At start: what the last run left, then what the command line says. Returns notes for `status`.
  [[nodiscard]] std::vector<std::string> load(Moment now, std::vector<SetWeight> options);
  /// Ends what is over, forgets what has gone, writes the file.
  void tick(Moment now);
  /// When tick() has something to do next; none: nothing is set.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> due(Moment now) const;
  /// Why the file cannot be written; "": it can.
  [[nodiscard]] const std::string& note() const { return note_; }
  /// Writes the file, for the last time.
  void finish(Moment now) { (void)store_.save(now, true); }

  [[nodiscard]] std::string name(CgroupId id) {
    return fs_ ? fs_->name(id) : "id:" + std::to_string(raw(id));
  }
  [[nodiscard]] std::string_view source(CgroupId id, const std::string& path) const;
  /// The weight set through mus; 0: none. The scheduler thread has it by the time that whoever set it was answered.
  [[nodiscard]] std::uint32_t set_through_mus(CgroupId id) const {
    const SetWeight* set = store_.find(id);
    return set ? set->weight : 0;
  }
  [[nodiscard]] std::size_t count() const { return store_.all().size(); }
  void keep_names(std::span<const CgroupId> ids) {
    if (fs_) fs_->keep_names(ids);
  }

 private:
  [[nodiscard]] std::expected<CgroupPlace, Refusal> find(const CgroupName& name, Moment now);
  [[nodiscard]] Members view(const CgroupPlace& place, Moment now) const;
  [[nodiscard]] std::uint32_t weight_now(const CgroupPlace& place, Moment now) const;
  [[nodiscard]] bool there(const SetWeight& entry) const;
  void take_back(const std::vector<SetWeight>& entries);

  Port& port_;
  Poster& poster_;
  CgroupFs* fs_;
  WeightStore& store_;
  std::vector<CgroupId> to_unset_;  // has gone from the store, and the scheduler thread does not know yet
  std::chrono::steady_clock::time_point looked_{};
  std::string note_;
};

}  // namespace mus
