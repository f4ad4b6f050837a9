// SPDX-License-Identifier: GPL-2.0-only
// wakeup: messenger threads wake workers, which think and wait again; how long a woken worker waits for a CPU.
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

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

/// Latencies, in buckets no wider than a 64th of their value.
/// Units:   nanoseconds.
/// Threads: one writer; read after it has ended.
class Histogram {
 public:
  void add(std::uint64_t ns) {
    ns = std::min<std::uint64_t>(ns, std::numeric_limits<std::uint32_t>::max());
    ++counts_[bucket(static_cast<std::uint32_t>(ns))];
    ++count_;
    sum_ns_ += ns;
    max_ns_ = std::max(max_ns_, ns);
  }

  void add(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      counts_[i] += other.counts_[i];
    }
    count_ += other.count_;
    sum_ns_ += other.sum_ns_;
    max_ns_ = std::max(max_ns_, other.max_ns_);
  }

  /// The least value of the bucket that holds the sample which `fraction` of all do not exceed.
  [[nodiscard]] double percentile_us(double fraction) const {
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > 0 && static_cast<double>(seen) >= fraction * static_cast<double>(count_)) {
        return static_cast<double>(least(i)) * 1e-3;
      }
    }
    return 0;
  }

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double max_us() const { return static_cast<double>(max_ns_) * 1e-3; }
  [[nodiscard]] double average_us() const {
    return count_ == 0 ? 0 : static_cast<double>(sum_ns_) * 1e-3 / static_cast<double>(count_);
  }

  /// Calls visit(least value in ns, samples) for each bucket that has any.
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] != 0) {
        visit(least(i), counts_[i]);
      }
    }
  }

 private:
  static constexpr unsigned kBits = 6;

  // Values below 64 have a bucket each; then each power of two is divided into 64.
  static std::size_t bucket(std::uint32_t ns) {
    const unsigned shift = static_cast<unsigned>(std::bit_width((ns >> kBits) | 1)) - 1;
    return (static_cast<std::size_t>(shift) << kBits) + (ns >> shift);
  }

  static std::uint64_t least(std::size_t bucket) {
    const std::size_t shift = bucket < (2U << kBits) ? 0 : (bucket >> kBits) - 1;
    return static_cast<std::uint64_t>(bucket - (shift << kBits)) << shift;
  }

  std::array<std::uint64_t, (33 - kBits) << kBits> counts_{};
  std::uint64_t count_ = 0, sum_ns_ = 0, max_ns_ = 0;
};

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

void print_text(const Histogram& all, double seconds) {
  std::printf("wake-ups %llu, %.0f a second; us: avg %.1f  p50 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n\n%12s  %10s\n",
              static_cast<unsigned long long>(all.count()), static_cast<double>(all.count()) / seconds, all.average_us(),
              all.percentile_us(0.5), all.percentile_us(0.99), all.percentile_us(0.999), all.max_us(), "from us", "wake-ups");
  // Powers of two are enough to look at.
  std::array<std::uint64_t, 33> rows{};
  all.each([&](std::uint64_t ns, std::uint64_t count) { rows[static_cast<std::size_t>(std::bit_width(ns / 1000))] += count; });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != 0) {
      const int width = static_cast<int>(60 * rows[i] / all.count());
      std::printf("%12llu  %10llu  %s\n", i == 0 ? 0ULL : 1ULL << (i - 1), static_cast<unsigned long long>(rows[i]),
                  std::string(static_cast<std::size_t>(width), '#').c_str());
    }
  }
}

void print_json(const Histogram& all, double seconds) {
  std::printf("{\"wakeups\": %llu, \"wakeups_per_s\": %.1f, \"avg_us\": %.3f, \"p50_us\": %.3f, \"p99_us\": %.3f, \"p99.9_us\": %.3f, "
              "\"max_us\": %.3f, \"histogram\": {",
              static_cast<unsigned long long>(all.count()), static_cast<double>(all.count()) / seconds, all.average_us(),
              all.percentile_us(0.5), all.percentile_us(0.99), all.percentile_us(0.999), all.max_us());
  const char* separator = "";
  all.each([&](std::uint64_t ns, std::uint64_t count) {
    std::printf("%s\"%.3f\": %llu", separator, static_cast<double>(ns) * 1e-3, static_cast<unsigned long long>(count));
    separator = ", ";
  });
  std::printf("}}\n");
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
  (options.json ? print_json : print_text)(*all, seconds);
  return all->count() > 0 ? 0 : 1;
}
