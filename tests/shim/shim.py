"""The shim in front of a libcuda, as its delivery puts it there, and a node program that gives pages to programs."""

import fnmatch
import pathlib
import re
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests/cuda"))

from node import BIN, CONTEXT, DrivenNode, Node  # noqa: E402
from symbols import symbols  # noqa: E402

__all__ = ["BIN", "CONTEXT", "CUDA", "DrivenNode", "NVML", "Node", "SHIM", "SHIMS", "SOURCE", "REAL_NAME", "Shadow",
           "copy_for_folder", "hooks", "passes", "put_in_front", "shim_for", "symbols", "unaccounted"]


class Shims:
    """The shims of one library of the driver's, by the version of CUDA from which on they are for a driver."""

    def __init__(self, library, room, passes):
        self.library, self.room, self.passes_file = library, SOURCE / room, SOURCE / "tests/shim" / passes
        # Where a shim as it is shipped looks for the real library (src/hook puts it there), by its number.
        self.shipped_real = "/run/tranche/real/{}/" + f"{library}.so.1"
        # The same in the folder of a Shadow.
        self.real_name = f"real/{library}.so.1"
        built = {path.name.split(".tranche-")[1].split(".")[0]: path
                 for path in sorted(BIN.glob(f"shim/{library}.tranche-*.so.1"))}
        self.paths = {int(version): path for version, path in built.items() if "-" not in version}
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

    def copy_for_folder(self, shim, copy):
        """A copy of the shim that finds the real library below its own folder, so that tests need none in /run."""
        shipped, here = (name.encode() + b"\0" for name in (self.shipped_real.format(0), f"$ORIGIN/{self.real_name}"))
        data = pathlib.Path(shim).read_bytes()
        if data.count(shipped) != 1 or len(here) > len(shipped):
            raise AssertionError(f"{shim} does not need {self.shipped_real.format(0)}")
        copy.write_bytes(data.replace(shipped, here.ljust(len(shipped), b"\0")))
        copy.chmod(0o755)

    def put_in_front(self, shim, real, folder):
        """The shim under the library's name in `folder`, before the library `real`."""
        self.copy_for_folder(shim, folder / f"{self.library}.so.1")
        (folder / self.real_name).parent.mkdir(exist_ok=True)
        (folder / self.real_name).symlink_to(pathlib.Path(real).absolute())


CUDA = Shims("libcuda", "src/shim", "passes.txt")
NVML = Shims("libnvidia-ml", "src/shim/nvml", "nvml_passes.txt")
SHIMS, SHIM, REAL_NAME = CUDA.paths, CUDA.newest, CUDA.real_name
hooks, shim_for, passes, unaccounted = CUDA.hooks, CUDA.shim_for, CUDA.passes, CUDA.unaccounted
copy_for_folder, put_in_front = CUDA.copy_for_folder, CUDA.put_in_front


class Shadow:
    """A folder in which libcuda.so.1 is the shim, in front of `real`, and libnvidia-ml.so.1 where `nvml` is given."""

    def __init__(self, real=None, nvml=None):
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-shim-")
        self.path = pathlib.Path(self.folder.name)
        for shims, behind in ((CUDA, real), (NVML, nvml)):
            if behind:
                shims.put_in_front(shims.shim_for(behind), behind, self.path)
                (self.path / f"{shims.library}.so").symlink_to(f"{shims.library}.so.1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    @property
    def library(self):
        return str(self.path / "libcuda.so.1")
