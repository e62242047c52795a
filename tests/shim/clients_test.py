"""Programs that nobody here wrote, and ours, do the same through the shim as without it: what they print, and what
the simulated driver's log says that they did.

Run with a Python that has tests/requirements.txt installed (tools/python-env makes one).
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from arbiter import Arbiter, own_run
from programs import PRELUDE
from shim import BIN, CONTEXT, SOURCE, DrivenNode, Shadow

sys.path.insert(0, str(SOURCE / "tests/cuda"))

import clients  # noqa: E402
from clients_test import KERNELS, make_images, need, profile  # noqa: E402

MPS = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"
# What a program finds of that variable: by libc, in its memory as it began, and in what it gives to others; before it has a
# context, and afterwards.
SETTING = PRELUDE + f"""
import subprocess
name = "{MPS}"
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
def found():
    began = [part for part in open("/proc/self/environ", "rb").read().split(b"\\0") if part.startswith(name.encode())]
    given = subprocess.run(["printenv", name], capture_output=True, text=True).stdout.strip()
    return [str(libc.getenv(name.encode())), str(began), given]
said = [found()]
begin()
plain(64 * MiB)()
processors = ctypes.c_int()
ok(cuda.cuDeviceGetAttribute(ref(processors), 16, 0), "cuDeviceGetAttribute")
print(json.dumps([*said, found(), processors.value]))
"""
TOTAL = 85195751424  # of an A100 of 80 GB; a limit that hides nothing
CLOCKS = {"milliseconds"}


def deeds(log):
    """What a driver's log says that its programs did, in an order that does not hang on time."""
    found = []
    for line in map(json.loads, log):
        if line["event"] in ("memory", "context", "missing", "error"):
            found.append([line.get(key) for key in ("event", "what", "call", "result", "asked_bytes", "taken_bytes")])
        elif line["event"] == "totals":
            for process in line["processes"]:
                sums = {key: process[key] for key in ("kernels", "reservations", "refused", "asked_bytes")}
                copies = [[process[way][key] for key in ("count", "bytes")] for way in ("copies_in", "copies_out")]
                found.append(["process", process["name"], sums, copies])
    return sorted(map(repr, found))


class Same(unittest.TestCase):
    maxDiff = None

    def outcome(self, cuda, shimmed, command):
        """What a program prints, as JSON, and what it did."""
        with DrivenNode(profile(cuda)) as node, Shadow(node.library()) as shadow, Arbiter(TOTAL, CONTEXT) as arbiter:
            folders = f"{shadow.path}:{node.libraries()}" if shimmed else node.libraries()
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, env={
                **os.environ, "LD_LIBRARY_PATH": folders, "CUDA_PYTHON_DISABLE_MAJOR_VERSION_WARNING": "1"})
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(bool(arbiter.hellos), shimmed, "the shim is there, or not")
            for slot in range(len(arbiter.slots)):
                _, _, begun, ended = arbiter.holding(slot)
                self.assertEqual(begun, ended)
            self.assertEqual(arbiter.totals()[1], 0, "nothing was refused")
            return done.stdout, deeds(node.log())

    def same(self, cuda, command, compare=json.loads):
        plain, did = self.outcome(cuda, False, command)
        through, did_through = self.outcome(cuda, True, command)
        self.assertEqual(compare(through), compare(plain))
        self.assertEqual(did_through, did)
        self.assertGreater(len(did), 2)

    def test_a_setting_of_mps_is_left_alone(self):
        """It is MPS's, and says nothing of memory: who sets it finds it as it was, and so does the driver."""
        for value in ("25", "", None):
            with self.subTest(value=value), mock.patch.dict(os.environ, {} if value is None else {MPS: value}):
                command = [sys.executable, "-c", SETTING]
                self.same("12.4", command)
                before, after, processors = json.loads(self.outcome("12.4", True, command)[0])
                self.assertEqual(before, after)
                self.assertEqual(before[0], str(None if value is None else value.encode()))
                self.assertEqual(processors, 108, "all of an A100")

    @need("cuda.bindings")
    def test_cuda_bindings(self):
        def timeless(text):
            return {key: value for key, value in json.loads(text).items() if key not in CLOCKS}

        with tempfile.TemporaryDirectory() as folder:
            make_images(pathlib.Path(folder))
            for cuda in ("12.4", "13.5"):
                with self.subTest(cuda=cuda):
                    self.same(cuda, [sys.executable, "-c", clients.BINDINGS, KERNELS, folder], timeless)

    @need("cuda.core")
    def test_cuda_core(self):
        for cuda in ("12.4", "13.5"):
            with self.subTest(cuda=cuda):
                self.same(cuda, [sys.executable, "-c", clients.CORE, KERNELS, "/nonexistent"])

    def test_the_workloads(self):
        def steady(text):
            return json.loads(text)["total"]["memory_bytes"]

        program = BIN / "sim/tranche-workload"
        for words in ("hold --memory 3Gi --for 0.1s", "check --memory 1Mi --for 0ns"):
            with self.subTest(words=words):
                self.same("12.4", [program, *words.split(), "--output", "json"], steady)


if __name__ == "__main__":
    own_run()
    unittest.main()
