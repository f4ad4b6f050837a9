// SPDX-License-Identifier: GPL-2.0-only
// heartbeat: many tasks in cgroups, each of which measures the longest time for which it could not run.
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace {

constexpr double kNs = 1e-9;
constexpr std::size_t kMaxTasks = 1024;
constexpr double kPublishEvery = 200e-6;  // seconds

struct Spec {
  std::string group;
  int count = 1;
  double work = 0;   // seconds; 0: never sleeps
  double sleep = 0;  // seconds
  std::optional<int> cpu;
  int nice = 0;
};

// Written by its task alone; all but `published` is read by the parent when all have ended.
struct Record {
  double longest_wait, cpu_time, asked;  // seconds
  double longest_until;                  // when that wait was over, since the boot
  std::uint64_t late;                    // waits beyond --limit
  std::uint64_t beats, jobs;             // jobs: times that it has worked for as long as it wanted
  std::atomic<double> published;         // its CPU time so far, with --sample: the kernel's own is a tick old
};

struct Shared {
  std::atomic<bool> go, measure, stop;
  Record records[kMaxTasks];
};

struct Options {
  double seconds = 10, limit_ms = 100, warm_up = 0, sample_ms = 0;
  bool json = false, fail_late = false, periodic = false;
  std::vector<std::string> at;  // SECONDS:COMMAND
  std::string begun;            // a file
};

Shared* shared;

double read_clock(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * kNs;
}

double now() { return read_clock(CLOCK_MONOTONIC); }

void sleep_until(double at) {
  auto whole = static_cast<time_t>(at);
  timespec t{.tv_sec = whole, .tv_nsec = static_cast<long>((at - static_cast<double>(whole)) / kNs)};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) == EINTR && !shared->stop) {}
}

// GROUP:COUNT[:WORK_MS/SLEEP_MS][@CPU][+NICE]
Spec parse(const std::string& text) {
  Spec spec;
  char group[128] = "";
  int used = 0;
  if (std::sscanf(text.c_str(), "%127[^:]:%d%n", group, &spec.count, &used) != 2 || spec.count < 1)
    throw CLI::ValidationError(text, "expected GROUP:COUNT[:WORK_MS/SLEEP_MS][@CPU][+NICE]");
  spec.group = group;
  const char* rest = text.c_str() + used;
  if (*rest == ':') {
    int more = 0;
    if (std::sscanf(rest, ":%lf/%lf%n", &spec.work, &spec.sleep, &more) != 2)
      throw CLI::ValidationError(text, "expected WORK_MS/SLEEP_MS after the second colon");
    spec.work /= 1e3, spec.sleep /= 1e3;
    rest += more;
  }
  for (int value = 0, more = 0; *rest; rest += more) {
    char kind = *rest;
    if (std::sscanf(rest + 1, "%d%n", &value, &more) != 1 || (kind != '@' && kind != '+'))
      throw CLI::ValidationError(text, std::string("what is \"") + rest + "\"?");
    ++more;
    if (kind == '@') spec.cpu = value;
    else spec.nice = value;
  }
  return spec;
}

void enter_cgroup(const std::string& group) {
  std::ofstream procs("/sys/fs/cgroup/" + group + "/cgroup.procs");
  procs << ::getpid() << std::flush;
  if (!procs) {
    std::fprintf(stderr, "heartbeat: cannot enter cgroup %s: make it first\n", group.c_str());
    ::_exit(2);
  }
}

