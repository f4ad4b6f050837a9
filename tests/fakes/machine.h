// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <mus/units.h>

namespace mus::fakes {

/// What a task of a fake machine does, over and over, and where.
struct TaskSpec {
  std::uint64_t cgroup = 1;
  Duration work = Duration::max();        ///< runs for this long, then sleeps; max: never sleeps
  Duration sleep = 1ms;
  Duration exit_after = Duration::max();  ///< exits after this much CPU time
  std::uint32_t weight = Weight::kDefault;
  std::uint64_t allowed = ~0ull;          ///< CPUs, a bit each
};

/// Something that runs tasks on CPUs by what a driver's policy decides, deterministically, on a clock of its own.
class Machine {
 public:
  virtual ~Machine() = default;

  virtual void add_cgroup(std::uint64_t id, std::uint64_t parent, std::uint32_t weight) = 0;
  virtual void set_cgroup_weight(std::uint64_t id, std::uint32_t weight) = 0;
  virtual int spawn(const TaskSpec& spec) = 0;
  virtual void run_for(Duration time) = 0;
  /// `heard` is called when a task has become runnable, and when it is about to sleep or exit.
  void on_change(std::function<void(int pid, bool runnable)> heard) { on_change_ = std::move(heard); }

  [[nodiscard]] virtual Time now() const = 0;
  [[nodiscard]] virtual Duration run_time(int pid) const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& violations() const = 0;

 protected:
  std::function<void(int, bool)> on_change_;
};

}  // namespace mus::fakes
