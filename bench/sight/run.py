#!/usr/bin/env python3
"""What `tranche node` costs where eight GPUs have 64 pods each, beside `tranche agent` on the same node in the same run.

usage: bench/sight/run.py BUILD [--scrapes N] [--seconds N] [--json FILE] [--smoke]

 scrape    from the request for /metrics to the last byte of the answer, at both in turns
 at rest   processor time of a program that nobody scrapes, as a share of one core
 memory    proportional set size (PSS) after all of that

Nothing here judges a duration. Exit status: 1 if a program did not answer with the series of all pods.
"""

import argparse
import json
import os
import pathlib
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "native"))
from node import Node  # noqa: E402

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build/release"
HANGS = 120  # seconds: only ends what would never end
GPUS, PODS = 8, 64
GOALS = {"scrape, p99": "5 ms", "at rest": "0.3 % of a core", "memory (PSS)": "15 MiB"}
CONFIG = """version: v1
sharing:
  timeSlicing:
    resources:
    - name: nvidia.com/gpu
      replicas: 64
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port):
    """The page's bytes, and how long it took in milliseconds."""
    start = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        parts = []
        while part := connection.recv(1 << 20):
            parts.append(part)
    took = (time.perf_counter() - start) * 1e3
    return b"".join(parts), took


class Program:
    def __init__(self, name, arguments, port):
        self.name = name
        self.port = port
        self.process = subprocess.Popen([str(part) for part in arguments], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def series(self, name):
        try:
            page, _ = fetch(self.port)
        except OSError:
            return 0
        return sum(line.startswith(name.encode() + b"{") for line in page.splitlines())

    def await_series(self, name, count):
        end = time.monotonic() + HANGS
        while self.series(name) < count:
            if time.monotonic() > end or self.process.poll() is not None:
                sys.exit(f"{self.name} has {self.series(name)} series {name}, not {count}")
            time.sleep(0.1)

    def cpu_seconds(self):
        """To the nanosecond (proc(5), schedstat): at rest the ticks of /proc/PID/stat are too coarse."""
        threads = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def pss_mib(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024

    def end(self):
        self.process.terminate()
        self.process.wait(HANGS)


def start(build, node, folder, programs):
    """held_pods, `tranche node` and `tranche agent` on the node."""
    shown = subprocess.run([node.tranche, "sim", "node", "show", "--root", node.root, "-o", "json"],
                           capture_output=True, text=True, check=True)
    uuids = [gpu["uuid"] for gpu in json.loads(shown.stdout)["gpus"]]
    assert len(uuids) == GPUS
    (folder / "config.yaml").write_text(CONFIG)
    kubelet = folder / "pod-resources.sock"
    programs.append(Program("held_pods", [build / "bench/held_pods", kubelet, PODS, *uuids], 0))
    while not kubelet.exists():
        time.sleep(0.01)
    common = [f"--config-file={folder}/config.yaml", f"--sys-root={node.root}", f"--pod-resources-socket={kubelet}",
              "--node-name="]
    port = free_port()
    programs.append(Program("tranche node", [
        node.tranche, "node", f"--driver-root={node.root}", f"--listen=127.0.0.1:{port}", f"--run-dir={folder}/node",
        "--dcgm-names=on", *common], port))
    port = free_port()
    programs.append(Program("tranche agent", [
        node.tranche, "agent", f"--driver-root-ctr-path={node.root}", f"--listen=127.0.0.1:{port}",
        f"--run-dir={folder}/agent", f"--cdi-dir={folder}/cdi", "--kubelet-socket=", *common], port))
    programs[1].await_series("tranche_pod_gpu_memory_limit_bytes", GPUS * PODS)
    programs[2].await_series("tranche_plugin_gpu_healthy", GPUS)
    return programs[1:]


def p99(values):
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def measure(programs, scrapes, seconds):
    """[(what, unit, {program: value})]"""
    before = {program.name: program.cpu_seconds() for program in programs}
    time.sleep(seconds)
    rest = {program.name: (program.cpu_seconds() - before[program.name]) / seconds * 100 for program in programs}
    took, page = {}, {}
    cpu = {program.name: program.cpu_seconds() for program in programs}
    for _ in range(scrapes):
        for program in programs:
            body, milliseconds = fetch(program.port)
            took.setdefault(program.name, []).append(milliseconds)
            page[program.name] = len(body) / 1024
    cpu = {program.name: (program.cpu_seconds() - cpu[program.name]) / scrapes * 1e3 for program in programs}
    return [("scrape, median", "ms", {name: statistics.median(values) for name, values in took.items()}),
            ("scrape, p99", "ms", {name: p99(values) for name, values in took.items()}),
            ("scrape, on the processor", "ms", cpu),
            ("size of the page", "KiB", page),
            ("at rest", "% of a core", rest),
            ("memory (PSS)", "MiB", {program.name: program.pss_mib() for program in programs})]


def show(rows):
    print(f"\n{os.cpu_count()} cores, Linux {platform.release()}; {GPUS} GPUs with {PODS} pods each\n")
    print("| | unit | tranche node | tranche agent | goal |\n|---|---|--:|--:|---|")
    for what, unit, values in rows:
        print(f"| {what} | {unit} | {values['tranche node']:.2f} | {values['tranche agent']:.2f} | "
              f"{GOALS.get(what, '')} |")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=BUILD)
    parser.add_argument("--scrapes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.smoke:
        given.scrapes, given.seconds = 3, 0.1
    programs = []
    with tempfile.TemporaryDirectory(prefix="tranche-sight-") as folder, \
            Node(given.build, 1, 50, "h100x8") as node:
        try:
            rows = measure(start(given.build, node, pathlib.Path(folder), programs), given.scrapes, given.seconds)
        finally:
            for program in reversed(programs):
                program.end()
    show(rows)
    if given.json:
        given.json.write_text(json.dumps([{"name": what, "unit": unit, "values": values}
                                          for what, unit, values in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
