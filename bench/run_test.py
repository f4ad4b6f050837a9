#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Holds bench/run's parsing, medians, ratios, JSON and page to what the programs once said. No VM."""

import json
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "e2e")]

import document  # noqa: E402
import figures  # noqa: E402
import page  # noqa: E402

PIPE = """# Running 'sched/pipe' benchmark:
# Executed 10000 pipe operations between two processes

     Total time: 1.868 [sec]

     {us} usecs/op
           5352 ops/sec
"""
HACKBENCH = """Running in process mode with 2 groups using 40 file descriptors each (== 80 tasks)
Each sender will pass 100 messages of 100 bytes
Time: 0.752
"""
MESSAGING = """# Running 'sched/messaging' benchmark:
# 20 sender and receiver processes per group
# 2 groups == 80 processes run

     Total time: 0.130 [sec]
"""
SYSBENCH = """CPU speed:
    events per second:  1565.22

General statistics:
    total time:                          1.0076s
"""
SWITCH = """stress-ng: info:  [15440] setting to a 1 second run per stressor
stress-ng: info:  [15440] dispatching hogs: 2 switch
stress-ng: metrc: [15440] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s
stress-ng: metrc: [15440]                           (secs)    (secs)    (secs)   (real time) (usr+sys time)
stress-ng: metrc: [15440] switch           719630      1.00      0.18      1.68    719356.36      386668.14
stress-ng: metrc: [15440] miscellaneous metrics:
stress-ng: metrc: [15440] switch              2777.24 nanosecs per context switch (pipe method) (geometic mean of 2 instances)
"""
CYCLICTEST = json.dumps({"thread": {"0": {"cycles": 101, "avg": 50.5, "max": 900, "histogram": {"10": 90, "500": 10}}}})
WAKEUP = ('{"wakeups": 100, "wakeups_per_s": 3594.1, "avg_us": 26.3, "p50_us": 1.568, "p99_us": 532.48, "p99.9_us": 1015.808, '
          '"max_us": 1599.17, "histogram": {"1.568": 60, "532.480": 39, "1015.808": 1}}')
COMPILE = "compiled in 12.5 s\n"
HACKBENCH_8 = """Running in process mode with 8 groups using 40 file descriptors each (== 320 tasks)
Each sender will pass 25 messages of 100 bytes
Time: 0.136
"""
HACKBENCH_THREADS_8 = HACKBENCH_8.replace("process mode", "threaded mode")
REDIS = """Latency by percentile distribution:
0.000% <= 0.023 milliseconds (cumulative count 5)
50.000% <= 0.095 milliseconds (cumulative count 11659)
75.000% <= 0.111 milliseconds (cumulative count 15106)
87.500% <= 0.127 milliseconds (cumulative count 17632)
93.750% <= 0.151 milliseconds (cumulative count 18794)
96.875% <= 0.631 milliseconds (cumulative count 19376)
98.438% <= 2.823 milliseconds (cumulative count 19692)
99.219% <= 3.687 milliseconds (cumulative count 19844)
99.609% <= 4.735 milliseconds (cumulative count 19923)
99.805% <= 5.471 milliseconds (cumulative count 19962)
99.902% <= 5.551 milliseconds (cumulative count 19982)
99.951% <= 5.575 milliseconds (cumulative count 19991)
100.000% <= 5.607 milliseconds (cumulative count 20000)

Cumulative distribution of latencies:
67.010% <= 0.103 milliseconds (cumulative count 13402)
96.435% <= 0.207 milliseconds (cumulative count 19287)
99.655% <= 5.103 milliseconds (cumulative count 19931)
100.000% <= 6.103 milliseconds (cumulative count 20000)

Summary:
  throughput summary: 66006.60 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        0.184     0.016     0.095     0.167     3.559     5.607
"""
REDIS_OPEN = ('{"requests": 100, "requests_per_s": 799.8, "avg_us": 96.783, "p50_us": 78.848, "p99_us": 225.280, "p99.9_us": 614.400, '
              '"max_us": 615.054, "histogram": {"78.848": 60, "225.280": 39, "614.400": 1}}')
