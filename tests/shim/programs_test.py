"""The programs of tests/cuda/programs through the shim: contexts, streams, captures, graphs, pools, arrays, what is
shared between processes, faults. They pass with walls as they pass without."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from arbiter import Arbiter, own_run
from shim import BIN, SHIMS, copy_for_folder

PROGRAMS = BIN.parent / "tests/cuda_programs_test"
LIMIT = 1 << 50  # charged and never reached: the arbiter of these tests gives nothing back for programs that died


class Programs(unittest.TestCase):
    def test_all_pass_through_the_shim(self):
        with Arbiter(LIMIT) as arbiter, tempfile.TemporaryDirectory(prefix="tranche-shim-") as folder:
            shim = pathlib.Path(folder, "shim")
            copy_for_folder(SHIMS[12000], shim)
            done = subprocess.run([PROGRAMS, "--gtest_brief=1"], capture_output=True, text=True, timeout=900,
                                  env={**os.environ, "TRANCHE_SHIM": str(shim)})
            self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
            self.assertGreater(len(arbiter.slots), 20, "programs were walled")


if __name__ == "__main__":
    own_run()
    unittest.main()
