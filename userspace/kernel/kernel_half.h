// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <mus/abi.h>
#include <mus/result.h>
#include <mus/units.h>

#include "core/kernel_facts.h"
#include "kernel/mapping.h"
#include "kernel/pins.h"
#include "kernel/probe.h"

struct bpf_object;

namespace mus {

/// Settings of the kernel half: what mus_shared takes.
struct KernelSettings {
  Duration slice = 4ms;
  Duration hold = 1ms;      ///< how long a CPU waits for userspace while tasks are held
  Duration stall = 20ms;    ///< userspace that has not looked for this long is stalled
  Duration rescue = 2s;      ///< nobody stays on the held queue longer
  Duration report = 1ms;    ///< run time collected before a REPORT
  Duration batch = 4ms;     ///< longest time that an event waits
  Duration orphan = 60s;    ///< without a daemon that looks, it ends itself after this long; 0: never
  std::uint32_t low_water = 0;
  std::uint32_t event_mask = 0;
  std::uint32_t exit_dump_bytes = 32768;
  bool partial = false;     ///< only SCHED_EXT tasks
};

/// The BPF program, loaded: its rings, its shared page, and the programs that userspace runs.
/// Owner:   the kernel resources; detached and freed by the destructor, but for one that is another daemon's.
/// Threads: load, attach, detach: the control thread. commit, resync, has_task, cgroup: the scheduler thread.
///          set_effective_weight, waits: the control thread.
/// Errors:  load, attach -> kExitKernel with the verifier's last words.
class KernelHalf final : public KernelFacts {
 public:
  [[nodiscard]] static Result<std::unique_ptr<KernelHalf>> load(const KernelInfo& kernel, const KernelSettings& settings);
  /// That of another daemon, or of one that has died. Reads only: hold() makes it this daemon's. `daemon`: the one
  /// that it names, as far as it could be read.
  /// Errors: kExitBusy: it is not one that this build can work with, and why.
  [[nodiscard]] static Result<std::unique_ptr<KernelHalf>> open(const Pins& pins, std::string& daemon);
  /// Whether it can go on with these settings. Errors: kExitBusy: some cannot be changed while it is attached.
  [[nodiscard]] Result<void> check(const KernelInfo& kernel, const KernelSettings& settings) const;
  ~KernelHalf() override;
  KernelHalf(const KernelHalf&) = delete;
  KernelHalf& operator=(const KernelHalf&) = delete;

  /// Attaches what was loaded; `pins`: so that it outlives this daemon; null: it does not.
  [[nodiscard]] Result<void> attach(const Pins* pins);
  /// Ends it, also if it is pinned.
  void detach();

  /// Says that this process is the daemon: its threads come first from here on, and it is given time to prepare.
  void sign();
  /// It is this daemon's from here on, and ends with it.
  void hold() { held_ = true; }
  /// It is another daemon's from here on, and goes on without this one.
  void release() { held_ = false; }
  /// Makes it end with this daemon after all.
  void unpin(const Pins& pins);
  /// This process's thread group in the root PID namespace, which getpid() in another namespace is not.
  [[nodiscard]] std::int32_t tgid() const { return tgid_; }
  [[nodiscard]] bool pinned() const { return pinned_; }

  void apply(const KernelSettings& settings);

  [[nodiscard]] mus_shared& shared() const { return *shared_; }
  [[nodiscard]] int events_fd() const { return fds_.events.get(); }
  [[nodiscard]] int decisions_fd() const { return fds_.decisions.get(); }

  /// Applies what is in the decision ring. Returns the time after it.
  Time commit();
  /// The same, and waits until what was in it is applied. False: the ring is not readable.
  [[nodiscard]] bool commit_all();
  /// Asks for the events of all held tasks again.
  void resync();
  [[nodiscard]] bool has_task(Pid pid) override;
  [[nodiscard]] std::optional<CgroupFacts> cgroup(CgroupId id) override;
  /// Share of a cgroup in the fallback order, in units of weight; 0: take its cpu.weight.
  void set_effective_weight(CgroupId id, std::uint32_t weight);

  /// Runs of the tasks directly in a cgroup since it was made, by how long they had waited: bucket i below 2^i us.
  /// None: no such cgroup.
  using Waits = std::array<std::uint32_t, MUS_WAIT_BUCKETS>;
  [[nodiscard]] std::optional<Waits> waits(CgroupId id) const;

  /// The cgroups that the kernel half knows, in no order.
  struct KnownCgroup {
    CgroupId id{};
    mus_cgroup cgroup{};
  };
  [[nodiscard]] std::vector<KnownCgroup> cgroups() const;

  [[nodiscard]] std::string exit_dump() const;

  /// What the kernel says of each program that is loaded.
  struct ProgramSize {
    std::string name;
    std::uint32_t instructions = 0;  ///< after translation
    std::uint32_t verified = 0;      ///< that the verifier walked
  };
  [[nodiscard]] std::vector<ProgramSize> program_sizes() const;

 private:
  struct Close {
    void operator()(bpf_object* o) const;
  };
  KernelHalf() = default;
  [[nodiscard]] Result<void> configure(const KernelInfo& kernel, const KernelSettings& settings);
  [[nodiscard]] bool map();
  mus_call run(int program_fd, mus_call call) const;

  std::unique_ptr<bpf_object, Close> object_;  // until it is attached
  KernelFds fds_;
  Mapping shared_page_;
  Mapping dump_page_;
  mus_shared* shared_ = nullptr;
  const Pins* pins_ = nullptr;
  std::int32_t tgid_ = 0;
  bool held_ = false;
  bool pinned_ = false;
};

}  // namespace mus
