// SPDX-License-Identifier: GPL-2.0-only
// libFuzzer: whatever the event ring holds, each policy behind its driver decides only on tasks that wait, within bounds, and all
// counts agree.
// Build: cmake --preset fuzz && cmake --build --preset fuzz; run: build/fuzz/tests-bin/event_fuzz -max_total_time=60
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bytes.h"
#include "core/policy_driver.h"
#include "policies/registry.h"

namespace {

using mus::fuzz::Bytes;
using mus::fuzz::require;

constexpr unsigned kCpus = 4;     // on this machine; events may name any
constexpr unsigned kPids = 24;    // more than the driver has room for
constexpr unsigned kCgroups = 12;  // the same
constexpr std::uint64_t kLittleTime = 1'000'000;

class Bench {
 public:
  explicit Bench(Bytes& bytes)
      : bytes_(bytes),
        config_{.slice = mus::Duration{100'000 + bytes.number<std::uint32_t>(200) % 100'000'000u},
                .online = 1 + bytes.below(kCpus),
                .tasks = 16,
                .cgroups = 8} {
    for (const mus::PolicyEntry& entry : mus::policies()) policies_.push_back(entry.make(config_));
    mus::Policy& first = *policies_[bytes.below(static_cast<unsigned>(policies_.size()))];
    driver_ = std::make_unique<mus::PolicyDriver>(first, config_, mus::PolicyDriver::Ahead{},
                                                  mus::PolicyDriver::Sizes{.tasks = 16, .cgroups = 8});
    for (unsigned i = 0; i < kCpus; ++i) cpus_[i].online = i < config_.online;
  }

  void step() {
    switch (bytes_.below(16)) {
      case 0: return any_record();
      case 1: return change_weight();
      case 2: driver_->cgroups().for_each([&](mus::Cgroup& cgroup) { (void)driver_->promise(cgroup); }); return;
      case 3:
        driver_->use(*policies_[bytes_.below(static_cast<unsigned>(policies_.size()))]);
        return;
      case 4: driver_->begin_after_another(driver_->now()); return;
      case 5: case 6: case 7: return decide();
      default: return likely_event();
    }
  }

  void check() {
    const mus::DriverCounters& counters = driver_->counters();
    require(counters.events == records_ && counters.bad_events + counters.shed + counters.refused <= counters.events);
    require(counters.decisions == moved_ && counters.bad_decisions == 0 && counters.thrown == 0);
    std::size_t waiting = 0, tasks = 0, cgroups = 0;
    std::map<const mus::Cgroup*, std::uint32_t> runnable, users;
    driver_->tasks().for_each([&](mus::Task& task) {
      ++tasks;
      require(task.cgroup && driver_->tasks().find(task.pid) == &task);
      waiting += task.state == mus::Task::State::kWaiting;
      runnable[task.cgroup] += task.state != mus::Task::State::kAway;
      ++users[task.cgroup];
    });
    driver_->cgroups().for_each([&](mus::Cgroup& cgroup) {
      ++cgroups;
      if (cgroup.parent) ++users[cgroup.parent];
    });
    driver_->cgroups().for_each([&](mus::Cgroup& cgroup) {
      require(driver_->cgroups().find(cgroup.id) == &cgroup && cgroup.runnable == runnable[&cgroup]);
      require(cgroup.users == users[&cgroup] + (cgroup.parent ? 0 : 1));
    });
    require(tasks == driver_->tasks().size() && waiting == driver_->waiting() && cgroups == driver_->cgroups().size());
  }

 private:
  void any_record() {
    std::array<char, 128> record{};
    std::size_t size = bytes_.below(2) ? sizeof(mus_event) : bytes_.below(record.size());
    bytes_.take(record.data(), size);
    hand_over(record.data(), size);
  }

  // As the kernel half would write it, but for a field here and there.
  void likely_event() {
    now_ += bytes_.number<std::uint64_t>(200) % 200 * kLittleTime;
    mus_event e{};
    e.kind = bytes_.number<std::uint32_t>(MUS_EVENT_KINDS);
    e.flags = bytes_.number<std::uint32_t>(64);
    bool about_cgroup = e.kind == MUS_EVENT_CPU || (e.kind >= MUS_EVENT_CGROUP_NEW && e.kind <= MUS_EVENT_CGROUP_GONE);
    if (!about_cgroup) e.pid = e.tgid = 1 + bytes_.number<std::int32_t>(kPids) % static_cast<std::int32_t>(kPids);
    e.generation = bytes_.number<std::uint64_t>(8);
    e.cgroup_id = bytes_.number<std::uint64_t>(kCgroups);
    e.now_ns = bytes_.below(32) ? now_ : bytes_.next<std::uint64_t>();
    e.run_ns = bytes_.number<std::uint64_t>(200) * kLittleTime;
    e.wake_ns = bytes_.below(32) ? now_ : bytes_.next<std::uint64_t>();
    e.sleep_ns = bytes_.below(32) ? now_ - kLittleTime : bytes_.next<std::uint64_t>();
    e.cpu = bytes_.number<std::int32_t>(kCpus);
    e.weight = bytes_.below(2) ? bytes_.number<std::uint32_t>(200) : bytes_.next<std::uint16_t>();
    e.affinity = bytes_.number<std::uint32_t>(3);
    e.allowed_cpu = bytes_.number<std::int32_t>(kCpus);
    e.allowed_count = bytes_.number<std::uint32_t>(kCpus);
    e.arg = bytes_.number<std::uint64_t>(kCgroups);
    hand_over(&e, sizeof(e));
  }

  void hand_over(const void* record, std::size_t size) {
    ++records_;
    driver_->on_record(record, size);
  }

  void change_weight() {
    mus::CgroupId id{bytes_.number<std::uint64_t>(kCgroups)};
    auto weight = bytes_.next<std::uint16_t>();
    if (weight & 1)
      driver_->set_kernel_weight(id, weight);
    else
      (void)driver_->set_weight_override(id, weight / 2 % (mus::Weight::kMax + 1));
  }

  void decide() {
    for (unsigned i = 0; i < config_.online; ++i) cpus_[i].queued = bytes_.below(4);
    unsigned room = bytes_.below(2) ? 1000 : bytes_.below(4), sent = 0;
    std::size_t said = driver_->decide({.shared = bytes_.below(8), .cpus = cpus_}, [&](const mus_decision& d) {
      check_record(d);
      bool is_move = d.flags & MUS_DECIDE_MOVE;
      if (auto kept = std::exchange(unsent_, std::nullopt)) {
        require(std::memcmp(&*kept, &d, sizeof(d)) == 0);  // comes first; what it is about may have gone since
      } else if (is_move) {
        mus::Task* task = driver_->tasks().find(mus::Pid{d.pid});
        require(task && task->state == mus::Task::State::kDecided && task->generation == d.generation);
        ++moved_;
      }
      if (sent == room && is_move) unsent_ = d;
      return sent < room ? ++sent : 0;
    });
    require(said == sent);
  }

  static void check_record(const mus_decision& d) {
    require(d.reserved == 0 && !(d.standing_flags & ~static_cast<std::uint32_t>(MUS_STANDING_FLAGS)) && !(d.flags & ~static_cast<std::uint32_t>(MUS_DECIDE_FLAGS)));
    require(d.target == MUS_TARGET_ANY || (d.target >= 0 && d.target < static_cast<std::int32_t>(MUS_MAX_CPUS)));
    require(d.standing_rate <= MUS_STANDING_RATE_MAX && d.standing_budget_ns <= MUS_SLICE_MAX_NS &&
            d.standing_min_run_ns <= MUS_SLICE_MAX_NS && d.standing_valid_ns <= 60 * MUS_SLICE_MAX_NS);
    require(!d.standing_slice_ns || in_bounds(d.standing_slice_ns));
    require(!(d.flags & MUS_DECIDE_URGENT) || (d.flags & MUS_DECIDE_STANDING && d.standing_slice_ns));
    require(!(d.flags & MUS_DECIDE_MOVE) || in_bounds(d.slice_ns));
  }
  static bool in_bounds(std::uint64_t slice_ns) { return slice_ns >= MUS_SLICE_MIN_NS && slice_ns <= MUS_SLICE_MAX_NS; }

  Bytes& bytes_;
  mus::PolicyConfig config_;
  std::vector<std::unique_ptr<mus::Policy>> policies_;
  std::unique_ptr<mus::PolicyDriver> driver_;
  std::array<mus::CpuView, kCpus> cpus_{};
  std::optional<mus_decision> unsent_;  // the last that came out, if the ring had no room for it
  std::uint64_t now_ = 1'000'000'000, records_ = 0, moved_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);  // libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  Bench bench(bytes);
  while (!bytes.empty()) bench.step();
  bench.check();
  return 0;
}
