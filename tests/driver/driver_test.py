"""The simulated libcuda beside NVIDIA's own of the same version, both on a machine without a GPU: what they export,
what cuGetProcAddress gives for all names, versions and flags, the names of results, and what each function answers
before and after a cuInit that failed.

TRANCHE_DRIVERS has the lines of tools/real-drivers. As root, cuInit of the real library makes a device node, so it
runs with a /dev of its own.
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests/cuda"))

from node import BIN, Node  # noqa: E402
from symbols import simulated, symbols  # noqa: E402
from vectors import MODES, recorded  # noqa: E402

DRIVERS = dict(line.split() for line in os.environ.get("TRANCHE_DRIVERS", "").splitlines())
OURS = {"12020": ("535.261.03", "12.2", "facts-cuda535.jsonl"), "12040": ("550.163.01", "12.4", "facts-cuda.jsonl")}
OWN_DEV = """
mount -t tmpfs tmpfs /dev || exit 1
while read -r name major minor; do mknod -m 666 /dev/$name c $major $minor || exit 1; done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
END
exec "$@"
"""
# What the real library reads from wherever the arguments point to without crashing, or does otherwise in a forked child.
UNSTEADY = {"cuInit", "cuLinkDestroy", "cuUserObjectRetain", "cuUserObjectRelease"}


def may_crash(*answers):
    """Whether the real library reads what its arguments point to, and so crashes with some memory beside them and answers
    with other."""
    return any(isinstance(answer, str) for answer in answers)


def ask(library, facts, init, wrapper=()):
    command = [*wrapper, sys.executable, "-B", str(SOURCE / "tests/driver/answers.py"), library, facts, init]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stderr}")
    return json.loads(done.stdout)


class BesideTheRealOne:
    """The tests of one version."""

    @classmethod
    def setUpClass(cls):
        driver, cuda, cls.facts = OURS[cls.version]
        cls.real = ask(DRIVERS[cls.version], cls.facts, "once",
                       ["unshare", "--mount", "bash", "-c", OWN_DEV, "bash"])
        with Node(f"driver: {{version: {driver}, cuda: \"{cuda}\"}}\nmachine: Test\ngpus: []\n") as node:
            cls.ours = ask(node.library(), cls.facts, "each")
            cls.simulated = simulated(node.library())

    def test_exports(self):
        self.assertEqual(self.ours["functions"], self.real["functions"])
        self.assertEqual(self.ours["data"], self.real["data"])

    def test_names_and_texts_of_results(self):
        for ours, real in zip(self.ours["texts"], self.real["texts"], strict=True):
            self.assertEqual(ours, real)

    def test_every_name_version_and_flag(self):
        self.assertGreater(len(self.real["lookups"]), 3000)
        for ours, real in zip(self.ours["lookups"], self.real["lookups"], strict=True):
            self.assertEqual(ours, real)

    def test_results_before_and_after_a_failed_init(self):
        facts = recorded(self.facts)
        differences, compared = [], 0
        for call in sorted(self.simulated - UNSTEADY):
            for mode in MODES:
                ours, real = self.ours["calls"][call][mode], self.real["calls"][call][mode]
                if may_crash(real, facts[call][mode]) or call.startswith("cuGraphKernelNodeGetParams"):
                    continue
                compared += 1
                if ours != real:
                    differences.append(f"{call} {mode}: {ours}, the real one {real}")
        self.assertEqual(differences, [], "\n".join(differences))
        self.assertGreater(compared, 500)

    def test_what_is_recorded_of_it_is_so(self):
        compared = 0
        for call, modes in recorded(self.facts).items():
            for mode, fact in modes.items():
                real = self.real["calls"][call][mode]
                if call in UNSTEADY or may_crash(real, fact):
                    continue
                compared += 1
                self.assertEqual(real, fact, f"{call} {mode}")
        self.assertGreater(compared, 1500)


class Driver12020(BesideTheRealOne, unittest.TestCase):
    version = "12020"


class Driver12040(BesideTheRealOne, unittest.TestCase):
    version = "12040"


class AnotherVersion(unittest.TestCase):
    def test_would_be_noticed(self):
        ours, real = str(BIN / "sim/libcuda-12020.so.1"), DRIVERS["12040"]
        self.assertNotEqual(symbols(ours, "FUNC").keys(), symbols(real, "FUNC").keys())


if __name__ == "__main__":
    unittest.main()
