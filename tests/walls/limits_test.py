"""Limits that are changed by annotations while programs run: what is asked for counts from the next allocation on, takes
nothing from a neighbour, and outlives the node program."""

import unittest

from wallsbed import CONTEXT, GIB, MIB, NEIGHBOUR, POD, Bed, own_run, until


class Limits(unittest.TestCase):
    def bed(self, **config):
        bed = self.enterContext(Bed(**config))
        if bed.groups.root is None:
            self.skipTest("no control group can be made here")
        return bed

    def limit(self, bed, bytes, uid=POD):
        until(lambda: bed.wall(uid).get("limitBytes") == bytes, bed.sight.process)

    def told(self, bed, reason, words):
        """It is an Event on the pod, as the API server gets it; the pod has two GPUs."""
        def seen():
            return [event for event in bed.api.events if event["reason"] == reason and words in event["message"]]
        until(seen, bed.sight.process)
        for event in seen():
            self.assertEqual({key: event["involvedObject"][key] for key in ("kind", "name", "uid")},
                             {"kind": "Pod", "name": bed.names[POD], "uid": POD})
            self.assertEqual(event["metadata"]["namespace"], event["involvedObject"]["namespace"])

    def test_one_that_is_raised_is_usable_at_once_by_a_program_that_runs(self):
        bed = self.bed(most="8Gi")
        program = bed.program(POD)
        self.assertEqual(program.take(3072), (0, 3072))
        self.assertEqual(program.take(2048), (2, 3072), "4 GiB is the limit")
        bed.ask("6Gi")
        self.limit(bed, 6 * GIB)
        self.assertEqual(program.take(2048), (0, 5120))
        self.assertEqual(program.take(1024), (2, 5120), "and 6 GiB is the limit")
        self.assertEqual(program.info()[1], 6 * GIB)
        self.told(bed, "MemoryLimitChanged", "is 6Gi, it was 4Gi")

    def test_one_that_is_lowered_below_its_use_refuses_until_enough_is_free(self):
        bed = self.bed(most="8Gi")
        program = bed.program(POD)
        self.assertEqual(program.take(2048), (0, 2048))
        bed.ask("1Gi")
        self.limit(bed, 1 * GIB)
        self.assertEqual(program.take(2), (2, 2048), "nothing is taken away, and nothing is given")
        self.assertEqual(bed.wall()["usedBytes"], 2 * GIB + CONTEXT)
        self.told(bed, "MemoryLimitBelowUse", "more than the limit of 1Gi")
        program.free()
        self.assertEqual(program.take(512), (0, 512))
        self.assertEqual(program.take(512), (2, 512))

    def test_one_that_asks_for_what_others_have_gets_no_more_than_they_leave(self):
        bed = self.bed(limit="40Gi", most="100%")
        neighbour = bed.program(NEIGHBOUR)
        self.assertEqual(neighbour.take(1024), (0, 1024))
        whole = bed.wall()["limitBytes"] + bed.wall(NEIGHBOUR)["limitBytes"]
        bed.ask("60Gi")
        self.told(bed, "MemoryLimitRefused", "the rest is granted to others")
        self.assertEqual(bed.wall()["limitBytes"] + bed.wall(NEIGHBOUR)["limitBytes"], whole)
        self.assertEqual(bed.wall(NEIGHBOUR)["limitBytes"], 40 * GIB)
        self.assertEqual(neighbour.take(1024), (0, 2048))
        # It asks for less, and what that leaves is had by who has asked.
        bed.ask("10Gi", NEIGHBOUR)
        self.limit(bed, 60 * GIB)

    def test_what_cannot_be_read_changes_nothing(self):
        bed = self.bed(most="8Gi")
        program = bed.program(POD)
        bed.ask("6Gi")
        self.limit(bed, 6 * GIB)
        bed.ask("9" * 100_000)
        self.told(bed, "MemoryLimitInvalid", "longer than 64 bytes")
        bed.ask("\u0001\u001b[31mmuch")
        self.told(bed, "MemoryLimitInvalid", "is not a quantity")
        self.assertEqual(bed.wall()["limitBytes"], 6 * GIB)
        self.assertEqual(program.take(5120), (0, 5120))

    def test_one_that_was_asked_for_outlives_the_node_program(self):
        bed = self.bed(most="8Gi")
        program = bed.program(POD)
        bed.ask("6Gi")
        self.limit(bed, 6 * GIB)
        bed.kill_node_program()
        self.assertEqual(program.take(5120), (0, 5120))
        bed.arbitrate()
        self.limit(bed, 6 * GIB)
        until(lambda: bed.wall().get("programs") == 1, bed.sight.process)
        # While it was away it was asked for another one.
        bed.kill_node_program()
        bed.ask(None)
        bed.arbitrate()
        self.limit(bed, 4 * GIB)
        self.assertEqual(program.take(2), (2, 5120))
        self.assertEqual(program.free()[0], 4 * GIB - CONTEXT)
        self.assertGreater(program.fill(), (4 * GIB - CONTEXT) // MIB - 3)


if __name__ == "__main__":
    own_run()
    unittest.main()
