"""What is simulated answers on a node without GPUs as real drivers do on a machine without one, before and after
a cuInit that failed: tests/conformance/driver, recorded of real libraries. What is not simulated is exported as a
weak symbol, and answers that there is no initialised driver."""

import ctypes
import re
import unittest

from node import Node
from symbols import simulated
from vectors import MODES, answer, recorded

# Where the real library crashes or hangs, ours may do better.
CRASHES = re.compile(r"signal \d+|hangs")
# call -> why ours answers otherwise.
KNOWN = {
    "cuGraphKernelNodeGetParams": "the real one reads whatever the handle points to",
    "cuGraphKernelNodeGetParams_v2": "the same",
    "cuUserObjectRetain": "the same, of 12.2",
    "cuUserObjectRelease": "the same, of 12.2",
}


class AsRealDrivers(unittest.TestCase):
    def check(self, driver, cuda, facts):
        profile = f"driver: {{version: {driver}, cuda: \"{cuda}\"}}\nmachine: Test\ngpus: []\n"
        with Node(profile) as node:
            path = node.library()
            library, differences, compared = ctypes.CDLL(path), [], 0
            mine = simulated(path)
            for call, modes in recorded(facts).items():
                if call not in mine or call in KNOWN:
                    continue
                for mode in MODES:
                    if CRASHES.fullmatch(str(modes[mode])):
                        continue
                    compared += 1
                    found = answer(library, call, mode)
                    if found != modes[mode]:
                        differences.append(f"{call} {mode}: {found}, the real one {modes[mode]}")
            self.assertEqual(differences, [], "\n".join(differences))
            self.assertGreater(compared, 60)

    def test_550(self):
        self.check("550.163.01", "12.4", "facts-cuda.jsonl")

    def test_535(self):
        self.check("535.261.03", "12.2", "facts-cuda535.jsonl")


class Stubs(unittest.TestCase):
    def test_say_that_the_driver_is_not_initialised(self):
        with Node("none") as node:
            library = ctypes.CDLL(node.library())
            self.assertNotIn("cuTexRefCreate", simulated(node.library()))
            for mode in MODES:
                self.assertEqual(answer(library, "cuTexRefCreate", mode), 3)


if __name__ == "__main__":
    unittest.main()
