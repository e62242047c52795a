"""What every function of the library says where the kernel module is not loaded, as NVIDIA's own 550.163.01 does.

Seen of the real library on a machine without a GPU: each function called with zeros, and with pointers to
zeroed buffers, before a failed nvmlInit and after it.
"""

import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

from node import Node  # noqa: E402

SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, DRIVER_NOT_LOADED = 0, 1, 2, 9
OTHERWISE = {  # all others: UNINITIALIZED each time
    "nvmlInit": [DRIVER_NOT_LOADED] * 4,
    "nvmlInitWithFlags": [DRIVER_NOT_LOADED] * 4,
    "nvmlInit_v2": [DRIVER_NOT_LOADED] * 4,
    "nvmlInternalGetExportTable": [INVALID_ARGUMENT] * 4,
    "nvmlShutdown": [SUCCESS] * 4,
    "nvmlSystemGetNVMLVersion": [INVALID_ARGUMENT, SUCCESS] * 2,
}
NO_RESULT = {"nvmlErrorString"}


def exported(library):
    listing = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True,
                             check=True).stdout
    return sorted(line.split()[-1] for line in listing.splitlines())


def results(library, name):
    """In a process of its own, for what a call leaves behind."""
    pipe = os.pipe()
    child = os.fork()
    if child == 0:
        driver = ctypes.CDLL(library)
        buffers = [ctypes.create_string_buffer(1 << 16) for _ in range(8)]
        pointers = [ctypes.c_void_p(ctypes.addressof(buffer)) for buffer in buffers]
        call, seen = getattr(driver, name), []
        for _ in range(2):
            seen += [call(*[ctypes.c_void_p(0)] * 8), call(*pointers)]
            driver.nvmlInit_v2()
        os.write(pipe[1], json.dumps(seen).encode())
        os._exit(0)
    os.close(pipe[1])
    with os.fdopen(pipe[0]) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else "crashed"


class WithoutTheKernelModule(unittest.TestCase):
    def test_every_function(self):
        with tempfile.TemporaryDirectory() as folder:
            profile = pathlib.Path(folder) / "unloaded.yaml"
            profile.write_text('driver: {version: 550.163.01, cuda: "12.4", loaded: false}\ngpus: []\n')
            with Node(str(profile)) as node:
                library = node.root + "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"
                names = exported(library)
                self.assertGreater(len(names), 300)
                for name in names:
                    if name not in NO_RESULT:
                        with self.subTest(call=name):
                            self.assertEqual(results(library, name),
                                             OTHERWISE.get(name, [UNINITIALIZED] * 4))


if __name__ == "__main__":
    unittest.main()
