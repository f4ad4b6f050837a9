// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/pins.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <utility>

#include "exit_code.h"

namespace mus {
namespace {

/// While one lives, what waits in the kernel is interrupted after `time`.
class Alarm {
 public:
  explicit Alarm(std::chrono::milliseconds time) {
    struct sigaction nothing{};
    nothing.sa_handler = [](int) {};  // and no SA_RESTART
    ::sigaction(SIGALRM, &nothing, &before_);
    auto sec = std::chrono::duration_cast<std::chrono::seconds>(time);
    itimerval timer{};
    timer.it_value.tv_sec = sec.count();
    timer.it_value.tv_usec = std::chrono::microseconds(time - sec).count();
    timer.it_interval.tv_usec = 100'000;  // again, should it come before the wait has begun
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }
  ~Alarm() {
    itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before_, nullptr);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

 private:
  struct sigaction before_{};
};

}  // namespace

Result<Pins> Pins::open(bool make) {
  const char* bpffs = "/sys/fs/bpf";
  struct statfs mounted{};
  if (::statfs(bpffs, &mounted) || mounted.f_type != BPF_FS_MAGIC)
    return fail(std::string("no bpffs is mounted at ") + bpffs, std::string("mount -t bpf bpffs ") + bpffs, kExitUsage);
  return open_folder(kFolder, make);
}

Result<Pins> Pins::open_folder(const std::string& folder, bool make) {
  if (make && ::mkdir(folder.c_str(), 0700) && errno != EEXIST)
    return fail("the folder " + folder + " cannot be made: " + std::strerror(errno), {}, kExitUsage);
  Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail("the folder " + folder + " cannot be opened: " + std::strerror(errno), {}, kExitUsage);
  return Pins(folder, std::move(fd));
}

bool Pins::lock() { return ::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0; }

// Not by asking again and again: who is woken by the unlocking itself runs next, and the machine is without a daemon
// for that moment alone.
bool Pins::lock_within(std::chrono::milliseconds time) {
  Alarm alarm(time);
  return ::flock(fd_.get(), LOCK_EX) == 0;
}

void Pins::unlock() { ::flock(fd_.get(), LOCK_UN); }

bool Pins::has(const char* pin) const { return ::access(path(pin).c_str(), F_OK) == 0; }

Fd Pins::get(const char* pin) const { return Fd(::bpf_obj_get(path(pin).c_str())); }

Result<void> Pins::put(const char* pin, const Fd& what) const {
  if (::bpf_obj_pin(what.get(), path(pin).c_str()))
    return fail(path(pin) + " cannot be pinned: " + std::strerror(errno), "look at the mount, or give --no-pin");
  return {};
}

void Pins::clear() const {
  ::unlink(path("link").c_str());
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error))
    if (!entry.is_directory(error)) ::unlink(entry.path().c_str());
}

}  // namespace mus
