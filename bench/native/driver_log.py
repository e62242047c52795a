"""What the simulated driver's log says of a span of its time: how long each process computed in it."""

import bisect
import collections
import json
import pathlib

FOLDER = "var/log/tranche-sim"


class DriverLog:
    def __init__(self, root):
        """Reads the log of the node in `root`; its driver has ended."""
        folder = pathlib.Path(root) / FOLDER
        self.runs = collections.defaultdict(list)  # by pid: (begun, ended, computed), in order
        self.submits = self.late = self.late_idle = self.late_idle_ns = 0
        for name in ("driver.jsonl.1", "driver.jsonl"):
            if (folder / name).exists():
                for line in (folder / name).read_text().splitlines():
                    self._take(json.loads(line))
        self.ends = {pid: [run[1] for run in runs] for pid, runs in self.runs.items()}

    def _take(self, line):
        if line["event"] == "run":
            self.runs[line["pid"]].append((line["begun_ns"], line["ended_ns"], line["computed_ns"]))
        elif line["event"] == "process_end":
            lateness = line["totals"]["lateness"]
            self.submits += lateness["submits"]
            self.late += lateness["late"]
            self.late_idle += lateness["late_idle"]
            self.late_idle_ns += lateness["late_idle_ns"]

    def computed(self, pid, start, end):
        """Nanoseconds. Of a line that is only in part inside, that part of what it computed."""
        total = 0.0
        runs = self.runs.get(pid, [])
        for begun, ended, computed in runs[bisect.bisect_left(self.ends.get(pid, []), start):]:
            if begun >= end:
                break
            inside = min(ended, end) - max(begun, start)
            if inside > 0 and ended > begun:
                total += computed * inside / (ended - begun)
        return total

    def when_computed(self, pid, nanoseconds):
        """When the process had computed for so long; None: it never has."""
        for begun, ended, computed in self.runs.get(pid, []):
            if computed >= nanoseconds:
                return begun + (ended - begun) * nanoseconds / computed
            nanoseconds -= computed
        return None
