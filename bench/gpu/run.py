#!/usr/bin/env python3
"""How a GPU shares its time between processes, and what memory walls hold and cost there: on this machine's own GPU, by
the programs of the simulated one.

usage: bench/gpu/run.py BUILD [--json FILE] [--seconds N] [--smoke]

 turns       two kernels that spin side by side, each of which writes down when it was interrupted: how long a turn
             is, and what a change costs
 preemption  small requests, alone and beside kernels of 200 ms: whether the GPU interrupts a kernel
 processes   one process beside one, and beside four: whether time goes by process
 walls       the shim in front of the installed driver, as walls.py beside this file says

With --json the figures go to a file too, with card and driver. --smoke runs all of it for a moment on a simulated
node, whose figures are not a GPU's. Exit status: 1 if something could not be measured, or a wall did not hold.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import turns  # noqa: E402

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build/release"
SMOKE_SECONDS = 0.3


class Place:
    """Where the programs run: by `libraries` on a simulated node, else on this machine's own driver."""

    def __init__(self, build, smi, libraries=None, ready=2.0):
        self.build = pathlib.Path(build)
        self.ready = ready  # seconds that the processes have to get ready
        self.smi = smi
        self.environment = dict(os.environ)
        if libraries:
            self.environment["LD_LIBRARY_PATH"] = str(libraries)

    def start(self, program, arguments):
        return subprocess.Popen([self.build / program, *shlex.split(arguments)], text=True, env=self.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def workload(self, arguments):
        return self.start("bin/sim/tranche-workload", arguments + " -o json")

    def card(self):
        out = subprocess.run([self.smi, "--query-gpu=name,driver_version,mig.mode.current", "--format=csv,noheader"],
                             capture_output=True, text=True, check=True, env=self.environment).stdout
        name, driver, mig = out.splitlines()[0].split(", ")
        return {"name": name, "driver": driver, "mig": mig}


@contextlib.contextmanager
def simulated(build):
    tranche = pathlib.Path(build) / "bin/tranche"
    with tempfile.TemporaryDirectory(prefix="tranche-bench-") as folder:
        root = pathlib.Path(folder) / "root"
        subprocess.run([tranche, "sim", "node", "create", "a100x2", "--root", root], check=True,
                       stdout=subprocess.DEVNULL)
        driver = subprocess.Popen([tranche, "sim", "driver", "--root", root], stderr=subprocess.DEVNULL)
        try:
            while not (root / "run/nvidia-persistenced/socket").exists() and driver.poll() is None:
                time.sleep(0.01)
            yield Place(build, root / "usr/bin/nvidia-smi", root / "usr/lib/x86_64-linux-gnu", 0.5)
        finally:
            driver.terminate()
            driver.wait()


def report(process):
    text, errors = process.communicate(timeout=600)
    if process.returncode != 0:
        raise RuntimeError(f"{pathlib.Path(process.args[0]).name} failed: {errors or text}")
    return json.loads(text)


def together(place, *workloads):
    """Reports of workloads that begin at the same time."""
    start = f" --start-at {time.monotonic() + place.ready:.6f}"
    return [report(process) for process in [place.workload(workload + start) for workload in workloads]]


def measure_turns(place, seconds):
    start = time.monotonic() + place.ready
    probes = [report(process) for process in
              [place.start("bench/turns_probe", f"{seconds} {start:.6f}") for _ in range(2)]]
    # A simulated driver does not run the kernel that looks at the clock.
    return None if probes[0]["simulated"] else turns.analyse(probes)


def latency(one):
    return {name: one["total"]["latency_ms"][name] for name in ("p50", "p99", "max")}


def measure_preemption(place, seconds):
    small = f"requests --burst 1 --kernel 0.5ms --think 5ms --for {seconds}s"
    alone, = together(place, small)
    beside, _ = together(place, small, f"long --kernel 200ms --for {seconds}s")
    return {"alone_ms": latency(alone), "beside_200ms_kernels_ms": latency(beside),
            "interrupted": latency(beside)["p50"] < 100}


def measure_processes(place, seconds):
    one = f"steady --kernel 0.5ms --variation 0 --for {seconds}s"
    figures = {}
    for others in (1, 4):
        pair = together(place, one, f"{one} --processes {others}")
        done = [each["total"]["done"] for each in pair]
        figures[f"share_beside_{others}"] = done[0] / sum(done) if sum(done) else None
    return figures


def measure_walls(build, smoke):
    """A program of its own, because it needs a /run of its own. It shows its figures itself."""
    with tempfile.TemporaryDirectory(prefix="tranche-bench-") as folder:
        path = pathlib.Path(folder, "walls.json")
        command = [sys.executable, "-B", pathlib.Path(__file__).with_name("walls.py"), build, "--json", path]
        status = subprocess.run(command + ["--smoke"] * smoke).returncode
        if not path.exists():
            raise RuntimeError(f"walls could not be measured ({status})")
        return json.loads(path.read_text())


def bar(count, most):
    return "#" * round(40 * count / most) if most else ""


def show_histogram(name, rows):
    print(f"   {name}")
    most = max(count for _, count in rows)
    for edge, count in rows:
        if count:
            print(f"     {'more' if edge is None else f'< {edge / 1000:g} ms':>10} {count:7} {bar(count, most)}")


def show(figures):
    card = figures["card"]
    print(f"{card['name']}, driver {card['driver']}, MIG {card['mig']}")
    seen = figures["turns"]
    if seen is None:
        print("turns: not on a simulated GPU, whose driver does not run the kernel that looks at its clock")
    elif seen["gap_us"] is None:
        print("turns: neither kernel was interrupted")
    else:
        switch = f"{seen['switch_us']['median']:.1f} µs" if seen["switch_us"] else "not seen"
        print(f"turns: median run {seen['run_us']['median']:.1f} µs, gap {seen['gap_us']['median']:.1f} µs, change "
              f"{switch}")
        show_histogram("runs", seen["run_histogram"])
        show_histogram("gaps", seen["gap_histogram"])
    small = figures["preemption"]
    print(f"preemption: a request of 0.5 ms takes p50 {small['alone_ms']['p50']:.2f} ms alone, "
          f"{small['beside_200ms_kernels_ms']['p50']:.2f} ms beside kernels of 200 ms: they are "
          f"{'interrupted' if small['interrupted'] else 'not interrupted'}")
    for name, share in figures["processes"].items():
        print(f"processes: one beside {name[-1]} gets {share:.1%} of the kernels" if share is not None
              else f"processes: nothing was done beside {name[-1]}")


def measure(place, seconds):
    return {"card": place.card(), "seconds": seconds, "turns": measure_turns(place, seconds),
            "preemption": measure_preemption(place, seconds), "processes": measure_processes(place, seconds)}


def file_name(card):
    """For a file in bench/gpu/results."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", f"{card['name']}-{card['driver']}") + ".json"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=BUILD)
    parser.add_argument("--json", help="a file, or a folder, in which it is named after card and driver")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    if options.smoke:
        with simulated(options.build) as place:
            figures = measure(place, SMOKE_SECONDS)
    else:
        figures = measure(Place(options.build, "nvidia-smi"), options.seconds)
    show(figures)
    figures["walls"] = measure_walls(options.build, options.smoke)
    if options.json:
        path = pathlib.Path(options.json)
        if path.suffix != ".json":
            path.mkdir(parents=True, exist_ok=True)
            path = path / file_name(figures["card"])
        path.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if figures["walls"]["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
