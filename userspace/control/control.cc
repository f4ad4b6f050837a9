// SPDX-License-Identifier: GPL-2.0-only
#include "control/control.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <utility>

#include "exit_code.h"
#include "kernel/succession.h"

namespace mus {
namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;

constexpr auto kLookEvery =
    milliseconds(500);  // the fallback order follows the policy's shares; the kernel may have ended it
constexpr auto kIdleLookEvery = milliseconds(2000);  // hardly anybody waits for a CPU
constexpr auto kIdleAWait = milliseconds(10);        // of those that wait, one in this time at most
constexpr auto kLateDoor = std::chrono::seconds(15);

std::optional<CgroupFs> open_cgroupfs(DaemonFacts& facts) {
  auto mount = cgroup_mount();
  auto fs = mount ? CgroupFs::open(*mount) : Result<CgroupFs>(std::unexpected(mount.error()));
  if (!fs) {
    facts.notes.push_back(fs.error().what + ": weights of cgroups cannot be set");
    return std::nullopt;
  }
  if (!fs->has_cpu_controller())
    facts.notes.push_back("the cpu controller is not on cgroup v2 (" + *mount +
                          "): cpu.weight is not there to be followed");
  return std::move(*fs);
}

std::string no_scx_stats(const Error& error) {
  return "scxtop and OpenMetrics see nothing of mus: " + error.what;
}

}  // namespace

Result<Doors> open_doors(const Options& options, bool replacing) {
  Doors doors;
  if (!options.socket_group.empty()) {
    auto group = find_group(options.socket_group);
    if (!group) return std::unexpected(group.error());
    doors.group = *group;
  }
  if (options.socket.empty()) return doors;
  auto control = replacing ? Listener::open_beside(options.socket, doors.group)
                           : Listener::open(options.socket, doors.group);
  if (!control) return std::unexpected(control.error());
  doors.control.emplace(std::move(*control));
  doors.replacing = replacing;
  if (replacing) return doors;
  auto scx_stats = Listener::open(ScxStats::kPath, doors.group);
  if (scx_stats) {
    doors.scx_stats.emplace(std::move(*scx_stats));
  } else {
    doors.notes.push_back(no_scx_stats(scx_stats.error()));
  }
  return doors;
}

Control::Control(const Options& options, KernelHalf& kernel, Loop& loop, const KernelBtf& btf,
                 DaemonFacts facts, PolicyShelf& shelf, Doors doors)
    : options_(options),
      kernel_(kernel),
      loop_(loop),
      port_(loop, kernel, btf),
      fs_(open_cgroupfs(facts)),
      store_(options.state),
      commands_(std::move(facts), port_, fs_ ? &*fs_ : nullptr, store_, shelf, server_),
      scx_stats_(commands_.stats(), server_) {
  if (fs_) watch_.emplace(*fs_, port_);
  group_ = doors.group;
  if (doors.control) control_.emplace(std::move(*doors.control));
  if (doors.scx_stats) server_.add(std::move(*doors.scx_stats), doors.group, scx_stats_);
  for (std::string& note : doors.notes)
    commands_.add_note(std::move(note));
  if (doors.replacing) late_until_ = Clock::now() + kLateDoor;
}

Result<void> Control::check() const {
  if (options_.state.empty()) return {};
  if (!make_folders(options_.state))
    return fail("--state " + options_.state + ": its folder cannot be made", "choose another, or --state ''",
                kExitUsage);
  if (::access(std::filesystem::path(options_.state).parent_path().c_str(), W_OK | X_OK))
    return fail("--state " + options_.state + ": its folder cannot be written", "choose another, or --state ''",
                kExitUsage);
  return {};
}

Result<void> Control::start() {
  Moment now = Moment::now();
  std::vector<SetWeight> given;
  for (const WeightOption& option : options_.weights)
    given.push_back({.id = option.id, .path = option.path, .weight = option.weight});
  for (std::string& note : commands_.weights().load(now, std::move(given))) {
    std::fprintf(stderr, "mus-userland: %s\n", note.c_str());
    commands_.add_note(std::move(note));
  }
  if (control_) {
    if (auto published = control_->publish(); !published) return published;
    server_.add(std::move(*control_), group_, commands_);
    control_.reset();
  }
  return store_.save(now, true);
}

// The daemon that was replaced has it for as long as it takes to end.
void Control::open_late_door(Clock::time_point now) {
  if (late_until_ == Clock::time_point{}) return;
  auto scx_stats = Listener::open(ScxStats::kPath, group_);
  if (scx_stats) {
    server_.add(std::move(*scx_stats), group_, scx_stats_);
  } else if (now < late_until_) {
    return;
  } else {
    commands_.add_note(no_scx_stats(scx_stats.error()));
  }
  late_until_ = {};
}

