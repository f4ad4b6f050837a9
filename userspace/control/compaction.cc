// SPDX-License-Identifier: GPL-2.0-only
#include "control/compaction.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "control/listener.h"
#include "kernel/fd.h"

namespace mus {
namespace {

/// '0' or '1'; 0: neither, or unreadable.
char read_digit(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) return 0;  // errno says why
  char digit = 0;
  return ::read(file.get(), &digit, 1) == 1 && (digit == '0' || digit == '1') ? digit : '\0';
}

bool write_digit(const std::string& path, int flags, char digit) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0644));
  char line[] = {digit, '\n'};
  return ::write(file.get(), line, sizeof(line)) == sizeof(line);
}

/// In one step: who reads it finds all of it or nothing.
bool remember(const std::string& path) {
  std::string fresh = path + ".new";
  ::unlink(fresh.c_str());  // of a daemon that died here
  return make_folders(path) && write_digit(fresh, O_CREAT | O_EXCL, '1') && !::rename(fresh.c_str(), path.c_str());
}

}  // namespace

// The file comes before the setting: at whatever instant this daemon dies, that it was 1 is still known.
Compaction::Compaction(std::string setting, std::string file) : setting_(std::move(setting)), file_(std::move(file)) {
  bool left = read_digit(file_) == '1';
  char now = read_digit(setting_);
  if (now == '0') {
    ours_ = left;  // else somebody wants it so
    return;
  }
  if (!now && errno == ENOENT) return;  // a kernel that does not compact
  ours_ = now && (left || remember(file_)) && write_digit(setting_, 0, '0');
  if (ours_) return;
  note_ = std::string("vm.compact_unevictable_allowed cannot be set to 0 (") + std::strerror(errno) +
          "): the kernel may move the daemon's locked pages, and the scheduler thread may have to wait for one";
  ::unlink(file_.c_str());
}

Compaction::~Compaction() {
  if (!ours_) return;
  if (write_digit(setting_, 0, '1'))
    ::unlink(file_.c_str());
  else
    std::fprintf(stderr, "mus-userland: vm.compact_unevictable_allowed cannot be set to 1 again: %s\n", std::strerror(errno));
}

}  // namespace mus
