# SPDX-License-Identifier: GPL-2.0-only
"""The cases of bench/fairness/run: trees of cgroups, what runs in them, and how far off the shares may be."""

import random
from dataclasses import dataclass, field

from oracle import Oracle, nice_weight

CGROUPS = "/sys/fs/cgroup"


@dataclass
class Tasks:
    """One argument of heartbeat: `count` tasks of one kind."""
    group: str
    count: int = 1
    work_ms: float = 0  # 0: never sleeps
    sleep_ms: float = 0
    cpu: int | None = None
    nice: int = 0

    def argument(self):
        text = f"{self.group}:{self.count}"
        if self.work_ms:
            text += f":{self.work_ms:g}/{self.sleep_ms:g}"
        if self.cpu is not None:
            text += f"@{self.cpu}"
        return text + (f"+{self.nice}" if self.nice else "")


@dataclass
class Case:
    name: str
    title: str
    groups: dict            # path -> cpu.weight, parents first
    tasks: list
    limit: float            # what `measure` may reach
    unit: str = "points"
    measure: str = "groups"  # groups: |real - ideal| of a cgroup; lines: of tasks of one kind; asked: what sleepers miss
    seconds: int = 0        # 0: what --seconds says
    options: list = field(default_factory=list)  # more arguments of heartbeat
    change: tuple | None = None  # (group, new weight, command): judged over the second after the command
    wait_limit_s: tuple | None = None  # (group, seconds): its only task has to run that often
    only: tuple = ()        # schedulers; empty: all
    needs: str = ""         # a program that must be in the guest
    informative: bool = False  # measured, not judged

    def oracle(self, changed=False):
        tree = Oracle()
        for path, weight in self.groups.items():
            tree.add_group(path, self.change[1] if changed and path == self.change[0] else weight)
        for line in self.tasks:
            for _ in range(line.count):
                tree.add_task(line.group, nice_weight(line.nice), 1.0, -1 if line.cpu is None else 1 << line.cpu)
        return tree

    def usable_cpus(self, cpus):
        """How many CPUs its tasks may use."""
        if any(line.cpu is None for line in self.tasks):
            return cpus
        return len({line.cpu for line in self.tasks})


def depth_five(seed):
    """A chain of five levels with a sibling at each, weights 1..10000, 40 spinners in the groups at the ends."""
    source = random.Random(seed)
    groups, leaves, parent = {}, [], ""
    for level in range(1, 6):
        for side in "ab":
            groups[f"{parent}{side}{level}"] = source.randint(1, 10000)
        leaves.append(f"{parent}b{level}")
        parent += f"a{level}/"
    leaves.append(parent.rstrip("/"))
    counts = {leaf: 1 for leaf in leaves}
    for _ in range(40 - len(leaves)):
        counts[source.choice(leaves)] += 1
    return Case("depth-5", f"depth 5, random weights, 40 tasks (seed {seed})", groups,
                [Tasks(leaf, count) for leaf, count in counts.items()], 2.0)


def all_cases(seed):
    pair = {"a": 100, "b": 100}
    sleepers = [Tasks("sleepers", 2, 1, 9), Tasks("spinners", 2)]
    return [
        Case("4:1", "400 : 100, two spinners each", {"a": 400, "b": 100}, [Tasks("a", 2), Tasks("b", 2)], 1.0),
        Case("1-vs-16", "100 : 100, 1 task against 16 on one CPU", pair, [Tasks("a", 1, cpu=0), Tasks("b", 16, cpu=0)], 1.0),
        Case("nested", "A 300 {A1 100, A2 200}, B 100", {"a": 300, "a/1": 100, "a/2": 200, "b": 100},
             [Tasks("a/1", 2), Tasks("a/2", 2), Tasks("b", 2)], 1.5),
        depth_five(seed),
        Case("1:10000", "1 : 10000, one spinner against two, 60 s", {"light": 1, "heavy": 10000},
             [Tasks("light", 1), Tasks("heavy", 2)], 0.5, seconds=60, wait_limit_s=("light", 2.0)),
        Case("sleepers", "sleepers (1 ms each 10 ms) at 400, spinners at 100", {"sleepers": 400, "spinners": 100}, sleepers,
             2.0, unit="% missed", measure="asked", options=["--periodic"]),
        Case("sleepers-closed", "the same, sleeping 9 ms after each job: a wait is lost", {"sleepers": 400, "spinners": 100},
             sleepers, 2.0, unit="% missed", measure="asked", informative=True),
        Case("heavy-thread", "one thread at 10000, three at 100", {"heavy": 10000, "x": 100, "y": 100, "z": 100},
             [Tasks("heavy"), Tasks("x"), Tasks("y"), Tasks("z")], 1.0),
        Case("heavy-pinned", "the same, that thread pinned to a CPU; 100, 200, 300", {"heavy": 10000, "x": 100, "y": 200, "z": 300},
             [Tasks("heavy", cpu=1), Tasks("x"), Tasks("y"), Tasks("z")], 1.0),
        Case("pinned-pair", "400 : 100, both pinned to a CPU; two at 100", {"a": 400, "b": 100, "x": 100, "y": 100},
             [Tasks("a", cpu=0), Tasks("b", cpu=0), Tasks("x"), Tasks("y")], 1.0),
        Case("nice", "nice 0 against nice 5, two each in one cgroup", {"a": 100}, [Tasks("a", 2), Tasks("a", 2, nice=5)], 2.0,
             measure="lines"),
        Case("weight-file", "echo 400 > cpu.weight, the second after", pair, [Tasks("a", 2), Tasks("b", 2)], 3.0, seconds=6,
             change=("a", 400, f"echo 400 >{CGROUPS}/a/cpu.weight")),
        Case("weight-musctl", "musctl weight set /a 400, the second after", pair, [Tasks("a", 2), Tasks("b", 2)], 3.0,
             seconds=6, change=("a", 400, "musctl weight set /a 400 >/dev/null"), only=("mus",), needs="musctl"),
    ]
