"""What a pod is told through NVML where `tranche node` gives the pages: its limit, what it has, and its own programs;
and who only looks is none of them."""

import json
import sys
import unittest

from wallsbed import CONTEXT, GIB, MIB, NEIGHBOUR, POD, PRELUDE, Bed, Shadow, own_run, until

sys.dont_write_bytecode = True

from nvml_programs import RAW  # noqa: E402: beside what wallsbed imports

# Total, free and used; who computes there; and what CUDA says of the same.
LOOK = PRELUDE + RAW + """
gpu, total = device(), size()
ok(cuda.cuDeviceTotalMem_v2(ref(total), 0), "cuDeviceTotalMem_v2")
listed_here = listed(nvml.nvmlDeviceGetComputeRunningProcesses_v3, V2, gpu, (8,))[0][2]
print(json.dumps([memory(gpu)[0], [row[:2] for row in listed_here], total.value]))
"""
LIMIT = 4 * GIB


class Views(unittest.TestCase):
    def accepted(self, bed):
        """How many callers the node program has let in."""
        return {labels["outcome"]: value for labels, value in
                bed.sight.metrics().get("tranche_walls_callers_total", [])}.get("accepted", 0)

    def test_nvml_tells_of_the_wall_and_of_the_pods_own_programs(self):
        bed = self.enterContext(Bed())
        if bed.groups.root is None:
            self.skipTest("no control group can be made here")
        nvml = bed.node.library("libnvidia-ml.so.1")
        both = self.enterContext(Shadow(bed.node.library(), nvml))
        # Alone, for who only looks: CUDA would attach.
        views = self.enterContext(Shadow(nvml=nvml))

        def look(shadow, script=LOOK):
            out, errors = bed.start([sys.executable, "-c", script], POD, shadow=shadow).communicate()
            self.assertEqual(errors, "")
            return json.loads(out)

        first, second = (bed.program(shadow=both, container=number) for number in range(2))
        first.take(1024)
        bed.program(NEIGHBOUR).take(2048)
        used = GIB + 2 * CONTEXT
        rows = [[first.process.pid, GIB + CONTEXT], [second.process.pid, CONTEXT]]
        until(lambda: bed.wall()["usedBytes"] == used, bed.sight.process)
        memory, listed, total = look(both)
        self.assertEqual((memory, sorted(listed), total), ([LIMIT, LIMIT - used, used], sorted(rows), LIMIT))
        until(lambda: bed.wall()["programs"] == 2, bed.sight.process)  # that one has asked CUDA, too, and ended
        only = RAW + "\nprint(json.dumps(memory(device())[0]))\n"
        accepted = self.accepted(bed)
        self.assertEqual(look(views, only), memory)
        self.assertEqual((bed.wall()["programs"], self.accepted(bed)), (2, accepted + 1), "it has asked, and has no slot")
        # Without the shim in front of NVML it is the device.
        self.assertGreater(look(bed.shadow)[0][0], 79 * GIB)
        second.end()
        until(lambda: bed.wall()["programs"] == 1, bed.sight.process)
        self.assertEqual(look(views, only), [LIMIT, LIMIT - GIB - CONTEXT, GIB + CONTEXT])
        self.assertEqual(first.take(1)[1] * MIB, GIB + MIB, "and programs go on")


if __name__ == "__main__":
    own_run()
    unittest.main()