[[noreturn]] void run_task(const Spec& spec, Record& record, const Options& options) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  enter_cgroup(spec.group);
  if (spec.cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(*spec.cpu, &set);
    ::sched_setaffinity(0, sizeof(set), &set);
  }
  if (spec.nice) ::setpriority(PRIO_PROCESS, 0, spec.nice);
  record.published = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  while (!shared->go) ::usleep(10'000);  // not more often: hundreds of them wait, and who makes them must get on
  double begun = now(), cpu_before = read_clock(CLOCK_PROCESS_CPUTIME_ID), last = begun, published = 0;
  bool measured = false;
  auto beat = [&](double at) {  // `at`: when it could have run
    double t = now(), wait = t - at;
    if (!measured && shared->measure.load(std::memory_order_relaxed)) {  // what was before is forgotten
      measured = true;
      record.longest_wait = 0;
      record.late = record.beats = record.jobs = 0;
      begun = t;
      cpu_before = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    }
    if (wait > record.longest_wait) {
      record.longest_wait = wait;
      record.longest_until = t;
    }
    record.late += wait * 1e3 > options.limit_ms;
    ++record.beats;
    if (options.sample_ms > 0 && t - published > kPublishEvery) {
      record.published.store(read_clock(CLOCK_PROCESS_CPUTIME_ID), std::memory_order_relaxed);
      published = t;
    }
    return t;
  };
  double release = begun;  // of the next job, by a clock that does not wait for the jobs
  while (!shared->stop.load(std::memory_order_relaxed)) {
    if (spec.sleep == 0) {
      last = beat(last);
      continue;
    }
    double used = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    while (read_clock(CLOCK_PROCESS_CPUTIME_ID) - used < spec.work && !shared->stop) last = beat(last);
    record.jobs += !shared->stop;
    release += spec.work + spec.sleep;
    if (options.periodic && release <= now()) continue;  // late: the next job is due already
    if (options.sample_ms > 0) record.published.store(read_clock(CLOCK_PROCESS_CPUTIME_ID), std::memory_order_relaxed);
    double wake = options.periodic ? release : now() + spec.sleep;
    sleep_until(wake);
    if (!shared->stop) last = beat(wake);
  }
  if (spec.sleep == 0) (void)beat(last);  // the wait that it was in when all ended
  record.cpu_time = read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
  record.asked = now() - begun;
  if (spec.sleep > 0) record.asked *= spec.work / (spec.work + spec.sleep);
  ::_exit(0);
}

// ---- what the parent sees meanwhile -------------------------------------------------------------------

double cgroup_usage(const std::string& group) {
  std::ifstream file("/sys/fs/cgroup/" + group + "/cpu.stat");
  std::string key;
  double usec = 0;
  if (!(file >> key >> usec) || key != "usage_usec") return -1;
  return usec * 1e-6;
}

