// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include <mus/abi.h>
#include <mus/result.h>
#include <mus/units.h>

namespace mus {

/// What --chaos asks for. Rates are of decisions, 0..1.
struct ChaosPlan {
  double drop = 0;        ///< are not sent
  double dup = 0;         ///< are sent twice
  double stale = 0;       ///< are sent for an earlier generation
  Duration delay{};       ///< each is sent this much later
  Duration stop{};        ///< the scheduler thread stops for this long,
  Duration stop_every{};  ///< once in this time
  Duration kill{};        ///< the daemon kills itself after this long; 0: it does not

  [[nodiscard]] bool any() const { return drop > 0 || dup > 0 || stale > 0 || delay > 0ns || stop > 0ns || kill > 0ns; }
  /// "drop=0.01,delay=5ms,dup=0.01,stale=0.01,stop=50ms/1s,kill=1s": any of these.
  /// Errors: kExitUsage: what is wrong, and what may be given.
  [[nodiscard]] static Result<ChaosPlan> parse(const std::string& text);
};

/// Does harm on purpose between the policy and the decision ring, so that it can be shown that nothing is lost by it.
/// Threads: the scheduler thread.
/// Cost:    no allocation after construction: when it holds back as much as it can, it sends at once.
class Chaos {
 public:
  using Send = std::function<bool(const mus_decision&)>;

  Chaos(const ChaosPlan& plan, std::uint64_t seed, std::size_t most_delayed = 65536);

  /// Sends, in its way, one decision. False: the ring is full.
  [[nodiscard]] bool write(const mus_decision& decision, Time now, const Send& send);
  /// Sends what was held back for long enough. Returns how many.
  std::size_t flush(Time now, const Send& send);
  [[nodiscard]] bool holds_back() const { return first_ != last_; }
  /// For how long to stop now.
  [[nodiscard]] Duration stop(Time now);
  /// Whether this is the time to die.
  [[nodiscard]] bool kill(Time now);

 private:
  struct Delayed {
    mus_decision decision;
    Time due;
  };
  [[nodiscard]] bool chance(double rate) { return rate > 0 && std::uniform_real_distribution<>(0, 1)(random_) < rate; }

  ChaosPlan plan_;
  std::mt19937_64 random_;
  std::vector<Delayed> delayed_;  // a ring: from first_ to last_
  std::size_t first_ = 0, last_ = 0;
  Time stop_at_{}, kill_at_{};
};

}  // namespace mus
