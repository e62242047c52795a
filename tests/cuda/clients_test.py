"""CUDA clients that nobody here wrote, on a simulated node with a driver: what they compute is checked.

Run with a Python that has tests/requirements.txt installed (tools/python-env makes one).
"""

import importlib.metadata
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import clients  # noqa: E402
from node import SOURCE, DrivenNode  # noqa: E402

KERNELS = SOURCE / "tests/cuda/kernels.ptx"
VERSIONS = {"12.4": "550.163.01", "13.5": "600.10.01"}
WHEELS = {"nvidia-cuda-nvcc-cu12": "12.4", "nvidia-cuda-nvcc": "13.5"}


def need(module):
    """Decorator: skips without the client, but fails where CI=true."""
    if importlib.util.find_spec(module.split(".")[0]) and importlib.util.find_spec(module):
        return lambda test: test
    if os.environ.get("CI") == "true":
        def missing(_self):
            raise AssertionError(f"{module} is not installed: pip install -r tests/requirements.txt")
        return lambda _test: missing
    return unittest.skip(f"{module} is not installed")


def profile(cuda):
    text = (SOURCE / "sim/profiles/a100x2.yaml").read_text()
    return text.replace("570.172.08", VERSIONS[cuda]).replace('"12.8"', f'"{cuda}"')


def tool(wheel, name):
    try:
        files = importlib.metadata.files(wheel) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = next((file.locate() for file in files if file.match(f"bin/{name}")), None)
    if found is not None:
        pathlib.Path(found).chmod(0o755)
    return found


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def make_images(folder):
    """Cubins and fat binaries of the kernels, by NVIDIA's own tools; what each should give."""
    whole = [[0, 8], [8, 1], [12, 4], 4, 1024]
    expected = {}
    for wheel, version in WHEELS.items():
        for architecture, answer in ((80, whole), (90, 209)):
            name = f"{version}-sm_{architecture}.cubin"
            run(tool(wheel, "ptxas"), f"-arch=sm_{architecture}", KERNELS, "-o", folder / name)
            expected[name] = answer
    cubin = folder / "13.5-sm_80.cubin"
    for mode, answer in (("none", whole), ("speed", whole), ("size", 801)):
        name = f"{mode}.fatbin"
        parts = [f"--image3=kind=elf,sm=80,file={cubin}", f"--image3=kind=ptx,sm=70,file={KERNELS}"]
        # In the mode "speed" PTX is compressed by LZ4, in the mode "size" all is by zstd.
        run(tool("nvidia-cuda-nvcc", "fatbinary"), "--64", f"--create={folder / name}",
            f"--compress-mode={mode}", *parts)
        expected[name] = answer
    return expected


class Clients(unittest.TestCase):
    maxDiff = None

    def client(self, node, script, images="/nonexistent"):
        return json.loads(run("/usr/bin/env", f"LD_LIBRARY_PATH={node.libraries()}",
                              "CUDA_PYTHON_DISABLE_MAJOR_VERSION_WARNING=1",
                              sys.executable, "-c", script, KERNELS, images))

    @need("cuda.bindings")
    def test_cuda_bindings(self):
        with tempfile.TemporaryDirectory() as folder, DrivenNode(profile("12.4")) as node:
            files = make_images(pathlib.Path(folder))
            seen = self.client(node, clients.BINDINGS, folder)
            log = node.log()
        self.assertEqual(seen["version"], 12040)
        self.assertEqual([name for name, _ in seen["devices"]], ["NVIDIA A100-SXM4-80GB"] * 2)
        self.assertEqual(len({uuid for _, uuid in seen["devices"]}), 2)
        self.assertEqual(seen["multiprocessors"], 108)
        self.assertEqual(seen["taken"], 1 << 30)
        self.assertTrue(seen["given back"])
        for kernel in ("add", "copy", "fill", "sum"):
            self.assertTrue(seen[kernel], kernel)
        self.assertEqual(seen["counter"], [4, 7 + 12])
        self.assertEqual([seen["busy"], seen["ready"]], [600, 0])
        self.assertGreaterEqual(seen["milliseconds"], 5)
        self.assertEqual(seen["params"], [[0, 8], [8, 1], [12, 4]])
        self.assertEqual(seen["kernels"], 7)
        self.assertEqual(seen["errors"], dict(name=500, text=218, image=200, gpu=209, block=1, grid=1))
        self.assertEqual(seen["files"], files)
        self.assertEqual(seen["broken"], [700, 700, 700])
        self.assertTrue([line for line in log if "not computed, it has shfl.sync.bfly.b32: kernel shuffle" in line], log)

    @need("cuda.core")
    def test_cuda_core(self):
        for cuda in VERSIONS:
            with self.subTest(cuda=cuda), DrivenNode(profile(cuda)) as node:
                self.assertEqual(self.client(node, clients.CORE), dict(
                    name="NVIDIA A100-SXM4-80GB", compute=[8, 0], arguments=4, blocks=8, add=True,
                    graph=True))


if __name__ == "__main__":
    unittest.main()
