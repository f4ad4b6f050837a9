// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "state.h"

namespace mus::model {

/// One thing done wrong on purpose: the search must find what comes of it.
enum class Mutation : std::uint8_t {
  kNone,
  kNoGenerationCheck,   ///< a decision is applied whatever generation it answers
  kIteratorLate,        ///< the generation is not looked at again once the iterator over the held queue exists
  kNoMark,              ///< the place that commit writes is not told from the one that ops.enqueue writes
  kNoMoveBack,          ///< a move that failed leaves the place as if it had not
  kPlaceAfterInsert,    ///< the task is put on the held queue before its place says so
  kNoLookAfterStore,    ///< decide_ahead() does not look whether the slice has ended meanwhile
  kNoResyncAfterLoss,   ///< a full event ring does not ask for a resync
  kResyncIgnored,       ///< who was announced ahead is believed to be known after a resync
  kResyncOnce,          ///< a resync is not run a second time, for those who were on their way onto the held queue
  kResyncSkips,         ///< ... and passes over those that a decision is about to move
  kUselessStays,        ///< a CPU that found nothing it may run does not learn of a task that comes to it
  kFlagAfterEvent,      ///< MUS_TASK_AHEAD is set only when the event has been written
  kPlainFlags,          ///< flags are read and written back, not changed as one
  kNoHoldBound,         ///< a CPU waits for userspace as long as that takes
  kNoHoldTimer,         ///< nobody tells an idle CPU that the hold bound has passed
  kNoKickBack,          ///< nobody is told of a task that is held again after a move that failed
  kKickOnlyIdle,        ///< whoever is between two tasks is not told of a task that was moved
  kNoRescue,            ///< nobody looks for tasks that the policy has forgotten
  kNoHandBack,          ///< tasks of a CPU that goes off line stay where they are
  kGenerationRestarts,  ///< a new task with an old pid begins at generation 0
  kBusyNotRepaired,     ///< adopting leaves a record that its writer never submitted
};
[[nodiscard]] std::string_view name(Mutation mutation);

/// What the search lets happen: a smaller world is searched more deeply in the same time.
struct Scenario {
  std::string_view name, about;
  int tasks = kTasks;
  int event_room = 2, decision_room = 2;
  /// Userspace writes decisions on any task at any time, and runs the commit program at any time: whatever the daemon and
  /// its policy are. Else it is the daemon, with what it remembers of each task.
  bool any_userspace = false;
  bool alike = false;       ///< no task is different: what holds for task 0 holds for all
  bool ring_fills = false;  ///< with any userspace: the event ring is full for a while
  bool standing = false;    ///< a wakeup may interrupt what runs
  bool ahead = false;       ///< the policy wants RUNNING events: who uses its slices is announced while it runs
  bool split_counts = false;  ///< an exchange of the place and the two counts are three steps
  bool own_targets = false;   ///< decisions name a CPU too
  std::array<std::uint8_t, kTasks> allowed = {3, 3, 3};  ///< CPUs, a bit each
  bool rescue = false;        ///< the rescue bound exists (else nobody may need it)
  std::uint8_t decides = 7;   ///< tasks that the policy decides on, a bit each
  bool alive_is_fair = false;   ///< liveness is judged with a daemon that keeps running; else with one dead for ever
  bool starts_alive = true;
  int sleeps = 0;     ///< how often a task goes to sleep; each of these is a bound
  int wakes = 0;      ///< wakeups
  int changes = 0;    ///< changes of affinity
  int kills = 0;      ///< times the daemon is killed and another adopts; the last one stays dead
  int exits = 0;      ///< tasks exit, and their pid is used again
  int offlines = 0;   ///< CPU 1 goes off line
  bool large = false; ///< only with --large
};
[[nodiscard]] const std::vector<Scenario>& scenarios();

/// Who makes a step, for fairness: whoever can always make one makes one sometimes.
enum class Actor : std::uint8_t {
  kCpu0, kCpu1, kQueue0, kQueue1, kSlice0, kSlice1, kHoldTimer, kHold0, kHold1, kStall, kUseless0, kUseless1,
  kRescue0, kRescue1, kRescue2, kDaemon, kPush, kWorld  // the world owes nobody anything
};
inline constexpr int kFairActors = static_cast<int>(Actor::kWorld);

/// A step, in words for a trace: each %d is one of the two numbers.
struct Label {
  const char* text = "";
  int a = 0, b = 0;
};

enum Error : u8 {
  kFine,
  kStaleMove,
  kWrongCpu,
  kTwoQueues,
  kCounts,
  kPlaces,
  kBelief,
  kSleeper,
  kTwoOnCpu,
  kBusy,
};
[[nodiscard]] std::string_view text(Error error);

[[nodiscard]] Alike alike(const Scenario& scenario, Mutation mutation);

/// All that may happen next in `from`, each as a new state.
struct Successor {
  State state;
  Label label;
  Actor actor;
};
/// The state that the search begins with.
[[nodiscard]] State initial(const Scenario& scenario);
/// What is wrong with `state`, if anything.
[[nodiscard]] Error check(const State& state);

}  // namespace mus::model
