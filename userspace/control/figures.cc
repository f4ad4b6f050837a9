// SPDX-License-Identifier: GPL-2.0-only
#include "control/figures.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mus {
namespace {

using Seconds = std::chrono::duration<double>;

double part(double some, double all) {
  return all > 0 ? some / all : 0;
}

std::uint64_t refusals(const mus_counters& counters) {
  std::uint64_t sum = 0;
  for (std::size_t i = 1; i < MUS_REFUSALS; ++i)
    sum += counters.refused[i];
  return sum;
}

using Index = std::unordered_map<std::uint64_t, std::size_t>;

Index index_of(const Sample& sample) {
  Index index;
  for (std::size_t i = 0; i < sample.groups.size(); ++i)
    index[raw(sample.groups[i].id)] = i;
  return index;
}

Duration ran_since(const Sample::Group& group, const Sample& before, const Index& index) {
  auto it = index.find(raw(group.id));
  Duration earlier = it == index.end() ? Duration{} : before.groups[it->second].run_time;
  return std::max(Duration{}, group.run_time - earlier);
}

}  // namespace

Sample take_sample(Port& port, std::chrono::steady_clock::time_point now, const Sample* before) {
  Sample sample{.at = now, .totals = port.totals(), .usage = port.usage()};
  const Snapshot* snapshot = port.snapshot();
  if (!snapshot) return sample;
  sample.snapshot_at = snapshot->at;
  sample.policy = snapshot->policy;
  sample.policy_faults = snapshot->policy_faults;
  sample.tasks = snapshot->tasks;
  sample.cgroups = snapshot->cgroups;
  std::size_t count = std::min<std::size_t>(snapshot->group_count, Snapshot::kGroups);
  sample.groups.reserve(count);
  Index index = before ? index_of(*before) : Index{};
  for (std::size_t i = 0; i < count; ++i) {
    Sample::Group group{snapshot->groups[i], std::nullopt};
    auto it = index.find(raw(group.id));
    const Sample::Group* earlier = it == index.end() ? nullptr : &before->groups[it->second];
    bool quiet = earlier && earlier->run_time == group.run_time && !group.runnable && !earlier->runnable;
    group.waits = quiet ? earlier->waits : port.waits(group.id);
    sample.groups.push_back(group);
  }
  std::ranges::sort(sample.groups, {}, [](const Sample::Group& g) { return std::pair(g.depth, raw(g.id)); });
  return sample;
}

std::optional<double> wait_quantile_ms(const WaitBuckets& before, const WaitBuckets& after, double q) {
  std::array<double, std::tuple_size_v<WaitBuckets>> counts{};
  double all = 0;
  for (std::size_t i = 0; i < counts.size(); ++i)
    all += counts[i] = after[i] - before[i];  // unsigned: a wrap does no harm
  if (all == 0) return std::nullopt;
  double wanted = q * all;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0 && wanted <= counts[i]) {
      double low_us = i == 0 ? 0 : std::ldexp(1.0, static_cast<int>(i) - 1),
             high_us = std::ldexp(1.0, static_cast<int>(i));
      return (low_us + (high_us - low_us) * wanted / counts[i]) / 1000;
    }
    wanted -= counts[i];
  }
  return std::ldexp(1.0, static_cast<int>(counts.size()) - 1) / 1000;  // rounding: the longest there is
}

Figures figures_between(const Sample& before, const Sample& after, std::uint32_t cpus) {
  Figures figures;
  figures.interval_s = std::max(Seconds(after.at - before.at).count(), 1e-3);
  const mus_counters &a = before.totals.counters, &b = after.totals.counters;
  auto rate = [&](std::uint64_t from, std::uint64_t to) {
    return static_cast<double>(to - from) / figures.interval_s;
  };
  auto run = [&](mus_route route) { return rate(a.runs[route], b.runs[route]); };
  figures.rates = {.decisions = rate(a.decisions, b.decisions),
                   .decided = run(MUS_ROUTE_DECIDED),
                   .standing = run(MUS_ROUTE_STANDING) + run(MUS_ROUTE_IN_TURN),
                   .resumed = run(MUS_ROUTE_RESUMED),
                   .idle = run(MUS_ROUTE_IDLE),
                   .held = run(MUS_ROUTE_HELD),
                   .fallback = run(MUS_ROUTE_FALLBACK),
                   .kernel = run(MUS_ROUTE_KERNEL),
                   .events = rate(a.events, b.events),
                   .wakes = rate(a.wakes, b.wakes),
                   .refused = rate(refusals(a), refusals(b))};
  const auto& r = figures.rates;
  // What goes on with the rest of its slice does so by a decision that still stands.
  double by_userspace = r.decided + r.standing + r.resumed, contended = by_userspace + r.held + r.fallback;
  if (contended > 0) figures.userland_percent = 100 * by_userspace / contended;
  figures.daemon_cpu_percent =
      100 * std::max(0.0, after.usage.cpu_s - before.usage.cpu_s) / figures.interval_s;

  // The scheduler thread's figures are some time apart by its clock, not by ours.
  Duration apart = after.snapshot_at - before.snapshot_at;
  bool both = before.snapshot_at != Time{} && apart > Duration{};
  double machine_ns =
      (both ? static_cast<double>(apart.count()) : figures.interval_s * 1e9) * std::max(1u, cpus);
  Index earlier = index_of(before), index = index_of(after);
  std::vector<GroupFigures> all(after.groups.size());
  std::vector<Duration> ran(all.size());
  std::vector<bool> shown(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Sample::Group& group = after.groups[i];
    all[i] = {.group = &group, .runnable = group.runnable, .promised = group.promised};
    ran[i] = ran_since(group, before, earlier);
    auto it = earlier.find(raw(group.id));
    WaitBuckets none{};
    const auto& from = it == earlier.end() ? std::optional(none) : before.groups[it->second].waits;
    if (group.waits && from) {
      all[i].wait_p50_ms = wait_quantile_ms(*from, *group.waits, 0.5);
      all[i].wait_p99_ms = wait_quantile_ms(*from, *group.waits, 0.99);
    }
  }
  for (std::size_t i = all.size(); i-- > 0;) {  // children before parents
    const Sample::Group& group = after.groups[i];
    all[i].cpu_ms = static_cast<double>(ran[i].count()) / 1e6;
    all[i].share = std::min(1.0, part(static_cast<double>(ran[i].count()), machine_ns));
    shown[i] = shown[i] || ran[i] > Duration{} || all[i].runnable || group.set;
    auto parent = index.find(raw(group.parent));
    if (parent == index.end() || parent->second >= i) continue;
    shown[parent->second] = shown[parent->second] || shown[i];
    ran[parent->second] += ran[i];
    all[parent->second].runnable += all[i].runnable;
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    if (shown[i]) figures.groups.push_back(std::move(all[i]));
  return figures;
}

}  // namespace mus