Control::End Control::run(int signals, ServiceManager& manager) {
  auto now = Clock::now();
  printed_ = port_.totals();
  printed_at_ = now;
  auto every = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.stats_sec));
  print_at_ = options_.stats_sec > 0 ? now + every : Clock::time_point::max();
  while (!port_.ended()) {
    wait(signals, now, std::min(look_every_, manager.interval()));
    if (polled_.front().revents) {
      if (!asked_to_look_soon(signals)) return End::kSignal;
      look_every_ = kLookEvery;
      now = Clock::now();
      continue;
    }
    if (kernel_.pinned() && std::atomic_ref(kernel_.shared().daemon.replaced_by).load()) return End::kReplaced;
    Moment moment = Moment::now();
    now = moment.steady;
    choose_interval(now);
    manager.alive(std::atomic_ref(kernel_.shared().daemon.looks).load(std::memory_order_relaxed), now);
    share_promises();
    commands_.replies(moment);
    commands_.tick(moment);
    if (watch_) watch_->look(now);
    server_.serve(polled_, now);
    open_late_door(now);
    if (now < print_at_) continue;
    print_line(now);
    print_at_ = std::max(print_at_ + every, now);
  }
  return End::kEnded;
}

// Those that kLookEvery is for matter only where CPUs are contended, and each look wakes an idle machine.
void Control::choose_interval(Clock::time_point now) {
  std::uint64_t contended = contended_runs(port_.totals().counters);
  auto spent = now - contended_at_;
  if (spent < kLookEvery) return;
  look_every_ = (contended - contended_) * kIdleAWait > spent ? kLookEvery : kIdleLookEvery;
  contended_ = contended;
  contended_at_ = now;
}

bool Control::asked_to_look_soon(int signals) {
  signalfd_siginfo signal;
  return ::read(signals, &signal, sizeof(signal)) == sizeof(signal) && signal.ssi_signo == Succession::kLookSoon;
}

void Control::wait(int signals, Clock::time_point now, milliseconds at_most) {
  loop_.kick();
  polled_.clear();
  polled_.push_back({.fd = signals, .events = POLLIN, .revents = 0});
  if (!server_.answers_may_gather(now)) polled_.push_back({.fd = loop_.replies_fd(), .events = POLLIN, .revents = 0});
  server_.fill(polled_, now);
  auto until = std::min(commands_.due({.steady = now, .wall = {}}), print_at_);
  auto wait = std::clamp(ceil<milliseconds>(until - now), milliseconds(0), at_most);
  if (auto server = server_.timeout(now)) wait = std::min(wait, *server);
  ::poll(polled_.data(), polled_.size(), static_cast<int>(wait.count()));
}

void Control::share_promises() {
  const Snapshot* snapshot = port_.snapshot();
  if (!snapshot || snapshot->at == shared_at_) return;
  shared_at_ = snapshot->at;
  // 100 is what an ordinary cgroup has: scaled so that the average of those that run is 100.
  std::span groups(snapshot->groups.data(), snapshot->group_count);
  double scale = 100.0 * static_cast<double>(std::ranges::count_if(
                             groups, [](const auto& g) { return g.promised_own != 0; }));
  for (const Snapshot::Group& group : groups) {
    if (group.promised_own == 0) continue;
    auto weight =
        group.promised_own < 0 ? 0u : std::max(1u, static_cast<std::uint32_t>(group.promised_own * scale));
    kernel_.set_effective_weight(group.id, weight);
  }
}

void Control::print_line(Clock::time_point now) {
  static const Snapshot none;
  const Snapshot* snapshot = port_.snapshot();
  Totals totals = port_.totals();
  if (lines_++ % 20 == 0) std::puts(stats_head().c_str());
  double seconds = std::chrono::duration<double>(now - printed_at_).count();
  std::puts(stats_line(printed_, totals, seconds, snapshot ? *snapshot : none).c_str());
  std::fflush(stdout);
  printed_ = totals;
  printed_at_ = now;
}

void Control::finish() {
  Moment now = Moment::now();
  commands_.replies(now);
  commands_.weights().finish(now);
}

void Control::write_json() {
  if (options_.stats_json.empty()) return;
  static const Snapshot none;
  const Snapshot* snapshot = port_.snapshot();
  std::ofstream file(options_.stats_json);
  file << stats_json(port_.totals(), snapshot ? *snapshot : none,
                     snapshot ? std::string(snapshot->policy) : options_.policy)
              .dump()
       << "\n";
  if (!file) std::fprintf(stderr, "mus-userland: %s cannot be written\n", options_.stats_json.c_str());
}

}  // namespace mus