PERIODIC = """# Policy : SCHED_OTHER priority : 0
#idx     perf      run   period           start             end          rel_st      slack c_duration   c_period     wu_lat
   0     2000     4583    13079         6695063         6708142           46367      -4651       1000      10000          0
   0     2000     7162    10435         6713434         6723869           64738       2822       1000      10000        443
   0     2000     8184    13111         6723904         6737015           75208       1331       1000      10000       3590
   0     2000     3493     7284         6737036         6744320           88340       2891       1000      10000        895
"""
STATS = {"runs": {"decided": 10, "standing": 50, "resumed": 20, "held": 20, "fallback": 0, "idle": 100}, "wakes": 30}


def frames(scheduler, benchmark, said, number=1, status=0):
    lines = [f"@@ run {number} {scheduler} {benchmark}"]
    if scheduler != "eevdf":
        lines += ["@@ before 7 1000000000 5 9 100 3 40 1", "@@ after 7 1500000000 5 9 400 3 48 3", "@@ after 8 500000000 5 9 20 3 2 0"]
    lines += [*said.splitlines(), "@@ time 10.0 12.0"]
    if scheduler == "mus":
        lines.append("@@ stats " + json.dumps(STATS))
    return [*lines, f"@@ end {status}"]


def report(*runs):
    fed = figures.Report()
    for line in ["@@ guest 6.18.15 2", "@@ version mus mus-userland 0.1.0", *(line for run in runs for line in run), "@@ done"]:
        fed.feed(line)
    return fed


def measured(*runs, skipped=None):
    options = SimpleNamespace(cpus=2, rounds=1, virtual_time=True, topology="sockets=2", command_line="bench/run --rounds 1",
                              versions={"scx_simple": "Linux 7.2"})
    return document.document(report(*runs), options, skipped or {})


def everything():
    """Each benchmark under three schedulers, twice."""
    said = {"pipe": PIPE.format(us=100), "hackbench": HACKBENCH, "hackbench-threads": HACKBENCH, "messaging": MESSAGING,
            "hackbench-8": HACKBENCH_8, "hackbench-threads-8": HACKBENCH_THREADS_8, "cyclictest": CYCLICTEST, "wakeup": WAKEUP,
            "wakeup-busy": WAKEUP, "switch": SWITCH, "sysbench": SYSBENCH, "compile": COMPILE, "redis": REDIS, "redis-open": REDIS_OPEN,
            "periodic": PERIODIC}
    return measured(*(frames(scheduler, name, text, number) for number in (1, 2) for name, text in said.items()
                      for scheduler in ("eevdf", "mus", "scx_simple")), skipped={"scx_flatcg": "make failed <see log>"})


def entry(found, scheduler, benchmark, metric):
    return next(e for e in found["results"] if (e["scheduler"], e["benchmark"], e["metric"]) == (scheduler, benchmark, metric))


