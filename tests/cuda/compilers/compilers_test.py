"""Compilers that nobody here wrote, on a simulated node with a driver of CUDA 13.5.

tinygrad has its kernels compiled to PTX by NVIDIA's nvrtc, and the simulated driver computes what they compute.
numba-cuda loads machine code, which is only timed; so its own kernel is also compiled to PTX here, and that is
computed. Run with a Python that has requirements.txt of this folder installed (tools/python-env makes one).
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from node import SOURCE, DrivenNode  # noqa: E402

TINYGRAD = """
import json
import numpy as np
from tinygrad import Device, Tensor
left, right = np.arange(1000, dtype=np.float32), np.full(1000, 0.5, np.float32)
square = np.arange(256, dtype=np.float32).reshape(16, 16)
added = (Tensor(left) + Tensor(right)).numpy()
product = (Tensor(square) @ Tensor(np.eye(16, dtype=np.float32) * 2)).numpy()
print(json.dumps(dict(device=Device.DEFAULT, add=bool((added == left + right).all()),
    sum=Tensor(left).sum().item(), product=bool((product == square * 2).all()),
    chosen=(Tensor(left) > 10).where(1.0, 0.0).sum().item())))
"""

NUMBA = """
import ctypes, json, re, warnings
import numpy as np
warnings.simplefilter("ignore")
from numba import cuda, types
from cuda.bindings import driver as d
def twice_and_more(x, y, n):
    i = cuda.grid(1)
    if i < n:
        y[i] += 2 * x[i]
x = np.arange(1000, dtype=np.float32)
there, target = cuda.to_device(x), cuda.to_device(x)
seen = dict(name=cuda.get_current_device().name.strip(), back=bool((there.copy_to_host() == x).all()))
cuda.jit(twice_and_more)[4, 256](there, target, 1000)
begin, end, stream = cuda.event(), cuda.event(), cuda.stream()
begin.record(stream)
end.record(stream)
end.synchronize()
seen["elapsed"] = cuda.event_elapsed_time(begin, end) >= 0
numbers = types.CPointer(types.float32)
text, _ = cuda.compile_ptx(twice_and_more, types.void(numbers, numbers, types.int32), cc=(8, 0))
name = re.search(r"\\.entry (\\w+)", text)[1]
error, module = d.cuModuleLoadData(text.encode() + b"\\0")
seen["loaded"] = int(error)
error, function = d.cuModuleGetFunction(module, name.encode())
pointers = [array.device_ctypes_pointer.value for array in (there, target)]
values = (*pointers, 1000), (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int)
target.copy_to_device(x)
seen["launched"] = int(d.cuLaunchKernel(function, 4, 1, 1, 256, 1, 1, 0, 0, values, 0)[0])
cuda.synchronize()
seen["computed"] = bool((target.copy_to_host() == 3 * x).all())
print(json.dumps(seen))
"""


def profile():
    text = (SOURCE / "sim/profiles/a100x2.yaml").read_text()
    return text.replace("570.172.08", "600.10.01").replace('"12.8"', '"13.5"')


class Compilers(unittest.TestCase):
    def client(self, script, module):
        """What it prints, and the driver's log."""
        if importlib.util.find_spec(module) is None:
            missing = f"{module} is not installed: pip install -r {pathlib.Path(__file__).with_name('requirements.txt')}"
            if os.environ.get("CI") == "true":
                self.fail(missing)
            self.skipTest(missing)
        wheels = [str(path) for place in sys.path
                  for path in pathlib.Path(place).glob("nvidia/cu13/lib")]
        with tempfile.TemporaryDirectory() as home, DrivenNode(profile()) as node:
            environment = dict(os.environ, DEV="CUDA", HOME=home, XDG_CACHE_HOME=home,
                               NUMBA_CACHE_DIR=home, LD_LIBRARY_PATH=":".join([node.libraries(), *wheels]))
            done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                                  env=environment, timeout=600)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return json.loads(done.stdout.splitlines()[-1]), node.log()

    def test_tinygrad(self):
        seen, _ = self.client(TINYGRAD, "tinygrad")
        self.assertEqual(seen, dict(device="CUDA", add=True, sum=499500, product=True, chosen=989))

    def test_numba(self):
        seen, log = self.client(NUMBA, "numba_cuda")
        self.assertEqual(seen, dict(name="NVIDIA A100-SXM4-80GB", back=True, elapsed=True, loaded=0,
                                    launched=0, computed=True))
        told = [line for line in log if '"event":"missing"' in line and "not computed, it is machine code: kernel" in line]
        self.assertEqual(len(told), 1, log)


if __name__ == "__main__":
    unittest.main()
