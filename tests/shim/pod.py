"""A pod on a simulated node: programs in a pid namespace of their own, with both shims in front of the driver's
libraries, and neighbours outside of it."""

import json
import os
import pathlib
import subprocess
import sys

from programs import PRELUDE
from shim import DrivenNode, Shadow

HOLDER = PRELUDE + """
begin(int(sys.argv[2]))
plain(int(sys.argv[1]))
print("holds", flush=True)
sys.stdin.read()
"""
# The first process of the namespace: starts what it is told, and gives back pids as they are inside.
FIRST = """
import json, os, subprocess, sys
started = []
for line in sys.stdin:
    what, script, arguments, more = json.loads(line)
    command, environment = [sys.executable, "-B", "-c", script, *map(str, arguments)], {**os.environ, **more}
    if what == "start":
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        answer = [process.pid, process.stdout.readline().strip()]
    elif what == "kill":
        process = next(one for one in started if one.pid == arguments[0])
        process.kill()
        answer = [process.wait(), ""]
    else:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        answer = [done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr]
    print(json.dumps(answer), flush=True)
"""


class Bed:
    """A node with a driver, and both shims in front of its libraries; `views` False leaves out the one of NVML. Of what
    is `missing` the node's NVML has no function of that name, as older drivers have not."""

    def __init__(self, profile="a100x2", views=True, missing=()):
        self.node, self.views, self.missing = DrivenNode(profile), views, missing
        self.neighbours = []

    def __enter__(self):
        self.node.__enter__()
        nvml = pathlib.Path(self.node.library("libnvidia-ml.so.1")).resolve()
        data = nvml.read_bytes()
        for name in self.missing:
            # Another name is not found under the place in the table that is this one's.
            data = data.replace(b"\0" + name.encode() + b"\0", b"\0X" + name[1:].encode() + b"\0")
        if self.missing:
            nvml.unlink()
            nvml.write_bytes(data)
        self.shadow = Shadow(self.node.library(), nvml if self.views else None)
        return self

    def __exit__(self, *arguments):
        for process in self.neighbours:
            process.communicate()
        self.shadow.__exit__()
        self.node.__exit__(*arguments)

    def environment(self, shimmed):
        folders = [str(self.shadow.path)] if shimmed else []
        return {**os.environ, "LD_LIBRARY_PATH": ":".join([*folders, self.node.libraries()])}

    def neighbour(self, size, device=0):
        """A program that holds memory without any wall, outside of the pod; its pid."""
        process = subprocess.Popen([sys.executable, "-c", HOLDER, str(size), str(device)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True, env=self.environment(False))
        self.neighbours.append(process)
        if process.stdout.readline().strip() != "holds":
            raise AssertionError("the neighbour got no memory")
        return process.pid

    def devices(self):
        """What the node has, as `tranche sim node show` says."""
        return json.loads(self.node.run("node", "show", "-o", "json"))["gpus"]

    def direct(self, script):
        """What a script prints without any shim, as JSON."""
        done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True, timeout=300,
                              env=self.environment(False))
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        return json.loads(done.stdout)


class Pod:
    def __init__(self, bed):
        self.process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c", FIRST],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=bed.environment(True))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate(timeout=300)

    def order(self, what, script, *arguments, **environment):
        self.process.stdin.write(json.dumps([what, script, arguments, environment]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def hold(self, size, device=0, **environment):
        """A program that holds memory until the pod ends; its pid inside."""
        pid, said = self.order("start", HOLDER, size, device, **environment)
        if said != "holds":
            raise AssertionError("a program of the pod got no memory")
        return pid

    def start(self, script, *arguments):
        """A script that goes on; its pid inside, and its first line."""
        return self.order("start", script, *arguments)

    def kill(self, pid):
        self.order("kill", "", pid)

    def run(self, script, *arguments, **environment):
        """What a script prints, as JSON."""
        status, text = self.order("run", script, *arguments, **environment)
        if status != 0:
            raise AssertionError(text)
        return json.loads(text)


def node_pids(arbiter):
    """pid inside -> pid on the node, of the programs that have attached."""
    found = {}
    for pid, _ in arbiter.slots:
        text = pathlib.Path(f"/proc/{pid}/status")
        if text.exists():
            inside = next(line for line in text.read_text().splitlines() if line.startswith("NSpid:")).split()[-1]
            found[int(inside)] = pid
    return found
