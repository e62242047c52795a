"""The simulated libcuda has the names of the real ones, gives the same functions for a name, a version and a
stream flavour, and is linked as they are. What the real ones do is recorded in tests/conformance/driver."""

import ctypes
import json
import re
import subprocess
import unittest

from node import BIN, SOURCE, Node
from symbols import symbols
from vectors import CONFORMANCE, recorded

REAL = {12020: ("facts-cuda535.jsonl", "lookups-cuda535.jsonl"), 12040: ("facts-cuda.jsonl", "lookups-cuda.jsonl")}
PROFILE = "driver: {{version: {}, cuda: \"{}\"}}\nmachine: Test\ngpus: []\n"


def built(version):
    return str(BIN / f"sim/libcuda-{version}.so.1")


class Exports(unittest.TestCase):
    def test_the_functions_of_the_real_drivers(self):
        for version, (facts, _) in REAL.items():
            with self.subTest(version=version):
                names = symbols(built(version), "FUNC").keys()
                self.assertEqual({name for name in names if not name.startswith("cudbg")}, recorded(facts).keys())
                self.assertEqual(len([name for name in names if name.startswith("cudbg")]), 8)

    def test_a_newer_version_only_has_more(self):
        older, newer = (symbols(built(version), "FUNC").keys() for version in (12040, 13050))
        self.assertEqual(older - newer, set())
        self.assertIn("cuCtxSynchronize_v2", newer - older)

    def test_the_data_of_debuggers(self):
        for version in (12020, 12040, 13050):
            data = symbols(built(version), "OBJECT")
            self.assertEqual(len(data), 20)
            self.assertEqual(data["cudbgInjectionPath"], 4096)
            self.assertEqual(data["cudbgReportedDriverApiErrorCode"], 8)
            self.assertEqual(data["cudbgIpcFlag"], 4)

    def test_linked_so_that_no_call_of_its_own_comes_back(self):
        for version in (12020, 12040, 13050):
            dynamic = subprocess.run(["readelf", "--dynamic", built(version)], check=True, capture_output=True,
                                     text=True).stdout
            self.assertRegex(dynamic, r"\((SYMBOLIC|FLAGS)\)\s+.*(0x0|SYMBOLIC)")
            self.assertIn("soname: [libcuda.so.1]", dynamic)
            relocations = subprocess.run(["readelf", "--relocs", "--wide", built(version)], check=True,
                                         capture_output=True, text=True).stdout
            self.assertEqual(re.findall(r"\bcu[A-Z]\w+|\bcudbg\w+", relocations), [])

    def test_the_table_is_what_the_program_that_makes_it_makes(self):
        """Without the headers the test is skipped: tests/cuda/abi_test.py says when that is wrong."""
        from abi_test import HEADERS
        if not all((folder / "cudaTypedefs.h").exists() for folder in HEADERS.values()):
            self.skipTest("no headers of CUDA")
        made = subprocess.run([SOURCE / "tools/cuda-exports", *HEADERS.values()], check=True, capture_output=True,
                              text=True).stdout
        self.assertEqual(made, (SOURCE / "sim/cuda/exports/exports.def").read_text())


class Lookup:
    """cuGetProcAddress of a library, both forms."""

    def __init__(self, library):
        self.library = ctypes.CDLL(library)
        self.names = {}
        for name in symbols(library, "FUNC"):
            self.names[ctypes.cast(self.library[name], ctypes.c_void_p).value] = name

    def new(self, name, version, flags):
        """(result, exported name or status)"""
        found, status = ctypes.c_void_p(0x1234), ctypes.c_int(77)
        result = self.library.cuGetProcAddress_v2(name.encode(), ctypes.byref(found), version,
                                                  ctypes.c_uint64(flags), ctypes.byref(status))
        if found.value is None or found.value == 0x1234:
            return result, status.value, found.value
        return result, self.names[found.value], status.value

    def old(self, name, version, flags):
        found = ctypes.c_void_p(0x1234)
        result = self.library.cuGetProcAddress(name.encode(), ctypes.byref(found), version, ctypes.c_uint64(flags))
        return result, self.names.get(found.value, found.value)


