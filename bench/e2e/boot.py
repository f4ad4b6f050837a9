# SPDX-License-Identifier: GPL-2.0-only
"""One boot of the VM in which bench/e2e/guest.sh runs every benchmark under every scheduler."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(PROJECT / "tools" / "lib")]

import figures  # noqa: E402
import quiet_host  # noqa: E402

OWN = ("wakeup", "open_loop")  # programs of this folder; the others are installed
KEPT_LOGS = 20
KNOWN_WARNING = "known bug of kernels before 7.0 (tools/guest/scheduler.sh says which), not counted as an error"


def own_program(name, build_dir):
    return Path(build_dir or PROJECT / "build" / "release") / "tests-bin" / name


def program(name):
    """Where it is; None: not installed. gcc's compiler proper is not on the PATH."""
    if name != "cc1":
        return shutil.which(name)
    gcc = shutil.which("gcc")
    found = gcc and subprocess.run([gcc, "-print-prog-name=cc1"], capture_output=True, text=True, check=False).stdout.strip()
    return found if found and os.path.isabs(found) else None


def vm_command(options):
    """tools/vm/run with the guest's half of the benchmark and its settings.

    Of `options`: rounds, benchmarks, commands (scheduler: its words), seconds, virtual_time, kernel, cpus, topology, build_dir, programs.
    """
    settings = {
        "ROUNDS": options.rounds,
        "SCHEDULERS": " ".join(options.commands),
        "BENCHMARKS": " ".join(options.benchmarks),
        "REPEAT": 3,
        "PIPE_LOOPS": 10000,
        "SECONDS_EACH": options.seconds,
        **{f"COMMAND_{name}": " ".join(words) for name, words in options.commands.items() if words},
    }
    runs = options.rounds * len(options.benchmarks) * len(options.commands)
    timeout = (120 + runs * (60 + options.seconds)) * (5 if options.virtual_time else 1)
    tools = dict.fromkeys(tool for name in options.benchmarks for tool in figures.TOOLS[name])
    command = [str(PROJECT / "tools" / "vm" / "run"), "--kernel", options.kernel, "--cpus", str(options.cpus),
               "--timeout", str(timeout), "--tools", ",".join(tool for tool in tools if tool not in (*OWN, "cc1")),
               "--add", f"{PROJECT}/tools/guest/scheduler.sh:/root/scheduler.sh",
               "--add", f"{HERE}/guest.sh:/usr/local/bin/guest.sh"]
    own = [str(own_program(tool, options.build_dir)) for tool in tools if tool in OWN]
    for path in [*options.programs, *own, *([program("cc1")] if "cc1" in tools else [])]:
        command += ["--add", path]
    if options.virtual_time:
        command.append("--virtual-time")
    if options.topology:
        command += ["--topology", options.topology]
    if options.build_dir:
        command += ["--build-dir", options.build_dir]
    assignments = [f"{key}={value}" for key, value in settings.items()]
    return [*command, "--", "env", *assignments, "guest.sh"]


def measure(options, program):
    """Boots, runs, and returns what was said and the VM's exit status. Progress goes to stderr."""
    lock = quiet_host.one_at_a_time(program)
    report = figures.Report()
    total = options.rounds * len(options.benchmarks) * len(options.commands)
    process = subprocess.Popen(vm_command(options), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                               text=True, errors="replace")
    other_work = quiet_host.OtherWork(process.pid)
    try:
        for line in process.stdout:
            run = report.feed(line.rstrip("\n"))
            if line.startswith("@@ run"):
                other_work.share()
            if run:
                run.other_work, run.virtual_time = other_work.share(), options.virtual_time
                print(f"[{len(report.runs)}/{total}] round {run.round} {run.benchmark} {run.scheduler}: "
                      f"{run.summary()}", file=sys.stderr, flush=True)
                if run.log:
                    print(f"    its log, with the kernel's dump: {keep_log(run)}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    status = process.wait()
    lock.close()
    return report, status


def keep_log(run):
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mus", "compare")
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT_LOGS]:
        old.unlink()
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{run.round}-{run.benchmark}-{run.scheduler}.log"
    path.write_text("\n".join(run.log) + "\n")
    return path


def complain(report, program):
    """Says what went wrong; returns 1 when something did."""
    for line in report.trouble:
        print(f"{program}: the VM's kernel log: {line}", file=sys.stderr)
    for line in report.notes:
        print(f"{program}: {KNOWN_WARNING}: {line}", file=sys.stderr)
    failed = [run for run in report.runs if run.status]
    if failed:
        print(f"{program}: {len(failed)} of {len(report.runs)} runs failed: " +
              ", ".join(f"round {run.round} {run.benchmark} {run.scheduler}" for run in failed), file=sys.stderr)
    return 1 if failed or report.trouble else 0
