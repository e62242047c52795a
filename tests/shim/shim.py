"""The shim in front of a libcuda, as its delivery puts it there, and a node program that gives pages to programs."""

import fnmatch
import pathlib
import re
import shutil
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests/cuda"))

from node import BIN, DrivenNode, Node  # noqa: E402
from symbols import symbols  # noqa: E402

__all__ = ["BIN", "CUDA", "DrivenNode", "NVML", "Node", "SHIM", "SHIMS", "SOURCE", "REAL_NAME", "Shadow", "hooks",
           "passes", "shim_for", "symbols", "unaccounted"]


class Shims:
    """The shims of one library of the driver's, by the version of CUDA from which on they are for a driver."""

    def __init__(self, library, room, passes):
        self.library, self.room, self.passes_file = library, SOURCE / room, SOURCE / "tests/shim" / passes
        self.real_name = f"{library}.tranche-real.so.1"
        built = sorted(BIN.glob(f"shim/{library}.tranche-*.so.1"))
        self.paths = {int(path.name.split(".tranche-")[1].split(".")[0]): path for path in built}
        self.newest = self.paths[max(self.paths)]

    def hooks(self, newest=99999):
        """Those that are not newer than a version of CUDA."""
        rows = re.findall(r"^HOOK\((\w+), (\d+)\)", (self.room / "hooks.def").read_text(), re.M)
        return {name for name, version in rows if int(version) <= newest}

    def shim_for(self, real):
        """The newest shim whose hooks a driver has all."""
        exported = symbols(str(real), "FUNC").keys()
        return self.paths[max(version for version in self.paths if self.hooks(version) <= exported)]

    def passes(self):
        """pattern -> why what it names is not hooked"""
        lines = [line for line in self.passes_file.read_text().splitlines() if line and not line.startswith("#")]
        return dict(line.split(maxsplit=1) for line in lines)

    def unaccounted(self, exported):
        """Exports of a driver that are neither hooked nor passed by."""
        patterns = self.passes()
        return sorted(name for name in exported - self.hooks()
                      if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))

    def put(self, folder, real):
        """The shim for `real` into a folder, in front of it."""
        shutil.copy(self.shim_for(real), folder / f"{self.library}.so.1")
        (folder / f"{self.library}.so").symlink_to(f"{self.library}.so.1")
        (folder / self.real_name).symlink_to(pathlib.Path(real).absolute())


CUDA = Shims("libcuda", "src/shim", "passes.txt")
NVML = Shims("libnvidia-ml", "src/shim/nvml", "nvml_passes.txt")
SHIMS, SHIM, REAL_NAME = CUDA.paths, CUDA.newest, CUDA.real_name
hooks, shim_for, passes, unaccounted = CUDA.hooks, CUDA.shim_for, CUDA.passes, CUDA.unaccounted


class Shadow:
    """A folder in which libcuda.so.1 is the shim, in front of `real`, and libnvidia-ml.so.1 where `nvml` is given."""

    def __init__(self, real=None, nvml=None):
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-shim-")
        self.path = pathlib.Path(self.folder.name)
        if real:
            CUDA.put(self.path, real)
        if nvml:
            NVML.put(self.path, nvml)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    @property
    def library(self):
        return str(self.path / "libcuda.so.1")
