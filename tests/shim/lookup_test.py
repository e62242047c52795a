"""What cuGetProcAddress gives through the shim is what the driver gives, with the hook in place of each function
that is hooked: for every name, version and flag, in both forms, status included. What dlsym gives likewise."""

import json
import os
import subprocess
import sys
import unittest

from shim import REAL_NAME, SOURCE, Node, Shadow, hooks, symbols

DRIVERS = {"12.2": "535.261.03", "12.4": "550.163.01", "13.5": "610.1.2"}

# Prints what the library at argv[1] gives, by name: an address is named by the library that dladdr finds it in.
ASK = """
import ctypes, json, re, sys
path, real, table, names = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split()
library, plain = ctypes.CDLL(path), ctypes.CDLL(real)
address = lambda of, name: ctypes.cast(of[name], ctypes.c_void_p).value
known = {address(plain, name): name for name in names}
known.update({address(library, name): name for name in names})
ours = {address(library, name) for name in names} - {address(plain, name) for name in names}
text = open(table).read()
dated = {}
for base, version in re.findall(r"^EXPORT\\(\\w+, (\\w+), (\\d+),", text, re.M):
    dated.setdefault(base, set()).update((int(version), int(version) - 1))
asked = sorted({*names, *(re.sub(r"(_v\\d+)?(_pts[dz])?$", "", name) for name in names), "", "cuNope"})
found, old, status = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
answers, routed = [], set()
for name in asked:
    for flags in (0, 1, 2, 3, 8):
        for version in sorted({-1, 0, 13060, 1 << 30} | dated.get(name, set())):
            found.value = old.value = 0x1234
            status.value = 77
            wide = ctypes.c_uint64(flags)
            new = library.cuGetProcAddress_v2(name.encode(), ctypes.byref(found), version, wide, ctypes.byref(status))
            four = library.cuGetProcAddress(name.encode(), ctypes.byref(old), version, wide)
            routed |= {known[at] for at in (found.value, old.value) if at in ours}
            answers.append([name, flags, version, new, known.get(found.value, found.value), status.value, four,
                            known.get(old.value, old.value)])
json.dump({"answers": answers, "routed": sorted(routed),
           "hooked": sorted(known[at] for at in ours)}, sys.stdout)
"""


def ask(library, real, folders):
    names = " ".join(sorted(symbols(real, "FUNC")))
    done = subprocess.run([sys.executable, "-c", ASK, library, real, SOURCE / "sim/cuda/exports/exports.def", names],
                          capture_output=True, text=True, env={**os.environ, "LD_LIBRARY_PATH": folders})
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class Lookups(unittest.TestCase):
    def test_the_driver_answers_with_hooks_in_place(self):
        for cuda, driver in DRIVERS.items():
            profile = f"driver: {{version: {driver}, cuda: \"{cuda}\"}}\nmachine: Test\ngpus: []\n"
            with self.subTest(cuda=cuda), Node(profile) as node, Shadow(node.library()) as shadow:
                real = node.library()
                through = ask(shadow.library, str(shadow.path / REAL_NAME), str(shadow.path))
                straight = ask(real, real, "")
                self.assertEqual(through["answers"], straight["answers"])
                self.assertGreater(len(straight["answers"]), 15000)
                there = hooks() & symbols(real, "FUNC").keys()
                self.assertEqual(set(through["hooked"]), there)
                # A driver never gives these by name: their versions are not asked for any more.
                self.assertEqual(set(through["routed"]), there)
                self.assertEqual(straight["routed"], [])


if __name__ == "__main__":
    unittest.main()
