"""Two programs of one pod that share memory: what the pod is charged while they do, and when the owner dies."""

import unittest

from arbiter import Arbiter
from bed import CONTEXT, MIB, Bed, Steps

GIB = 1 << 30


class SharingCase(unittest.TestCase):
    """Slot 0 is the owner's, slot 1 the importer's."""

    def begin(self, owner, importer, limit=4 * GIB):
        """Both programs, once the owner has exported a GiB and the importer is ready to open it."""
        arbiter = self.enterContext(Arbiter(limit, context=CONTEXT))
        bed = self.enterContext(Bed())
        told = bed.node.folder.name + "/told"
        first = self.enterContext(Steps(bed, owner, told))
        first.reach("exported")
        second = self.enterContext(Steps(bed, importer, told))
        second.reach("ready")
        self.assertEqual(arbiter.totals()[0], GIB + 2 * CONTEXT)
        return arbiter, bed, first, second

    def held(self, arbiter):
        """MiB by the total without the contexts of who still has a slot, by each slot, and without an owner."""
        slots = [arbiter.holding(slot) for slot in (0, 1)]
        orphans = sum(size for kind, _, _, size, _ in arbiter.shares() if kind == "orphan")
        contexts = sum(slot[1] for slot in slots)
        return [(arbiter.totals()[0] - contexts) // MIB, slots[0][0] // MIB, slots[1][0] // MIB, orphans // MIB]
