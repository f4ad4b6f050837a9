# SPDX-License-Identifier: GPL-2.0-only
"""Finds, downloads and keeps Debian kernels.

A kernel is named by its series ("6.18"), its release ("6.18.15") or a vmlinuz file. What the mirror has
is read through apt with private lists, so the machine's own apt set-up is neither used up nor changed.
A kernel that is in the cache is used without any network.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common import VmError, cache_dir, say

DEFAULT_SERIES = "6.18"
SUITES = ("trixie-backports", "sid")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LISTS_MAX_AGE_SEC = 24 * 3600

# Builds in which sched_ext kfuncs have broken BTF prototypes: even the kernel's own example schedulers
# do not load. Taken only by their full release, or when the series has nothing else.
BROKEN_BTF = {"7.1.3", "7.1.7", "7.1.8", "7.1.13", "7.2.6", "7.2.9", "7.2.11", "7.2.12"}

PACKAGE = re.compile(r"linux-(image|binary)-(unsigned-)?((\d+\.\d+)(?:\.\d+)?)(\+deb\d+(?:u\d+)?)-cloud-amd64")
CACHED = re.compile(r"((\d+\.\d+)(?:\.\d+)?)(\+deb\d+(?:u\d+)?)")
VMLINUZ = re.compile(r"(\./)?(boot/vmlinuz-[^/]+|usr/lib/modules/[^/]+/vmlinuz)(\.unsigned)?")


@dataclass
class Kernel:
    series: str  # 6.18
    release: str  # 6.18.15
    build: str  # 6.18.15+deb13: the name of its folder in the cache
    package: str = ""
    version: str = ""
    size_bytes: int = 0
    rank: int = 0  # among packages of one build: linux-binary before linux-image, signed before unsigned

    @property
    def broken_btf(self):
        return self.release in BROKEN_BTF

    @property
    def order(self):
        """Sorts the kernel to choose last: good BTF first of all, then the newer."""
        return (not self.broken_btf, release_key(self.release), self.build, self.rank)

    @property
    def folder(self):
        return cache_dir("kernels") / self.build

    @property
    def cached(self):
        return (self.folder / "vmlinuz.sha256").is_file()


def release_key(text):
    return [int(part) for part in text.split(".")]


def matches(kernel, wanted):
    return wanted in (kernel.series, kernel.release, kernel.build)


@contextmanager
def cache_lock():
    """One downloader at a time: a second run waits, then finds the first one's kernel."""
    with open(cache_dir("kernels") / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is fetching a kernel; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_quietly(argv, failure, **options):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, **options)
    except FileNotFoundError:
        raise VmError(f"{failure}: {argv[0]} is not installed; on a machine without apt give --kernel FILE (a vmlinuz)")
    return done


def mirror():
    """The URI of a Debian archive, from this machine's own sources."""
    if os.environ.get("MUS_DEBIAN_MIRROR"):
        return os.environ["MUS_DEBIAN_MIRROR"]
    done = run_quietly(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)",
         "Created-By: Packages"], "cannot look for a Debian mirror")
    guess = ""
    for line in done.stdout.splitlines():
        uri, release, component, origin = (line.split(" ", 3) + [""] * 3)[:4]
        if component != "main" or "security" in uri + release:
            continue
        if origin == "Debian":
            return uri
        if re.match(r"(bookworm|trixie|forky|sid|unstable|testing|stable)(-|$)", release):
            guess = guess or uri
    if not guess:
        raise VmError("no Debian mirror in this machine's apt sources; set MUS_DEBIAN_MIRROR to the URI of one, "
                      "or give --kernel FILE (a vmlinuz)")
    return guess


def apt_options():
    apt = cache_dir("apt")
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    options = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache": apt / "cache",
        "Dir::State::status": "/dev/null",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
    }
    return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]


