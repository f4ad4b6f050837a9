# SPDX-License-Identifier: GPL-2.0-only
"""tools/demo: what mus does, shown on a real kernel in a few minutes. `tools/demo --help` teaches."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "lib")]

import native  # noqa: E402
import prepare  # noqa: E402
import quiet_host  # noqa: E402
import report as reports  # noqa: E402
import terminal  # noqa: E402
from prepare import PROJECT, DemoError, say  # noqa: E402

HERE = Path(__file__).resolve().parent
TOLERATED_OTHER_WORK = 0.10
HELP = """\
Shows what mus does. A real Redis in one cgroup shares the CPUs with 'stress-ng --cpu 4' in another, and
redis-benchmark counts how many requests are answered, and how late, under one scheduler after the other:

  eevdf         the kernel's own scheduler; both cgroups weigh 100
  mus-equal     mus-userland decides; both cgroups weigh 100
  mus-favoured  mus-userland decides; Redis's cgroup weighs 400

All of it runs in one boot of a stock Debian kernel in a virtual machine: this machine's own scheduler is not
touched. What is missing is installed (tools/setup) and built (the release preset) first; that needs root, and
some minutes once. After that a run takes about two minutes.
"""
EXAMPLES = """\
what the table says:
  ops/s, p50, p99      GET requests a second, and how long one took, by redis-benchmark's own count
  share                of the CPU time that both cgroups used together (redis-benchmark counts as Redis)
  userland decisions   how often mus-userland took a waiting task and said where it runs next; runs by its
                       standing orders (given ahead of time, obeyed by the kernel half) are not in it

examples:
  tools/demo                     the demo
  tools/demo --keep              and then a shell in the VM, with mus still running: look around
  tools/demo --kernel 7.0        on another kernel (tools/vm/run --list-kernels)
  tools/demo --json              figures for a program; progress on stderr
  tools/demo --native            on this machine's own kernel, when it has sched_ext

