"""Our declarations of libcuda against NVIDIA's own cuda.h of CUDA 12.4 and 13.5.

The headers come with the wheels nvidia-cuda-runtime-cu12 and nvidia-cuda-runtime. Run with a Python that has
tests/requirements.txt installed. Without a header the test is skipped, and fails where CI=true.
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
CHECKS = ("cuda_abi_check.cc", "cuda_abi_values.cc")
HEADERS = {"12.4": PACKAGES / "nvidia/cuda_runtime/include", "13.5": PACKAGES / "nvidia/cu13/include"}


def compile_check(ours, headers):
    command = [os.environ.get("CXX", "c++"), "-std=c++20", "-fsyntax-only", f"-I{ours}", f"-I{SOURCE}",
               f"-isystem{headers}", *(str(SOURCE / "tests/cuda" / name) for name in CHECKS)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


class DeclarationsAgree(unittest.TestCase):
    def headers(self, version):
        folder = HEADERS[version]
        if not (folder / "cuda.h").exists():
            why = f"no cuda.h of CUDA {version} in {folder}: pip install -r tests/requirements.txt"
            self.assertNotEqual(os.environ.get("CI"), "true", why)
            self.skipTest(why)
        return folder

    def test_every_size_offset_value_and_function(self):
        for version in HEADERS:
            with self.subTest(version=version):
                done = compile_check(SOURCE, self.headers(version))
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_wrong_declaration_would_be_noticed(self):
        """The check's own check: one declaration of each kind is made wrong."""
        wrongs = {
            "abi/work.h": ("  unsigned shared_bytes;\n", "  unsigned long shared_bytes;\n"),
            "abi/types.h": ("  kLimitMallocHeapSize = 2,", "  kLimitMallocHeapSize = 3,"),
            "abi/values.h": ("CUDA_ERROR_NOT_READY, 600)", "CUDA_ERROR_NOT_READY, 601)"),
            "abi/functions_memory.h": ("Result(DevicePtr* dptr, std::size_t bytesize))",
                                   "Result(DevicePtr* dptr, unsigned bytesize))"),
        }
        for name, (before, after) in wrongs.items():
            with self.subTest(change=after), tempfile.TemporaryDirectory() as folder:
                cuda = pathlib.Path(folder) / "sim/cuda"
                shutil.copytree(SOURCE / "sim/cuda", cuda)
                text = (cuda / name).read_text()
                self.assertIn(before, text)
                (cuda / name).write_text(text.replace(before, after, 1))
                done = compile_check(folder, self.headers("13.5"))
                self.assertIn("static assertion failed", done.stderr)


if __name__ == "__main__":
    unittest.main()
