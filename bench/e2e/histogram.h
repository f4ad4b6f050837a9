// SPDX-License-Identifier: GPL-2.0-only
// What the benchmarks' own programs count latencies in, and how they print them.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

/// Latencies, in buckets no wider than a 64th of their value.
/// Units:   nanoseconds.
/// Threads: one writer; read after it has ended.
class Histogram {
 public:
  void add(std::uint64_t ns) {
    ++counts_[bucket(ns)];
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
  static std::size_t bucket(std::uint64_t ns) {
    const unsigned shift = static_cast<unsigned>(std::bit_width((ns >> kBits) | 1)) - 1;
    return (static_cast<std::size_t>(shift) << kBits) + static_cast<std::size_t>(ns >> shift);
  }

  static std::uint64_t least(std::size_t bucket) {
    const std::size_t shift = bucket < (2U << kBits) ? 0 : (bucket >> kBits) - 1;
    return static_cast<std::uint64_t>(bucket - (shift << kBits)) << shift;
  }

  std::array<std::uint64_t, (65 - kBits) << kBits> counts_{};
  std::uint64_t count_ = 0, sum_ns_ = 0, max_ns_ = 0;
};

/// What is counted, as one says it and as JSON names it: "wake-ups" and "wakeups".
struct Counted {
  const char *said, *key;
};

inline void print_text(Counted what, const Histogram& all, double seconds) {
  std::printf("%s %llu, %.0f a second; us: avg %.1f  p50 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n\n%12s  %10s\n", what.said,
              static_cast<unsigned long long>(all.count()), static_cast<double>(all.count()) / seconds, all.average_us(),
              all.percentile_us(0.5), all.percentile_us(0.99), all.percentile_us(0.999), all.max_us(), "from us", what.said);
  // Powers of two are enough to look at.
  std::array<std::uint64_t, 65> rows{};
  all.each([&](std::uint64_t ns, std::uint64_t count) { rows[static_cast<std::size_t>(std::bit_width(ns / 1000))] += count; });
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] != 0) {
      const int width = static_cast<int>(60 * rows[i] / all.count());
      std::printf("%12llu  %10llu  %s\n", i == 0 ? 0ULL : 1ULL << (i - 1), static_cast<unsigned long long>(rows[i]),
                  std::string(static_cast<std::size_t>(width), '#').c_str());
    }
  }
}

inline void print_json(Counted what, const Histogram& all, double seconds) {
  std::printf("{\"%s\": %llu, \"%s_per_s\": %.1f, \"avg_us\": %.3f, \"p50_us\": %.3f, \"p99_us\": %.3f, \"p99.9_us\": %.3f, "
              "\"max_us\": %.3f, \"histogram\": {",
              what.key, static_cast<unsigned long long>(all.count()), what.key, static_cast<double>(all.count()) / seconds,
              all.average_us(), all.percentile_us(0.5), all.percentile_us(0.99), all.percentile_us(0.999), all.max_us());
  const char* separator = "";
  all.each([&](std::uint64_t ns, std::uint64_t count) {
    std::printf("%s\"%.3f\": %llu", separator, static_cast<double>(ns) * 1e-3, static_cast<unsigned long long>(count));
    separator = ", ";
  });
  std::printf("}}\n");
}
