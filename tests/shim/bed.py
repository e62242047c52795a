"""A simulated node with the shim in front of its driver, and what that driver's log says that programs had."""

import json
import os
import pathlib
import subprocess
import sys

from programs import PRELUDE
from shim import CONTEXT, DrivenNode, Shadow

__all__ = ["CONTEXT", "MIB", "Bed", "Steps", "most_tracked"]

MIB = 1 << 20


class Bed:
    """A node with a driver, and the shim in front of its library; `walled` False leaves the shim out."""

    def __init__(self, walled=True):
        self.node, self.walled = DrivenNode("a100x2"), walled

    def __enter__(self):
        self.node.__enter__()
        self.shadow = Shadow(self.node.library())
        folders = [str(self.shadow.path)] if self.walled else []
        self.environment = {**os.environ, "LD_LIBRARY_PATH": ":".join([*folders, self.node.libraries()])}
        return self

    def __exit__(self, *arguments):
        self.shadow.__exit__()
        self.node.__exit__(*arguments)

    def start(self, script, *arguments):
        return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], env=self.environment, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, script, *arguments):
        """What the script prints, as JSON."""
        process = self.start(PRELUDE + script, *arguments)
        out, errors = process.communicate(timeout=300)
        if process.returncode != 0:
            raise AssertionError(f"{process.returncode}: {out}{errors}")
        return json.loads(out)


    def used(self, pid, device=0):
        """The bytes that the driver shows for a process on a device, by NVML; it shows them a moment later."""
        smi = pathlib.Path(self.node.root, "usr/bin/nvidia-smi")
        asked = subprocess.run([smi, f"--id={device}", "--query-compute-apps=pid,used_memory",
                                "--format=csv,noheader,nounits"], capture_output=True, text=True, timeout=60,
                               check=True, env={**os.environ, "LD_LIBRARY_PATH": self.node.libraries()})
        rows = [line.split(",") for line in asked.stdout.splitlines() if line.strip()]
        return sum(int(mib) * MIB for one, mib in rows if int(one) == pid)


class Steps:
    """A program that stops where its script says `step(NAME)`, until it is told to go on."""

    STEP = """
def step(name):
    print(name, flush=True)
    if not sys.stdin.readline():
        raise SystemExit("nobody is there")
"""

    def __init__(self, bed, script, *arguments):
        self.process = bed.start(PRELUDE + self.STEP + script, *arguments)

    @classmethod
    def of(cls, process):
        """A process that was started otherwise."""
        made = cls.__new__(cls)
        made.process = process
        return made

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=60)

    @property
    def pid(self):
        return self.process.pid

    def reach(self, name):
        line = self.process.stdout.readline().strip()
        if line != name:
            raise AssertionError(f"{line!r} in place of {name!r}: {self.process.communicate(timeout=60)}")

    def go(self, name=None):
        """On to the next step, or to the end."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        if name is not None:
            return self.reach(name)
        out, errors = self.process.communicate(timeout=300)
        if self.process.returncode != 0:
            raise AssertionError(f"{self.process.returncode}: {out}{errors}")
        return out.strip()

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=60)


def rounded(asked):
    """What a driver gives for an allocation: whole pieces of 2 MiB, or for a small one a part of a piece."""
    unit = 512 if asked < MIB else 2 * MIB
    return -(-asked // unit) * unit


def most_tracked(log, slot=0):
    """The most bytes that programs had on a GPU at any instant, without those of contexts. Of what ends with its
    program the log says nothing: programs free before they end."""
    now = most = 0
    for line in map(json.loads, log):
        if line["event"] == "memory" and line["slot"] == slot and line["what"] in ("taken", "freed"):
            now += line["taken_bytes"] * (1 if line["what"] == "taken" else -1)
            assert line["asked_bytes"] >= MIB and line["taken_bytes"] == rounded(line["asked_bytes"]), line
            most = max(most, now)
    return most