def refresh_lists():
    """Reads the mirror's package lists again when they are older than a day."""
    apt = cache_dir("apt")
    stamp = apt / "refreshed"
    if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < LISTS_MAX_AGE_SEC:
        return
    if not Path(KEYRING).exists():
        raise VmError(f"{KEYRING} is missing: install debian-archive-keyring, or give --kernel FILE (a vmlinuz)")
    uri = mirror()
    (apt / "sources.list").write_text(
        "".join(f"deb [arch=amd64 signed-by={KEYRING}] {uri} {suite} main\n" for suite in SUITES))
    say("looking which kernels the Debian mirror has")
    done = run_quietly(["apt-get", *apt_options(), "-q", "update"], "cannot read the mirror's package lists")
    if done.returncode != 0 or "\nErr:" in f"\n{done.stdout}":
        complaints = re.findall(r"^[WE]: (.*)$", done.stderr, re.M) or ["no message"]
        if not available():
            raise VmError(f"no kernel list from {uri}: {complaints[0]}; check the network, or give --kernel FILE "
                          "(a vmlinuz)")
        say(f"warning: the mirror's lists could not all be read: {complaints[0]}")
        return
    stamp.touch()


def available():
    """What the lists on disk offer, one Kernel a build, oldest first."""
    if not (cache_dir("apt") / "sources.list").exists():
        return []
    done = run_quietly(["apt-cache", *apt_options(), "dumpavail"], "cannot read the package lists")
    best = {}
    for stanza in done.stdout.split("\n\n"):
        field = dict(re.findall(r"^(Package|Version|Size): (.*)$", stanza, re.M))
        match = PACKAGE.fullmatch(field.get("Package", ""))
        if not match:
            continue
        kind, unsigned, release, series, suffix = match.groups()
        rank = 2 * (kind == "binary") + (not unsigned)
        kernel = Kernel(series, release, release + suffix, field["Package"], field.get("Version", ""),
                        int(field.get("Size", 0)), rank)
        if kernel.build not in best or best[kernel.build].order < kernel.order:
            best[kernel.build] = kernel
    return sorted(best.values(), key=lambda k: release_key(k.release))


def cached():
    found = []
    for folder in cache_dir("kernels").iterdir():
        match = CACHED.fullmatch(folder.name)
        if match:
            kernel = Kernel(match[2], match[1], folder.name)
            if kernel.cached:
                found.append(kernel)
    return sorted(found, key=lambda k: release_key(k.release))


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") \
            else hashlib.sha256(file.read()).hexdigest()


def verified(kernel):
    """The vmlinuz of a cached kernel, checked; None (and the folder removed) when it was damaged."""
    vmlinuz = kernel.folder / "vmlinuz"
    if vmlinuz.is_file() and sha256(vmlinuz) == (kernel.folder / "vmlinuz.sha256").read_text().strip():
        return vmlinuz
    say(f"the cached kernel {kernel.build} is damaged; fetching it again")
    shutil.rmtree(kernel.folder, ignore_errors=True)
    return None


def download(kernel, folder):
    """apt fetches the package and checks its hash against the signed lists."""
    log = open(folder / "apt.log", "w+")
    process = subprocess.Popen(
        ["apt-get", *apt_options(), "-q", "download", f"{kernel.package}={kernel.version}"],
        cwd=folder, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    started = shown = time.monotonic()
    every = 1 if sys.stderr.isatty() else 5
    while process.poll() is None:
        time.sleep(0.1)
        now = time.monotonic()
        if now - started > 2 and now - shown >= every:
            shown = now
            got = sum(file.stat().st_size for file in folder.rglob("*.deb*")) >> 20
            say(f"downloading Linux {kernel.build}: {got} of {kernel.size_bytes >> 20} MB")
    packages = list(folder.glob("*.deb"))
    if process.returncode != 0 or len(packages) != 1:
        log.seek(0)
        last = (log.read().strip().splitlines() or ["no message"])[-1]
        raise VmError(f"downloading {kernel.package} failed: {last}; try again, or another --kernel "
                      "(tools/vm/run --list-kernels)")
    return packages[0]


def extract_vmlinuz(package, target):
    unpack = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)  # it is cut short below, and says so
    found = False
    with tarfile.open(fileobj=unpack.stdout, mode="r|") as tar:
        for member in tar:
            if member.isfile() and VMLINUZ.fullmatch(member.name):
                with tar.extractfile(member) as source, open(target, "wb") as copy:
                    shutil.copyfileobj(source, copy)
                found = True
                break
    unpack.stdout.close()
    unpack.wait()
    if not found:
        raise VmError(f"{Path(package).name} holds no vmlinuz; choose another with --kernel "
                      "(tools/vm/run --list-kernels)")


