# SPDX-License-Identifier: GPL-2.0-only
"""From what heartbeat measured in the guest to errors, lags, verdicts and the table."""

import json
from statistics import median

SLICE_S = 0.004  # mus-userland's default --slice-us, in which lag is counted, for EEVDF too
NEIGHBOURS = 7           # samples before and after, of which the median is taken
STALE_S = 4 * SLICE_S    # a sample that is off that by more was taken while the host had stopped a virtual CPU


class Run:
    """One case under one scheduler."""

    def __init__(self, scheduler, case):
        self.scheduler, self.case = scheduler, case
        self.data, self.status, self.skipped, self.log = None, 0, "", []
        self.other_work = 0.0
        self.error = self.lag = self.wait = self.used = None
        self.samples = self.stale = 0
        self.details = []  # (who, ideal CPUs, real CPUs)

    def finish(self, status, cpus):
        self.status = status
        if self.status or not self.data:
            self.status = self.status or 1
            return
        measured = Measured(self.case, self.data, cpus)
        self.error, self.lag, self.details = measured.error(), measured.lag_slices(), measured.details()
        self.samples, self.stale = len(measured.rows), measured.stale
        self.used = measured.busy / measured.window
        if self.case.wait_limit_s:
            group = self.case.wait_limit_s[0]
            self.wait = max(g["longest_wait_ms"] for g in self.data["groups"] if g["group"] == group) / 1e3

    def verdict(self):
        """True: within the limits; None: not judged."""
        if self.skipped or self.case.informative:
            return None
        return self.status == 0 and self.error <= self.case.limit and \
            (not self.case.wait_limit_s or self.wait <= self.case.wait_limit_s[1])


class Measured:
    """What each cgroup and each kind of task got in the window, beside the ideal.

    The capacity that is divided is what the case's tasks used: what the daemon, the kernel and the host took is not
    theirs. Each of the CPUs that they may use had the same part of it.
    """

    def __init__(self, case, data, cpus):
        self.case, self.data = case, data
        self.rows, self.at = data["cpu_us"], data["at_us"]
        fresh = self._fresh_samples()
        self.stale = len(self.rows) - len(fresh)
        self.good = fresh if len(fresh) > self.stale else list(range(len(self.rows)))  # `stale` says what that is worth
        self.first, self.last = self.good[0], self.good[-1]
        if case.change:
            # The second after the command was done: by the samples that are nearest to it.
            done = data["commands"][0]["done_us"]
            if data["commands"][0]["status"]:
                raise ValueError(f"'{case.change[2]}' failed")
            self.first = self._nearest(done)
            self.last = self._nearest(done + 1_000_000)
        sampled = self._task_times(self.last)
        if case.change:
            self.window = (self.at[self.last] - self.at[self.first]) * 1e-6
            self.real = self._group_times(sampled)
        else:
            self.window, self.real = data["window_s"], dict(data["usage_s"])
        self.busy = sum(used for path, used in self.real.items() if "/" not in path)
        oracle = case.oracle(changed=bool(case.change))
        sampled_window = (self.at[self.last] - self.at[self.first]) * 1e-6
        for index, line in enumerate(self._line_of_task()):
            if case.tasks[line].work_ms:  # what it did use; whether that is what it asked for is judged by "asked"
                oracle.tasks[index][2] = sampled[index] / sampled_window
        groups, tasks = oracle.solve(cpus, self.busy / self.window / case.usable_cpus(cpus))
        self.ideal = {path: share * self.window for path, share in groups.items() if path}
        self.ideal_lines = self._by_line([share * self.window for share in tasks])
        scale = self.busy / sum(sampled)  # the samples' window is a little shorter than that of cpu.stat
        self.real_lines = self._by_line([used * scale for used in sampled])

    def _fresh_samples(self):
        """Those in which the time that all tasks used is not behind that of the samples around them.

        The case's tasks fill their CPUs. When the host stops a virtual CPU, the time of the task on it stands still, and
        jumps when it goes on. What the daemon takes is no such jump.
        """
        sums = [sum(row) for row in self.rows]
        half = len(sums) // 2
        speed = median((sums[i + half] - sums[i]) / (self.at[i + half] - self.at[i]) for i in range(len(sums) - half))
        off = [used - speed * at for used, at in zip(sums, self.at)]
        fresh = [i for i, value in enumerate(off)
                 if abs(value - median(off[max(0, i - NEIGHBOURS):i + NEIGHBOURS + 1])) <= STALE_S * 1e6]
        return fresh

    def _nearest(self, at_us):
        return min(self.good, key=lambda index: abs(self.at[index] - at_us))

    def _task_times(self, row):
        return [(after - before) * 1e-6 for before, after in zip(self.rows[self.first], self.rows[row])]

    def _line_of_task(self):
        return [index for index, line in enumerate(self.case.tasks) for _ in range(line.count)]

    def _by_line(self, values):
        sums = [0.0] * len(self.case.tasks)
        for line, value in zip(self._line_of_task(), values, strict=True):
            sums[line] += value
        return sums

    def _group_times(self, tasks):
        used = {path: 0.0 for path in self.case.groups}
        for line, value in zip(self._line_of_task(), tasks, strict=True):
            path = self.case.tasks[line].group
            while path:
                used[path] += value
                path = path.rpartition("/")[0]
        return used

    def details(self):
        rows = [(path, self.ideal[path] / self.window, self.real[path] / self.window) for path in self.case.groups]
        if self.case.measure == "lines":
            rows += [(line.argument(), ideal / self.window, real / self.window)
                     for line, ideal, real in zip(self.case.tasks, self.ideal_lines, self.real_lines)]
        return rows

    def error(self):
        if self.case.measure == "asked":
            sleepers = [group for group in self.data["groups"] if "done_s" in group]
            return 100 * (1 - sum(g["done_s"] for g in sleepers) / sum(g["asked_s"] for g in sleepers))
        if self.case.measure == "lines":
            return max(100 * abs(real - ideal) / self.busy for real, ideal in zip(self.real_lines, self.ideal_lines))
        return max(100 * abs(self.real[path] - self.ideal[path]) / self.busy for path in self.case.groups)

    def lag_slices(self):
        """The largest |real - ideal| of a cgroup (of a kind of task in "lines") at any sample, from the window's start."""
        worst, all_ideal = 0.0, sum(self.ideal_lines)
        for row in (row for row in self.good if self.first < row <= self.last):
            tasks = self._task_times(row)
            part = sum(tasks) / all_ideal  # of the window's capacity, until this sample
            if self.case.measure == "lines":
                pairs = zip(self._by_line(tasks), self.ideal_lines)
            else:
                used = self._group_times(tasks)
                pairs = ((used[path], self.ideal[path]) for path in self.case.groups)
            worst = max(worst, *(abs(real - ideal * part) for real, ideal in pairs))
        return worst / SLICE_S


