"""What the shim exports is what stands in hooks.def, and every export of a driver is hooked, passed by for a reason
that tests/shim/passes.txt gives, or reported here."""

import fnmatch
import unittest

from shim import BIN, SHIMS, hooks, passes, symbols, unaccounted

SIMULATED = [BIN / f"sim/libcuda-{version}.so.1" for version in (12020, 12040, 13050)]


class Exports(unittest.TestCase):
    def test_the_shim_exports_its_hooks_and_nothing_else(self):
        for version, shim in SHIMS.items():
            self.assertEqual(symbols(str(shim), "FUNC").keys() - {""}, hooks(version))
            self.assertEqual(symbols(str(shim), "OBJECT"), {})
        self.assertEqual(hooks(max(SHIMS)), hooks())

    def test_every_export_is_accounted_for(self):
        for library in SIMULATED:
            exported = symbols(str(library), "FUNC").keys() | symbols(str(library), "OBJECT").keys()
            self.assertGreater(len(exported), 500)
            self.assertEqual(unaccounted(exported), [], library)

    def test_a_new_one_would_be_reported(self):
        self.assertEqual(unaccounted({"cuMemAlloc_v3", "cuMemAllocAsync_v2", "cuArrayCreate_v3", "cuCtxCreate_v5",
                                      "cuMemCreate_v2", "cuMemAlloc_v2"}),
                         ["cuArrayCreate_v3", "cuCtxCreate_v5", "cuMemAllocAsync_v2", "cuMemAlloc_v3",
                          "cuMemCreate_v2"])

    def test_every_hook_and_every_pattern_is_of_a_driver(self):
        newest = symbols(str(SIMULATED[-1]), "FUNC").keys()
        self.assertEqual(hooks() - newest, set())
        idle = [pattern for pattern in passes() if not fnmatch.filter(newest, pattern)]
        self.assertEqual(idle, [])
        both = [(pattern, name) for pattern in passes() for name in fnmatch.filter(hooks(), pattern)]
        self.assertEqual(both, [], "hooked and passed by")

    def test_what_must_not_be_hooked_is_not(self):
        for name in hooks():
            self.assertNotRegex(name, "^(cudbg|cuDeviceGet|cuDriverGetVersion|cuGetExportTable)")


if __name__ == "__main__":
    unittest.main()
