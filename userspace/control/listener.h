// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <optional>
#include <span>
#include <string>

#include <mus/result.h>

#include "kernel/fd.h"

namespace mus {

/// A UNIX stream socket at a path: made with the folders above it, removed when it goes.
/// Owner:   the descriptor and, while it is still ours, the file.
/// Threads: one.
/// Errors:  kExitUsage: the path is too long, or something else is there; kExitBusy: another process listens
///          there. What is left of a process that has died is replaced.
class Listener {
 public:
  /// `group`: its members may connect too (mode 0660); none: root alone (0600).
  [[nodiscard]] static Result<Listener> open(const std::string& path, std::optional<gid_t> group);
  /// The same beside the socket of a daemon that still listens at `path`: nobody finds it before publish().
  [[nodiscard]] static Result<Listener> open_beside(const std::string& path, std::optional<gid_t> group);
  /// Takes the place of what is at the path, in one step.
  [[nodiscard]] Result<void> publish();
  ~Listener();
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }

  /// The next that wants to connect, not blocking; empty with errno set: none, or no descriptor is left.
  [[nodiscard]] Fd accept() const;

  /// Whether the process at the other end may send requests: it is root's or the daemon's own user's, or a
  /// member of `group`.
  [[nodiscard]] static bool may_connect(int client, std::optional<gid_t> group);
  [[nodiscard]] static bool may_connect(const ucred& who, std::span<const gid_t> more_groups, uid_t own,
                                        std::optional<gid_t> group);

 private:
  Listener() = default;
  [[nodiscard]] static Result<Listener> make(const std::string& path, std::optional<gid_t> group);
  Fd socket_;
  std::string path_;
  std::string later_;  // where publish() puts it
  dev_t device_ = 0;  // of the file that was made
  ino_t inode_ = 0;
};

/// Makes the folders above `path` that are missing, with mode 0755 whatever the umask. Errors: kExitUsage.
[[nodiscard]] Result<void> make_folders(const std::string& path);

/// The id of a group by name or number. Errors: kExitUsage: there is none.
[[nodiscard]] Result<gid_t> find_group(const std::string& name);

}  // namespace mus
