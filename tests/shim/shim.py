"""The shim in front of a libcuda, as its delivery puts it there, and a node program that gives pages to programs."""

import fnmatch
import pathlib
import re
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "tests/cuda"))

from node import BIN, DrivenNode, Node  # noqa: E402
from symbols import symbols  # noqa: E402

__all__ = ["BIN", "DrivenNode", "Node", "SHIM", "SHIMS", "SOURCE", "REAL_NAME", "SHIPPED_REAL", "Shadow",
           "copy_for_folder", "hooks", "passes", "put_in_front", "shim_for", "symbols", "unaccounted"]

SHIMS = {int(path.name.split("-")[1].split(".")[0]): path
         for path in sorted(BIN.glob("shim/libcuda.tranche-*.so.1")) if path.name.count("-") == 1}
SHIM = SHIMS[max(SHIMS)]
# Where a shim as it is shipped looks for the real library (src/hook puts it there).
SHIPPED_REAL = "/run/tranche/real/0/libcuda.so.1"
# The same in the folder of a Shadow.
REAL_NAME = "real/libcuda.so.1"


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


def copy_for_folder(shim, copy):
    """A copy of the shim that finds the real library below its own folder, so that tests need none in /run."""
    shipped, here = SHIPPED_REAL.encode() + b"\0", f"$ORIGIN/{REAL_NAME}".encode() + b"\0"
    data = pathlib.Path(shim).read_bytes()
    if data.count(shipped) != 1 or len(here) > len(shipped):
        raise AssertionError(f"{shim} does not need {SHIPPED_REAL}")
    copy.write_bytes(data.replace(shipped, here.ljust(len(shipped), b"\0")))
    copy.chmod(0o755)


def put_in_front(shim, real, folder):
    """The shim as libcuda.so.1 of `folder`, before the library `real`."""
    copy_for_folder(shim, folder / "libcuda.so.1")
    (folder / REAL_NAME).parent.mkdir()
    (folder / REAL_NAME).symlink_to(pathlib.Path(real).absolute())


class Shadow:
    """A folder in which libcuda.so.1 is the shim, in front of `real`."""

    def __init__(self, real):
        self.folder = tempfile.TemporaryDirectory(prefix="tranche-shim-")
        self.path = pathlib.Path(self.folder.name)
        put_in_front(shim_for(real), real, self.path)
        (self.path / "libcuda.so").symlink_to("libcuda.so.1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    @property
    def library(self):
        return str(self.path / "libcuda.so.1")
