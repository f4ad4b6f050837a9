// SPDX-License-Identifier: GPL-2.0-only
// mus-faulty: mus-userland with policies that go wrong instead of its own. Each is first come, first served until it has been
// told of so many runnable tasks (the option `after`).
#include <array>
#include <memory>
#include <stdexcept>

#include "policies/fifo.h"
#include "policies/registry.h"
#include "policies/vtime.h"

namespace mus {
namespace {

class FaultyPolicy : public Policy {
 public:
  explicit FaultyPolicy(const PolicyConfig& config) : good_(config), after_(config.get("after", kAfter.usual)) {}

  static constexpr PolicyOption kAfter{"after", "runnable tasks that it is told of before it goes wrong", 0, 1'000'000, 2000};
  static constexpr std::array kOptions{kAfter};

  [[nodiscard]] std::uint32_t wanted_events() const override { return good_.wanted_events(); }
  void task_runnable(Task& task, bool woke, Time now) override {
    ++told_;
    good_.task_runnable(task, woke, now);
  }
  void task_stopped(Task& task, Time now) override { good_.task_stopped(task, now); }
  [[nodiscard]] bool decide(const Room& room, Decision& decision, Time now) override {
    return good_.decide(room, decision, now);
  }

 protected:
  [[nodiscard]] bool wrong() const { return told_ > after_; }

 private:
  FifoPolicy good_;
  std::uint64_t after_, told_ = 0;
};

class ThrowsPolicy final : public FaultyPolicy {
 public:
  using FaultyPolicy::FaultyPolicy;
  [[nodiscard]] std::string_view name() const override { return "throws"; }
  [[nodiscard]] bool decide(const Room& room, Decision& decision, Time now) override {
    if (wrong()) throw std::runtime_error("it throws");
    return FaultyPolicy::decide(room, decision, now);
  }
};

/// Nobody, tasks that do not wait, slices and CPUs out of range.
class GarbagePolicy final : public FaultyPolicy {
 public:
  using FaultyPolicy::FaultyPolicy;
  [[nodiscard]] std::string_view name() const override { return "garbage"; }
  [[nodiscard]] bool decide(const Room& room, Decision& decision, Time now) override {
    if (!wrong()) {
      bool decided = FaultyPolicy::decide(room, decision, now);
      if (decided) last_ = decision.task;
      return decided;
    }
    if (kind_ % 4 > 1 && !FaultyPolicy::decide(room, decision, now)) return false;
    switch (kind_++ % 4) {
      case 0: return true;
      case 1: decision.task = last_; decision.slice = Duration{-1}; return true;
      case 2: decision.slice = 3600s; return true;
      default: decision.cpu = Cpu{1 << 20}; return true;
    }
  }

 private:
  Task* last_ = nullptr;
  unsigned kind_ = 0;
};

class SpinsPolicy final : public FaultyPolicy {
 public:
  using FaultyPolicy::FaultyPolicy;
  [[nodiscard]] std::string_view name() const override { return "spins"; }
  void task_runnable(Task& task, bool woke, Time now) override {
    FaultyPolicy::task_runnable(task, woke, now);
    while (wrong()) asm volatile("");
  }
};

/// Whoever wakes goes before all that wait, without end; what runs is left alone, so that the next one wakes before it sleeps.
class GenerousPolicy final : public FaultyPolicy {
 public:
  using FaultyPolicy::FaultyPolicy;
  [[nodiscard]] std::string_view name() const override { return "generous"; }
  [[nodiscard]] StandingOrder standing_order(Task&, Time) override {
    if (!wrong()) return {};
    return {.slice = 10ms, .min_run = 50ms, .budget = 1s, .valid_for = 60s, .rate = 2};
  }
};

/// Who has not been decided on is forgotten.
class ForgetsPolicy : public FaultyPolicy {
 public:
  using FaultyPolicy::FaultyPolicy;
  [[nodiscard]] bool decide(const Room& room, Decision& decision, Time now) override {
    return !wrong() && FaultyPolicy::decide(room, decision, now);
  }
};

/// Who has been decided on once takes turns without end.
class CliquePolicy final : public ForgetsPolicy {
 public:
  using ForgetsPolicy::ForgetsPolicy;
  [[nodiscard]] std::string_view name() const override { return "clique"; }
  [[nodiscard]] StandingOrder standing_order(Task&, Time) override {
    return {.slice = 10ms, .budget = 1s, .valid_for = 60s, .rate = 2, .in_turn = true, .again = true};
  }
};

/// Who has been decided on once goes on whenever its slice ends.
class ReturnsPolicy final : public ForgetsPolicy {
 public:
  using ForgetsPolicy::ForgetsPolicy;
  [[nodiscard]] std::string_view name() const override { return "returns"; }
  [[nodiscard]] StandingOrder standing_order(Task&, Time) override {
    return {.slice = 10ms, .budget = 1s, .valid_for = 60s, .rate = 2, .returns = true};
  }
};

template <typename P>
std::unique_ptr<Policy> make(const PolicyConfig& config) {
  return std::make_unique<P>(config);
}

constexpr std::array kPolicies{
    PolicyEntry{"vtime", "a good one", VtimePolicy::kOptions, make<VtimePolicy>},
    PolicyEntry{"fifo", "a good one", {}, make<FifoPolicy>},
    PolicyEntry{"throws", "throws an exception", FaultyPolicy::kOptions, make<ThrowsPolicy>},
    PolicyEntry{"garbage", "decides nonsense", FaultyPolicy::kOptions, make<GarbagePolicy>},
    PolicyEntry{"generous", "lets whoever wakes go before the others, without end", FaultyPolicy::kOptions, make<GenerousPolicy>},
    PolicyEntry{"clique", "lets some take turns without end, and forgets the others", FaultyPolicy::kOptions, make<CliquePolicy>},
    PolicyEntry{"returns", "lets some go on without end, and forgets the others", FaultyPolicy::kOptions, make<ReturnsPolicy>},
    PolicyEntry{"spins", "never returns", FaultyPolicy::kOptions, make<SpinsPolicy>},
};

}  // namespace

std::span<const PolicyEntry> policies() { return kPolicies; }

}  // namespace mus