/// The groups that tasks are in and those above them, each with its CPU time.
std::map<std::string, double> cgroup_usages(const std::vector<Spec>& specs) {
  std::map<std::string, double> usages;
  for (const Spec& spec : specs)
    for (std::string group = spec.group; !group.empty(); group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/')))
      usages.try_emplace(group, 0);
  for (auto& [group, usage] : usages) usage = cgroup_usage(group);
  return usages;
}

/// The parent's window: waits, samples the tasks' CPU times, runs the commands. Returns what --json adds.
nlohmann::json watch(const std::vector<Spec>& specs, std::size_t tasks, const Options& options) {
  nlohmann::json at_us = nlohmann::json::array(), cpu_us = nlohmann::json::array(), commands = nlohmann::json::array();
  double start = now(), end = start + options.seconds, next = start;
  auto micros = [](double seconds) { return static_cast<std::int64_t>(seconds * 1e6); };
  auto sample = [&] {
    if (options.sample_ms <= 0) return;
    std::vector<std::int64_t> row(tasks);
    for (std::size_t i = 0; i < tasks; ++i) row[i] = micros(shared->records[i].published.load(std::memory_order_relaxed));
    at_us.push_back(micros(now() - start));
    cpu_us.push_back(row);
  };
  auto before = cgroup_usages(specs);
  double before_at = now();
  std::size_t command = 0;
  while (!shared->stop && now() < end) {
    if (command < options.at.size() && now() - start >= std::stod(options.at[command])) {
      const std::string& text = options.at[command++];
      sample();
      double begun = now();
      int status = std::system(text.substr(text.find(':') + 1).c_str());
      sample();
      commands.push_back({{"begun_us", micros(begun - start)}, {"done_us", micros(now() - start)}, {"status", status}});
    }
    sample();
    next = options.sample_ms > 0 ? std::max(now(), next + options.sample_ms * 1e-3) : end;
    double wake = std::min(next, end);
    if (command < options.at.size()) wake = std::min(wake, start + std::stod(options.at[command]));
    sleep_until(wake);
  }
  sample();
  auto after = cgroup_usages(specs);
  nlohmann::json usages;
  for (auto& [group, usage] : after) usages[group] = usage - before[group];
  return {{"usage_s", usages}, {"window_s", now() - before_at}, {"at_us", at_us}, {"cpu_us", cpu_us}, {"commands", commands}};
}

nlohmann::json group_report(const std::vector<Spec>& specs) {
  nlohmann::json groups = nlohmann::json::array();
  std::size_t index = 0;
  double all = 0;
  for (const Spec& spec : specs) {
    double wait = 0, until = 0, cpu = 0, least = 1e9, asked = 0;
    std::uint64_t late = 0, jobs = 0;
    for (int i = 0; i < spec.count; ++i) {
      const Record& r = shared->records[index++];
      if (r.longest_wait > wait) wait = r.longest_wait, until = r.longest_until;
      cpu += r.cpu_time;
      least = std::min(least, r.cpu_time);
      late += r.late;
      asked += r.asked;
      jobs += r.jobs;
    }
    all += cpu;
    groups.push_back({{"group", spec.group}, {"tasks", spec.count}, {"cpu_s", cpu}, {"least_cpu_s", least},
                      {"longest_wait_ms", wait * 1e3}, {"longest_until_s", until}, {"late", late}, {"asked_s", asked}});
    // A job counts for the work that was wanted: the clock's own cost, and that of waking up, are not.
    if (spec.sleep > 0) groups.back()["done_s"] = static_cast<double>(jobs) * spec.work;
    if (spec.cpu) groups.back()["cpu"] = *spec.cpu;
  }
  for (auto& group : groups) group["share"] = all > 0 ? group["cpu_s"].get<double>() / all : 0;
  return groups;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Tasks in cgroups that measure the longest time for which each could not run.\n\n"
               "example: heartbeat --seconds 10 --limit 100 a:2@0 a:2@1 b:4:1/9"};
  std::vector<std::string> texts;
  Options options;
  app.add_option("TASKS", texts, "GROUP:COUNT[:WORK_MS/SLEEP_MS][@CPU][+NICE]; without WORK/SLEEP they never sleep")->required();
  app.add_option("--seconds", options.seconds, "how long; SIGTERM ends it earlier")->capture_default_str();
  app.add_option("--limit", options.limit_ms, "waits longer than this many ms are counted as late")->capture_default_str();
  app.add_flag("--fail", options.fail_late, "exit with 1 if any wait was late");
  app.add_flag("--json", options.json, "print JSON");
  app.add_option("--warm-up", options.warm_up, "seconds before that, which do not count")->capture_default_str();
  app.add_flag("--periodic", options.periodic, "sleepers start by a clock, each WORK+SLEEP: a late job does not put off the next");
  app.add_option("--begun", options.begun, "a file to make when the warm-up is over and measuring begins");
  app.add_option("--sample", options.sample_ms, "record all tasks' CPU time each so many ms; in the JSON")->capture_default_str();
  app.add_option("--at", options.at, "SECONDS:COMMAND: run COMMAND by sh then; may be repeated, in order")->allow_extra_args(false);
  std::vector<Spec> specs;
  try {
    app.parse(argc, argv);
    for (const auto& text : texts) specs.push_back(parse(text));
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }

  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return std::perror("heartbeat: mmap"), 2;
  shared = new (memory) Shared{};
  std::size_t tasks = 0;
  for (const Spec& spec : specs) {
    for (int i = 0; i < spec.count; ++i) {
      if (tasks == kMaxTasks) return std::fprintf(stderr, "heartbeat: at most %zu tasks\n", kMaxTasks), 2;
      Record& record = shared->records[tasks++];
      pid_t pid = ::fork();
      if (pid < 0) return std::perror("heartbeat: fork"), 2;
      if (pid == 0) run_task(spec, record, options);
    }
  }
  auto end_early = [](int) { shared->stop = true; };
  std::signal(SIGTERM, end_early);
  std::signal(SIGINT, end_early);
  ::usleep(200'000);  // all are in their cgroups
  shared->go = true;
  if (options.warm_up > 0) sleep_until(now() + options.warm_up);
  shared->measure = true;
  if (!options.begun.empty()) std::ofstream(options.begun) << "begun\n";
  nlohmann::json watched = watch(specs, tasks, options);
  shared->stop = true;
  int failed = 0;
  for (int status; ::wait(&status) > 0;) failed |= status;

  auto groups = group_report(specs);
  double longest = 0;
  std::uint64_t late = 0;
  for (const auto& g : groups) {
    longest = std::max(longest, g["longest_wait_ms"].get<double>());
    late += g["late"].get<std::uint64_t>();
  }
  if (options.json) {
    nlohmann::json report{{"longest_wait_ms", longest}, {"late", late}, {"groups", groups}};
    report.update(watched);
    std::cout << report.dump() << "\n";
  } else {
    for (std::size_t i = 0; i < groups.size(); ++i)
      std::printf("%-24s %4d tasks  %8.3f s  %5.1f %%  longest wait %8.1f ms, until %8.3f s  %llu late\n", texts[i].c_str(), specs[i].count,
                  groups[i]["cpu_s"].get<double>(), 100 * groups[i]["share"].get<double>(),
                  groups[i]["longest_wait_ms"].get<double>(), groups[i]["longest_until_s"].get<double>(), groups[i]["late"].get<unsigned long long>());
    std::printf("longest wait %.1f ms\n", longest);
  }
  return failed ? 2 : options.fail_late && late ? 1 : 0;
}
