"""The programs of tests/cuda/programs through the shim: contexts, streams, captures, graphs, pools, arrays, what is
shared between processes, faults. They pass with walls as they pass without."""

import os
import subprocess
import unittest

from arbiter import Arbiter, own_run
from shim import BIN, SHIMS

PROGRAMS = BIN.parent / "tests/cuda_programs_test"
LIMIT = 1 << 50  # charged and never reached: the arbiter of these tests gives nothing back for programs that died


class Programs(unittest.TestCase):
    def test_all_pass_through_the_shim(self):
        with Arbiter(LIMIT) as arbiter:
            done = subprocess.run([PROGRAMS, "--gtest_brief=1"], capture_output=True, text=True, timeout=900,
                                  env={**os.environ, "TRANCHE_SHIM": str(SHIMS[12000])})
            self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
            self.assertGreater(len(arbiter.slots), 20, "programs were walled")


if __name__ == "__main__":
    own_run()
    unittest.main()
