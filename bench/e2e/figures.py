# SPDX-License-Identifier: GPL-2.0-only
"""From the guest's output to figures: parses bench/e2e/guest.sh's frames, makes medians, ratios and tables."""

import json
import re
from statistics import median
from typing import NamedTuple

USERLAND = ("decided", "standing", "in_turn", "resumed")   # a task ran because userspace had said so
BPF_ALONE = ("held", "fallback")                # a task ran because nobody had said anything in time

TOLERATED_OTHER_WORK = 0.10


class Metric(NamedTuple):
    name: str
    unit: str
    higher: bool = False  # higher is better

    @property
    def better(self):
        return "higher" if self.higher else "lower"


WAKEUP = (Metric("avg", "us"), Metric("p50", "us"), Metric("p99", "us"), Metric("p99.9", "us"), Metric("max", "us"),
          Metric("rate", "wake-ups/s", True))
REDIS = (Metric("rate", "ops/s", True), Metric("p50", "ms"), Metric("p99", "ms"), Metric("p99.9", "ms"), Metric("max", "ms"))
METRICS = {
    "pipe": (Metric("time", "us/op"),),
    "hackbench": (Metric("time", "s"),),
    "hackbench-threads": (Metric("time", "s"),),
    "hackbench-8": (Metric("time", "s"),),
    "hackbench-threads-8": (Metric("time", "s"),),
    "messaging": (Metric("time", "s"),),
    "cyclictest": (Metric("avg", "us"), Metric("p50", "us"), Metric("p99", "us"), Metric("max", "us")),
    "wakeup": WAKEUP,
    "wakeup-busy": WAKEUP,
    "switch": (Metric("rate", "ops/s", True),),
    "sysbench": (Metric("rate", "events/s", True),),
    "compile": (Metric("time", "s"),),
    "redis": REDIS,
    "redis-open": REDIS,
    "periodic": (Metric("missed", "%"), Metric("latency", "us")),
}
# The programs that a benchmark needs in the VM.
TOOLS = {"pipe": ("perf",), "hackbench": ("hackbench",), "hackbench-threads": ("hackbench",), "hackbench-8": ("hackbench",),
         "hackbench-threads-8": ("hackbench",), "messaging": ("perf",), "cyclictest": ("cyclictest",), "wakeup": ("wakeup",),
         "wakeup-busy": ("wakeup",), "switch": ("stress-ng",), "sysbench": ("sysbench",), "compile": ("cc1",),
         "redis": ("redis-server", "redis-benchmark", "redis-cli", "stress-ng"),
         "redis-open": ("redis-server", "open_loop", "redis-cli", "stress-ng"), "periodic": ("rt-app",)}


def percentile(histogram, fraction):
    """The smallest value that `fraction` of all samples do not exceed."""
    needed = fraction * sum(histogram.values())
    seen = 0
    for value in sorted(histogram):
        seen += histogram[value]
        if seen >= needed:
            return value
    raise ValueError("empty histogram")


def parse_pipe(text):
    return {"time": [float(value) for value in re.findall(r"([0-9.]+) usecs/op", text)]}


def parse_hackbench(text):
    return {"time": [float(value) for value in re.findall(r"^Time: ([0-9.]+)", text, re.M)]}


def parse_messaging(text):
    return {"time": [float(value) for value in re.findall(r"Total time: ([0-9.]+) \[sec\]", text)]}


def parse_sysbench(text):
    return {"rate": [float(value) for value in re.findall(r"events per second: *([0-9.]+)", text)]}


def parse_switch(text):
    # name, operations, seconds of real, user and system time, operations a second of real time
    return {"rate": [float(value) for value in re.findall(r"\] switch +\d+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +([0-9.]+)", text)]}


def parse_compile(text):
    return {"time": [float(value) for value in re.findall(r"^compiled in ([0-9.]+) s", text, re.M)]}


