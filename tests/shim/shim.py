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

__all__ = ["BIN", "DrivenNode", "Node", "SHIM", "SHIMS", "SOURCE", "REAL_NAME", "Shadow", "hooks", "passes",
           "shim_for", "symbols", "unaccounted"]

SHIMS = {int(path.name.split("-")[1].split(".")[0]): path for path in sorted(BIN.glob("shim/libcuda.tranche-*.so.1"))}
SHIM = SHIMS[max(SHIMS)]
REAL_NAME = "libcuda.tranche-real.so.1"


def hooks(newest=99999):
    """Those that are not newer than a version of CUDA."""
    rows = re.findall(r"^HOOK\((\w+), (\d+)\)", (SOURCE / "src/shim/hooks.def").read_text(), re.M)
    return {name for name, version in rows if int(version) <= newest}


def shim_for(real):
    """The newest shim whose hooks a driver has all."""
    exported = symbols(str(real), "FUNC").keys()
    return SHIMS[max(version for version in SHIMS if hooks(version) <= exported)]


def passes():
    """pattern -> why what it names is not hooked"""
    lines = [line for line in (SOURCE / "tests/shim/passes.txt").read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split(maxsplit=1) for line in lines)


def unaccounted(exported):
    """Exports of a driver that are neither hooked nor passed by."""
    patterns = passes()
    return sorted(name for name in exported - hooks()
                  if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))


class Shadow:
    """A folder in which libcuda.so.1 is the shim, in front of `real`."""

    def __init__(self, real):
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-shim-")
        self.path = pathlib.Path(self.folder.name)
        shutil.copy(shim_for(real), self.path / "libcuda.so.1")
        (self.path / "libcuda.so").symlink_to("libcuda.so.1")
        (self.path / REAL_NAME).symlink_to(pathlib.Path(real).absolute())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    @property
    def library(self):
        return str(self.path / "libcuda.so.1")
