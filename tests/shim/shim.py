"""The shim in front of a libcuda, as its delivery puts it there, and a node program that gives pages to programs."""

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

__all__ = ["BIN", "DrivenNode", "Node", "SHIM", "SOURCE", "REAL_NAME", "Shadow", "hooks", "symbols"]

SHIM = BIN / "shim/libcuda.tranche.so.1"
REAL_NAME = "libcuda.tranche-real.so.1"


def hooks():
    return set(re.findall(r"^HOOK\((\w+)\)", (SOURCE / "src/shim/hooks.def").read_text(), re.M))


class Shadow:
    """A folder in which libcuda.so.1 is the shim, in front of `real`."""

    def __init__(self, real):
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-shim-")
        self.path = pathlib.Path(self.folder.name)
        shutil.copy(SHIM, self.path / "libcuda.so.1")
        (self.path / "libcuda.so").symlink_to("libcuda.so.1")
        (self.path / REAL_NAME).symlink_to(pathlib.Path(real).absolute())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    @property
    def library(self):
        return str(self.path / "libcuda.so.1")
