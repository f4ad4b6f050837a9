// SPDX-License-Identifier: GPL-2.0-only
#include <cstdio>

#include "search.h"

namespace mus::model {
namespace {

constexpr const char* kWhere[] = {"asleep", "gone", "entering", "the held queue", "the shared queue", "CPU 0's queue",
                                  "CPU 1's queue", "CPU 0, next", "CPU 1, next", "CPU 0", "CPU 1"};
constexpr const char* kAt[] = {"NONE", "HELD", "QUEUED", "RESUMED", "LOCAL", "RUNNING"};
constexpr const char* kCpu[] = {"idle", "runs", "dispatches", "moves a task", "drains", "dispatches", "looks at the held queue",
                                "goes idle", "switches", "announces", "announces", "off line"};
constexpr const char* kView[] = {"unknown", "waits", "decided"};

}  // namespace

std::string describe(const State& s, int tasks) {
  std::string lines;
  char line[256];
  for (int i = 0; i < tasks; ++i) {
    const Task& t = s.tasks[i];
    const View& v = s.view[i];
    std::snprintf(line, sizeof(line), "     task %d  on: %s  place: %s  generation %d%s%s%s  userspace: %s%s\n", i,
                  kWhere[static_cast<int>(t.where)], kAt[static_cast<int>(t.place.at)], t.generation,
                  t.announced ? "  announced" : "", t.ahead ? "  ahead" : "", t.next ? "  decided ahead" : "", kView[v.state],
                  v.state != View::kAway && v.generation != t.generation ? " (an earlier generation)" : "");
    lines += line;
  }
  for (int cpu = 0; cpu < kCpus; ++cpu) {
    std::snprintf(line, sizeof(line), "     CPU %d   %s%s\n", cpu, kCpu[static_cast<int>(s.cpus[cpu].at)],
                  s.cpus[cpu].starved ? "  starved" : "");
    lines += line;
  }
  std::snprintf(line, sizeof(line), "     counts  held %d shared %d and %d own %d,%d resumed %d,%d  events %d decisions %d%s",
                s.held, s.shared, s.in_turn, s.queued[0], s.queued[1], s.resumed[0], s.resumed[1], s.event_count, s.decision_count,
                s.daemon == Daemon::kDead ? "  userspace is dead" : "");
  return lines + line;
}

}  // namespace mus::model
