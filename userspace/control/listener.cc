// SPDX-License-Identifier: GPL-2.0-only
#include "control/listener.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "exit_code.h"

namespace mus {
namespace {

constexpr int kBacklog = 256;  // who waits here was not refused yet: the server looks often

std::string why() {
  return std::strerror(errno);
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return fail("the socket path " + path + " is too long", "give one of at most 107 bytes", kExitUsage);
  std::ranges::copy(path, address.sun_path);
  return address;
}

/// Removes what a process that has died left at `path`.
Result<void> clear(const std::string& path, const sockaddr_un& address) {
  struct stat there{};
  if (::lstat(path.c_str(), &there)) return {};  // nothing is there, or bind() will say what is wrong
  if (!S_ISSOCK(there.st_mode))
    return fail(path + " is there and is not a socket", "remove it, or choose another --socket", kExitUsage);
  Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  bool answered = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  if (answered || errno != ECONNREFUSED)  // EAGAIN: somebody listens, and is busy
    return fail("another process listens at " + path, "stop it, or choose another --socket", kExitBusy);
  if (::unlink(path.c_str()) && errno != ENOENT)
    return fail("the old socket " + path + " cannot be removed: " + why(),
                "remove it, or choose another --socket", kExitUsage);
  return {};
}

}  // namespace

Result<void> make_folders(const std::string& path) {
  std::filesystem::path missing, parent = std::filesystem::path(path).parent_path();
  for (const auto& part : parent) {
    missing /= part;
    if (::mkdir(missing.c_str(), 0755) == 0) {
      ::chmod(missing.c_str(), 0755);
    } else if (errno != EEXIST && errno != EROFS && errno != EACCES) {
      return fail("the folder " + missing.string() + " cannot be made: " + why(), "choose another --socket",
                  kExitUsage);
    }
  }
  return {};
}

Result<Listener> Listener::open(const std::string& path, std::optional<gid_t> group) { return make(path, group); }

Result<Listener> Listener::open_beside(const std::string& path, std::optional<gid_t> group) {
  auto listener = make(path + ".next", group);
  if (listener) listener->later_ = path;
  return listener;
}

Result<void> Listener::publish() {
  if (later_.empty()) return {};
  if (::rename(path_.c_str(), later_.c_str()))
    return fail("the socket " + later_ + " cannot be made: " + why(), "choose another --socket", kExitUsage);
  path_ = std::exchange(later_, {});
  return {};
}

Result<Listener> Listener::make(const std::string& path, std::optional<gid_t> group) {
  auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  if (auto made = make_folders(path); !made) return std::unexpected(made.error());
  if (auto cleared = clear(path, *address); !cleared) return std::unexpected(cleared.error());

  Listener listener;
  listener.socket_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int fd = listener.fd();
  auto failed = [&] {
    return fail("the socket " + path + " cannot be made: " + why(), "choose another --socket", kExitUsage);
  };
  // The file is made with the mode that the socket has, so that there is no moment in which others may connect.
  if (fd < 0 || ::fchmod(fd, 0600) ||
      ::bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)))
    return failed();
  struct stat made{};
  if (::lstat(path.c_str(), &made)) return failed();
  listener.path_ = path;
  listener.device_ = made.st_dev;
  listener.inode_ = made.st_ino;
  if (group && (::lchown(path.c_str(), static_cast<uid_t>(-1), *group) || ::chmod(path.c_str(), 0660)))
    return failed();
  if (::listen(fd, kBacklog)) return failed();
  return listener;
}

Listener::Listener(Listener&& other) noexcept
    : socket_(std::move(other.socket_)),
      path_(std::exchange(other.path_, {})),
      later_(std::exchange(other.later_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

Listener::~Listener() {
  struct stat there{};
  if (path_.empty() || ::lstat(path_.c_str(), &there)) return;
  if (there.st_dev == device_ && there.st_ino == inode_) ::unlink(path_.c_str());
}

Fd Listener::accept() const {
  return Fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

bool Listener::may_connect(const ucred& who, std::span<const gid_t> more_groups, uid_t own,
                           std::optional<gid_t> group) {
  if (who.uid == 0 || who.uid == own) return true;
  return group && (who.gid == *group || std::ranges::find(more_groups, *group) != more_groups.end());
}

bool Listener::may_connect(int client, std::optional<gid_t> group) {
  ucred who{};
  socklen_t size = sizeof(who);
  if (::getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size)) return false;
  std::vector<gid_t> groups(1024);
  socklen_t bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (!group || ::getsockopt(client, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes)) bytes = 0;
  groups.resize(bytes / sizeof(gid_t));
  return may_connect(who, groups, ::geteuid(), group);
}

Result<gid_t> find_group(const std::string& name) {
  gid_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (!name.empty() && error == std::errc{} && end == name.data() + name.size()) return number;
  std::array<char, 16384> storage;
  group entry{}, *found = nullptr;
  ::getgrnam_r(name.c_str(), &entry, storage.data(), storage.size(), &found);
  if (found) return found->gr_gid;
  return fail("there is no group '" + name + "'",
              "make it (groupadd " + name + "), or give --socket-group another", kExitUsage);
}

}  // namespace mus
