// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include <concurrentqueue.h>

#include <mus/abi.h>
#include <mus/result.h>

#include "core/policy_driver.h"
#include "kernel/kernel_half.h"
#include "rings/decision_writer.h"
#include "rings/event_reader.h"

namespace mus {

/// control thread -> scheduler thread.
struct Command {
  enum class Kind : std::uint8_t { kSetWeight } kind{};
  CgroupId cgroup{};
  std::uint32_t weight = 0;  ///< 0 takes the override back
};

/// scheduler thread -> control thread, about once a second: what only the scheduler thread may read.
struct Snapshot {
  struct Share {
    CgroupId id{};
    double entitled = 0;  ///< fraction of the machine, 0..1; negative: the policy does not say
  };
  DriverCounters driver;
  std::uint64_t tasks = 0;
  std::uint64_t cgroups = 0;
  std::uint64_t passes = 0;  ///< times around the loop
  std::uint32_t share_count = 0;
  std::array<Share, 256> shares;  ///< cgroups with runnable tasks, as many as fit
};

/// The pump, on a thread of its own: drain events, decide, commit decisions, wait until asked.
/// Threads: run by start(); post() and take() from the control thread, through queues without locks.
/// Errors:  start() -> kExitInternal when the rings cannot be opened.
/// Cost:    no lock, allocation or logging once it runs; one system call for each batch of decisions, one for
///          each wait.
class Loop {
 public:
  Loop(KernelHalf& kernel, PolicyDriver& driver);
  ~Loop();

  [[nodiscard]] Result<void> start();
  void stop();

  void post(const Command& command);
  [[nodiscard]] bool take(Snapshot& snapshot) { return snapshots_.try_dequeue(snapshot); }

 private:
  void run();
  bool pass();
  void obey(const Command& command);
  void publish();
  [[nodiscard]] PolicyDriver::Queues queues();

  KernelHalf& kernel_;
  PolicyDriver& driver_;
  std::unique_ptr<EventReader> events_;
  std::unique_ptr<DecisionWriter> decisions_;
  moodycamel::ConcurrentQueue<Command> commands_;
  moodycamel::ConcurrentQueue<Snapshot> snapshots_;
  moodycamel::ProducerToken snapshot_token_;
  std::array<CpuView, MUS_MAX_CPUS> cpus_{};
  Snapshot snapshot_;
  Time published_{};
  std::atomic<bool> stopping_ = false;
  std::jthread thread_;
};

}  // namespace mus
