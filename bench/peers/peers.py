# SPDX-License-Identifier: GPL-2.0-only
"""Other schedulers to measure beside mus: where they come from, how they are built, and where they are kept.

Everything is below ${XDG_CACHE_HOME:-~/.cache}/mus/peers, in a folder for each version; a peer that is there is not built again.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tools" / "vm"))

import kernel as kernels  # noqa: E402
from common import VmError, cache_dir  # noqa: E402

SERIES = "7.2"  # its examples run on 6.18 and later
SOURCE = f"linux-source-{SERIES}"
PARTS = ("Makefile", "tools", "scripts", "include", "kernel/bpf", "arch/x86")
FROM_SOURCE = ("scx_simple", "scx_flatcg", "scx_userland")
FROM_CARGO = {"scx_rustland": "1.0.19", "scx_bpfland": "1.0.19"}
NAMES = (*FROM_SOURCE, *FROM_CARGO)
LOW = ("nice", "-n", "19")


class Skipped(Exception):
    """Why a peer is not there."""


def say(message):
    print(f"peers: {message}", file=sys.stderr, flush=True)


def get(names):
    """Builds what is missing. Returns {name: (path, version)} and {name: why it is not there}."""
    found, skipped = {}, {}
    with open(cache_dir("peers") / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            try:
                found[name] = (from_source if name in FROM_SOURCE else from_cargo)(name)
            except (Skipped, VmError, OSError) as problem:
                skipped[name] = str(problem)
    return found, skipped


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skipped(f"{program} is not installed")


def logged(log, argv, **options):
    """Runs a command; its output goes to the log."""
    with open(log, "a", encoding="utf-8") as out:
        done = subprocess.run(argv, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        program = argv[len(LOW)] if argv[:len(LOW)] == list(LOW) else argv[0]
        raise Skipped(f"{program} failed; see {log}")


# --- from Debian's package of the kernel's source

def from_source(name):
    kept = sorted(cache_dir("peers").glob(f"{SOURCE}_*/{name}"), key=lambda path: path.stat().st_mtime)
    if not kept:
        kept = [build_source() / name]
    if not kept[-1].exists():
        raise Skipped(f"it could not be built; {kept[-1].parent}/build.log says why, and without that folder it is tried again")
    return kept[-1], f"Linux {kept[-1].parent.name.partition('_')[2]}"


def build_source():
    """Builds all of FROM_SOURCE, once a version; what does not build is missing in the folder that is returned."""
    need("apt-get", "dpkg-deb", "tar", "xz", "make", "gcc", "clang-19", "llvm-strip-19")
    with kernels.cache_lock():
        kernels.refresh_lists()
        version = source_version()
    folder = cache_dir("peers") / f"{SOURCE}_{version}"
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache_dir("peers")) as temporary:
        work = Path(temporary)
        ready = work / "ready"
        ready.mkdir()
        log = cache_dir("peers") / "build.log"
        log.unlink(missing_ok=True)
        say(f"fetching {SOURCE} {version} (164 MB)")
        logged(log, ["apt-get", *kernels.apt_options(), "-q", "download", f"{SOURCE}={version}"], cwd=work)
        say("unpacking what is needed of it")
        unpack(next(work.glob("*.deb")), work / "src")
        (work / "vmlinux").write_bytes(kernels_vmlinux())
        for name in FROM_SOURCE:
            say(f"building {name}")
            try:
                logged(log, [*LOW, "make", "-C", str(work / "src/tools/sched_ext"), "CLANG=clang-19", "LLVM_STRIP=llvm-strip-19",
                             f"VMLINUX_BTF={work}/vmlinux", name])
                shutil.copy2(work / "src/tools/sched_ext/build/bin" / name, ready)
            except (Skipped, OSError) as problem:
                say(f"{name}: {problem}")
        log.replace(ready / "build.log")
        ready.chmod(0o755)
        ready.rename(folder)
    return folder


def source_version():
    listed = subprocess.run(["apt-cache", *kernels.apt_options(), "madison", SOURCE], capture_output=True, text=True).stdout
    versions = re.findall(rf"^\s*{SOURCE} \|\s*(\S+) \|", listed, re.M)
    if not versions:
        raise Skipped(f"the Debian mirror has no {SOURCE}")
    return versions[0]  # the newest comes first


def kernels_vmlinux():
    """The kernel whose types the examples are built for: they find their fields at run time on others."""
    import vmlinux
    return vmlinux.unpack(kernels.resolve(SERIES))


def unpack(package, target):
    target.mkdir()
    outer = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    inner = subprocess.Popen(["tar", "xO", "--wildcards", "./usr/src/*.tar.xz"], stdin=outer.stdout, stdout=subprocess.PIPE)
    done = subprocess.run([*LOW, "tar", "xJ", "-C", str(target), "--strip-components=1", *(f"{SOURCE}/{part}" for part in PARTS)],
                          stdin=inner.stdout, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Skipped(f"{package.name} could not be unpacked: {(done.stderr.splitlines() or ['no message'])[-1]}")


# --- from crates, pinned

def from_cargo(name):
    version = FROM_CARGO[name]
    folder = cache_dir("peers") / f"{name}_{version}"
    program = folder / "bin" / name
    if not program.exists():
        need("cargo", "clang-19")
        if not Path("/usr/include/seccomp.h").exists():  # scx_utils links it
            raise Skipped("its build needs libseccomp: install libseccomp-dev")
        log = cache_dir("peers") / f"{name}.log"
        log.unlink(missing_ok=True)
        say(f"cargo install {name} {version}: some minutes")
        logged(log, [*LOW, "cargo", "install", "--locked", "--jobs", "1", "--version", f"={version}", "--root", str(folder), name],
               env={**os.environ, "BPF_CLANG": "clang-19"})
    return program, version