class FiguresTest(unittest.TestCase):
    def test_each_program_is_understood(self):
        for name, text, expected in (
                ("pipe", PIPE.format(us=186.804), {"time": [186.804]}), ("hackbench", HACKBENCH * 2, {"time": [0.752, 0.752]}),
                ("messaging", MESSAGING, {"time": [0.13]}), ("sysbench", SYSBENCH, {"rate": [1565.22]}),
                ("switch", SWITCH, {"rate": [719356.36]}), ("compile", COMPILE, {"time": [12.5]}),
                ("hackbench-8", HACKBENCH_8, {"time": [0.136]}), ("hackbench-threads-8", HACKBENCH_THREADS_8, {"time": [0.136]}),
                ("redis", REDIS, {"rate": [66006.6], "p50": [0.095], "p99": [3.559], "p99.9": [5.551], "max": [5.607]}),
                ("redis-open", "a warning\n" + REDIS_OPEN + "\nanother\n",
                 {"rate": [799.8], "p50": [0.078848], "p99": [0.22528], "p99.9": [0.6144], "max": [0.615054]}),
                ("periodic", PERIODIC, {"missed": [25.0], "latency": [1232.0]}),
                ("cyclictest", "a warning\n" + CYCLICTEST, {"avg": [50.5], "p50": [10], "p99": [500], "max": [900]}),
                *((name, WAKEUP, {"avg": [26.3], "p50": [1.568], "p99": [532.48],
                                  "p99.9": [1015.808], "max": [1599.17], "rate": [3594.1]}) for name in ("wakeup", "wakeup-busy"))):
            with self.subTest(benchmark=name):
                self.assertEqual(figures.PARSERS[name](text), expected)
                self.assertEqual(set(expected), {metric.name for metric in figures.METRICS[name]})

    def test_redis_p999_goes_by_the_counts(self):
        for taken_out, said, expected in (("99.902%", "19962", 5.575), ("99.902%", "19981", 5.471), ("99.9", "19962", 5.607)):
            text = "\n".join(line for line in REDIS.replace("19962", said).splitlines() if not line.startswith(taken_out))
            self.assertEqual(figures.parse_redis(text)["p99.9"], [expected])

    def test_samples_beyond_the_histogram_count(self):
        self.assertEqual(figures.cyclictest_histogram(CYCLICTEST), {10: 90, 500: 10, 900: 1})

    def test_every_benchmark_has_a_parser_and_a_program(self):
        self.assertEqual(set(figures.METRICS), set(figures.PARSERS))
        self.assertEqual(set(figures.METRICS), set(figures.TOOLS))

    def test_output_without_figures_is_a_failure(self):
        fed = report(frames("eevdf", "pipe", "perf: not found"))
        self.assertEqual((fed.runs[0].status, fed.runs[0].values), (1, {}))


class DocumentTest(unittest.TestCase):
    def test_medians_and_ratios(self):
        found = measured(*(frames("eevdf", "pipe", PIPE.format(us=us), n) for n, us in enumerate((100, 130, 90))),
                         *(frames("mus", "pipe", PIPE.format(us=us), n) for n, us in enumerate((80, 75, 300))))
        self.assertEqual(entry(found, "eevdf", "pipe", "time")["median"], 100)
        self.assertEqual(entry(found, "mus", "pipe", "time")["values"], [80, 75, 300])
        self.assertEqual(entry(found, "mus", "pipe", "time")["ratio_to_eevdf"], 0.8)
        self.assertEqual([row[-1] for row in document.lines(found)[1:]], ["", "overlap"])

    def test_where_higher_is_better_a_low_ratio_is_worse(self):
        slow = SYSBENCH.replace("1565.22", "1252.176")
        found = measured(*(frames(scheduler, "sysbench", said, number) for number in range(3)
                           for scheduler, said in (("eevdf", SYSBENCH), ("mus", slow))))
        slower = entry(found, "mus", "sysbench", "rate")
        self.assertEqual((slower["ratio_to_eevdf"], slower["higher_is_better"], document.lines(found)[2][-1]), (0.8, True, "worse"))

    def test_two_values_are_too_few_for_a_verdict(self):
        found = measured(frames("eevdf", "pipe", PIPE.format(us=100)), frames("mus", "pipe", PIPE.format(us=50)))
        self.assertEqual(document.lines(found)[2][-2:], ["0.50", ""])

    def test_the_json_has_what_was_promised(self):
        found = json.loads(json.dumps(everything()))
        self.assertEqual((found["kernel"], found["cpus"], found["rounds"]), ("6.18.15", 2, 1))
        for result in found["results"]:
            self.assertLessEqual({"scheduler", "version", "benchmark", "metric", "unit", "values", "median", "ratio_to_eevdf"}, set(result))
        self.assertEqual(entry(found, "mus", "pipe", "time")["version"], "mus-userland 0.1.0")
        self.assertEqual(entry(found, "scx_simple", "pipe", "time")["version"], "Linux 7.2")
        self.assertIn("2 CPUs (sockets=2), 1 round", document.title(found))

    def test_a_failed_run_gives_no_figure(self):
        found = measured(frames("eevdf", "pipe", PIPE.format(us=100)), frames("mus", "pipe", PIPE.format(us=1), status=1))
        self.assertEqual([e["scheduler"] for e in found["results"]], ["eevdf"])
        self.assertIn("1 of 2 runs failed", document.text(found))

    def test_who_decided_and_what_it_cost(self):
        row = document.userland_lines(measured(frames("mus", "pipe", PIPE.format(us=1))))[1]
        # 10 of 100 asked were fresh, 70 stood, 20 were held; 100 of 200 runs direct; 1 s of CPU in 2 s, 30 wakes, 12 faults.
        self.assertEqual(row, ["pipe", "10.0%", "70.0%", "20.0%", "50.0%", "50.0%", "15", "12"])

    def test_a_cdf_ends_at_all_samples(self):
        curve = document.cdf({value: 1 for value in range(1, 10001)})
        self.assertLess(len(curve), 500)
        self.assertEqual(curve[-1], [10000, 1.0])
        self.assertGreater(sum(share > 0.999 for _, share in curve), 5)
        self.assertTrue(all(after[0] > before[0] and after[1] > before[1] for before, after in zip(curve, curve[1:])))

    def test_what_was_skipped_is_said(self):
        self.assertIn("scx_flatcg was skipped: make failed", document.text(everything()))


