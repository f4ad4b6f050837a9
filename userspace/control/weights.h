// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <mus/result.h>
#include <mus/units.h>

namespace mus {

/// Both clocks at one moment. Weights end by the first while the daemon runs, so that setting the machine's
/// clock ends none of them; by the second from one run of the daemon to the next.
struct Moment {
  std::chrono::steady_clock::time_point steady;
  std::chrono::system_clock::time_point wall;
  [[nodiscard]] static Moment now() {
    return {std::chrono::steady_clock::now(), std::chrono::system_clock::now()};
  }
};

/// A weight that was set through mus.
struct SetWeight {
  using Deadline = std::chrono::steady_clock::time_point;
  CgroupId id{};
  std::string path;
  std::uint32_t weight = 0;
  std::optional<Deadline> until;  ///< none: until it is unset
  bool by_option = false;         ///< by --weight: not kept for the next run, which has options of its own
  std::uint64_t ticket = 0;       ///< of the command that gave it to the scheduler thread
};

/// The weights set through mus: what they are, when they end, and the file that outlives the daemon.
/// Shape:   one a cgroup, at most kMost, ordered by id.
/// Threads: the control thread.
/// Errors:  load -> a note for each entry that was dropped; save -> a note, and the next save tries again.
/// Cost:    O(log n), O(n) for what looks at all; save writes a file of about 100 bytes an entry.
class WeightStore {
 public:
  static constexpr std::size_t kMost = 1024;
  static constexpr auto kSaveEvery = std::chrono::milliseconds(100);

  /// `file`: where they are kept; "" nowhere.
  explicit WeightStore(std::string file) : file_(std::move(file)) {}

  /// False: there is no room for another.
  [[nodiscard]] bool set(SetWeight entry);
  bool unset(CgroupId id);
  [[nodiscard]] const SetWeight* find(CgroupId id) const;
  [[nodiscard]] const std::map<CgroupId, SetWeight>& all() const { return entries_; }

  /// Takes out those whose time has come.
  [[nodiscard]] std::vector<SetWeight> take_expired(Moment now);
  /// Takes out those whose cgroup has gone; looks at some at each call, at all in turn.
  [[nodiscard]] std::vector<SetWeight> take_gone(const std::function<bool(const SetWeight&)>& there,
                                                 std::size_t at_once);

  /// Reads the file. `there`: whether the path still has that id. Notes say what was dropped and why.
  [[nodiscard]] std::vector<std::string> load(Moment now, const std::function<bool(const SetWeight&)>& there);
  /// Writes the file if something changed and the last time was kSaveEvery ago; `at_once`: in any case.
  /// A new file takes the place of the old one in one step.
  [[nodiscard]] Result<void> save(Moment now, bool at_once = false);
  /// When save() has something to do next; none: nothing changed.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> save_due() const;
  /// When take_expired() has something to do next.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> expiry_due() const;

 private:
  [[nodiscard]] std::string text(Moment now) const;

  std::string file_;
  std::map<CgroupId, SetWeight> entries_;
  CgroupId looked_at_{};  // the last that take_gone() looked at
  bool changed_ = false;
  std::chrono::steady_clock::time_point saved_{};
};

}  // namespace mus
