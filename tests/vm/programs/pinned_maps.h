// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

/// What is pinned in /sys/fs/bpf/mus, for programs that stand beside the daemon. What is not there ends the program.
namespace mus::pinned_maps {

inline int open(const char* name) {
  std::string path = std::string("/sys/fs/bpf/mus/") + name;
  bpf_attr attr{};
  attr.pathname = reinterpret_cast<std::uint64_t>(path.c_str());
  int fd = static_cast<int>(::syscall(SYS_bpf, BPF_OBJ_GET, &attr, sizeof(attr)));
  if (fd >= 0) return fd;
  std::perror(name);
  std::exit(1);
}

inline char* map(const char* name, std::size_t bytes, long from, bool writable = true) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, open(name), from);
  if (at != MAP_FAILED) return static_cast<char*>(at);
  std::perror(name);
  std::exit(1);
}

/// Where a ring's reader or writer is: the first word of its page.
inline unsigned long& position(char* page) { return *reinterpret_cast<unsigned long*>(page); }

}  // namespace mus::pinned_maps