def parse_redis(text):
    rate = re.findall(r"throughput summary: ([0-9.]+)", text)[-1]
    # Below its names, in ms: average, least, p50, p95, p99, most. p99.9 is not among them, but in the distribution before: what is
    # left of 100 % halves from line to line, so that one is of 99.902 %. It is left out where the line before it counts as many.
    p50, _, p99, most = re.findall(r"^ +avg .*\n +[0-9.]+ +[0-9.]+" + r" +([0-9.]+)" * 4, text, re.M)[-1]
    steps = re.findall(r"<= ([0-9.]+) milliseconds \(cumulative count ([0-9]+)\)", text.partition("Cumulative distribution")[0])
    distribution = [(float(ms), int(count)) for ms, count in steps]
    p999 = next(ms for ms, count in distribution if count >= 0.999 * distribution[-1][1])
    return {"rate": [float(rate)], "p50": [float(p50)], "p99": [float(p99)], "p99.9": [p999], "max": [float(most)]}


def parse_periodic(text):
    # rt-app's log, a line for each activation. Slack: us that were left before the next one; latency: us from its timer to its start.
    rows = [line.split() for line in text.splitlines() if re.fullmatch(r"( *-?[0-9]+){11}", line)]
    slack, latency = [int(row[7]) for row in rows], [int(row[10]) for row in rows]
    return {"missed": [100 * sum(left < 0 for left in slack) / len(slack)], "latency": [sum(latency) / len(latency)]}


def first_json(text):
    """What the program said in JSON, whatever was said before and after."""
    return json.JSONDecoder().raw_decode(text, text.index("{"))[0]


def cyclictest_histogram(text):
    thread = first_json(text)["thread"]["0"]
    histogram = {int(value): count for value, count in thread["histogram"].items()}
    overflow = int(thread["cycles"]) - sum(histogram.values())
    if overflow > 0:  # longer than the histogram reaches: at least the maximum is known
        histogram[int(thread["max"])] = histogram.get(int(thread["max"]), 0) + overflow
    return histogram


def parse_cyclictest(text):
    thread = first_json(text)["thread"]["0"]
    histogram = cyclictest_histogram(text)
    return {"avg": [float(thread["avg"])], "p50": [float(percentile(histogram, 0.50))],
            "p99": [float(percentile(histogram, 0.99))], "max": [float(thread["max"])]}


def own_histogram(text):
    return {float(value): count for value, count in first_json(text)["histogram"].items()}


def parse_wakeup(text):
    said = first_json(text)
    return {**{name: [said[f"{name}_us"]] for name in ("avg", "p50", "p99", "p99.9", "max")}, "rate": [said["wakeups_per_s"]]}


def parse_redis_open(text):
    said = first_json(text)
    return {"rate": [said["requests_per_s"]], **{name: [said[f"{name}_us"] / 1000] for name in ("p50", "p99", "p99.9", "max")}}


PARSERS = {"pipe": parse_pipe, "hackbench": parse_hackbench, "hackbench-threads": parse_hackbench, "hackbench-8": parse_hackbench,
           "hackbench-threads-8": parse_hackbench, "messaging": parse_messaging, "cyclictest": parse_cyclictest, "wakeup": parse_wakeup,
           "wakeup-busy": parse_wakeup, "switch": parse_switch, "sysbench": parse_sysbench, "compile": parse_compile,
           "redis": parse_redis, "redis-open": parse_redis_open, "periodic": parse_periodic}
HISTOGRAMS = {"cyclictest": cyclictest_histogram, "wakeup": own_histogram, "wakeup-busy": own_histogram,
              "redis-open": own_histogram}  # microseconds: samples


class Run:
    """One benchmark under one scheduler in one round."""

    def __init__(self, number, scheduler, benchmark):
        self.round, self.scheduler, self.benchmark = int(number), scheduler, benchmark
        self.text = []
        self.log = []  # after a failure: what the scheduler said
        self.values = {}
        self.histogram = {}
        self.status = 0
        self.usable = False  # the benchmark's output made sense
        self.stats = None
        self.seconds = 0.0
        self.virtual_time = False  # the host does not matter
        self.other_work = 0.0  # share of the host's CPU time that did not go to this VM
        self.before, self.after = {}, {}

    def finish(self, status):
        self.status = status
        self.usable = True
        try:
            text = "\n".join(self.text)
            self.values = PARSERS[self.benchmark](text)
            if self.benchmark in HISTOGRAMS:
                self.histogram = HISTOGRAMS[self.benchmark](text)
        except (ValueError, KeyError, IndexError, StopIteration, ZeroDivisionError):
            pass
        if not all(self.values.get(metric.name) for metric in METRICS[self.benchmark]):
            self.usable = False
            self.status = self.status or 1
        if self.status:
            self.values, self.histogram = {}, {}  # half under one scheduler, half under another: no figure at all

    def summary(self):
        if self.status:
            return "FAILED" + "".join(f"\n    | {line}" for line in self.text[-5:] if not self.usable)
        text = ", ".join(f"{metric} {figure(median(self.values[metric]))} {unit}"
                         for metric, unit, _ in METRICS[self.benchmark])
        return text + (f"   (other work took {self.other_work:.0%} of this machine)" if self.disturbed() else "")

    def disturbed(self):
        return not self.virtual_time and self.other_work > TOLERATED_OTHER_WORK

    def daemon(self):
        """The daemon's CPU time in seconds, its voluntary context switches and its page faults, in this run."""
        sums = [0, 0, 0]
        for thread, counts in self.after.items():
            before = self.before.get(thread, (0, 0, 0))
            sums = [total + now - then for total, now, then in zip(sums, counts, before)]
        return sums[0] / 1e9, sums[1], sums[2]


