"""The workloads run wherever there is a glibc of 2012 or later: what they ask of it is no newer than 2.17.

TRANCHE_BIN_DIR names the folder of the `tranche` program, with sim/ inside it.
"""

import os
import pathlib
import re
import subprocess
import unittest

PROGRAM = pathlib.Path(os.environ["TRANCHE_BIN_DIR"]) / "sim" / "tranche-workload"
NEWEST = (2, 17)
LIBRARIES = {"libc.so.6", "libm.so.6", "libdl.so.2", "ld-linux-x86-64.so.2"}


def readelf(*arguments):
    return subprocess.run(["readelf", "--wide", *arguments], capture_output=True, text=True, check=True).stdout


def newer_than(limit, text):
    """The versions of glibc in readelf's text that are newer."""
    versions = {tuple(int(part) for part in found.split("."))
                for found in re.findall(r"\bGLIBC_([0-9.]+)", text)}
    return sorted(version for version in versions if version > limit)


class Symbols(unittest.TestCase):
    def test_nothing_newer_than_2_17_is_asked_of_glibc(self):
        text = readelf("--version-info", PROGRAM)
        self.assertIn("GLIBC_2.2.5", text)
        self.assertEqual(newer_than(NEWEST, text), [])

    def test_a_program_of_this_machine_asks_for_newer_ones(self):
        """Shows that the test above can fail, and why the program is linked as it is."""
        tranche = PROGRAM.parent.parent / "tranche"
        self.assertNotEqual(newer_than(NEWEST, readelf("--version-info", tranche)), [])

    def test_no_library_but_glibcs_is_needed(self):
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("--dynamic", PROGRAM)))
        self.assertLessEqual(needed, LIBRARIES)
        self.assertIn("libdl.so.2", needed)  # where dlopen was before 2.34

    def test_it_starts(self):
        done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True)
        self.assertIn("usage: tranche-workload", done.stdout)


if __name__ == "__main__":
    unittest.main()
