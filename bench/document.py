# SPDX-License-Identifier: GPL-2.0-only
"""What bench/run found, as the document that goes into its JSON; and that document as text. page.py makes HTML of it."""

import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "e2e"))

import figures  # noqa: E402

CDF_POINTS = 200
MIN_VALUES = 3  # fewer have no range to speak of


def document(report, options, skipped):
    """`skipped`: {scheduler or benchmark: why}."""
    results = figures.results(report)
    for entry in results:
        entry["version"] = options.versions.get(entry["scheduler"], entry["version"])
    return {
        "kernel": report.kernel, "cpus": report.cpus or options.cpus, "rounds": options.rounds, "results": results,
        "virtual_time": options.virtual_time, "topology": options.topology, "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(), "command": options.command_line, "skipped": skipped, "cdfs": cdfs(report),
        "userland": [entry for entry in figures.userland(report) if entry["scheduler"] == "mus"],
        "trouble": report.trouble, "failed": [f"round {run.round} {run.benchmark} {run.scheduler}" for run in report.runs if run.status],
        "runs": len(report.runs), "disturbed_runs": sum(run.disturbed() for run in report.runs),
    }


def machine():
    """The host: model and cores, its kernel, and the emulator."""
    try:
        model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
        qemu = re.search(r"version ([0-9.]+)", subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True).stdout)
    except OSError:
        model = qemu = None
    return {"cpu": re.sub(r"\s+", " ", model[1]) if model else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "qemu": qemu[1] if qemu else "?"}


def cdfs(report):
    """For each benchmark with histograms: {scheduler: [[us, share of samples that are not above it], ...]}, all rounds together."""
    sums = {}
    for run in report.runs:
        if run.histogram:
            total = sums.setdefault(run.benchmark, {}).setdefault(run.scheduler, {})
            for value, count in run.histogram.items():
                total[value] = total.get(value, 0) + count
    return {benchmark: {scheduler: cdf(histogram) for scheduler, histogram in by_scheduler.items()}
            for benchmark, by_scheduler in sums.items()}


def cdf(histogram):
    """Some points of it; the last ones all of them, since the tail is what is looked at."""
    total, seen, points = sum(histogram.values()), 0, []
    for value in sorted(histogram):
        seen += histogram[value]
        share = seen / total
        if not points or share - points[-1][1] >= min(1 / CDF_POINTS, (1 - points[-1][1]) / 10):
            points.append([value, round(share, 6)])
    if points[-1][1] < 1:
        points.append([max(histogram), 1.0])
    return points


def spread(values):
    return f"{figures.figure(min(values))}-{figures.figure(max(values))}"


def verdict(entry, base):
    """better or worse than EEVDF's entry, overlap where the ranges do; nothing with too few values to have a range."""
    if base in (None, entry) or min(len(entry["values"]), len(base["values"])) < MIN_VALUES:
        return ""
    if min(entry["values"]) <= max(base["values"]) and min(base["values"]) <= max(entry["values"]):
        return "overlap"
    return "better" if (entry["median"] > base["median"]) == entry["higher_is_better"] else "worse"


def lines(found):
    """One row for each scheduler and metric, below a head."""
    rows = [["benchmark", "metric", "unit", "better", "scheduler", "median", "least-most", "ratio", ""]]
    bases = {(entry["benchmark"], entry["metric"]): entry for entry in found["results"] if entry["scheduler"] == "eevdf"}
    for entry in found["results"]:
        ratio = entry["ratio_to_eevdf"]
        rows.append([entry["benchmark"], entry["metric"], entry["unit"], "higher" if entry["higher_is_better"] else "lower",
                     entry["scheduler"], figures.figure(entry["median"]), spread(entry["values"]),
                     f"{ratio:.2f}" if ratio else "-", verdict(entry, bases.get((entry["benchmark"], entry["metric"])))])
    return rows


USERLAND_HEAD = ("benchmark", "fresh", "standing", "held", "direct", "daemon CPU", "wakeups/s", "faults")
USERLAND_NOTE = """\
Runs of mus that found no idle CPU, by who decided: fresh = userspace, for that run; standing = userspace, by an order that
stood already; held = the kernel half, when the hold bound had passed. direct: of all runs, those put on an idle CPU at once."""


def userland_lines(found):
    rows = [list(USERLAND_HEAD)]
    for entry in found["userland"]:
        seconds = entry["seconds"] or 1
        rows.append([entry["benchmark"], *(figures.share(entry[f"{kind}_share"]) for kind in ("fresh", "standing", "held", "idle")),
                     f"{entry['daemon_cpu_s'] / seconds:.1%}", f"{entry['stats'].get('wakes', 0) / seconds:,.0f}",
                     f"{entry['daemon_faults']:,}"])
    return rows


def title(found):
    time = ", instruction-counted time" if found["virtual_time"] else ""
    topology = f" ({found['topology']})" if found.get("topology") else ""
    def count(kind):
        return f"{found[kind]} {kind if found[kind] != 1 else kind[:-1]}"

    return f"kernel {found['kernel']}, {count('cpus').replace('cpu', 'CPU')}{topology}, {count('rounds')} in one boot{time}"


def warnings(found):
    said = []
    if found["disturbed_runs"]:
        said.append(f"Other work on this machine disturbed {found['disturbed_runs']} of {found['runs']} runs: "
                    "do not trust these figures; measure again when it is quiet.")
    if found["failed"]:
        said.append(f"{len(found['failed'])} of {found['runs']} runs failed and gave no figure: {', '.join(found['failed'])}.")
    said += [f"{name} was skipped: {reason}." for name, reason in found["skipped"].items()]
    return said


def text(found):
    parts = [title(found), figures.columns(lines(found), 5), *warnings(found)]
    if found["userland"]:
        parts += ["", USERLAND_NOTE, figures.columns(userland_lines(found), 1)]
    return "\n".join(parts)