class ProcAddress(unittest.TestCase):
    def check_name(self, lookup, name, flags, steps):
        for (version, answer), following in zip(steps, [*steps[1:], (1 << 30, None)]):
            expected = (0, answer, 0) if isinstance(answer, str) else (0, answer, None)
            self.assertEqual(lookup.new(name, version, flags), expected, (name, version, flags))
            self.assertEqual(lookup.new(name, following[0] - 1, flags), expected, (name, following[0] - 1, flags))
            expected = (0, answer) if isinstance(answer, str) else (500, 0x1234)
            self.assertEqual(lookup.old(name, version, flags), expected, (name, version, flags))

    def test_every_name_version_and_flavour(self):
        for version, (_, lookups) in REAL.items():
            lookup = Lookup(built(version))
            for line in (CONFORMANCE / lookups).read_text().splitlines():
                row = json.loads(line)
                for flags in (0, 1):
                    self.check_name(lookup, row["name"], flags, row["legacy"])
                for flags in (2, 3):
                    self.check_name(lookup, row["name"], flags, row.get("per_thread", row["legacy"]))

    def test_every_address_given_is_an_export_with_one_address(self):
        for version in (12020, 12040, 13050):
            library = built(version)
            self.assertEqual(len(Lookup(library).names), len(symbols(library, "FUNC")))

    def test_odd_requests(self):
        lookup = Lookup(built(12040))
        self.assertEqual(lookup.new("cuInit", 12000, 3), (0, "cuInit", 0))
        self.assertEqual(lookup.new("cuInit", -1, 0), (0, "cuInit", 0))
        for flags in (4, 8, 16):
            self.assertEqual(lookup.new("cuInit", 12000, flags), (1, 77, 0x1234))
            self.assertEqual(lookup.old("cuInit", 12000, flags), (1, 0x1234))
        self.assertEqual(lookup.new("", 0, 0), (0, 1, None))
        self.assertEqual(lookup.new("cuNope", 12000, 0), (0, 1, None))
        self.assertEqual(lookup.new("cuNope", 12000, 8), (1, 77, 0x1234))

    def test_a_newer_driver_gives_what_is_new(self):
        lookup = Lookup(built(13050))
        self.assertEqual(lookup.new("cuCtxSynchronize", 12080, 0), (0, "cuCtxSynchronize", 0))
        self.assertEqual(lookup.new("cuCtxSynchronize", 13041, 0), (0, "cuCtxSynchronize_v2", 0))
        self.assertEqual(lookup.new("cuMemcpyBatchAsync", 12080, 2), (0, "cuMemcpyBatchAsync_ptsz", 0))

    def test_export_tables_are_refused(self):
        table = ctypes.c_void_p(0x1234)
        identity = ctypes.create_string_buffer(16)
        self.assertEqual(ctypes.CDLL(built(12040)).cuGetExportTable(ctypes.byref(table), identity), 1)
        self.assertEqual(table.value, 0x1234)


class Errors(unittest.TestCase):
    def text(self, version, call, code):
        found = ctypes.c_char_p(b"untouched")
        result = ctypes.CDLL(built(version))[call](code, ctypes.byref(found))
        return result, found.value

    def test_names_and_texts(self):
        self.assertEqual(self.text(12040, "cuGetErrorName", 2), (0, b"CUDA_ERROR_OUT_OF_MEMORY"))
        self.assertEqual(self.text(12040, "cuGetErrorString", 2), (0, b"out of memory"))
        self.assertEqual(self.text(12040, "cuGetErrorName", 0), (0, b"CUDA_SUCCESS"))
        for call in ("cuGetErrorName", "cuGetErrorString"):
            self.assertEqual(self.text(12040, call, 9), (1, None))
            self.assertEqual(self.text(12040, call, -5), (1, None))

    def test_a_driver_knows_the_results_of_its_version(self):
        self.assertEqual(self.text(12020, "cuGetErrorName", 913), (1, None))
        self.assertEqual(self.text(12040, "cuGetErrorName", 913), (0, b"CUDA_ERROR_FUNCTION_NOT_LOADED"))
        self.assertEqual(self.text(12040, "cuGetErrorName", 917), (1, None))
        self.assertEqual(self.text(13050, "cuGetErrorName", 917), (0, b"CUDA_ERROR_STREAM_DETACHED"))


class NodesGetTheirs(unittest.TestCase):
    def test_the_newest_that_is_not_newer_than_the_driver(self):
        for driver, cuda, version in [("535.261.03", "12.2", 12020), ("550.163.01", "12.4", 12040),
                                      ("570.172.08", "12.8", 12040), ("610.1.2", "13.5", 13050)]:
            with self.subTest(cuda=cuda), Node(PROFILE.format(driver, cuda)) as node:
                self.assertEqual(symbols(node.library(), "FUNC"), symbols(built(version), "FUNC"))


if __name__ == "__main__":
    unittest.main()
