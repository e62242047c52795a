"""Programs that are killed while they allocate and free: what they held comes back to their pod, to the byte. (At every
instruction: src/shim/kill_test.cc.)"""

import json
import os
import random
import sys
import time
import unittest

from wallsbed import CONTEXT, GIB, MIB, NEIGHBOUR, POD, RACER, Bed, own_run, until

KILLS = 200 if os.environ.get("TRANCHE_WALLS_FULL") == "1" else 20


class Death(unittest.TestCase):
    def setUp(self):
        self.bed = self.enterContext(Bed(limit="8Gi"))
        if self.bed.groups.root is None:
            self.skipTest("no control group can be made here")

    def racer(self, seed, container):
        """Races until its input ends, for its contexts as well."""
        process = self.bed.start([RACER, "--threads", 8, "--rounds", 0, "--devices", 2, "--seed", seed,
                                  "--late-contexts"], POD, container=container)
        line = process.stdout.readline()
        self.assertEqual(line, "ready\n", process.poll())
        process.stdin.write("\n")
        process.stdin.flush()
        return process

    def end(self, process):
        out, errors = process.communicate("\n", timeout=600)
        self.assertEqual((process.returncode, errors), (0, ""))
        return json.loads(out.splitlines()[-1])

    def used(self, device):
        return self.bed.wall(POD, device)["usedBytes"]

    def test_what_killed_programs_had_comes_back_while_others_race(self):
        seed = int(os.environ.get("TRANCHE_WALLS_SEED") or os.getpid())
        print(f"TRANCHE_WALLS_SEED={seed}", file=sys.stderr)
        chance = random.Random(seed)
        holder = self.bed.program(POD)
        self.assertEqual(holder.take(300), (0, 300))
        survivor = self.racer(1, 0)
        for kill in range(KILLS):
            victim = self.racer(kill + 2, kill % 2)
            time.sleep(chance.uniform(0, 0.2))  # the moment of the kill, at random
            victim.kill()
            victim.communicate()
        counts = self.end(survivor)
        self.assertGreater(counts["made"], 100)
        # Exactly what the living hold.
        for device, held in ((0, 300 * MIB + CONTEXT), (1, 0)):
            until(lambda device=device, held=held: self.used(device) == held, self.bed.sight.process)
        until(lambda: self.bed.seen_by_driver(POD) == 300 * MIB + CONTEXT, self.bed.sight.process)
        self.assertEqual(self.bed.wall(POD)["programs"], 1)
        room = 8 * GIB - CONTEXT
        held = holder.fill() * MIB
        self.assertGreater(held, room - 2 * MIB, "all that the dead had can be had again")
        self.assertEqual(holder.info()[0], room - held)

    def test_one_that_is_killed_at_its_wall_makes_room_for_the_next(self):
        for _ in range(3):
            greedy = self.bed.program(POD)
            self.assertGreater(greedy.fill() * MIB, 8 * GIB - CONTEXT - 2 * MIB)
            neighbour = self.bed.program(NEIGHBOUR)
            self.assertEqual(neighbour.take(2048), (0, 2048))
            for program in (greedy, neighbour):
                program.end()
            for uid in (POD, NEIGHBOUR):
                until(lambda uid=uid: self.bed.wall(uid)["usedBytes"] == 0, self.bed.sight.process)

    def test_without_the_node_program_it_does_not_come_back(self):
        """The control: it is the node program that gives it back, its successor what it missed."""
        greedy = self.bed.program(POD)
        other = self.bed.program(POD)
        self.assertEqual(greedy.take(4096), (0, 4096))
        self.bed.kill_node_program()
        greedy.end()
        self.assertEqual(other.take(4096), (2, 0))
        self.bed.arbitrate()
        until(lambda: self.bed.wall(POD)["usedBytes"] == CONTEXT, self.bed.sight.process)
        self.assertEqual(other.take(4096), (0, 4096))


if __name__ == "__main__":
    own_run()
    unittest.main()
