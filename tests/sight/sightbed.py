"""What the tests of the sight share: a simulated node with its driver, control groups as pods, programs that compute in
them, and `tranche node` with what it shows.

Pods are control groups named as the kubelet names them, made for the test below the machine's own and removed
afterwards. Nobody tells their names here, so each has its UID. The driver's clock goes slower than the machine's, so
that a busy machine changes no figure.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "bench/native"))
from node import Node  # noqa: E402

BIN = pathlib.Path(os.environ["TRANCHE_BIN_DIR"])
SCALE = 2
MIB, GIB = 1 << 20, 1 << 30
HANGS = 120  # seconds: only ends what would never end
SMALL, LARGE = "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0001", "6d2f1d4e-5c0f-4b39-9a50-1f6a1c3f0002"
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')


def remove_groups(root):
    for path, _, _ in os.walk(root, topdown=False):
        os.rmdir(path)


def lock_group(path):
    """A descriptor that keeps the group for us, as long as this process lives; None where another one's does."""
    held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return held
    except OSError:
        os.close(held)
        return None


def remove_left_groups(tree):
    """Those of tests that were killed."""
    for path in tree.glob("tranche-test-*"):
        with contextlib.suppress(OSError):
            held = lock_group(path)
            if held is not None:
                remove_groups(path)
                os.close(held)


def group_root():
    """A directory in which control groups can be made, and what keeps it for us; None where this machine has none."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        if after.split()[0] in ("cgroup", "cgroup2") and " rw" in f" {after}":
            tree = pathlib.Path(before.split()[4])
            remove_left_groups(tree)
            path = tree / f"tranche-test-{os.getpid()}"
            try:
                path.mkdir()
                (path / "cgroup.procs").read_text()
                return path, lock_group(path)
            except OSError:
                if path.is_dir():
                    path.rmdir()
    return None, None


class Groups:
    """The control groups of pods."""

    def __enter__(self):
        self.root, self.held = group_root()
        return self

    def __exit__(self, *_):
        if self.root is None:
            return
        remove_groups(self.root)
        os.close(self.held)

    def container(self, uid, number):
        path = self.root / "kubepods" / f"pod{uid}" / f"{number:064x}"
        path.mkdir(parents=True)
        return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sight:
    """`tranche node`, and what it shows. `within`: a container's group, whose own namespace of groups it sees. `wait`:
    until it shows GPUs."""

    def __init__(self, node, *flags, within=None, wait=True):
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-sight-")

        def join():
            (within / "cgroup.procs").write_text("0")

        self.process = subprocess.Popen(
            [*(["unshare", "--cgroup"] if within else []),
             BIN / "tranche", "node", f"--driver-root={node.root}", f"--sys-root={node.root}",
             f"--listen=127.0.0.1:{self.port}", f"--run-dir={self.folder.name}", "--pod-resources-socket=",
             "--node-name=", "--hostname=worker-1", "--page-listen=", "--shim-directory=", *flags],
            stderr=subprocess.PIPE, text=True, preexec_fn=join if within else None)
        if wait:
            self.await_gpus()

    def await_gpus(self):
        until(lambda: self.metrics().get("tranche_gpu_memory_bytes"), self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()
        self.folder.cleanup()

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=HANGS) as answer:
            return answer.read().decode()

    def metrics(self):
        """{name: [(labels, value)]}"""
        try:
            text = self.get("/metrics")
        except OSError:
            return {}
        found = {}
        for line in text.splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                found.setdefault(name, []).append((dict(LABEL.findall(labels or "")), float(value)))
        return found

    def of_gpu(self, name, index=0):
        """{pod: value} of a metric of pods, or the one value of a metric of the GPU."""
        series = [(labels, value) for labels, value in self.metrics().get(name, [])
                  if (labels.get("index") or labels.get("gpu")) == str(index)]
        if series and "pod" not in series[0][0]:
            return series[0][1]
        return {labels["pod"]: value for labels, value in series}


def until(seen, *processes):
    """What `seen` gives once it gives something."""
    end = time.monotonic() + HANGS
    while time.monotonic() < end:
        value = seen()
        if value:
            return value
        for process in processes:
            if process.poll() is not None:
                raise AssertionError(f"{process.args} ended: {process.communicate()}")
        time.sleep(0.1)
    raise AssertionError("that never came")


class BedOfParts(contextlib.ExitStack):
    """A bed whose `begin` enters its parts. Where one of them fails, those before it end."""

    def __enter__(self):
        super().__enter__()
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.begin()
            undo.pop_all()
        return self


class Programs(unittest.TestCase):
    def setUp(self):
        self.node = self.enterContext(Node(BIN.parent, SCALE, 50))
        self.groups = self.enterContext(Groups())
        self.begin = time.monotonic()

    def status(self):
        """What the driver has counted, now."""
        shown = subprocess.run([BIN / "tranche", "sim", "driver-status", "--root", self.node.root, "-o", "json"],
                               capture_output=True, text=True, check=True)
        return json.loads(shown.stdout)

    def start(self, arguments, group=None, variables=None):
        libraries = self.node.root / "usr/lib/x86_64-linux-gnu"

        def join():
            (group / "cgroup.procs").write_text("0")

        process = subprocess.Popen(
            [self.node.program, *arguments.split(), "-o", "json"], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "LD_LIBRARY_PATH": str(libraries), **(variables or {})}, preexec_fn=join if group else None)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()

        self.addCleanup(end)
        return process

    def run_for(self, seconds, workloads):
        """Starts them, (arguments, group) each, for so long on the driver's clock; gives their processes."""
        return [self.start(f"{arguments} --for {seconds}s", group) for arguments, group in workloads]

    def assert_seconds(self, shown, process):
        """Within 2 % or 0.6 s a minute, whichever is larger: the driver's samples are whole percents."""
        counted = [entry for entry in self.status()["processes"] if entry["pid"] == process.pid]
        computed = counted[0]["computed_ns"] / 1e9 * SCALE  # on the machine's clock
        self.assertGreater(computed, 0)
        minutes = (time.monotonic() - self.begin) / 60
        self.assertAlmostEqual(shown, computed, delta=max(0.02 * computed, 0.6 * minutes))

    def assert_adds_up(self, sight):
        """The pods and the rest are the device."""
        parts = sum(sight.of_gpu("tranche_pod_gpu_seconds_total").values())
        self.assertAlmostEqual(parts, sight.of_gpu("tranche_gpu_busy_seconds_total"), delta=0.01 * parts)
