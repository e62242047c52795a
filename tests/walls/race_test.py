"""Programs and threads that race for the memory of their pod: by the driver's log the pod never has more than its limit,
but for what may be wrong in the measure of contexts, and has it without the shim. In each race are two containers, two
GPUs, primary contexts and others. (What is allocated is counted to the byte; tests/shim/walls_test.py races for that.)

TRANCHE_WALLS_FULL=1 (`./test soak`): 64 processes of 64 threads in place of 16 of 16."""

import json
import os
import unittest

from wallsbed import CONTEXT, GIB, MIB, NEIGHBOUR, POD, RACER, Bed, most_used, own_run, until

FULL = os.environ.get("TRANCHE_WALLS_FULL") == "1"
CREW = (64, 64) if FULL else (16, 16)  # processes, and threads of each
ROUNDS = 200
# What contexts take is measured from outside, and the simulated driver shows memory up to 10 ms late: on a machine under
# load a measure can be wrong by what the program took or freed meanwhile. It was never seen to be as much as a context.
MISMEASURED = CONTEXT
FIELDS = ("made", "refused", "contexts_refused")


def room_of(crew):
    """For a part of what the threads would have."""
    return max(GIB, crew[0] * crew[1] * 4 * MIB)


def limit_of(crew):
    """Every process has a primary context on both GPUs, and where it has 8 threads one of its own on each."""
    return (1 + (crew[1] >= 8)) * crew[0] * CONTEXT + room_of(crew)


def race(bed, crew, walled=True, late=0):
    """Half of the processes in either container; what came of them, and their pids. Beside them `late` processes that make
    their contexts in the race: of one thread for each GPU, because the simulated driver shows what a program has taken or
    freed up to 10 ms late, and a context is measured by that."""
    processes, threads = crew
    options = ["--rounds", ROUNDS, "--devices", 2]
    crew = [bed.start([RACER, *options, "--threads", threads, "--seed", i], POD, walled, container=i % 2)
            for i in range(processes)]
    crew += [bed.start([RACER, *options, "--threads", 2, "--late-contexts", "--seed", processes + i], POD, walled,
                       container=i % 2) for i in range(late)]
    for process in crew:
        line = process.stdout.readline()
        if line != "ready\n":
            raise AssertionError(f"{line}{process.communicate()}")
    for process in crew:
        process.stdin.write("\n")
        process.stdin.flush()
    counts = dict.fromkeys(FIELDS, 0)
    for process in crew:
        out, errors = process.communicate(timeout=1800)
        if process.returncode != 0:
            raise AssertionError(f"{process.returncode}: {out}{errors}")
        for field in FIELDS:
            counts[field] += json.loads(out)[field]
    return counts, {process.pid for process in crew}


class Race(unittest.TestCase):
    def bed(self, limit):
        bed = self.enterContext(Bed(limit=str(limit)))
        if bed.groups.root is None:
            self.skipTest("no control group can be made here")
        return bed

    LIMIT, ROOM = limit_of(CREW), room_of(CREW)

    def over(self, bed, pids):
        """By how many bytes the pod was above its limit on either GPU; negative: below."""
        log = bed.node.log()
        return [most_used(log, pids, slot) - self.LIMIT for slot in (0, 1)]

    def test_a_race_stays_within_the_limit_and_comes_near(self):
        bed = self.bed(self.LIMIT)
        neighbour = bed.program(NEIGHBOUR)
        self.assertEqual(neighbour.take(1024), (0, 1024))
        counts, pids = race(bed, CREW)
        self.assertEqual(neighbour.take(1024), (0, 2048), "the neighbour has its own")
        self.assertGreater(counts["made"], CREW[0] * CREW[1] * ROUNDS // 20)
        self.assertGreater(counts["refused"], 0)
        for device in (0, 1):
            wall = bed.wall(POD, device)
            self.assertGreater(wall["refusals"], 0)
            self.assertEqual(bed.wall(NEIGHBOUR, device).get("refusals", 0), 0)
        for over in self.over(bed, pids):
            self.assertLessEqual(over, MISMEASURED)
            self.assertGreater(over, -self.ROOM // 4, "the race came nowhere near the wall")

    def test_without_the_shim_it_goes_over(self):
        bed = self.bed(self.LIMIT)
        _, pids = race(bed, CREW, walled=False)
        self.assertGreater(max(self.over(bed, pids)), MISMEASURED)

    def contexts_race(self, walled):
        """There is room for the contexts of half of the processes, and those of the others are made while they allocate."""
        crew = (CREW[0] // 2, CREW[1])
        self.LIMIT = limit_of(crew)
        bed = self.bed(self.LIMIT)
        counts, pids = race(bed, crew, walled, late=CREW[0] // 2)
        return self.over(bed, pids), counts

    def test_contexts_are_part_of_the_race(self):
        over, counts = self.contexts_race(walled=True)
        self.assertGreater(counts["contexts_refused"], 0)
        for each in over:
            self.assertLessEqual(each, MISMEASURED)

    def test_without_the_shim_contexts_go_over(self):
        over, counts = self.contexts_race(walled=False)
        self.assertEqual(counts["contexts_refused"], 0)
        self.assertGreater(max(over), MISMEASURED)


class OneProgram(unittest.TestCase):
    def test_one_reaches_its_limit_less_2_mib_on_each_gpu(self):
        bed = self.enterContext(Bed())
        if bed.groups.root is None:
            self.skipTest("no control group can be made here")
        for device in (0, 1):
            program = bed.program(device=device)
            until(lambda device=device: bed.wall(POD, device)["contextBytes"] == CONTEXT, bed.sight.process)
            self.assertEqual(program.info(), [4 * GIB - CONTEXT, 4 * GIB])
            room = 4 * GIB - CONTEXT
            held = program.fill() * MIB
            self.assertLessEqual(held, room)
            self.assertGreater(held, room - 2 * MIB)
            self.assertEqual(bed.wall(POD, device)["usedBytes"], held + CONTEXT)
            self.assertEqual(program.info()[0], room - held)
            self.assertEqual(program.free(), [room, 4 * GIB])
            self.assertEqual(program.fill() * MIB, held, "what was freed can be had again")


if __name__ == "__main__":
    own_run()
    unittest.main()
