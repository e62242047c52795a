"""What the shadow NVML exports is what stands in its hooks.def, and every export of a driver is hooked, passed by for a
reason that tests/shim/nvml_passes.txt gives, or reported here."""

import fnmatch
import pathlib
import re
import sysconfig
import unittest

from shim import BIN, NVML, symbols

SIMULATED = BIN / "sim/libnvidia-ml.so.1"
HEADERS = sorted(pathlib.Path(sysconfig.get_paths()["purelib"]).glob("nvidia/cu*/include/nvml.h"))
# Of drivers before those of CUDA 12, which `./test shim` looks at.
OLD = {"nvmlRetry_NvRmControl", "nvmlGetBlacklist*"}


def declared():
    """The functions of the newest nvml.h at hand, which comes with tests/requirements.txt."""
    names = set()
    for header in HEADERS:
        names |= set(re.findall(r"DECLDIR (nvml\w+)\(", header.read_text()))
    return names


class Exports(unittest.TestCase):
    def test_the_shadow_exports_its_hooks_and_nothing_else(self):
        self.assertGreater(len(NVML.paths), 1)
        for version, shim in NVML.paths.items():
            self.assertEqual(symbols(str(shim), "FUNC").keys() - {""}, NVML.hooks(version))
            self.assertEqual(symbols(str(shim), "OBJECT"), {})
        self.assertEqual(NVML.hooks(max(NVML.paths)), NVML.hooks())

    def test_every_export_is_accounted_for(self):
        exported = symbols(str(SIMULATED), "FUNC").keys()
        self.assertGreater(len(exported), 300)
        self.assertEqual(NVML.unaccounted(exported), [])

    @unittest.skipUnless(HEADERS, "no nvml.h: pip install -r tests/requirements.txt")
    def test_every_function_of_the_newest_header_is_accounted_for(self):
        self.assertGreater(len(declared()), 400)
        self.assertEqual(NVML.unaccounted(declared()), [])
        known = declared() | symbols(str(SIMULATED), "FUNC").keys()
        idle = {pattern for pattern in NVML.passes() if not fnmatch.filter(known, pattern)}
        self.assertEqual(idle - OLD, set())

    def test_a_new_one_would_be_reported(self):
        new = {"nvmlDeviceGetMemoryInfo_v3", "nvmlDeviceGetComputeRunningProcesses_v4",
               "nvmlDeviceGetProcessUtilization_v2", "nvmlDeviceGetProcessesUtilizationInfo_v2",
               "nvmlDeviceGetRunningProcessDetailList_v2", "nvmlDeviceGetAccountingPids_v2", "nvmlDeviceGetMemoryUse"}
        self.assertEqual(NVML.unaccounted(new | {"nvmlDeviceGetMemoryInfo"}), sorted(new))

    def test_every_hook_is_of_a_driver_and_none_is_passed_by(self):
        self.assertEqual(NVML.hooks() - symbols(str(SIMULATED), "FUNC").keys(), set())
        both = [(pattern, name) for pattern in NVML.passes() for name in fnmatch.filter(NVML.hooks(), pattern)]
        self.assertEqual(both, [], "hooked and passed by")

    def test_devices_are_found_by_functions_that_are_not_hooked(self):
        for name in NVML.hooks():
            self.assertNotRegex(name, "Init|Shutdown|Handle|Count|UUID|DriverVersion|ExportTable")


if __name__ == "__main__":
    unittest.main()
