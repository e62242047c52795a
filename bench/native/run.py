#!/usr/bin/env python3
"""Plain time-slicing on the simulated driver, beside a model of it; and what the simulation itself costs.

usage: bench/native/run.py BUILD [--rows ABC…] [--costs 10,50,200] [--json FILE] [--minutes N] [--smoke]

Each row is 2 s of the driver's time: workloads share one GPU, and the driver's log says who computed how long. A
row in which somebody was late for more than 2 % of the span is void. It is run again with the driver's time
slowed down further, and is never printed as measured. Beside each figure stands the model's, and where they are
more than 5 % apart, how many launches came late. Exit status: 1 if a row could not be measured, or does not agree
with the model.
"""

import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys
import time

import cost as simulation_cost
import rows as table
from driver_log import DriverLog
from node import Node

MAX_LATE = 0.02
MAX_SCALE = 64
READY = 1.5  # seconds that the processes have to get ready
BUILD = pathlib.Path(__file__).resolve().parents[2] / "build/release"


@dataclasses.dataclass
class Result:
    row: table.Row
    cost: int
    scale: int
    seconds: float  # of real time, all attempts
    late: float  # share of the span
    submits: int
    late_submits: int
    figures: list  # of Comparison; empty: void

    def void(self):
        return self.late > MAX_LATE

    def agrees(self):
        return not self.void() and all(figure.agrees() for figure in self.figures)


def run_once(build, row, cost, scale, span):
    with Node(build, scale, cost) as node:
        start = time.monotonic() + READY + 0.05 * len(row.pods)
        processes = []
        for number, pod in enumerate(row.pods):
            later = table.NEWCOMER * min(1, span / table.SPAN) if row.figures == "newcomer" and number else 0
            processes.append(node.start(f"{pod} --for {span - later + 0.05}s --seed {number + 1} "
                                        f"--start-at {start + later * scale:.6f}"))
        reports = [node.report(process) for process in processes]
        node.stop()
        log = DriverLog(node.root)
    begin = reports[0]["processes"][0]["begin_ns"]
    late = max(report["total"]["late"]["share"] for report in reports)
    late = max(late, log.late_idle_ns / (span * 1e9) / sum(len(r["processes"]) for r in reports))
    figures = table.take_figures(row, log, reports, begin, span * 1e9)
    return late, log, figures


def measure(build, row, cost, deadline):
    """Until the row is not void, each time more slowly."""
    started = time.monotonic()
    scale = row.scale
    while True:
        late, log, figures = run_once(build, row, cost, scale, table.SPAN)
        result = Result(row, cost, scale, time.monotonic() - started, late, log.submits, log.late,
                        table.compare(row.letter, cost, figures))
        slower = min(MAX_SCALE, scale + (scale + 1) // 2)
        if not result.void() or scale == MAX_SCALE or time.monotonic() + table.SPAN * slower + 5 > deadline:
            if result.void():
                result.figures = []
            return result
        print(f"   {row.letter} at {cost} us is void: late for {late:.1%} of the span; again at "
              f"--time-scale {slower}", flush=True)
        scale = slower


def show(result):
    head = (f"{result.row.letter} {result.row.name}; switch cost {result.cost} us, time scale {result.scale}, "
            f"{result.seconds:.0f} s, late {result.late:.2%}")
    print(head if not result.void() else head + ": VOID", flush=True)
    for figure in result.figures:
        mark = "" if abs(figure.off()) <= 5 else (
            f"  (model's seeds: {figure.least:.2f} to {figure.most:.2f}; "
            f"{result.late_submits} of {result.submits} launches late)")
        verdict = "" if figure.agrees() else "  DISAGREES"
        print(f"   {figure.name:28} {figure.measured:8.2f}   model {figure.model:8.2f}   {figure.off():+5.1f} %"
              f"{verdict}{mark}", flush=True)


def markdown(results):
    """The table of docs/performance.md: measured (model) by switch cost."""
    lines = ["| row | figure | " + " | ".join(f"{cost} µs" for cost in table.COSTS) + " |",
             "|---|---|" + "--:|" * len(table.COSTS)]
    by_row = {}
    for result in results:
        by_row.setdefault(result.row, {})[result.cost] = {f.name: f for f in result.figures}
    for row, costs in by_row.items():
        names = list(next((figures for figures in costs.values() if figures), {}))
        for number, name in enumerate(names):
            cells = [f"{costs[c][name].measured:.2f} ({costs[c][name].model:.2f})"
                     if name in costs.get(c, {}) else "–" for c in table.COSTS]
            title = f"{row.letter}: {row.name}" if number == 0 else ""
            lines.append(f"| {title} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def smoke(build):
    row = next(row for row in table.ROWS if row.letter == "K")
    late, log, figures = run_once(build, row, 50, 2, 0.2)
    print(f"{row.letter}: {figures}, {log.submits} launches, late for {late:.1%}")
    for name, unit, value in simulation_cost.measure(build, smoke=True):
        print(f"{name}: {value:.1f} {unit}")
    return 0 if figures["busy %"] > 0 else 1


def full(build, options):
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True,
                            cwd=pathlib.Path(__file__).parent).stdout.strip()
    deadline = time.monotonic() + 60 * options.minutes
    results, left_out = [], []
    for cost in (int(cost) for cost in options.costs.split(",")):
        for row in table.ROWS:
            if row.letter not in options.rows:
                continue
            if time.monotonic() + table.SPAN * row.scale + 5 > deadline:
                left_out.append(f"{row.letter} at {cost} us")
                continue
            results.append(measure(build, row, cost, deadline))
            show(results[-1])
    costs = simulation_cost.measure(build)
    for name, unit, value in costs:
        print(f"{name:50} {value:12.1f} {unit}")
    print("\n" + markdown(results))
    disagree = [f"{r.row.letter} at {r.cost} us" for r in results if not r.agrees()]
    print(f"\n{len(results) - len(disagree)} rows agree with the model; not: {', '.join(disagree) or 'none'}; "
          f"not run for lack of time: {', '.join(left_out) or 'none'}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({
            "commit": commit, "cost": costs, "left_out": left_out,
            "rows": [{"row": r.row.letter, "name": r.row.name, "switch_cost_us": r.cost, "time_scale": r.scale,
                      "late": r.late, "void": r.void(), "submits": r.submits, "late_submits": r.late_submits,
                      "figures": {f.name: {"measured": f.measured, "model": [f.model, f.least, f.most]}
                                  for f in r.figures}} for r in results]}, indent=1) + "\n")
    return 1 if disagree or left_out else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=BUILD)
    parser.add_argument("--rows", default="ABCDEFGHIJKL")
    parser.add_argument("--costs", default="10,50,200")
    parser.add_argument("--json")
    parser.add_argument("--minutes", type=float, default=18)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    return smoke(options.build) if options.smoke else full(options.build, options)


if __name__ == "__main__":
    sys.exit(main())