class Report:
    """All runs of one boot, fed line by line."""

    def __init__(self):
        self.runs = []
        self.kernel, self.cpus = "", 0
        self.versions = {}
        self.trouble = []  # errors in the kernel's log
        self.notes = []  # a warning of the kernel's that is not the scheduler's doing
        self.done = False
        self._run = None

    def feed(self, line):
        """Takes one line; returns the run that it ended, if it did."""
        run = self._run
        if not line.startswith("@@ "):
            if run:
                run.text.append(line)
            return None
        kind, _, rest = line[3:].partition(" ")
        words = rest.split()
        if kind == "guest":
            self.kernel, self.cpus = words[0], int(words[1])
            self.versions["eevdf"] = self.kernel
        elif kind == "version":
            self.versions[words[0]] = " ".join(words[1:])
        elif kind == "trouble":
            self.trouble.append(rest)
        elif kind == "note":
            self.notes.append(rest)
        elif kind == "done":
            self.done = True
        elif kind == "run":
            self._run = Run(*words)
        elif not run:
            pass
        elif kind in ("before", "after"):
            # thread, run ns, wait ns, time slices, voluntary and other context switches, minor and major page faults
            if len(words) >= 8:
                getattr(run, kind)[words[0]] = (int(words[1]), int(words[4]), int(words[6]) + int(words[7]))
        elif kind == "time":
            run.seconds = float(words[1]) - float(words[0])
        elif kind == "log":
            run.log.append(rest)
        elif kind == "stats":
            try:
                run.stats = json.loads(rest)
            except ValueError:
                run.text.append(f"--stats-json wrote no JSON: {rest[:200]}")
        elif kind == "end":
            run.finish(int(words[0]))
            self.runs.append(run)
            self._run = None
            return run
        return None


def results(report):
    """The list that goes into the JSON: one entry for each scheduler, benchmark and metric."""
    found = []
    schedulers = list(dict.fromkeys(run.scheduler for run in report.runs))
    for benchmark, metrics in METRICS.items():
        for metric, unit, higher in metrics:
            base = None
            for scheduler in sorted(schedulers, key=lambda name: name != "eevdf"):
                values = [value for run in report.runs if (run.scheduler, run.benchmark) == (scheduler, benchmark)
                          for value in run.values.get(metric, ())]
                if not values:
                    continue
                middle = median(values)
                if scheduler == "eevdf":
                    base = middle
                found.append({
                    "scheduler": scheduler, "version": report.versions.get(scheduler, ""), "benchmark": benchmark,
                    "metric": metric, "unit": unit, "higher_is_better": higher, "values": values, "median": middle,
                    "ratio_to_eevdf": round(middle / base, 3) if base else None,
                })
    return found


