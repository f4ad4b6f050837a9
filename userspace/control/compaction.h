// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace mus {

/// Keeps the kernel from moving locked pages while the daemon runs: compaction unmaps a page for as long as it moves it, and the
/// scheduler thread, which touches it then, would wait for whoever does that; who may be waiting for the scheduler thread.
/// vm.compact_unevictable_allowed is 0 from the constructor on, and what it was before at the end. What that is stays in a
/// file meanwhile: a daemon that is killed restores nothing, and the next one finds it there.
/// Owner:   a setting of the whole machine; the daemon that has the lock (succession.h).
/// Threads: the control thread.
/// Errors:  note(): it could not be set. The daemon runs all the same.
class Compaction {
 public:
  static constexpr const char* kSetting = "/proc/sys/vm/compact_unevictable_allowed";
  static constexpr const char* kFile = "/var/run/scx/mus/compact_unevictable_allowed";

  explicit Compaction(std::string setting = kSetting, std::string file = kFile);
  ~Compaction();
  Compaction(const Compaction&) = delete;
  Compaction& operator=(const Compaction&) = delete;

  /// Leaves it as it is, to the daemon that runs from here on.
  void leave() { ours_ = false; }
  /// "": nothing to say.
  [[nodiscard]] const std::string& note() const { return note_; }

 private:
  std::string setting_, file_;
  std::string note_;
  bool ours_ = false;
};

}  // namespace mus
