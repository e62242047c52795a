"""The rows of the table: which workloads share one GPU, and which figures are taken from what they did.

A pod is one workload; its processes are the pod's. Names and workloads of the rows are those of the model whose
figures are in model.json.
"""

import dataclasses
import json
import pathlib

MODEL = json.loads((pathlib.Path(__file__).parent / "model.json").read_text())
COSTS = (10, 50, 200)  # switch costs in microseconds
SPAN = 2.0  # seconds of the driver's time
NEWCOMER = 0.5  # of them pass before the newcomer of row G
NEWCOMER_KERNEL = 0.001  # seconds: each of its kernels

BACKLOGGED = "steady --kernel 0.5ms --variation 0.3"
HOST_BOUND = "paced --kernel 0.05ms --variation 0.3 --period 0.15ms"
REQUESTS = "requests --kernel 0.5ms --burst 10 --think 5ms"


@dataclasses.dataclass(frozen=True)
class Row:
    letter: str
    name: str
    pods: tuple  # arguments of tranche-workload
    scale: int  # time scale that it is first run at
    figures: str = "shares"  # or even, requests, newcomer


ROWS = (
    Row("A", "backlogged, kernels of 0.05 ms beside 8 ms",
        ("steady --kernel 0.05ms --variation 0.5", "steady --kernel 8ms --variation 0.5"), 3),
    Row("B", "2 host-bound pods (0.05 ms kernel every 0.15 ms)", (HOST_BOUND,) * 2, 24, "even"),
    Row("C", "3 host-bound pods", (HOST_BOUND,) * 3, 24, "even"),
    Row("D", "4 host-bound pods (demand 1.33)", (HOST_BOUND,) * 4, 24, "even"),
    Row("E", "host-bound pod beside a backlogged trainer of 1 ms kernels",
        (HOST_BOUND, "steady --kernel 1ms --variation 0.3"), 24),
    Row("F", "200 ms kernels beside requests of 10 x 0.5 ms, think 5 ms",
        ("long --kernel 200ms --in-flight 8", REQUESTS), 3, "requests"),
    Row("G", "newcomer (1 ms kernels) beside a trainer with 1,024 x 2 ms queued",
        ("steady --kernel 2ms --variation 0", f"steady --kernel {NEWCOMER_KERNEL}s --variation 0"), 3, "newcomer"),
    Row("H", "requests of 10 x 0.3 ms, think 50 ms, beside 3 trainers of 1 ms kernels",
        ("requests --kernel 0.3ms --variation 0.5 --burst 10 --think 50ms",)
        + ("steady --kernel 1ms --variation 0.5",) * 3, 3, "requests"),
    Row("I", "a pod of 4 processes beside one of 1, 0.5 ms kernels",
        (BACKLOGGED + " --processes 4", BACKLOGGED), 3),
    Row("J", "8 equal backlogged pods, 0.5 ms kernels", (BACKLOGGED,) * 8, 3, "even"),
    Row("K", "2 backlogged pods, 0.5 ms kernels", (BACKLOGGED,) * 2, 3),
    Row("L", "100 ms graphs, waited for, beside requests of 10 x 0.5 ms, think 5 ms",
        ("graphs --kernel 1ms --burst 100 --think 0.2ms", REQUESTS), 3, "requests"),
)


def take_figures(row, log, reports, begin, span):
    """{name: value} of a row; log is a DriverLog, reports are those of the workloads, in the order of the pods."""
    pids = [[process["pid"] for process in report["processes"]] for report in reports]

    def share(pod, start=begin, length=span):
        return sum(log.computed(pid, start, start + length) for pid in pids[pod]) / length * 100

    shares = [share(pod) for pod in range(len(pids))]
    figures = {"busy %": sum(shares)}
    if row.figures == "even":
        return {**figures, "least pod %": min(shares), "most pod %": max(shares)}
    others = "other pods %" if len(shares) > 2 else "second pod %"
    figures.update({"first pod %": shares[0], others: sum(shares[1:]) / (len(shares) - 1)})
    if row.letter in "AK":
        figures["ratio"] = shares[0] / shares[1] if shares[1] else 0
    if row.figures == "requests":
        latency = reports[0 if row.letter == "H" else 1]["total"]["latency_ms"]
        figures.update({"p50 ms": latency["p50"], "p99 ms": latency["p99"]})
    if row.figures == "newcomer":
        came = begin + NEWCOMER * 1e9
        first = log.when_computed(pids[1][0], NEWCOMER_KERNEL * 1e9)
        figures["first kernel after ms"] = (first - came) / 1e6 if first is not None else float("nan")
        for i in range(3):
            name = f"newcomer, {0.5 * i:.1f} to {0.5 * (i + 1):.1f} s, %"
            figures[name] = share(1, came + i * 0.5e9, 0.5e9)
    return figures


@dataclasses.dataclass(frozen=True)
class Comparison:
    name: str
    measured: float
    model: float  # median of 20 seeds, 2 s each
    least: float
    most: float

    def off(self):
        return (self.measured - self.model) / self.model * 100

    def agrees(self):
        """Within 5 % of the model, or of what the model itself gives with another seed. When a newcomer's
        first kernel ends depends on whose turn it is when it comes: one turn is allowed for that."""
        turn = 1.2 if self.name.startswith("first kernel") else 0
        return self.least * 0.95 - turn <= self.measured <= self.most * 1.05 + turn


def compare(letter, cost, figures):
    model = MODEL[letter][str(cost)]
    return [Comparison(name, figures[name], *model[name]) for name in figures]
