// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include <mus/result.h>
#include <mus/units.h>

#include "kernel/fd.h"

namespace mus {

/// Where cgroup v2 is mounted in this mount namespace, also beside v1 (hybrid).
/// Errors: nowhere -> kExitUsage.
[[nodiscard]] Result<std::string> cgroup_mount();

/// The same from the text of a mount table (/proc/self/mounts); empty: it is not in there.
[[nodiscard]] std::string cgroup_mount_in(std::string_view table);

/// Whether cgroup v2 is mounted and the cpu controller is on it, not on v1.
[[nodiscard]] bool cpu_controller_on_v2();

/// The id of the cgroup at `path` ("/redis"), from the root of the v2 tree.
/// Errors: no such cgroup, a path with `..` or a symbolic link in it -> kExitUsage, names the nearest sibling.
[[nodiscard]] Result<CgroupId> find_cgroup(const std::string& path);

/// A cgroup as the tree of folders shows it.
struct CgroupPlace {
  CgroupId id{};
  std::string path;  ///< "/redis"
};

/// What the cpu controller says of a cgroup.
struct CgroupWeight {
  std::optional<std::uint32_t> weight;  ///< cpu.weight; none: the root, or the controller is not on there
  std::optional<std::int32_t> nice;     ///< cpu.weight.nice
  bool idle = false;                    ///< cpu.idle is 1
};

/// The tree of cgroup v2, read only, below one mount point. Every path is opened from a descriptor of that
/// point, and never through a symbolic link or `..` (openat2), so that nobody who may name a cgroup can have
/// another file looked at.
/// Threads: the control thread.
/// Errors:  exit_code is kExitUsage where the name is wrong; `what` and `remedy` are for the client.
/// Cost:    a few system calls for each question.
class CgroupFs {
 public:
  /// Errors: `mount` cannot be opened.
  [[nodiscard]] static Result<CgroupFs> open(const std::string& mount, const std::string& proc = "/proc");

  using Clock = std::chrono::steady_clock;

  /// `path` as check_cgroup_path() leaves it. `now`: what was seen at that very moment is not looked at again.
  [[nodiscard]] Result<CgroupPlace> find(const std::string& path, Clock::time_point now = {});
  /// By the kernel's id. Remembers what it found, since a cgroup keeps its path for as long as it lives.
  [[nodiscard]] Result<CgroupPlace> find(CgroupId id);
  /// The cgroup that a process is in.
  [[nodiscard]] Result<CgroupPlace> find(Pid pid);

  /// Whether `path` is certainly not the cgroup with that id any more.
  [[nodiscard]] bool gone(const CgroupPlace& place) const;

  /// Whether there certainly is no cgroup with that id any more. Without CAP_DAC_READ_SEARCH only of one whose path was found
  /// when it was there.
  [[nodiscard]] bool removed(CgroupId id);

  /// The path of an id for showing it: "id:71" if there is no folder (any more, or in sight of this mount).
  [[nodiscard]] std::string name(CgroupId id);
  /// Forgets the paths of all others.
  void keep_names(std::span<const CgroupId> ids);

  [[nodiscard]] CgroupWeight weight(const std::string& path);
  [[nodiscard]] std::optional<std::uint32_t> cpu_weight(const std::string& path, Clock::time_point now = {});
  /// Whether the cpu controller is on this hierarchy (in hybrid mode it may be on v1).
  [[nodiscard]] bool has_cpu_controller() const;

 private:
  /// A cgroup that was asked for lately. Its cpu.weight is open: one read tells that it is still there, since one that
  /// has gone answers ENODEV for ever, and what it says.
  struct Known {
    CgroupId id{};
    Fd weight_file;
    Clock::time_point seen{};
    std::optional<std::uint32_t> weight;  // then
  };
  static constexpr std::size_t kMostKnown = 64;

  CgroupFs() = default;
  [[nodiscard]] const Known* known(const std::string& path, Clock::time_point now);
  void know(const std::string& path, CgroupId id, const Fd& folder);
  [[nodiscard]] Fd open(const std::string& path, std::uint64_t flags) const;
  [[nodiscard]] Fd walk(const std::string& path) const;
  [[nodiscard]] std::string nearest(const std::string& path) const;
  [[nodiscard]] Fd open_by_handle(CgroupId id);
  [[nodiscard]] std::optional<std::string> path_by_handle(CgroupId id);
  void walk_all();

  Fd root_;
  std::string mount_;
  std::string proc_;
  bool real_ = false;     // cgroup v2 and not a stand-in of a test
  bool handles_ = false;  // a cgroup can be opened by its id
  Clock::time_point walked_{};
  std::unordered_map<std::uint64_t, std::string> paths_;
  std::unordered_map<std::string, Known> known_;
};

}  // namespace mus
