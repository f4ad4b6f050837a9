#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Holds bench/fairness/report.py to measurements made up here, and oracle.py to the cases computed by hand."""

import json
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import cases  # noqa: E402
import oracle  # noqa: E402
from report import SLICE_S, Report, table  # noqa: E402

SAMPLES_PER_S = 10


def measured(case, favour=1.0, capacity=0.97, change_at=3):
    """What heartbeat would say if each task had its ideal, and the first task `favour` times its ideal."""
    seconds = case.seconds or 20
    rows, now = [], [0.0] * sum(line.count for line in case.tasks)
    for sample in range(seconds * SAMPLES_PER_S + 1):
        rows.append([round(used * 1e6) for used in now])
        tree = case.oracle(changed=bool(case.change) and sample >= change_at * SAMPLES_PER_S)
        lines = [line for line in case.tasks for _ in range(line.count)]
        for task, line in zip(tree.tasks, lines, strict=True):
            task[2] = line.work_ms / (line.work_ms + line.sleep_ms) if line.work_ms else 1.0
        rates = tree.solve(2, capacity)[1]
        now = [used + rate / SAMPLES_PER_S * (favour if index == 0 else 1) for index, (used, rate) in enumerate(zip(now, rates))]
    usage, groups, index = dict.fromkeys(case.groups, 0.0), [], 0
    for line in case.tasks:
        used = sum(rows[-1][index:index + line.count]) * 1e-6
        index += line.count
        path = line.group
        while path:
            usage[path] += used
            path = path.rpartition("/")[0]
        groups.append({"group": line.group, "longest_wait_ms": 1500})
        if line.work_ms:
            groups[-1].update(asked_s=used, done_s=used * 0.99)
    return {"window_s": seconds, "usage_s": usage, "groups": groups, "cpu_us": rows,
            "at_us": [sample * 1_000_000 // SAMPLES_PER_S for sample in range(len(rows))],
            "commands": [{"done_us": change_at * 1_000_000, "status": 0}] if case.change else []}


def run(name, **kwargs):
    case = next(case for case in cases.all_cases(1) if case.name == name)
    report = Report([case])
    for line in ("@@ guest 6.18 2", f"@@ run mus {name}", "@@ result " + json.dumps(measured(case, **kwargs)), "@@ end 0"):
        result = report.feed(line)
    return result, report


class ReportTest(unittest.TestCase):
    def test_ideal_shares_have_no_error(self):
        for case in cases.all_cases(1):
            with self.subTest(case=case.name):
                result, _ = run(case.name)
                self.assertEqual(result.status, 0, result.log)
                self.assertAlmostEqual(result.error, 1.0 if case.measure == "asked" else 0.0, places=2)
                self.assertLess(result.lag, 0.01)
                self.assertIsNot(result.verdict(), False)

    def test_the_error_is_in_points_of_what_was_used(self):
        # Of 1.94 CPUs, a's two tasks have 0.776 each; one gets 10 % more: a 1.6296 of 2.0176 CPUs, ideal 0.8 of that.
        result, _ = run("4:1", favour=1.1)
        self.assertAlmostEqual(result.error, 100 * (1.6296 / 2.0176 - 0.8), places=1)
        self.assertAlmostEqual(result.lag, (1.6296 - 0.8 * 2.0176) * 20 / SLICE_S, delta=0.5)

    def test_mus_fails_beyond_the_limit(self):
        result, report = run("4:1", favour=1.5)
        self.assertIs(result.verdict(), False)
        self.assertEqual(table(report, ["mus"])[1][-1], "FAIL")

    def test_a_change_is_judged_over_the_second_after_it(self):
        result, _ = run("weight-file", favour=1.0)
        self.assertLess(result.error, 0.01)
        self.assertAlmostEqual(dict((who, real) for who, _, real in result.details)["a"], 1.94 * 0.8, places=3)

    def test_samples_taken_while_a_virtual_cpu_stood_still_are_left_out(self):
        case = next(case for case in cases.all_cases(1) if case.name == "4:1")
        data = measured(case)
        for row in data["cpu_us"][50:55]:
            row[0] -= 500_000
        report = Report([case])
        for line in ("@@ guest 6.18 2", "@@ run mus 4:1", "@@ result " + json.dumps(data), "@@ end 0"):
            result = report.feed(line)
        self.assertEqual(result.stale, 5)
        self.assertLess(result.lag, 0.01)

    def test_the_lightest_must_not_wait_too_long(self):
        result, _ = run("1:10000")
        self.assertIs(result.verdict(), True)
        result.wait = 2.5
        self.assertIs(result.verdict(), False)


class OracleTest(unittest.TestCase):
    def test_cases_computed_by_hand(self):
        oracle.check()

    def test_nice_is_scaled_as_sched_ext_does(self):
        self.assertEqual([oracle.nice_weight(nice) for nice in (-20, 0, 5, 19)], [8668, 100, 33, 1])


if __name__ == "__main__":
    unittest.main()
