"""The shim in front of NVIDIA's own libcuda of several versions, and under NVIDIA's own libcudart, on a machine
without a GPU: what they answer is what they answer without it.

TRANCHE_DRIVERS has the lines of tools/real-drivers. As root, cuInit of the real library makes a device node, so all
of it runs with a /dev of its own.
"""

import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[3]
sys.dont_write_bytecode = True
sys.path += [str(SOURCE / "tests/shim"), str(SOURCE / "tests/driver")]

from driver_test import OWN_DEV, UNSTEADY  # noqa: E402
from lookup_test import ask  # noqa: E402
from shim import REAL_NAME, Shadow, hooks, shim_for, symbols, unaccounted  # noqa: E402

DRIVERS = dict(line.split() for line in os.environ.get("TRANCHE_DRIVERS", "").splitlines())
FACTS = {"12020": "facts-cuda535.jsonl", "12040": "facts-cuda.jsonl"}
ANSWERS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import ctypes
from vectors import MODES, answer, recorded
library = ctypes.CDLL(sys.argv[2])
calls = sorted(recorded(sys.argv[3]))
results = {}
for mode in MODES:
    if mode == "zeros_after_failed_init":
        library.cuInit(0)
    results.update({f"{call} {mode}": answer(library, call, mode, init_first=False) for call in calls})
json.dump(results, sys.stdout)
"""
RUNTIME = """
import ctypes, json, sys
cudart = ctypes.CDLL(sys.argv[1])
number, pointer, free, total = ctypes.c_int(-1), ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
results = [cudart.cudaDriverGetVersion(ctypes.byref(number)), number.value]
results += [cudart.cudaGetDeviceCount(ctypes.byref(number)), number.value]
results += [cudart.cudaMalloc(ctypes.byref(pointer), ctypes.c_size_t(1 << 20)), pointer.value]
results += [cudart.cudaMallocAsync(ctypes.byref(pointer), ctypes.c_size_t(1 << 20), None)]
results += [cudart.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)), cudart.cudaFree(None)]
mapped = {line.split()[-1] for line in open("/proc/self/maps") if "libcuda" in line}
json.dump([results, len([path for path in mapped if "libcuda." in path or "libcuda-" in path])], sys.stdout)
"""


def script(text, *arguments, folders=""):
    command = ["unshare", "--mount", "bash", "-c", OWN_DEV, "bash", sys.executable, "-c", text, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LD_LIBRARY_PATH": folders})
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def runtime(wheel):
    files = importlib.metadata.files(wheel) or []
    return next(str(file.locate()) for file in files if file.match("libcudart.so.*"))


class RealDrivers(unittest.TestCase):
    def test_no_name_is_there_that_the_driver_has_not(self):
        """libcudart 12 on a driver of CUDA 11 asks for cuGetProcAddress_v2, and then does without."""
        for version, real in DRIVERS.items():
            self.assertEqual(symbols(str(shim_for(real)), "FUNC").keys() - symbols(real, "FUNC").keys(), set(), version)

    def test_three_versions_are_there(self):
        self.assertEqual(set(DRIVERS), {"11040", "12020", "12040"})

    def test_every_export_is_accounted_for(self):
        for version, real in DRIVERS.items():
            exported = symbols(real, "FUNC").keys() | symbols(real, "OBJECT").keys()
            self.assertGreater(len(exported), 400)
            self.assertEqual(unaccounted(exported), [], version)

    def test_lookups_give_the_same_with_hooks_in_place(self):
        for version, real in DRIVERS.items():
            if version == "11040":
                continue  # it has no cuGetProcAddress_v2
            with self.subTest(version=version), Shadow(real) as shadow:
                through = ask(shadow.library, str(shadow.path / REAL_NAME), str(shadow.path))
                straight = ask(real, real, "")
                self.assertEqual(through["answers"], straight["answers"])
                self.assertEqual(set(through["routed"]), hooks() & symbols(real, "FUNC").keys())

    def test_every_call_answers_the_same(self):
        for version, facts in FACTS.items():
            with self.subTest(version=version), Shadow(DRIVERS[version]) as shadow:
                through = script(ANSWERS, SOURCE / "tests/cuda", shadow.library, facts)
                straight = script(ANSWERS, SOURCE / "tests/cuda", DRIVERS[version], facts)
                differences = {call: (through[call], straight[call]) for call in straight
                               if through[call] != straight[call] and call.split()[0] not in UNSTEADY}
                self.assertEqual(differences, {})
                self.assertGreater(len(straight), 2000)

    def test_libcudart_answers_the_same(self):
        for version, real in DRIVERS.items():
            for wheel in ("nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime"):
                with self.subTest(version=version, wheel=wheel), Shadow(real) as shadow:
                    plain = pathlib.Path(shadow.path, "plain")
                    plain.mkdir()
                    (plain / "libcuda.so.1").symlink_to(real)
                    straight, _ = script(RUNTIME, runtime(wheel), folders=str(plain))
                    through, mapped = script(RUNTIME, runtime(wheel), folders=str(shadow.path))
                    self.assertEqual(through, straight)
                    self.assertEqual(mapped, 2, "the shim and the real library")


if __name__ == "__main__":
    unittest.main()
