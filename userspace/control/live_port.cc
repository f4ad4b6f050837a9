// SPDX-License-Identifier: GPL-2.0-only
#include "control/live_port.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace mus {

DaemonUsage LivePort::read_usage() {
  DaemonUsage usage;
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0) {
    auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    usage.cpu_s = seconds(used.ru_utime) + seconds(used.ru_stime);
    usage.page_faults = static_cast<std::uint64_t>(used.ru_majflt);
  }
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  if (statm >> size >> resident)
    usage.rss_kib = resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
  return usage;
}

}  // namespace mus
