"""bench/native counts from the driver's log what a process computed, and tells figures that agree with the model
from figures that do not."""

import json
import pathlib
import sys
import tempfile
import types
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "bench/native"))
import driver_log  # noqa: E402
import rows  # noqa: E402
import run  # noqa: E402


def run_line(pid, begun, ended, computed):
    return {"event": "run", "pid": pid, "begun_ns": begun, "ended_ns": ended, "computed_ns": computed}


def read_log(*lines, older=()):
    with tempfile.TemporaryDirectory() as root:
        folder = pathlib.Path(root) / driver_log.FOLDER
        folder.mkdir(parents=True)
        (folder / "driver.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        if older:
            (folder / "driver.jsonl.1").write_text("".join(json.dumps(line) + "\n" for line in older))
        return driver_log.DriverLog(root)


class Log(unittest.TestCase):
    def test_lines_that_are_in_part_inside_count_in_part(self):
        log = read_log(run_line(7, 100, 200, 80), run_line(7, 300, 400, 100))
        self.assertEqual(log.computed(7, 0, 1000), 180)
        self.assertEqual(log.computed(7, 150, 1000), 140)
        self.assertEqual(log.computed(7, 0, 350), 130)
        self.assertEqual(log.computed(7, 200, 300), 0)
        self.assertEqual(log.computed(8, 0, 1000), 0)
        self.assertEqual(log.when_computed(7, 40), 150)
        self.assertEqual(log.when_computed(7, 130), 350)
        self.assertIsNone(log.when_computed(7, 181))
        self.assertIsNone(log.when_computed(8, 1))

    def test_the_older_half_of_the_log_counts_too(self):
        log = read_log(run_line(7, 300, 400, 100), older=[run_line(7, 100, 200, 100)])
        self.assertEqual(log.computed(7, 0, 1000), 200)

    def test_late_submits_are_added_up(self):
        lateness = {"submits": 10, "late": 3, "late_idle": 2, "late_idle_ns": 5}
        end = {"event": "process_end", "totals": {"lateness": lateness}}
        log = read_log(end, end)
        self.assertEqual((log.submits, log.late, log.late_idle_ns), (20, 6, 10))


class Model(unittest.TestCase):
    def compare(self, measured):
        return rows.Comparison("busy %", measured, 95.0, 94.0, 96.0)

    def test_within_five_percent_agrees(self):
        self.assertTrue(self.compare(95).agrees())
        self.assertTrue(self.compare(90).agrees())
        self.assertFalse(self.compare(85).agrees())
        self.assertFalse(self.compare(101.5).agrees())

    def test_every_row_has_the_models_figures(self):
        for row in rows.ROWS:
            reports = [{"processes": [{"pid": pid}], "total": {"latency_ms": {"p50": 1, "p99": 2}}}
                       for pid in range(len(row.pods))]
            log = read_log(*(run_line(pid, 0, 2_000_000_000, 1_000_000_000) for pid in range(len(row.pods))))
            figures = rows.take_figures(row, log, reports, 0, 2e9)
            for cost in rows.COSTS:
                self.assertEqual(set(figures), set(rows.MODEL[row.letter][str(cost)]), row.letter)

    def test_a_row_that_was_late_agrees_with_nothing(self):
        result = run.Result(row=rows.ROWS[0], cost=50, scale=4, seconds=1, late=0.01, submits=1, late_submits=0,
                            figures=[self.compare(95)])
        self.assertTrue(result.agrees())
        result.late = 0.03
        self.assertFalse(result.agrees())

    def test_a_void_row_is_run_again_more_slowly_and_its_figures_are_dropped(self):
        scales = []

        def run_once(_build, _row, _cost, scale, _span):
            scales.append(scale)
            log = types.SimpleNamespace(submits=1, late=1)
            return (0.5 if scale < 16 or rows_cost == 10 else 0.0), log, {"busy %": 95.0}

        real = run.run_once
        run.run_once = run_once
        try:
            rows_cost = 50
            far = run.time.monotonic() + 1e6
            result = run.measure("", rows.ROWS[0], 50, far)
            self.assertEqual((scales, result.void(), len(result.figures)), ([3, 5, 8, 12, 18], False, 1))
            rows_cost = 10
            result = run.measure("", rows.ROWS[0], 10, far)
            self.assertEqual((result.scale, result.void(), result.figures), (run.MAX_SCALE, True, []))
        finally:
            run.run_once = real


if __name__ == "__main__":
    unittest.main()
