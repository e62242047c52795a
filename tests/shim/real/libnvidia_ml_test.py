"""The shadow NVML in front of NVIDIA's own libnvidia-ml of several versions, on a machine without a GPU: what it exports,
and what every function answers, is what it is without it.

TRANCHE_NVML_DRIVERS has the lines of `tools/real-drivers libnvidia-ml`. All of it runs with a /dev of its own, because
NVIDIA's libraries make device nodes.
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[3]
sys.dont_write_bytecode = True
sys.path += [str(SOURCE / "tests/shim"), str(SOURCE / "tests/driver")]

from driver_test import OWN_DEV  # noqa: E402
from shim import NVML, Shadow, symbols  # noqa: E402

DRIVERS = dict(line.split() for line in os.environ.get("TRANCHE_NVML_DRIVERS", "").splitlines())
# Which functions are at another address through the first library than in the second.
ROUTED = """
import ctypes, json, sys
through, real = ctypes.CDLL(sys.argv[1]), ctypes.CDLL(sys.argv[2])
address = lambda function: ctypes.cast(function, ctypes.c_void_p).value
json.dump([name for name in json.load(sys.stdin)
           if address(getattr(through, name)) != address(getattr(real, name))], sys.stdout)
"""
# Each function in a process of its own, with zeros and with buffers, before an nvmlInit that fails and after it.
ANSWERS = """
import ctypes, json, os, sys, zlib
results, names = {}, json.load(sys.stdin)
driver = ctypes.CDLL(sys.argv[1])
for name in names:
    ends = os.pipe()
    child = os.fork()
    if child == 0:
        buffers = [ctypes.create_string_buffer(1 << 16) for _ in range(8)]
        pointers = [ctypes.c_void_p(ctypes.addressof(buffer)) for buffer in buffers]
        call, seen = getattr(driver, name), []
        for _ in range(2):
            seen += [call(*[ctypes.c_void_p(0)] * 8), call(*pointers)]
            driver.nvmlInit_v2()
        written = [zlib.crc32(buffer) for buffer in buffers]
        os.write(ends[1], json.dumps([seen, written]).encode())
        os._exit(0)
    os.close(ends[1])
    answer = os.read(ends[0], 4096).decode()
    os.close(ends[0])
    results[name] = [os.waitpid(child, 0)[1], json.loads(answer) if answer else None]
json.dump(results, sys.stdout)
"""


def run(script, names, *libraries):
    command = ["unshare", "--mount", "bash", "-c", OWN_DEV, "bash", sys.executable, "-c", script, *map(str, libraries)]
    done = subprocess.run(command, capture_output=True, text=True, input=json.dumps(sorted(names)))
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class RealNvml(unittest.TestCase):
    def test_three_versions_are_there(self):
        self.assertEqual(set(DRIVERS), {"11040", "12020", "12040"})

    def test_each_gets_a_shadow_of_its_own_version(self):
        for version, real in DRIVERS.items():
            self.assertEqual(NVML.shim_for(real), NVML.paths[int(version)])

    def test_every_export_is_accounted_for(self):
        for version, real in DRIVERS.items():
            exported = symbols(real, "FUNC").keys()
            self.assertGreater(len(exported), 240)
            self.assertEqual(NVML.unaccounted(exported), [], version)

    def test_what_is_not_hooked_is_the_drivers_own(self):
        for version, real in DRIVERS.items():
            with self.subTest(version=version), Shadow(nvml=real) as shadow:
                names = symbols(real, "FUNC").keys()
                routed = run(ROUTED, names, shadow.path / "libnvidia-ml.so.1", real)
                self.assertEqual(set(routed), NVML.hooks() & names)

    def test_every_hook_answers_the_same(self):
        for version, real in DRIVERS.items():
            with self.subTest(version=version), Shadow(nvml=real) as shadow:
                names = NVML.hooks() & symbols(real, "FUNC").keys()
                straight = run(ANSWERS, names, real)
                self.assertEqual(run(ANSWERS, names, shadow.path / "libnvidia-ml.so.1"), straight)
                self.assertGreater(len(straight), 9)
                self.assertTrue(all(answer for _, answer in straight.values()))


if __name__ == "__main__":
    unittest.main()
