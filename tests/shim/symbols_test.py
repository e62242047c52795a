"""Our shims are loaded by any glibc since 2.17, need nothing else, and run nothing when they are loaded."""

import os
import re
import subprocess
import sys
import unittest

from shim import CUDA, NVML, SHIM, SOURCE

os.environ.setdefault("TRANCHE_BIN_DIR", str(SHIM.parent.parent))
sys.path.insert(0, str(SOURCE / "tests/workloads"))

from symbols_test import NEWEST, newer_than, readelf  # noqa: E402


# All that a shim may ask of libc: nothing that ends the program, makes a thread, takes a lock or memory of malloc, changes
# the environment, or writes to a descriptor that is not its own socket.
CALLS = set("""__errno_location access clock_gettime close connect dladdr dlopen dlsym fcntl getauxval getpid lseek madvise
mmap munmap nanosleep open poll read recvmsg send snprintf socket strnlen syscall""".split())


class Symbols(unittest.TestCase):
    def each(self):
        for shims in (CUDA, NVML):
            for version, path in shims.paths.items():
                with self.subTest(library=shims.library, version=version):
                    yield shims, path

    def test_nothing_newer_than_2_17_is_asked_of_glibc(self):
        for _, path in self.each():
            text = readelf("--version-info", path)
            self.assertIn("GLIBC_2.2.5", text)
            self.assertEqual(newer_than(NEWEST, text), [])

    def test_it_needs_libc_and_the_real_library_alone(self):
        for shims, path in self.each():
            dynamic = readelf("--dynamic", path)
            needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
            self.assertEqual(needed, [shims.shipped_real.format(0), "libdl.so.2", "libc.so.6"])
            self.assertIn(f"soname: [{shims.library}.so.1]", dynamic)
            self.assertNotRegex(dynamic, "RPATH|RUNPATH")

    def test_each_version_is_there_for_each_of_four_real_libraries(self):
        for shims, path in self.each():
            for number in range(1, 4):
                numbered = path.with_name(path.name.replace(".so.1", f"-{number}.so.1"))
                needed = re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("--dynamic", numbered))
                self.assertEqual(needed[0], shims.shipped_real.format(number))

    def test_nothing_runs_when_it_is_loaded(self):
        for _, path in self.each():
            self.assertNotRegex(readelf("--dynamic", path), r"\((INIT|FINI|INIT_ARRAY|FINI_ARRAY|PREINIT_ARRAY)\)")

    def test_it_has_no_thread_local_memory_and_calls_nothing_that_ends_waits_or_writes(self):
        for _, path in self.each():
            self.assertNotIn(" TLS ", readelf("--segments", path))
            asked = set(re.findall(r"UND (\w+)", readelf("--dyn-syms", path)))
            self.assertIn("dlsym", asked)
            self.assertEqual(asked - CALLS, set())

    def test_a_program_of_ours_would_fail_these(self):
        """Shows that they can fail."""
        other = subprocess.run(["readelf", "--wide", "--dynamic", SHIM.parent.parent / "tranche"],
                               capture_output=True, text=True, check=True).stdout
        self.assertRegex(other, r"\(INIT_ARRAY\)")
        asked = re.findall(r"UND (\w+)", readelf("--dyn-syms", SHIM.parent.parent / "tranche"))
        self.assertLessEqual({"abort", "malloc", "write"}, set(asked) - CALLS)
        self.assertIn("libstdc++", other)


if __name__ == "__main__":
    unittest.main()
