# SPDX-License-Identifier: GPL-2.0-only
"""What the scenario said, as figures: the table, the JSON and the sentences below the table."""

import csv
import json
import math
from dataclasses import dataclass, field

PHASES = ("eevdf", "mus-equal", "mus-favoured")
FAVOUR = 400
SAME = 0.05  # changes smaller than this are noise, and called so


@dataclass
class Phase:
    name: str
    ops_per_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    cpu_us: dict = field(default_factory=dict)
    stats: dict = field(default_factory=dict)
    done: bool = False

    def share(self, group):
        total = sum(self.cpu_us.values())
        return self.cpu_us.get(group, 0) / total if total else 0.0

    def userland_share(self):
        """Of the runs that somebody had to decide (no idle CPU was free), the share that userspace decided."""
        runs = self.stats.get("runs", {})
        ours = sum(runs.get(kind, 0) for kind in ("decided", "standing", "resumed"))
        everything = ours + runs.get("held", 0) + runs.get("fallback", 0)
        return ours / everything if everything else None

    def decisions(self):
        """Decisions that userspace took; none under the kernel's own scheduler."""
        return int(self.stats.get("decisions", 0))


class Report:
    """Fed with the scenario's lines, in order."""

    def __init__(self, wanted=PHASES):
        self.wanted = list(wanted)
        self.kernel, self.cpus = "", 0
        self.phases = []
        self.trouble = []
        self.notes = []
        self.enabled = None  # how often the kernel's log says that mus was enabled
        self.finished = False
        self.disturbed = False  # by other work on the machine

    def feed(self, line):
        """Takes one line. Returns (kind, rest) for lines that are for us, None for any other."""
        if not line.startswith("@@ "):
            return None
        kind, _, rest = line[3:].partition(" ")
        phase = self.phases[-1] if self.phases else None
        if kind == "kernel":
            self.kernel, cpus = rest.split()
            self.cpus = int(cpus)
        elif kind == "phase":
            self.phases.append(Phase(rest))
        elif kind == "bench" and phase:
            # "GET","rps","avg","min","p50","p95","p99","max"
            values = next(csv.reader([rest]))
            phase.ops_per_s, phase.p50_ms, phase.p99_ms = float(values[1]), float(values[4]), float(values[6])
        elif kind == "cpu" and phase:
            group, before, after = rest.split()
            phase.cpu_us[group] = int(after) - int(before)
        elif kind == "stats" and phase:
            phase.stats = json.loads(rest)
        elif kind == "phase-done" and phase:
            phase.done = True
        elif kind == "enabled":
            self.enabled = int(rest)
        elif kind == "trouble":
            self.trouble.append(rest)
        elif kind == "note":
            self.notes.append(rest)
        elif kind in ("done", "keep"):
            self.finished = True
        return kind, rest

    def complete(self):
        return [phase.name for phase in self.phases if phase.done] == self.wanted

    def log_was_read(self):
        """The kernel's log is only proof when mus's coming is in it."""
        return self.enabled is not None and self.enabled >= sum(name != "eevdf" for name in self.wanted)

    def as_json(self):
        return json.dumps({"kernel": self.kernel, "cpus": self.cpus, "phases": [
            {"name": phase.name, "ops_per_s": phase.ops_per_s, "p50_ms": phase.p50_ms, "p99_ms": phase.p99_ms,
             "share": {group: round(phase.share(group), 4) for group in ("redis", "noise")},
             "userland_decisions": phase.decisions()} for phase in self.phases if phase.done]}, indent=1)

    def table(self):
        rows = [("phase", "ops/s", "p50 ms", "p99 ms", "Redis's share", "noise's share", "userland decisions")]
        for phase in self.phases:
            if phase.done:
                rows.append((phase.name, f"{phase.ops_per_s:,.0f}", f"{phase.p50_ms:.2f}", f"{phase.p99_ms:.2f}",
                             f"{phase.share('redis'):.0%}", f"{phase.share('noise'):.0%}", f"{phase.decisions():,}"))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                                   for i, (cell, width) in enumerate(zip(row, widths))) for row in rows)

    def sentences(self):
        """What one sees, from the figures alone, favourable or not."""
        by_name = {phase.name: phase for phase in self.phases if phase.done}
        found = []
        if {"mus-equal", "mus-favoured"} <= by_name.keys():
            found.append(favoured(by_name["mus-equal"], by_name["mus-favoured"]))
        if {"mus-equal", "eevdf"} <= by_name.keys():
            found.append(equal(by_name["eevdf"], by_name["mus-equal"]))
        shares = [phase.userland_share() for phase in by_name.values() if phase.userland_share() is not None]
        if shares:
            least = math.floor(min(shares) * 1000) / 10
            found.append("Of the runs that found no idle CPU, userspace decided " +
                         (f"at least {least:g} %, by decision or by standing order; the kernel half decided the others."
                          if least < 100 else "all, by decision or by standing order."))
        return found


def change(value, base):
    """One figure against another: -1, 0 (within the noise), 1."""
    if not base:
        return 0
    return 0 if abs(value / base - 1) < SAME else 1 if value > base else -1


def favoured(equal_phase, phase):
    ops = change(phase.ops_per_s, equal_phase.ops_per_s)
    share = change(phase.share("redis"), equal_phase.share("redis"))
    times = phase.ops_per_s / equal_phase.ops_per_s if equal_phase.ops_per_s else 0
    shares = f"{equal_phase.share('redis'):.0%} to {phase.share('redis'):.0%}"
    weighed = f"With Redis at weight {FAVOUR} instead of 100, "
    if ops > 0 and share >= 0:
        text = (f"{weighed}mus lets it answer {times:.1f} times as many requests a second; its share of the CPU time "
                f"goes from {shares}.")
    elif ops > 0:
        text = f"{weighed}it answers {times:.1f} times as many requests a second, though its share goes from {shares}."
    elif share > 0:
        text = (f"{weighed}its share of the CPU time goes from {shares}, but it does not answer more requests a second "
                f"({times:.2f} times as many).")
    else:
        text = f"{weighed}nothing improved in this run: {times:.2f} times the requests a second, its share {shares}."
    tail = change(phase.p99_ms, equal_phase.p99_ms)
    if tail:
        text += f" Its p99 {'rises' if tail > 0 else 'falls'} from {equal_phase.p99_ms:.1f} to {phase.p99_ms:.1f} ms."
    return text


def equal(eevdf, phase):
    def against(value, base, unit, better):
        state = change(value, base)
        if not state:
            return f"the same {unit} within {SAME:.0%}"
        return f"{value / base:.2f} times the {unit} ({'better' if state == better else 'worse'})"

    return (f"With equal weights, mus against the kernel's own scheduler: "
            f"{against(phase.ops_per_s, eevdf.ops_per_s, 'requests a second', 1)}, "
            f"{against(phase.p99_ms, eevdf.p99_ms, 'p99', -1)}.")