def fetch(kernel):
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache_dir("kernels")) as temporary:
        work = Path(temporary)
        ready = work / "ready"
        ready.mkdir()
        say(f"fetching Linux {kernel.build} ({kernel.size_bytes >> 20} MB)")
        extract_vmlinuz(download(kernel, work), ready / "vmlinuz")
        (ready / "vmlinuz.sha256").write_text(sha256(ready / "vmlinuz") + "\n")
        ready.chmod(0o755)
        if kernel.folder.exists():
            shutil.rmtree(kernel.folder)
        ready.rename(kernel.folder)


def find_cached(wanted):
    candidates = [kernel for kernel in cached() if matches(kernel, wanted)]
    return max(candidates, key=lambda k: k.order, default=None)


def resolve(wanted):
    """The path of the vmlinuz that the user asked for; fetches it when it is not there yet."""
    if os.sep in wanted or os.path.isfile(wanted):
        if not os.path.isfile(wanted):
            raise VmError(f"--kernel {wanted}: no such file")
        return Path(wanted).resolve()
    kernel = find_cached(wanted)
    # A cached build with broken BTF does not hide a good one on the mirror, unless it was asked for by release.
    if kernel and not (kernel.broken_btf and wanted == kernel.series):
        path = verified(kernel)
        if path:
            return path
    with cache_lock():
        refresh_lists()
        offered = available()
        candidates = [k for k in offered + cached() if matches(k, wanted)]
        kernel = max(candidates, key=lambda k: k.order, default=None)
        if not kernel:
            series = sorted({k.series for k in offered + cached()}, key=release_key)
            raise VmError(f"no kernel {wanted} on the Debian mirror or in the cache; "
                          f"there is: {', '.join(series) or 'none'} (tools/vm/run --list-kernels)")
        if kernel.broken_btf:
            say(f"warning: Linux {kernel.build} has broken BTF for sched_ext kfuncs: schedulers may not load")
        path = verified(kernel) if kernel.cached else None
        if not path:
            if not kernel.package:  # a damaged cache entry, just removed: see what is left
                return resolve_after_damage(wanted, offered)
            fetch(kernel)
            path = kernel.folder / "vmlinuz"
        return path


def resolve_after_damage(wanted, offered):
    candidates = [k for k in offered if matches(k, wanted)]
    if not candidates:
        raise VmError(f"the cached kernel {wanted} was damaged and the mirror has it no more; choose another series")
    kernel = max(candidates, key=lambda k: k.order)
    fetch(kernel)
    return kernel.folder / "vmlinuz"


def print_list():
    problem = None
    try:
        with cache_lock():
            refresh_lists()
    except VmError as error:
        problem = error
    here = {kernel.build: kernel for kernel in cached()}
    everything = {kernel.build: kernel for kernel in available()}
    for build, kernel in here.items():
        everything.setdefault(build, kernel)
    print(f"{'series':8}{'build':18}{'cached':8}{'mirror':8}note")
    for kernel in sorted(everything.values(), key=lambda k: (release_key(k.release), k.build)):
        chosen = max((k for k in everything.values() if k.series == kernel.series), key=lambda k: k.order)
        notes = ["broken BTF for sched_ext"] if kernel.broken_btf else []
        if chosen.build == kernel.build:
            notes.insert(0, f"--kernel {kernel.series} takes this" + (" (default)" if kernel.series == DEFAULT_SERIES else ""))
        print(f"{kernel.series:8}{kernel.build:18}{'yes' if kernel.build in here else '-':8}"
              f"{'yes' if kernel.package else '-':8}{'; '.join(notes)}".rstrip())
    if problem:
        raise problem
