"""The profiles of the simulated node, read back by NVML clients that nobody here wrote.

Run with a Python that has tests/requirements.txt installed (tools/python-env makes one).
"""

import re
import sys
import unittest

sys.dont_write_bytecode = True

from clients import GPUSTAT, NVIDIA_ML_PY, NVITOP  # noqa: E402
from node import MIB, MODELS, NAMES, Node, need, read_profile  # noqa: E402


class ProfilesReadBack(unittest.TestCase):
    """Every profile, as each client sees it."""

    maxDiff = None

    def check_migs(self, expected, model, migs):
        self.assertEqual(sorted(m["name"].split(" MIG ")[1] for m in migs), expected["layout"])
        self.assertEqual(len({m["uuid"] for m in migs}), len(migs))
        for mig in migs:
            self.assertEqual(mig["memory"], model["mig"][mig["name"].split(" MIG ")[1]])
            self.assertTrue(mig["uuid"].startswith("MIG-"))

    @need("pynvml")
    def test_nvidia_ml_py(self):
        for name in NAMES:
            with self.subTest(profile=name), Node(name) as node:
                profile = read_profile(name)
                seen = node.client(NVIDIA_ML_PY)
                self.assertEqual(seen["driver"], profile["driver"])
                self.assertEqual(seen["cuda"], profile["cuda"])
                self.assertEqual(len(seen["gpus"]), len(profile["gpus"]))
                for index, (gpu, expected) in enumerate(zip(seen["gpus"], profile["gpus"])):
                    self.check_gpu(index, gpu, expected)

    def check_gpu(self, index, gpu, expected):
        model = MODELS[expected["model"]]
        self.assertEqual(gpu["uuid"], expected["uuid"])
        self.assertEqual(gpu["name"], model["name"])
        self.assertEqual([gpu["index"], gpu["by_uuid"], gpu["by_bus"]],
                         [index, index, expected["uuid"]])
        self.assertEqual(gpu["bus"].lower(), "0000" + expected["bus"])
        place = [int(n, 16) for n in re.split("[:.]", expected["bus"])]
        self.assertEqual(gpu["pci"], place[:3])
        self.assertEqual(gpu["pci_id"], model["pci_id"])
        self.assertEqual(gpu["memory"], model["memory"])
        self.assertEqual([gpu["sum"], gpu["v2"], gpu["v2sum"]], [model["memory"]] * 3)
        self.assertEqual(gpu["compute"], model["compute"])
        self.assertEqual(gpu["power_limit"], model["power_limit"])
        self.assertEqual(gpu["temperature"], model["idle_temperature"])
        self.assertTrue(gpu["events"] & 0x8)
        self.assertEqual(gpu["beyond"], "Invalid Argument")
        cut = bool(expected["layout"])
        self.assertEqual(gpu["mig"], [int(cut)] * 2 if model["mig"] else "Not Supported")
        self.check_migs(expected, model, gpu["migs"])
        for mig in gpu["migs"]:
            self.assertEqual(mig["parent"], expected["uuid"])
            self.assertEqual(mig["again"], mig["uuid"])
            self.assertEqual(mig["mb"] * MIB, mig["memory"])

    @need("pynvml")
    def test_links_are_as_wired(self):
        expectations = {"h100x8": (18, "00000000:07:00.0"), "a100x2": (12, "00000000:0F:00.0"),
                        "v100x8": (6, "00000000:07:00.0"), "t4": (0, "Not Supported")}
        for name, expected in expectations.items():
            with self.subTest(profile=name), Node(name) as node:
                gpu = node.client(NVIDIA_ML_PY)["gpus"][0]
                self.assertEqual((gpu["links"], gpu["remote"]), expected)

    @need("nvitop")
    def test_nvitop(self):
        for name in NAMES:
            with self.subTest(profile=name), Node(name) as node:
                profile = read_profile(name)
                seen = node.client(NVITOP)
                self.assertEqual(seen["count"], len(profile["gpus"]))
                for gpu, expected in zip(seen["gpus"], profile["gpus"]):
                    model = MODELS[expected["model"]]
                    self.assertEqual(gpu["uuid"], expected["uuid"])
                    self.assertEqual(gpu["name"], model["name"])
                    self.assertEqual(gpu["bus"].lower(), "0000" + expected["bus"])
                    self.assertEqual(gpu["memory"], model["memory"])
                    self.assertEqual(gpu["compute"], model["compute"])
                    self.assertEqual(gpu["power_limit"], model["power_limit"] * 1000)
                    self.assertEqual(gpu["temperature"], model["idle_temperature"])
                    self.assertEqual(gpu["utilization"], "N/A" if expected["layout"] else 0)
                    self.check_migs(expected, model, gpu["migs"])

    @need("gpustat")
    def test_gpustat(self):
        for name in NAMES:
            with self.subTest(profile=name), Node(name) as node:
                profile = read_profile(name)
                seen = node.client(GPUSTAT)
                self.assertEqual(seen["driver"], profile["driver"])
                self.assertEqual(len(seen["gpus"]), len(profile["gpus"]))
                for index, (gpu, expected) in enumerate(zip(seen["gpus"], profile["gpus"])):
                    model = MODELS[expected["model"]]
                    self.assertEqual(gpu["index"], index)
                    self.assertEqual(gpu["uuid"], expected["uuid"])
                    self.assertEqual(gpu["name"], model["name"])
                    self.assertEqual(gpu["memory.total"], model["memory"] // MIB)
                    self.assertEqual(gpu["temperature.gpu"], model["idle_temperature"])
                    self.assertEqual(gpu["enforced.power.limit"], model["power_limit"])


if __name__ == "__main__":
    unittest.main()
