# SPDX-License-Identifier: GPL-2.0-only
"""Builds the guest's root file system: busybox, the mus programs, the command and what they need.

It is an uncompressed cpio archive: under emulation the guest would unpack slower than QEMU loads it.
"""

import os
import re
import shlex
import shutil
import stat
import subprocess
from pathlib import Path

from common import PROJECT, VmError

FOLDERS = ("bin", "sbin", "lib", "lib64")  # in the guest these are links into /usr
MOUNT_POINTS = ("proc", "sys", "dev", "tmp", "run", "root", "mnt", "etc", "var/lib", "var/log", "var/tmp",
                "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "usr/lib", "usr/lib64", ".mus")
ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost mus\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "hostname": "mus\n",
    "shells": "/bin/sh\n",
}
# busybox has these too, but weaker: the host's program is taken.
HOST_WINS = {"taskset", "chrt"}
# Programs that a script file may name and that come along when it does.
LOADS = {"bash", "chrt", "cyclictest", "hackbench", "perf", "redis-benchmark", "redis-cli", "redis-server",
         "rt-app", "schbench", "setpriv", "stress-ng", "sysbench", "taskset", "unshare", "prlimit"}
NO_INTERPRETER = re.compile(r"(python|perl|ruby|node)")
WORD = re.compile(r"[A-Za-z0-9_./+-]+")