class PageTest(unittest.TestCase):
    def test_it_is_whole_and_needs_nothing_else(self):
        found = everything()
        text = page.page(found)
        for missing in ("<script", "http:", "https:", "src=", "@import", "url("):
            self.assertNotIn(missing, text)
        root = ElementTree.fromstring(text.replace("<!doctype html>", "").replace('<meta charset="utf-8">', "").replace(
            '<meta name="viewport" content="width=device-width, initial-scale=1">', ""))
        self.assertEqual(len(root.findall(".//svg")), len({(e["benchmark"], e["metric"]) for e in found["results"]}) + len(found["cdfs"]))
        self.assertEqual(set(found["cdfs"]), {"cyclictest", "wakeup", "wakeup-busy", "redis-open"})
        self.assertIn("make failed &lt;see log&gt;", text)
        for word in ("6.18.15", "mus-userland 0.1.0", "Linux 7.2", found["machine"]["kernel"], "bench/run --rounds 1", "higher is better"):
            self.assertIn(word, text)

    def test_drawings_stay_within_their_frame(self):
        for line in page.page(everything()).split("<polyline points=\"")[1:]:
            for point in line.split('"')[0].split():
                x, y = map(float, point.split(","))
                self.assertTrue(page.LEFT - 1 <= x <= page.WIDTH - page.RIGHT + 1 and 0 <= y <= 261, point)

    def test_ticks_enclose_what_they_are_for(self):
        for least, most in ((0, 1), (0, 719356), (3.2, 3.3), (5, 5), (0, 0.004)):
            marks = page.ticks(least, most)
            self.assertTrue(marks[0] <= least and marks[-1] >= most and 2 <= len(marks) <= 8, (least, most, marks))


class ArgumentsTest(unittest.TestCase):
    def run_it(self, *argv):
        return subprocess.run([sys.executable, str(HERE / "run"), *argv], capture_output=True, text=True)

    def test_unknown_names_are_refused_with_those_that_are_known(self):
        for argv, known in ((("--peers", "scx_simpel"), "scx_simple"), (("--only", "pipes"), "hackbench-threads")):
            done = self.run_it(*argv)
            self.assertEqual(done.returncode, 2)
            self.assertIn(known, done.stderr)

    def test_a_page_is_made_again_from_json(self):
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "all.json"), Path(folder, "all.html")
            source.write_text(json.dumps(everything()), encoding="utf-8")
            done = self.run_it("--from", str(source), "--html", str(target))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("hackbench-threads", done.stdout)
            self.assertTrue(target.read_text(encoding="utf-8").endswith("</html>\n"))


if __name__ == "__main__":
    unittest.main()
