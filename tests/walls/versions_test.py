"""Shims that speak the version before or after the node program's: they are refused softly, their programs run without a
wall, and the node program says so. They are built with another TRANCHE_WIRE_VERSION (src/wire/message.h)."""

import pathlib
import unittest

from wallsbed import BIN, POD, Bed, Shadow, copy_for_folder, own_run, until

OTHERS = {name: BIN.parent / f"tests/shim-{name}/libcuda.so.1" for name in ("before", "after")}


class OtherShadow(Shadow):
    """Another build of the shim in the place of ours."""

    def __init__(self, real, shim):
        super().__init__(real)
        copy_for_folder(shim, pathlib.Path(self.library))


class Versions(unittest.TestCase):
    def setUp(self):
        self.bed = self.enterContext(Bed())
        if self.bed.groups.root is None:
            self.skipTest("no control group can be made here")

    def refused(self):
        return {labels["outcome"]: value for labels, value in
                self.bed.sight.metrics()["tranche_walls_callers_total"]}["unknown_version"]

    def test_they_run_without_a_wall_and_are_said_to(self):
        for name, shim in OTHERS.items():
            with self.subTest(version=name), OtherShadow(self.bed.node.library(), shim) as shadow:
                before = self.refused()
                program = self.bed.program(POD, shadow=shadow)
                self.assertEqual(program.take(6144), (0, 6144))
                self.assertGreater(self.refused(), before)
                until(lambda: self.bed.wall()["walled"] is False, self.bed.sight.process)
                until(lambda: "version" in self.bed.wall()["reason"], self.bed.sight.process)
                program.end()

    def test_beside_one_of_the_right_version_that_stays_walled(self):
        """The control, and that the pod's wall is no other for it."""
        own = self.bed.program(POD)
        with OtherShadow(self.bed.node.library(), OTHERS["after"]) as shadow:
            other = self.bed.program(POD, shadow=shadow)
            self.assertEqual(other.take(6144), (0, 6144))
            self.assertEqual(own.take(6144), (2, 0))
            self.assertEqual(own.take(2048), (0, 2048))
            until(lambda: self.bed.wall()["walled"] is False, self.bed.sight.process)
            until(lambda: "version" in self.bed.wall()["reason"], self.bed.sight.process)


if __name__ == "__main__":
    own_run()
    unittest.main()