exit status: 0 when all phases ran and the kernel's log holds no sched_ext error; else 1 (130: interrupted).
"""


def parse(argv):
    parser = argparse.ArgumentParser(prog="tools/demo", description=HELP, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    option = parser.add_argument
    option("--kernel", metavar="SERIES", help="kernel for the VM; default 6.18")
    option("--cpus", type=int, metavar="N", help="the VM's CPUs; default 1, so that Redis and the noise really compete")
    option("--seconds", type=int, default=8, metavar="S", help="how long each phase is measured; default 8")
    option("--virtual-time", action="store_true", help="the VM's time counts instructions: slower, but this machine's "
           "other work stays out of the figures")
    option("--json", action="store_true", help="only JSON on stdout")
    option("--keep", action="store_true", help="end with a shell in the VM, mus still favouring Redis")
    option("--native", action="store_true", help="on this machine instead of in a VM; needs sched_ext and root")
    option("--build-dir", metavar="DIR", help="take mus-userland from DIR/bin, and install and build nothing")
    options = parser.parse_args(argv)
    if options.seconds < 1 or (options.cpus is not None and options.cpus < 1):
        parser.error("--seconds and --cpus are at least 1")
    if options.keep and (options.json or options.native):
        parser.error("--keep goes with neither --json nor --native")
    if options.native and (options.kernel or options.cpus or options.virtual_time):
        parser.error("--kernel, --cpus and --virtual-time are for the VM, not for --native")
    if options.keep and not (os.isatty(0) and os.isatty(1)):
        parser.error("--keep needs a terminal")
    options.kernel = options.kernel or "6.18"
    options.cpus = options.cpus or 1
    options.phases = os.environ.get("MUS_DEMO_PHASES", " ".join(reports.PHASES))  # for working on the demo itself
    return options


def get_ready(options):
    if options.native:
        native.require()
    elif not options.build_dir:
        prepare.packages()
    if options.build_dir:
        if "mus" in options.phases and not Path(options.build_dir, "bin", "mus-userland").is_file():
            raise DemoError(f"there is no {options.build_dir}/bin/mus-userland")
    else:
        prepare.build()
    return Path(options.build_dir).resolve() if options.build_dir else prepare.BUILD


def vm_command(options, settings, build_dir):
    settings = {**settings, "GROUP_ROOT": "/sys/fs/cgroup", "GROUP_BASE": "/sys/fs/cgroup", "REDIS_PORT": "6379",
                "WORK": "/tmp/demo", "KEEP": str(int(options.keep)), "KEEP_SHELL": "bash --norc"}
    timeout = 0 if options.keep else 180 + 3 * (200 + 5 * options.seconds) * (5 if options.virtual_time else 1)
    tools = "redis-server,redis-cli,redis-benchmark,stress-ng" + (",bash" if options.keep else "")
    return [str(PROJECT / "tools" / "vm" / "run"), "--kernel", options.kernel, "--cpus", str(options.cpus),
            "--timeout", str(timeout), "--tools", tools,
            "--build-dir", str(build_dir), *(["--interactive"] if options.keep else []),
            *(["--virtual-time"] if options.virtual_time else []),
            "--add", f"{PROJECT}/tools/guest/scheduler.sh:/root/scheduler.sh",
            "--add", f"{HERE}/scenario.sh:/root/scenario.sh",
            "--", "env", *(f"{key}={value}" for key, value in settings.items()), "sh", "/root/scenario.sh"]


def follow(lines, report, pid):
    """Feeds the report and shows progress, until the lines end or a shell follows."""
    other_work = quiet_host.OtherWork(pid)
    for line in lines:
        known = report.feed(line)
        if not known:
            print(line, file=sys.stderr, flush=True)
            continue
        kind, rest = known
        if kind == "kernel":
            say(f"Linux {report.kernel} is up, {report.cpus} CPUs")
        elif kind == "say":
            say(rest)
        elif kind == "phase-done":
            report.disturbed = report.disturbed or other_work.share() > TOLERATED_OTHER_WORK
        elif kind == "phase":
            other_work.share()
            number = report.wanted.index(rest) + 1 if rest in report.wanted else "?"
            say(f"phase {number} of {len(report.wanted)}: {rest}")
        elif kind == "keep":
            return


def run_in_terminal(command, report):
    child = terminal.OwnTerminal(command)
    try:
        follow(child.lines(), report, child.pid)
        if report.finished:
            show(report, to_json=False)
            print("\nYou are in the VM now. Redis, stress-ng and mus-userland (Redis at 400) are running. Try\n"
                  "  redis-benchmark -c 20 -d 128 -t get -n 20000 -q     cat /sys/kernel/sched_ext/root/ops\n"
                  "  cat /sys/fs/cgroup/{redis,noise}/cpu.stat           top\n"
                  "'exit' ends the shell and the VM.\n", flush=True)
            child.hand_over()
        return child.wait()
    finally:
        child.close()


def run_in_pipe(command, report, environment=None):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, errors="replace",
                               env=environment)
    try:
        follow((line.rstrip("\n") for line in process.stdout), report, process.pid)
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


def show(report, to_json, native_run=False, virtual_time=False):
    """Prints the result; True when all is well."""
    where = "this machine's kernel log" if native_run else "the VM's kernel log"
    out = sys.stderr if to_json else sys.stdout
    if any(phase.done for phase in report.phases):
        if to_json:
            print(report.as_json())
        else:
            print(f"\nLinux {report.kernel}, {report.cpus} CPUs\n{report.table()}\n")
            for sentence in report.sentences():
                print(sentence)
    if report.disturbed and not virtual_time:
        print("Other work on this machine took more than a tenth of its CPU time: the figures suffered from it.", file=out)
    well = report.complete()
    if not well:
        done = sum(phase.done for phase in report.phases)
        say(f"only {done} of {len(report.wanted)} phases were completed")
    if report.trouble:
        well = False
        say(f"{where} has an error:")
        for line in report.trouble:
            print(f"  | {line}", file=sys.stderr)
    elif report.enabled is not None and not report.log_was_read():
        well = False
        say(f"{where} does not show that mus was enabled in each phase: it cannot vouch for anything")
    elif report.enabled is not None:
        print(f"No sched_ext error in {where} (it shows mus being enabled {report.enabled} times, and leaving in order).",
              file=out)
    for line in report.notes:
        print(f"A known bug of kernels before 7.0 (tools/guest/scheduler.sh says which) made it warn: {line}", file=out)
    sys.stdout.flush()
    return well


def main(argv):
    options = parse(argv)
    build_dir = get_ready(options)
    settings = {"SECONDS_MEASURED": str(options.seconds), "PHASES": options.phases}
    report = reports.Report(options.phases.split())
    lock = quiet_host.one_at_a_time("demo")  # held until the end
    if options.native:
        command, environment, folder = native.command(settings, build_dir)
        with folder:
            status = run_in_pipe(command, report, environment)
        well = show(report, options.json, native_run=True)
    else:
        say(f"booting Linux {options.kernel} in a virtual machine, CPUs: {options.cpus}")
        command = vm_command(options, settings, build_dir)
        if options.keep:
            status = run_in_terminal(command, report)
            return 0 if report.complete() and report.log_was_read() and not report.trouble else status or 1
        status = run_in_pipe(command, report)
        well = show(report, options.json, virtual_time=options.virtual_time)
    if status:
        say(f"the scenario ended with status {status}; what it said is above")
    return 0 if well and report.finished and status == 0 else 1


def interrupted(number, frame):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    try:
        code = main(sys.argv[1:])
    except DemoError as error:
        if error.detail:
            print("\n".join(f"  | {line}" for line in error.detail.splitlines()), file=sys.stderr)
        say(str(error))
        code = error.status
    except KeyboardInterrupt:
        say("interrupted")
        code = 130
    sys.exit(code)
