"""A simulated node of the benchmark's own, its driver, and workloads on it."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import tempfile
import time

READY = 30  # seconds until the driver answers; only ends what hangs


def be_prompt():
    """Before programs that mostly sleep and must wake up in time: real-time priority, where that is permitted."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (PermissionError, OSError):
        pass


class Node:
    """with Node(build, scale, cost_us) as node: … ; the driver's log can be read when the driver has been stopped."""

    def __init__(self, build, scale, cost_us, profile="a100x2"):
        self.tranche = pathlib.Path(build) / "bin/tranche"
        self.program = pathlib.Path(build) / "bin/sim/tranche-workload"
        self.scale = scale
        self.cost_us = cost_us
        self.profile = profile
        self.driver = None
        self.folder = None

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-bench-")
        self.root = pathlib.Path(self.folder.name) / "root"
        subprocess.run([self.tranche, "sim", "node", "create", self.profile, "--root", self.root], check=True,
                       stdout=subprocess.DEVNULL)
        self.errors = open(pathlib.Path(self.folder.name) / "driver.err", "w+")
        self.driver = subprocess.Popen(
            [self.tranche, "sim", "driver", "--root", self.root, "--time-scale", str(self.scale),
             "--switch-cost", f"{self.cost_us}us"], stdout=self.errors, stderr=self.errors, preexec_fn=be_prompt)
        end = time.monotonic() + READY
        while not (self.root / "run/nvidia-persistenced/socket").exists():
            if self.driver.poll() is not None or time.monotonic() > end:
                self.errors.seek(0)
                raise RuntimeError(f"the driver does not serve: {self.errors.read()}")
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.stop()
        self.errors.close()
        self.folder.cleanup()

    def stop(self):
        if self.driver.poll() is None:
            self.driver.send_signal(signal.SIGTERM)
            self.driver.wait(60)

    def start(self, arguments):
        """A workload as a process; `arguments` is what one would type."""
        libraries = self.root / "usr/lib/x86_64-linux-gnu"
        return subprocess.Popen([self.program, *shlex.split(arguments), "-o", "json"], text=True,
                                stdout=subprocess.PIPE, env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
                                preexec_fn=be_prompt)

    @staticmethod
    def report(process):
        """What a workload reports; it has to have done what it was told."""
        text, _ = process.communicate(timeout=600)
        if process.returncode != 0:
            raise RuntimeError(f"a workload failed: {text}")
        return json.loads(text)

    def driver_memory_kib(self):
        """Proportional set size of the driver's process, and the anonymous part of it."""
        text = pathlib.Path(f"/proc/{self.driver.pid}/smaps_rollup").read_text()
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines() if "kB" in line}
        return sizes["Pss"], sizes["Pss_Anon"]
