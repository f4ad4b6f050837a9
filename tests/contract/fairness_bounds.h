// SPDX-License-Identifier: GPL-2.0-only
#pragma once

namespace mus::fairness {

// What vtime promises, and what it keeps today. This is the one place to tighten: `wanted` never rises; where the
// policy does not reach it yet, the test holds it to `today`, so that it gets no worse. Delete `today` when it does.
struct Bound {
  double wanted;
  double today = 0;  // 0: it keeps what is wanted
  [[nodiscard]] constexpr double allowed() const { return today > wanted ? today : wanted; }
};

// |real - ideal| of any cgroup or task, in slices for each level above it and each CPU, at any moment of a window of 5 s
// (half of its range, as it does not begin at 0). `today` is the worst of 40 seeds and a fifth more. Random trees; weights
// 30..300, "extremes" 1..10000, even on a logarithmic scale. What is above 1 without sleepers is what runs and what is
// decided ahead. With sleepers, a task that is owed a whole CPU cannot make up for the time in which it was interrupted.
inline constexpr Bound kLagOneCpu{.wanted = 1, .today = 2.4};
inline constexpr Bound kLagManyCpus{.wanted = 1, .today = 1.4};
inline constexpr Bound kLagSleepersOneCpu{.wanted = 1, .today = 2.2};
inline constexpr Bound kLagSleepersManyCpus{.wanted = 1, .today = 30};
inline constexpr Bound kLagExtremesOneCpu{.wanted = 1, .today = 2.3};
inline constexpr Bound kLagExtremesManyCpus{.wanted = 1};
inline constexpr Bound kLagExtremeSleepers{.wanted = 1, .today = 57};

// The cases of bench/fairness/run, the same limits. Percentage points of the time used, over 20 s, if not said otherwise.
inline constexpr Bound kFourToOne{.wanted = 1};
inline constexpr Bound kOneAgainstSixteen{.wanted = 1};
inline constexpr Bound kNested{.wanted = 1.5};
inline constexpr Bound kDepthFive{.wanted = 2};
inline constexpr Bound kOneToTenThousand{.wanted = 0.5};  // over 60 s
inline constexpr Bound kLightestWaits{.wanted = 2};       // seconds; of those 60 s
inline constexpr Bound kWatchdog{.wanted = 30};            // seconds that any task may wait: timeout_ms in bpf/mus.bpf.c
inline constexpr Bound kHeavyThread{.wanted = 1};
// Pinned where the others, who may go anywhere, also want to run: what is decided for any CPU is taken there too.
inline constexpr Bound kHeavyThreadPinned{.wanted = 1, .today = 27};
inline constexpr Bound kNice{.wanted = 2};
inline constexpr Bound kWeightChange{.wanted = 3};  // over the first second
// Per cent of what sleepers (1 ms of work, 9 ms of sleep) ask for that they do not get, in a closed loop: a wait is lost.
inline constexpr Bound kSleepersMiss{.wanted = 2};

}  // namespace mus::fairness
