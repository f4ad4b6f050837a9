# SPDX-License-Identifier: GPL-2.0-only
"""The same scenario on this machine, without a VM: what it needs, and how it is started."""

import os
import shutil
import socket
import tempfile
from pathlib import Path

from prepare import DemoError

HERE = Path(__file__).resolve().parent
PROGRAMS = ("redis-server", "redis-cli", "redis-benchmark", "stress-ng")


def cgroup_root():
    """Where cgroup v2 is mounted with the cpu controller, or None."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount_point, kind, *_ = line.split()
        if kind == "cgroup2":
            try:
                if "cpu" in Path(mount_point, "cgroup.controllers").read_text().split():
                    return mount_point
            except OSError:
                pass
    return None


def require():
    """Raises with one line that says what is missing."""
    state = Path("/sys/kernel/sched_ext/state")
    if not state.exists():
        raise DemoError(f"--native: the kernel of this machine, {os.uname().release}, has no sched_ext "
                        "(no /sys/kernel/sched_ext); run tools/demo without --native")
    if os.geteuid() != 0:
        raise DemoError("--native needs root: it loads a scheduler into the kernel of this machine")
    if state.read_text().strip() != "disabled":
        raise DemoError(f"--native: a sched_ext scheduler is {state.read_text().strip()} on this machine already; end it first")
    if not cgroup_root():
        raise DemoError("--native: no cgroup v2 with the cpu controller is mounted on this machine; "
                        "boot with systemd.unified_cgroup_hierarchy=1 or run tools/demo without --native")
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        raise DemoError(f"--native: {', '.join(missing)} not installed: run tools/setup")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def command(settings, build_dir):
    """The scenario's command line and environment; its scratch folder is a TemporaryDirectory for the caller to close."""
    root = cgroup_root()
    folder = tempfile.TemporaryDirectory(prefix="mus-demo-")
    for script in (HERE / "scenario.sh", HERE.parent / "guest" / "scheduler.sh"):
        shutil.copy(script, folder.name)
    environment = {**os.environ, **settings, "GROUP_ROOT": root, "GROUP_BASE": f"{root}/mus-demo-{os.getpid()}",
                   "REDIS_PORT": str(free_port()), "WORK": folder.name,
                   "PATH": f"{build_dir}/bin:{os.environ.get('PATH', '')}"}
    return ["sh", f"{folder.name}/scenario.sh"], environment, folder
