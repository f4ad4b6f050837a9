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

#include "kernel/mapping.h"
#include "kernel/probe.h"

struct bpf_link;
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
  std::uint32_t low_water = 0;
  std::uint32_t event_mask = 0;
  std::uint32_t exit_dump_bytes = 32768;
  bool partial = false;     ///< only SCHED_EXT tasks
};

/// The BPF program, loaded: its rings, its shared page, and the programs that userspace runs.
/// Owner:   the kernel resources; detached and freed by the destructor.
/// Threads: load, attach, detach: the control thread. commit, resync: the scheduler thread.
///          set_effective_weight, waits: the control thread.
/// Errors:  load, attach -> kExitKernel with the verifier's last words.
class KernelHalf {
 public:
  [[nodiscard]] static Result<std::unique_ptr<KernelHalf>> load(const KernelInfo& kernel, const KernelSettings& settings);
  ~KernelHalf();
  KernelHalf(const KernelHalf&) = delete;
  KernelHalf& operator=(const KernelHalf&) = delete;

  [[nodiscard]] Result<void> attach();
  void detach();

  [[nodiscard]] mus_shared& shared() { return *shared_; }
  [[nodiscard]] int events_fd() const;
  [[nodiscard]] int decisions_fd() const;

  /// Applies what is in the decision ring. Returns the time after it.
  Time commit();
  /// Asks for the events of all held tasks again.
  void resync();
  /// Share of a cgroup in the fallback order, in units of weight; 0: take its cpu.weight.
  void set_effective_weight(CgroupId id, std::uint32_t weight);

  /// Runs of the tasks directly in a cgroup since it was made, by how long they had waited: bucket i below 2^i us.
  /// None: no such cgroup.
  using Waits = std::array<std::uint32_t, MUS_WAIT_BUCKETS>;
  [[nodiscard]] std::optional<Waits> waits(CgroupId id) const;

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
    void operator()(bpf_link* l) const;
  };
  KernelHalf() = default;
  [[nodiscard]] Result<void> configure(const KernelInfo& kernel, const KernelSettings& settings);
  mus_call run(int program_fd, mus_call call) const;

  std::unique_ptr<bpf_object, Close> object_;
  std::unique_ptr<bpf_link, Close> link_;
  Mapping shared_page_;
  Mapping dump_page_;
  mus_shared* shared_ = nullptr;
  int cgroups_fd_ = -1;
  int commit_fd_ = -1;
  int resync_fd_ = -1;
  int weight_fd_ = -1;
};

}  // namespace mus
