# SPDX-License-Identifier: GPL-2.0-only
"""The ideal division of CPU time. The same as tests/fakes/fairness_oracle.h, which says what is computed and why;
both are held to the cases in tests/unit/fairness/oracle_cases.json (`python3 bench/fairness/oracle.py` for this one)."""

TINY = 1e-9
MAX_CPUS = 8

# kernel/sched/core.c, sched_prio_to_weight: nice 0 is 1024 there and 100 in sched_ext.
NICE_WEIGHTS = (88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906,
                3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45,
                36, 29, 23, 18, 15)


def nice_weight(nice):
    return max(1, round(NICE_WEIGHTS[nice + 20] * 100 / 1024))


class Oracle:
    """Groups are named by their path, '' is the root. Shares are CPUs' worth of time."""

    def __init__(self):
        self.groups = {}  # path -> (parent, weight); a parent comes before its children
        self.tasks = []   # [group, weight, demand, allowed CPUs as a mask]

    def add_group(self, path, weight, parent=None):
        self.groups[path] = (path.rpartition("/")[0] if parent is None else parent, weight)

    def add_task(self, group, weight=100, demand=1.0, allowed=-1):
        self.tasks.append([group, weight, demand, allowed])

    def _growth(self, grows):
        """How fast each task grows: its fraction of the root, by the weights of what grows at each level."""
        below, active = {path: 0.0 for path in ("", *self.groups)}, set()
        for task in grows:
            group, weight, _, _ = self.tasks[task]
            below[group] += weight
            active.add(group)
        for path, (parent, weight) in reversed(self.groups.items()):
            if path in active:
                below[parent] += weight
                active.add(parent)
        rate = {"": 1.0}
        for path, (parent, weight) in self.groups.items():
            if path in active:
                rate[path] = rate[parent] * weight / below[parent]
        return {task: rate[self.tasks[task][0]] * self.tasks[task][1] / below[self.tasks[task][0]] for task in grows}

    def solve(self, cpus, capacity=1.0):
        """Shares of the groups by path, and of the tasks in the order in which they were added."""
        if not 1 <= cpus <= MAX_CPUS:
            raise ValueError(f"the oracle looks at all sets of CPUs: 1 to {MAX_CPUS}, not {cpus}")
        every = (1 << cpus) - 1
        allowed = [mask & every for _, _, _, mask in self.tasks]
        most = [min(demand, capacity) for _, _, demand, _ in self.tasks]
        shares = [0.0] * len(self.tasks)
        grows = {task for task in range(len(self.tasks)) if most[task] > 0 and allowed[task]}
        within = {cpu_set: [task for task in range(len(self.tasks)) if allowed[task] and not allowed[task] & ~cpu_set]
                  for cpu_set in range(1, every + 1)}
        while grows:
            rate = self._growth(grows)
            step = min((most[task] - shares[task]) / rate[task] for task in grows)
            full = {}
            for cpu_set, tasks in within.items():
                speed = sum(rate.get(task, 0.0) for task in tasks)
                if speed > 0:
                    room = capacity * cpu_set.bit_count() - sum(shares[task] for task in tasks)
                    full[cpu_set] = room, speed
                    step = min(step, max(room, 0.0) / speed)
            for task in grows:
                shares[task] += rate[task] * step
            grows = {task for task in grows if shares[task] < most[task] - TINY}
            for cpu_set, (room, speed) in full.items():
                if room - speed * step <= TINY:
                    grows -= set(within[cpu_set])
        groups = {path: 0.0 for path in ("", *self.groups)}
        for (group, _, _, _), share in zip(self.tasks, shares):
            groups[group] += share
        for path, (parent, _) in reversed(self.groups.items()):
            groups[parent] += groups[path]
        return groups, shares


def check():
    """Holds this file to the cases computed by hand."""
    import json
    from pathlib import Path
    path = Path(__file__).resolve().parents[2] / "tests" / "unit" / "fairness" / "oracle_cases.json"
    for case in json.loads(path.read_text())["cases"]:
        oracle, expected = Oracle(), []
        for name, parent, weight in case["groups"]:
            oracle.add_group(name, weight, parent)
        for (group, weight, demand, mask, count), share in zip(case["tasks"], case["expect_tasks"]):
            for _ in range(count):
                oracle.add_task(group, weight, demand, mask or -1)
                expected.append(share)
        groups, tasks = oracle.solve(case["cpus"], case.get("capacity", 1.0))
        for name, share in case["expect"].items():
            assert abs(groups[name] - share) < 1e-8, (case["name"], name, groups[name], share)
        for got, share in zip(tasks, expected, strict=True):
            assert abs(got - share) < 1e-8, (case["name"], tasks, expected)
        print(f"ok {case['name']}")


if __name__ == "__main__":
    check()
