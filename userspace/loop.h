// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>

#include <concurrentqueue.h>

#include <mus/abi.h>
#include <mus/result.h>

#include "core/chaos.h"
#include "core/policy_driver.h"
#include "kernel/fd.h"
#include "kernel/kernel_half.h"
#include "messages.h"
#include "rings/decision_writer.h"
#include "rings/event_reader.h"

namespace mus {

/// The pump, on a thread of its own: drain events, decide, commit decisions, wait until asked.
/// Threads: run by start(); post(), kick(), take() and snapshot() from the control thread, through queues without locks.
/// Errors:  prepare() -> kExitInternal when the rings cannot be opened.
/// Cost:    no lock, allocation or logging once it runs; one system call for each batch of decisions, one for
///          each wait.
class Loop {
 public:
  /// `spare` takes over if the driver's policy fails. Policies belong to the control thread, which may delete one
  /// when a Reply has retired it.
  Loop(KernelHalf& kernel, PolicyDriver& driver, Policy& spare, const ChaosPlan& chaos = {});
  ~Loop();

  /// Opens the rings and makes the thread, in locked memory: takes a while, and is done before anybody waits for us. Changes nothing.
  [[nodiscard]] Result<void> prepare();
  void start();
  /// It may be started again.
  void stop();

  /// False: too many commands are under way; take replies first.
  [[nodiscard]] bool post(const Command& command);
  /// Has the scheduler thread look at what was posted since: one wakeup for all of it.
  void kick();
  [[nodiscard]] bool take(Reply& reply);
  /// An eventfd, readable when there are replies.
  [[nodiscard]] int replies_fd() const { return reply_bell_.get(); }
  /// The newest; valid until the next call. Null: none yet.
  [[nodiscard]] const Snapshot* snapshot();

 private:
  static constexpr std::size_t kCommands = 1024;
  static constexpr std::size_t kSnapshots = 4;

  void make_thread();
  void run();
  bool pass();
  std::size_t send_decisions();
  void do_harm();
  void end_stall(std::uint64_t asked);
  [[nodiscard]] bool wants_resync();
  void obey_commands();
  [[nodiscard]] Reply obey(const Command& command);
  std::uint32_t use(Policy& policy);
  void replace_failed();
  void answer(const Reply& reply);
  void ring();
  void publish();
  [[nodiscard]] bool taken(std::size_t cpu);
  [[nodiscard]] PolicyDriver::Queues queues();

  KernelHalf& kernel_;
  PolicyDriver& driver_;
  Policy* spare_;
  std::unique_ptr<EventReader> events_;
  std::unique_ptr<DecisionWriter> decisions_;
  std::optional<Chaos> chaos_;  // none: --chaos was not given
  moodycamel::ConcurrentQueue<Command> commands_;
  moodycamel::ConcurrentQueue<Reply> replies_;
  moodycamel::ProducerToken reply_token_;
  Fd reply_bell_;
  std::array<std::unique_ptr<Snapshot>, kSnapshots> snapshot_storage_;
  moodycamel::ConcurrentQueue<Snapshot*> written_;  // scheduler -> control
  moodycamel::ConcurrentQueue<Snapshot*> blank_;    // control -> scheduler
  moodycamel::ProducerToken written_token_;
  Snapshot* newest_ = nullptr;  // this and the next are the control thread's
  std::size_t under_way_ = 0;
  bool posted_ = false;
  std::array<CpuView, MUS_MAX_CPUS> cpus_{};
  std::array<Time, MUS_MAX_CPUS> taken_since_{};  ///< CPUs that a higher class has, as seen here first
  std::optional<std::chrono::steady_clock::time_point> resync_again_;
  bool catching_up_ = false;
  std::uint64_t passes_ = 0;
  std::uint64_t policy_faults_ = 0;
  Time published_{};
  std::atomic<bool> begun_ = false, ended_ = false, stopping_ = false;
  std::jthread thread_;
};

}  // namespace mus
