// SPDX-License-Identifier: GPL-2.0-only
// handover: two processes that write to each other in turn, and wait for the answer. Every so many turns one breaks its word and computes
// after it has written. Says on which part of all turns the woken one ran where its waker had, and how long it waited.
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <CLI/CLI.hpp>

namespace {

struct Options {
  unsigned turns = 2000, broken_every = 0, compute_us = 30000;
  bool meet = false;
};

struct Message {
  double sent = 0;  // seconds
  int cpu = -1;
  bool broken = false;
};

struct Seen {
  unsigned turns = 0, same_cpu = 0, broken = 0;
  double longest_kept = 0, longest_broken = 0;  // seconds
};

double now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

void compute(double seconds) {
  for (double until = now() + seconds; now() < until;) {
  }
}

// Onto CPU 0, and free to leave it again.
void move_to_first_cpu() {
  cpu_set_t all, first;
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  if (sched_getaffinity(0, sizeof(all), &all) || sched_setaffinity(0, sizeof(first), &first) || sched_setaffinity(0, sizeof(all), &all)) exit(1);
}

// `to` and `from` are pipes. Only who begins breaks its word.
Seen play(int to, int from, bool begins, const Options& options) {
  Seen seen;
  auto receive = [&] {
    Message m;
    if (read(from, &m, sizeof(m)) != sizeof(m)) exit(1);
    double waited = now() - m.sent;
    ++seen.turns;
    seen.same_cpu += m.cpu == sched_getcpu();
    seen.broken += m.broken;
    double& longest = m.broken ? seen.longest_broken : seen.longest_kept;
    longest = std::max(longest, waited);
  };
  for (unsigned turn = 1; turn <= options.turns; ++turn) {
    if (!begins) receive();
    auto broken_at = [&](unsigned t) { return options.broken_every && t % options.broken_every == 0; };
    bool broken = begins && broken_at(turn);
    if (options.meet && broken_at(begins ? turn : turn + 1)) move_to_first_cpu();
    Message m{now(), sched_getcpu(), broken};
    if (write(to, &m, sizeof(m)) != sizeof(m)) exit(1);
    if (broken) compute(1e-6 * options.compute_us);
    if (begins) receive();
  }
  return seen;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Two processes that wake each other in turn; one line about the one that may be kept waiting.", "handover"};
  app.add_option("--turns", options.turns)->capture_default_str();
  app.add_option("--broken-every", options.broken_every, "turns; 0: never")->capture_default_str();
  app.add_option("--compute-us", options.compute_us, "instead of sleeping, then")->capture_default_str();
  app.add_flag("--meet", options.meet, "both on the same CPU before that");
  CLI11_PARSE(app, argc, argv);
  int there[2], back[2];
  if (pipe(there) || pipe(back)) return 1;
  pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) {
    Seen seen = play(back[1], there[0], false, options);
    std::printf("turns %u same_cpu_percent %u broken %u longest_kept_us %.0f longest_broken_us %.0f\n", seen.turns,
                100 * seen.same_cpu / std::max(1u, seen.turns), seen.broken, 1e6 * seen.longest_kept, 1e6 * seen.longest_broken);
    return 0;
  }
  play(there[1], back[0], true, options);
  int status = 1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
