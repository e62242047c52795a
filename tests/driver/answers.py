"""What a libcuda answers, as JSON on standard output: answers.py LIBRARY FACTS INIT

FACTS is the file of tests/conformance/driver that names the functions. INIT is `once` where a cuInit that failed
outlives a fork, as in NVIDIA's library: much faster; `each` where it does not, as in ours.
"""

import ctypes
import json
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/cuda"))

from symbols import symbols  # noqa: E402
from vectors import MODES, answer, recorded  # noqa: E402

UNTOUCHED = 0x1234
CODES = range(-3, 1010)


def texts(library):
    """[code, result, name, result, text] of every code."""
    for code in CODES:
        row = [code]
        for call in (library.cuGetErrorName, library.cuGetErrorString):
            text = ctypes.c_char_p(b"untouched")
            row += [call(code, ctypes.byref(text)), text.value and text.value.decode()]
        yield row


def versions():
    """Each version that the table knows and the one before it, and some beside them."""
    table = (SOURCE / "sim/cuda/exports/exports.def").read_text()
    dated = {int(version) for version in re.findall(r"^EXPORT\(\w+, \w+, (\d+),", table, re.M)}
    return sorted({-1, 0, 1, 13060, 1 << 30, *dated, *(version - 1 for version in dated)})


def lookups(library, exported):
    """name and flags -> what both forms of cuGetProcAddress gave, wherever that changes with the version."""
    names = {ctypes.cast(library[name], ctypes.c_void_p).value: name for name in exported}
    asked = sorted(exported | {re.sub(r"(_v\d+)?(_pts[dz])?$", "", name) for name in exported} | {"", "cuNope"})
    named = {None: None, UNTOUCHED: "untouched", **names}
    found, old, status = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
    for name in asked:
        for flags in (0, 1, 2, 3, 4, 8):
            steps = []
            for version in versions():
                found.value = old.value = UNTOUCHED
                status.value = 77
                wide = ctypes.c_uint64(flags)
                step = [library.cuGetProcAddress_v2(name.encode(), ctypes.byref(found), version, wide,
                                                    ctypes.byref(status)),
                        named[found.value], status.value,
                        library.cuGetProcAddress(name.encode(), ctypes.byref(old), version, wide), named[old.value]]
                if not steps or steps[-1][1:] != step:
                    steps.append([version, *step])
            yield [name, flags, steps]


def calls(library, facts, init_once):
    """function -> mode -> result."""
    results = {call: {} for call in recorded(facts)}
    for mode in MODES:
        if init_once and mode == "zeros_after_failed_init":
            library.cuInit(0)
        for call, modes in results.items():
            modes[mode] = answer(library, call, mode, init_first=not init_once)
    return results


def main():
    path, facts, init = sys.argv[1:]
    library = ctypes.CDLL(path)
    exported = symbols(path, "FUNC")
    json.dump({"functions": sorted(exported), "data": symbols(path, "OBJECT"), "texts": list(texts(library)),
               "lookups": list(lookups(library, exported.keys())), "calls": calls(library, facts, init == "once")},
              sys.stdout)


if __name__ == "__main__":
    main()
