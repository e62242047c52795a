"""What a shared library exports."""

import re
import subprocess


def rows(library):
    text = subprocess.run(["readelf", "--dyn-syms", "--wide", library], check=True, capture_output=True,
                          text=True).stdout
    return re.findall(r"^\s*\d+:\s+\w+\s+(\d+)\s+(\w+)\s+(GLOBAL|WEAK)\s+DEFAULT\s+\d+\s+(\w+)", text, re.M)


def symbols(library, kind):
    """name -> bytes of its FUNC or OBJECT."""
    return {name: int(size) for size, type_, _, name in rows(library) if type_ == kind}


def simulated(library):
    """The functions of a libcuda of ours that are no stubs."""
    return {name for _, type_, binding, name in rows(library)
            if type_ == "FUNC" and binding == "GLOBAL" and not name.startswith("cudbg")}