def userland(report):
    """Who decided, and what it cost: the sums over all rounds, for each benchmark and scheduler."""
    sums = {}
    for run in report.runs:
        if run.scheduler == "eevdf" or run.status:
            continue
        entry = sums.setdefault((run.scheduler, run.benchmark), {
            "scheduler": run.scheduler, "benchmark": run.benchmark, "seconds": 0.0, "daemon_cpu_s": 0.0,
            "daemon_switches": 0, "daemon_faults": 0, "stats": {}})
        cpu_s, switches, faults = run.daemon()
        entry["seconds"] += run.seconds
        entry["daemon_cpu_s"] += cpu_s
        entry["daemon_switches"] += switches
        entry["daemon_faults"] += faults
        add(entry["stats"], run.stats or {})
    for entry in sums.values():
        runs = entry["stats"].get("runs", {})
        ours = sum(runs.get(kind, 0) for kind in USERLAND)
        asked = ours + sum(runs.get(kind, 0) for kind in BPF_ALONE)
        entry["userland_share"] = ours / asked if asked else None
        everything = asked + runs.get("idle", 0)
        # Of what was asked: ordered for this run, or by an order that stood already.
        entry["fresh_share"] = runs.get("decided", 0) / asked if asked else None
        entry["standing_share"] = (ours - runs.get("decided", 0)) / asked if asked else None
        entry["held_share"] = runs.get("held", 0) / asked if asked else None
        entry["idle_share"] = runs.get("idle", 0) / everything if everything else None
    return list(sums.values())


def add(total, more):
    for key, value in more.items():
        if isinstance(value, dict):
            add(total.setdefault(key, {}), value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            total[key] = total.get(key, 0) + value


def figure(value):
    """Three to four significant digits, without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 100 else f"{value:.3g}"


def columns(rows, left):
    """Aligned text; the first `left` columns to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) if i < left else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in rows)


def print_tables(report, found, options):
    time = ", instruction-counted time" if options.virtual_time else ""
    print(f"\nkernel {report.kernel}, {report.cpus} CPUs, {options.rounds} rounds in one boot{time}")
    schedulers = list(dict.fromkeys(entry["scheduler"] for entry in found))
    head = ["benchmark", "metric", "unit", "better"]
    for scheduler in schedulers:
        head += [scheduler, "least-most"] + (["ratio"] if scheduler != "eevdf" else [])
    rows = [head]
    for benchmark, metrics in METRICS.items():
        for metric in metrics:
            row = [benchmark, metric.name, metric.unit, metric.better]
            for scheduler in schedulers:
                entry = next((e for e in found if (e["scheduler"], e["benchmark"], e["metric"]) ==
                              (scheduler, benchmark, metric.name)), None)
                if entry:
                    row += [figure(entry["median"]), f"{figure(min(entry['values']))}-{figure(max(entry['values']))}"]
                else:
                    row += ["-", "-"]
                if scheduler != "eevdf":
                    ratio = entry and entry["ratio_to_eevdf"]
                    row.append(f"{ratio:.2f}" if ratio else "-")
            if any(cell != "-" for cell in row[4:]):
                rows.append(row)
    print(columns(rows, 4))
    disturbed = sum(run.disturbed() for run in report.runs)
    if disturbed:
        print(f"Other work on this machine disturbed {disturbed} of {len(report.runs)} runs: "
              "do not trust these figures; measure again when it is quiet.")
    print_userland(report)


def print_userland(report):
    entries = [entry for entry in userland(report) if entry["scheduler"] == "mus"]
    if not entries:
        return
    rows = [["who decided", "userspace", "idle CPU", "decided", "standing", "resumed", "idle", "held", "fallback",
             "kernel", "refused", "lost", "stalls", "wakes", "daemon CPU", "switches/s", "faults"]]
    for entry in entries:
        stats, runs = entry["stats"], entry["stats"].get("runs", {})
        seconds = entry["seconds"] or 1

        def count(source, key):
            value = source.get(key, "-")
            if isinstance(value, dict):  # broken down by reason
                value = sum(value.values())
            return value if isinstance(value, str) else f"{value:,}"

        rows.append([entry["benchmark"], share(entry["userland_share"]), share(entry["idle_share"]),
                     *(count(runs, kind) for kind in (*USERLAND, "idle", *BPF_ALONE, "kernel")),
                     count(stats, "refused"), count(stats, "events_lost"),
                     count(stats, "stalls"), count(stats, "wakes"),
                     f"{entry['daemon_cpu_s'] / seconds:.1%}", f"{entry['daemon_switches'] / seconds:,.0f}",
                     f"{entry['daemon_faults']:,}"])
    print("\nmus: runs by who decided them, all rounds. userspace = (decided + standing + in turn + resumed) /\n"
          "(those + held + fallback); idle CPU = put on an idle CPU at once; daemon CPU in per cent of one CPU")
    print(columns(rows, 1))


def share(value):
    return "-" if value is None else f"{value:.1%}"
