"""NVIDIA's assembler takes our kernels for every architecture that there is hardware of.

ptxas comes from the wheels of tests/requirements.txt: 13.5 for Turing and later, 12.4 for Volta too.
"""

import importlib.metadata
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
ARCHITECTURES = {
    "nvidia-cuda-nvcc-cu12": [70, 75, 80, 86, 89, 90],
    "nvidia-cuda-nvcc": [75, 80, 86, 89, 90, 100, 120],
}


def ptxas(wheel):
    """The program's path, None without the wheel."""
    try:
        files = importlib.metadata.files(wheel) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((file.locate() for file in files if file.match("bin/ptxas")), None)


def kernels(header="sim/workloads/kernels.h"):
    text = (SOURCE / header).read_text()
    return re.search(r'Kernels?\[\] = R"\((.*?)\)"', text, re.S)[1]


class Ptx(unittest.TestCase):
    def assemble(self, program, text, architecture):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "kernels.ptx"
            source.write_text(text)
            return subprocess.run([program, f"-arch=sm_{architecture}", source, "-o", "/dev/null"],
                                  capture_output=True, text=True)

    def program(self, wheel):
        program = ptxas(wheel)
        if program is None:
            missing = f"{wheel} is not installed: pip install -r tests/requirements.txt"
            if os.environ.get("CI") == "true":
                self.fail(missing)
            self.skipTest(missing)
        program.chmod(0o755)
        return program

    def test_every_architecture_takes_them(self):
        for wheel, architectures in ARCHITECTURES.items():
            program = self.program(wheel)
            for architecture in architectures:
                for header in ("sim/workloads/kernels.h", "bench/gpu/turns_kernel.h"):
                    with self.subTest(wheel=wheel, architecture=architecture, header=header):
                        done = self.assemble(program, kernels(header), architecture)
                        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_wrong_kernel_is_refused(self):
        done = self.assemble(self.program("nvidia-cuda-nvcc"), kernels().replace("add.f32", "add.f33"), 90)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
