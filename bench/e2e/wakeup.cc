// SPDX-License-Identifier: GPL-2.0-only
// wakeup: messenger threads wake workers, which think and wait again; how long a woken worker waits for a CPU.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "histogram.h"

namespace {

constexpr const char* kHelp = R"(Messengers wake workers; each worker then thinks (computes) for a while and waits to be woken again.
A messenger wakes all of its workers that wait, pauses, and looks again; it sleeps while none waits. Measured is the time
from just before the wake-up call until the worker runs: what a server's request waits for a CPU. Prints percentiles and
a histogram.

Think time is CPU time of the worker's own, so that it is work and not a wait.)";
constexpr const char* kExamples = R"(
examples:
  wakeup                                       one messenger, two workers a CPU, 500 us of thinking
  wakeup --workers 8 --think-us 2000 --seconds 30
  wakeup --messengers 2 --pause-us 1000        a machine that is not full
  wakeup --json                                one line, histogram in us: {"42": 7} is 7 wake-ups of 42 us or a little more)";

struct Options {
  unsigned messengers = 1, workers = 0, seconds = 10, warm_up_ms = 500, think_us = 500, pause_us = 0;
  bool json = false;
};

std::uint64_t now_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

void wait_while(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  while (word.load(std::memory_order_acquire) == value) {
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
  }
}

void wake(std::atomic<std::uint32_t>& word) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0); }

struct Messenger;

enum State : std::uint32_t { kThinking, kWaiting };  // the worker writes kWaiting, its messenger kThinking

struct Worker {
  std::atomic<std::uint32_t> state = kThinking;
  std::uint64_t woken_ns = 0;  // written by the messenger before kThinking
  Messenger* messenger = nullptr;
  Histogram latencies;
};

struct Messenger {
  std::atomic<std::uint32_t> waiting = 0;  // workers that wait and were not seen yet
  std::vector<std::unique_ptr<Worker>> workers;
};

std::atomic<bool> measuring = false, ending = false;

void think(unsigned us) {
  if (us == 0) {
    return;  // a look at the clock is work too
  }
  const std::uint64_t until = now_ns(CLOCK_THREAD_CPUTIME_ID) + us * std::uint64_t{1000};
  std::uint32_t value = 1;
  do {
    for (int i = 0; i < 500; ++i) {
      value = value * 1664525 + 1013904223;
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    volatile std::uint32_t kept = value;
    static_cast<void>(kept);
  } while (now_ns(CLOCK_THREAD_CPUTIME_ID) < until);
}

void work(Worker& self, unsigned think_us) {
  while (!ending.load(std::memory_order_relaxed)) {
    self.state.store(kWaiting, std::memory_order_release);
    if (self.messenger->waiting.fetch_add(1, std::memory_order_acq_rel) == 0) {
      wake(self.messenger->waiting);
    }
    wait_while(self.state, kWaiting);
    const std::uint64_t ran_ns = now_ns(CLOCK_MONOTONIC);
    if (measuring.load(std::memory_order_relaxed)) {
      self.latencies.add(ran_ns - std::min(ran_ns, self.woken_ns));
    }
    think(think_us);
  }
}

void deliver(Messenger& self, unsigned pause_us) {
  while (!ending.load(std::memory_order_relaxed)) {
    wait_while(self.waiting, 0);
    self.waiting.exchange(0, std::memory_order_acq_rel);  // what they wrote before is seen below
    for (auto& worker : self.workers) {
      if (worker->state.load(std::memory_order_acquire) == kWaiting) {
        worker->woken_ns = now_ns(CLOCK_MONOTONIC);
        worker->state.store(kThinking, std::memory_order_release);
        wake(worker->state);
      }
    }
    if (pause_us != 0) {
      usleep(pause_us);
    }
  }
}

void pause_ms(unsigned ms) {
  const timespec time{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000) * 1'000'000};
  nanosleep(&time, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{kHelp, "wakeup"};
  app.footer(kExamples);
  app.add_option("--messengers", options.messengers, "threads that wake others")->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--workers", options.workers, "workers of each messenger; default two for each CPU")->check(CLI::Range(1, 1024));
  app.add_option("--think-us", options.think_us, "CPU time between two waits")->capture_default_str();
  app.add_option("--pause-us", options.pause_us, "a messenger's pause after each round; 0: none")->capture_default_str();
  app.add_option("--seconds", options.seconds, "how long to measure")->check(CLI::Range(1, 3600))->capture_default_str();
  app.add_option("--warm-up-ms", options.warm_up_ms, "what is not measured before")->capture_default_str();
  app.add_flag("--json", options.json, "one line of JSON");
  CLI11_PARSE(app, argc, argv);
  if (options.workers == 0) {
    options.workers = 2 * std::max(1U, std::thread::hardware_concurrency());
  }

  std::vector<Messenger> messengers(options.messengers);
  std::vector<std::thread> threads;
  for (Messenger& messenger : messengers) {
    for (unsigned i = 0; i < options.workers; ++i) {
      messenger.workers.push_back(std::make_unique<Worker>());
      messenger.workers.back()->messenger = &messenger;
    }
  }
  for (Messenger& messenger : messengers) {
    for (auto& worker : messenger.workers) {
      threads.emplace_back(work, std::ref(*worker), options.think_us);
    }
    threads.emplace_back(deliver, std::ref(messenger), options.pause_us);
  }
  pause_ms(options.warm_up_ms);
  const std::uint64_t started = now_ns(CLOCK_MONOTONIC);
  measuring = true;
  pause_ms(options.seconds * 1000);
  measuring = false;
  const double seconds = static_cast<double>(now_ns(CLOCK_MONOTONIC) - started) * 1e-9;
  ending = true;
  // A thread may have looked at `ending` just before: woken until it has seen it.
  std::atomic<bool> ended = false;
  std::thread rouser([&] {
    while (!ended) {
      for (Messenger& messenger : messengers) {
        messenger.waiting.store(1, std::memory_order_release);
        wake(messenger.waiting);
        for (auto& worker : messenger.workers) {
          worker->state.store(kThinking, std::memory_order_release);
          wake(worker->state);
        }
      }
      pause_ms(10);
    }
  });
  for (std::thread& thread : threads) {
    thread.join();
  }
  ended = true;
  rouser.join();

  const auto all = std::make_unique<Histogram>();
  for (const Messenger& messenger : messengers) {
    for (const auto& worker : messenger.workers) {
      all->add(worker->latencies);
    }
  }
  (options.json ? print_json : print_text)({"wake-ups", "wakeups"}, *all, seconds);
  return all->count() > 0 ? 0 : 1;
}