class Archive:
    """A cpio archive ("newc") in the making. Paths are the guest's, without a leading slash."""

    def __init__(self):
        self.entries = {}  # path -> (mode, device, data)

    @staticmethod
    def normal(path):
        parts = [part for part in str(path).split("/") if part not in ("", ".")]
        if ".." in parts:
            raise VmError(f"'{path}' is no path for the guest: give one without '..'")
        if parts and parts[0] in FOLDERS and len(parts) > 1:
            parts.insert(0, "usr")
        return "/".join(parts)

    def _put(self, path, mode, data=b"", device=(0, 0)):
        path = self.normal(path)
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.folder(parent)
        self.entries[path] = (mode, device, data)

    def has(self, path):
        return self.normal(path) in self.entries

    def folder(self, path):
        if self.normal(path) not in self.entries:
            self._put(path, stat.S_IFDIR | 0o755)

    def file(self, path, data, mode=0o644):
        self._put(path, stat.S_IFREG | mode, data.encode() if isinstance(data, str) else data)

    def link(self, path, target):
        self._put(path, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path, major, minor):
        self._put(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def write(self, out):
        for inode, (path, (mode, device, data)) in enumerate(self.entries.items(), start=1):
            self._record(out, inode, path, mode, device, data)
        self._record(out, 0, "TRAILER!!!", 0, (0, 0), b"")

    @staticmethod
    def _record(out, inode, path, mode, device, data):
        name = path.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0" * (-(110 + len(name)) % 4))
        out.write(data)
        out.write(b"\0" * (-len(data) % 4))


class Image:
    """What is in the guest, and how it got there."""

    def __init__(self, build_dir=None):
        self.archive = Archive()
        self.libraries = set()
        self.applets = set()
        self.mus_programs = {}
        for folder in MOUNT_POINTS:
            self.archive.folder(folder)
        for name in FOLDERS:
            self.archive.entries[name] = (stat.S_IFLNK | 0o777, (0, 0), f"usr/{name}".encode())
        self.archive.link("var/run", "/run")
        self.archive.character_device("dev/console", 5, 1)
        for name, text in ETC.items():
            self.archive.file(f"etc/{name}", text)
        self._busybox()
        self._shell()
        self._mus(build_dir)

    def _busybox(self):
        busybox = shutil.which("busybox", path="/bin:/usr/bin")
        if not busybox:
            raise VmError("busybox is not installed: run tools/setup")
        data = Path(busybox).read_bytes()
        if b"/ld-linux" in data[:4096]:
            raise VmError("busybox is not the static one: run tools/setup (package busybox-static)")
        self.archive.file("usr/bin/busybox", data, 0o755)
        listed = subprocess.run([busybox, "--list-full"], capture_output=True, text=True).stdout
        for path in listed.split():
            name = os.path.basename(path)
            self.applets.add(name)
            if name != "busybox":
                self.archive.link(path, "/usr/bin/busybox")
        self.archive.file("init", (Path(__file__).parent / "init.sh").read_bytes(), 0o755)

    def _shell(self):
        """busybox's own shell runs its applets without looking at PATH, so /bin/sh is another where there is one."""
        for name in ("dash", "bash"):
            path = shutil.which(name, path="/bin:/usr/bin")
            if path:
                self.put(path, f"/usr/bin/{name}")
                self.archive.link("/usr/bin/sh", name)
                return

    def terminal(self, name):
        """What programs must know to draw on the user's terminal."""
        for folder in ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"):
            if name and os.path.isfile(f"{folder}/{name[0]}/{name}"):
                self.put(f"{folder}/{name[0]}/{name}", f"/usr/share/terminfo/{name[0]}/{name}")
                return

    def _mus(self, build_dir):
        folder = Path(build_dir or PROJECT / "build" / "release") / "bin"
        if not folder.is_dir():
            if build_dir:
                raise VmError(f"--build-dir {build_dir}: there is no {folder}; build first")
            return
        for path in sorted(folder.iterdir()):
            if path.is_file():
                self.mus_programs[path.name] = path
                self.put(path, f"/usr/local/bin/{path.name}")

    def put(self, source, destination):
        """Puts a host file or folder in the guest, an ELF program with its libraries."""
        source = Path(source)
        if source.is_dir():
            self.archive.folder(destination)
            for child in sorted(source.iterdir()):
                self.put(child, f"{destination}/{child.name}")
            return
        if not source.is_file():
            raise VmError(f"{source}: no such file or folder to put in the guest")
        data = source.read_bytes()
        executable = os.access(source, os.X_OK)
        self.archive.file(destination, data, 0o755 if executable else 0o644)
        if data[:4] == b"\x7fELF" and (executable or ".so" in source.name):
            self._libraries(source, data)
        elif data[:2] == b"#!" and executable:
            self._interpreter(source, data)

    def _libraries(self, source, data):
        if b".so" not in data:
            return  # static: ldd would only complain
        done = subprocess.run(["ldd", str(source)], capture_output=True, text=True)
        for line in done.stdout.splitlines():
            if "=> not found" in line:
                raise VmError(f"{source} needs {line.split()[0]}, which is not installed: install the package that "
                              "has it (tools/setup installs what mus needs)")
            match = re.match(r"\s*(?:\S+ => )?(/\S+) \(0x", line)
            if match:
                self._library(match[1])
        if done.stdout and "statically linked" not in done.stdout:
            # glibc opens it by itself when a thread is cancelled or exits early.
            for folder in ("/lib/x86_64-linux-gnu", "/usr/lib64", "/lib64"):
                if os.path.exists(f"{folder}/libgcc_s.so.1"):
                    self._library(f"{folder}/libgcc_s.so.1")
                    break

    def _library(self, path):
        if path not in self.libraries:
            self.libraries.add(path)
            self.archive.file(path, Path(path).read_bytes(), 0o755)

    def _interpreter(self, source, data):
        words = data[2:].split(b"\n", 1)[0].decode(errors="replace").split()
        if words and os.path.basename(words[0]) == "env":
            words = words[1:]
        name = os.path.basename(words[0]) if words else "sh"
        if NO_INTERPRETER.match(name):
            raise VmError(f"{source} needs {name}, which does not run in the guest: use sh, bash or a compiled program")
        if name not in self.applets:
            self.program(name)
            if words[0].startswith("/") and not self.archive.has(words[0]):
                self.archive.link(words[0], f"/usr/bin/{name}")
        text = data.decode(errors="replace")
        for word in set(WORD.findall(text)) & LOADS:
            self.program(word, required=False)

    def program(self, name, required=True):
        """Puts a program, found by its name, in the guest. True when the guest has it now."""
        if name in self.mus_programs or self.archive.has(f"/usr/local/bin/{name}"):
            return True
        if name in self.applets and name not in HOST_WINS:
            return True
        path = real_perf() if name == "perf" else shutil.which(name)
        if not path:
            if name in self.applets:
                return True
            if required:
                hint = "run tools/setup" if name in LOADS else "install it, build it, or use --add FILE"
                raise VmError(f"{name} is not installed on this machine: {hint}")
            return False
        self.put(path, f"/usr/bin/{name}")
        return True

    def add(self, argument):
        """--add FILE[:DEST]"""
        source, _, destination = argument.partition(":")
        if not os.path.exists(source):
            raise VmError(f"--add {source}: no such file or folder")
        if not destination:
            name = os.path.basename(os.path.abspath(source))
            program = os.path.isfile(source) and os.access(source, os.X_OK)
            destination = f"/usr/local/bin/{name}" if program else f"/root/{name}"
        elif not destination.startswith("/"):
            destination = f"/root/{destination}"
        if destination.endswith("/"):
            destination += os.path.basename(os.path.abspath(source))
        self.put(source, destination)

    def command(self, argv):
        """Puts what the command names in the guest; returns the command as the guest must run it."""
        argv = list(argv)
        first = argv[0]
        if "/" in first and os.path.isfile(first) and not self.archive.has(first):
            destination = first if first.startswith("/usr/") else f"/usr/local/bin/{os.path.basename(first)}"
            self.put(first, destination)
            self._make_executable(destination)
            argv[0] = destination
        elif "/" not in first:
            self.program(first)
        elif not self.archive.has(first):
            raise VmError(f"{first}: no such program here, and the guest has none")
        shell = os.path.basename(first) in ("sh", "bash", "ash", "dash")
        for index, word in enumerate(argv[1:], start=1):
            if shell and argv[index - 1] == "-c":
                for name in dict.fromkeys(WORD.findall(word)):
                    if not name.startswith("/tmp/"):  # rather a file that the command makes
                        self._mentioned(name)
            else:
                self._mentioned(word)
        return argv

    def _mentioned(self, word):
        """A word of the command: if it is a program of the host, the guest gets it as well."""
        if not word or word.startswith("-") or not WORD.fullmatch(word):
            return
        if "/" not in word:
            if word not in self.applets or word in HOST_WINS:
                self.program(word, required=False)
            return
        if word.startswith(("/sys/", "/proc/", "/dev/", "/run/")) or ".." in word.split("/"):
            return
        if os.path.isfile(word):
            destination = word if word.startswith("/") else f"/root/{word}"
            if not self.archive.has(destination):
                self.put(word, destination)

    def _make_executable(self, path):
        mode, device, data = self.archive.entries[self.archive.normal(path)]
        self.archive.entries[self.archive.normal(path)] = (mode | 0o111, device, data)
        if data[:2] == b"#!":
            self._interpreter(Path(path), data)

    def settings(self, argv, **variables):
        """What init.sh reads: variables for itself, and the command."""
        self.archive.file(".mus/settings", "".join(f"{k}={shlex.quote(str(v))}\n" for k, v in variables.items()))
        self.archive.file(".mus/command", f"exec {shlex.join(argv)}\n")


def real_perf():
    """perf itself: on some distributions /usr/bin/perf is a script that looks for the one of the running kernel."""
    path = shutil.which("perf")
    if path:
        with open(path, "rb") as file:
            if file.read(4) == b"\x7fELF":
                return path
    candidates = [*Path("/usr/bin").glob("perf_[0-9]*"), *Path("/usr/lib").glob("linux-tools*/*/perf")]
    candidates = [c for c in candidates if c.is_file() and c.open("rb").read(4) == b"\x7fELF"]
    return str(sorted(candidates)[-1]) if candidates else None