class Report:
    """All runs of one boot, fed line by line."""

    def __init__(self, cases):
        self.cases = {case.name: case for case in cases}
        self.runs, self.kernel, self.cpus, self.trouble, self.done = [], "", 0, [], False
        self._run = None

    def feed(self, line):
        """Takes one line; returns the run that it ended, if it did."""
        kind, _, rest = line.removeprefix("@@ ").partition(" ")
        if not line.startswith("@@ "):
            print(f"  guest: {line}")
        elif kind == "guest":
            self.kernel, self.cpus = rest.split()[0], int(rest.split()[1])
        elif kind == "run":
            scheduler, name = rest.split()
            self._run = Run(scheduler, self.cases[name])
        elif kind == "result":
            self._run.data = json.loads(rest) if rest.startswith("{") else None
        elif kind == "log":
            self._run.log.append(rest)
        elif kind == "trouble":
            self.trouble.append(rest)
        elif kind == "done":
            self.done = True
        elif kind in ("end", "skip"):
            run, self._run = self._run, None
            self.runs.append(run)
            if kind == "skip":
                run.skipped = rest
            else:
                try:
                    run.finish(int(rest), self.cpus)
                except (ValueError, KeyError, IndexError, ZeroDivisionError) as error:
                    run.status, run.log = 1, [*run.log, f"unusable figures: {error!r}"]
            return run
        return None

    def find(self, case, scheduler):
        return next((run for run in self.runs if run.case is case and run.scheduler == scheduler), None)


def number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def table(report, schedulers):
    """Rows of cells, the head first."""
    rows = [["case", *(f"error {s}" for s in schedulers), "allowed", "unit", *(f"lag {s}" for s in schedulers),
             *(f"used {s}" for s in schedulers), "mus"]]
    for case in report.cases.values():
        runs = {s: report.find(case, s) for s in schedulers}
        if not any(runs.values()):
            continue
        mus = runs.get("mus")
        verdict = "-" if mus is None else "skipped" if mus.skipped else {True: "pass", False: "FAIL", None: "-"}[mus.verdict()]
        cells = [run.error if run else None for run in runs.values()]
        lags = [run.lag if run else None for run in runs.values()]
        wait_failed = mus and mus.wait is not None and mus.wait > case.wait_limit_s[1]
        error_failed = mus and mus.error is not None and mus.error > case.limit
        own = "pass" if verdict == "FAIL" and wait_failed and not error_failed else verdict
        rows.append([case.name, *map(number, cells), "-" if case.informative else number(case.limit), case.unit,
                     *(number(lag, 1) for lag in lags), *(number(run.used if run else None) for run in runs.values()), own])
        if case.wait_limit_s:
            waits = [run.wait if run else None for run in runs.values()]
            rows.append([f"  {case.wait_limit_s[0]} waits", *map(number, waits), number(case.wait_limit_s[1]), "s at most",
                         *("" for _ in schedulers * 2),
                         "-" if mus is None or mus.wait is None else "FAIL" if wait_failed else "pass"])
    return rows


def columns(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = [False] + [head.split()[0] in ("error", "lag", "used") or head == "allowed" for head in rows[0][1:]]
    return "\n".join("  ".join(cell.rjust(width) if flush else cell.ljust(width)
                               for cell, width, flush in zip(row, widths, right)).rstrip() for row in rows)
