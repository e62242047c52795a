"""Our declarations of NVML against NVIDIA's own nvml.h, which comes with the wheel nvidia-nvml-dev.

Run with a Python that has tests/requirements.txt installed. Without the header the test is skipped,
and fails where CI=true.
"""

import os
import pathlib
import shutil
import subprocess
import sysconfig
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = pathlib.Path(sysconfig.get_paths()["purelib"])
CHECKS = ("nvml_abi_check.cc", "nvml_abi_values.cc")
HEADERS = sorted(PACKAGES.glob("nvidia/cu*/include/nvml.h"))


class DeclarationsAgree(unittest.TestCase):
    def setUp(self):
        if not HEADERS:
            why = f"no nvml.h in {PACKAGES}/nvidia: pip install -r tests/requirements.txt"
            self.assertNotEqual(os.environ.get("CI"), "true", why)
            self.skipTest(why)

    def compile(self, ours):
        command = [os.environ.get("CXX", "c++"), "-std=c++20", "-fsyntax-only", f"-I{ours}", f"-I{SOURCE}",
                   f"-isystem{HEADERS[-1].parent}",
                   *(str(SOURCE / "tests/nvml" / name) for name in CHECKS)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    def test_every_size_offset_value_and_function(self):
        done = self.compile(SOURCE / "src")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_wrong_declaration_would_be_noticed(self):
        """The check's own check: one declaration of each kind is made wrong."""
        wrongs = {
            "abi.h": [("  unsigned pci_subsystem_id;\n", "  unsigned long pci_subsystem_id;\n")],
            "abi_values.h": [("  kGpuIsLost = 15,", "  kGpuIsLost = 16,"),
                             ("kEventXidCritical = 0x8;", "kEventXidCritical = 0x10;")],
            "functions.h": [("Return(Device device, unsigned* minor)",
                             "Return(Device device, unsigned long* minor)")],
        }
        for name, changes in wrongs.items():
            for before, after in changes:
                with self.subTest(change=after), tempfile.TemporaryDirectory() as folder:
                    nvml = pathlib.Path(folder) / "gpu/nvml"
                    nvml.mkdir(parents=True)
                    for header in ("abi.h", "abi_values.h", "functions.h"):
                        shutil.copy(SOURCE / "src/gpu/nvml" / header, nvml)
                    text = (nvml / name).read_text()
                    self.assertIn(before, text)
                    (nvml / name).write_text(text.replace(before, after, 1))
                    done = self.compile(folder)
                    self.assertIn("static assertion failed", done.stderr)


if __name__ == "__main__":
    unittest.main()
