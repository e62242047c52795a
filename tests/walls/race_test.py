"""Programs and threads that race for the memory of their pod: by the driver's log the pod never has a byte more than its
limit, and has it without the shim. In each race are two containers, two GPUs, primary contexts and others.

TRANCHE_WALLS_FULL=1 (`./test soak`): 64 processes of 64 threads in place of 16 of 16."""

import json
import os
import unittest

from wallsbed import CONTEXT, GIB, MIB, NEIGHBOUR, POD, RACER, Bed, most_used, own_run, until

FULL = os.environ.get("TRANCHE_WALLS_FULL") == "1"
CREW = (64, 64) if FULL else (16, 16)  # processes, and threads of each
LATE_THREADS = 8  # of each process that makes its contexts in the race
ROUNDS = 200
FIELDS = ("made", "refused", "contexts_refused")


def room_of(crew):
    """For a part of what the threads would have."""
    return max(GIB, crew[0] * crew[1] * 4 * MIB)


def contexts_of(processes):
    """The bytes of a GPU's contexts: each process has its primary one, and one of its own, which takes 8 threads."""
    return 2 * processes * CONTEXT


class Crew:
    """Racers, half of them in either container. All stay until the last is through: the kernel tells of the end of a
    program, whose bytes then go back to the pod, before the simulated driver has heard of it. Of a real one it tells
    afterwards."""

    def __init__(self, bed, processes, threads, walled, *options, seed=0, devices=2):
        self.processes = [bed.start([RACER, "--rounds", ROUNDS, "--devices", devices, "--threads", threads,
                                     "--seed", seed + i, *options], POD, walled, container=i % 2)
                          for i in range(processes)]
        self.await_line("ready")

    def pids(self):
        return {process.pid for process in self.processes}

    def await_line(self, line):
        for process in self.processes:
            came = process.stdout.readline()
            if came != line + "\n":
                raise AssertionError(f"{came}{process.communicate()}")

    def say(self):
        for process in self.processes:
            process.stdin.write("\n")
            process.stdin.flush()

    def results(self):
        """What came of the race, in sum."""
        counts = dict.fromkeys(FIELDS, 0)
        for process in self.processes:
            line = process.stdout.readline()
            if not line:
                raise AssertionError(f"{process.communicate()}: {process.returncode}")
            for field in FIELDS:
                counts[field] += json.loads(line)[field]
        return counts

    def end(self):
        for process in self.processes:
            _, errors = process.communicate(timeout=1800)
            if process.returncode != 0:
                raise AssertionError(f"{process.returncode}: {errors}")


def await_wall(bed, limit, room):
    """The race goes on until programs were refused, and until the driver says that the pod has nearly all."""
    for device in (0, 1):
        until(lambda device=device: bed.wall(POD, device).get("refusals", 0) > 0, bed.sight.process)
        until(lambda device=device: bed.seen_by_driver(POD, device) > limit - room // 4, bed.sight.process)


def over_by(bed, limit, *crews):
    """By how many bytes the pod was above its limit on either GPU; negative: below."""
    pids = set().union(*(crew.pids() for crew in crews))
    return [most - limit for most in most_used(bed.node.each_line(), pids)]


class Race(unittest.TestCase):
    def bed(self, limit):
        bed = self.enterContext(Bed(limit=str(limit)))
        if bed.groups.root is None:
            self.skipTest("no control group can be made here")
        return bed

    def race(self, walled):
        room = room_of(CREW)
        limit = contexts_of(CREW[0]) + room
        bed = self.bed(limit)
        neighbour = bed.program(NEIGHBOUR)
        self.assertEqual(neighbour.take(1024), (0, 1024))
        crew = Crew(bed, *CREW, walled)
        crew.say()
        if walled:
            await_wall(bed, limit, room)
        crew.say()
        counts = crew.results()
        self.assertEqual(neighbour.take(1024), (0, 2048), "the neighbour has its own")
        for device in (0, 1):
            self.assertEqual(bed.wall(NEIGHBOUR, device).get("refusals", 0), 0)
        crew.end()
        return over_by(bed, limit, crew), counts, room

    def test_a_race_goes_over_by_nothing_and_comes_near(self):
        over, counts, room = self.race(walled=True)
        self.assertGreater(counts["made"], CREW[0] * CREW[1] * ROUNDS // 20)
        self.assertGreater(counts["refused"], 0)
        for each in over:
            self.assertLessEqual(each, 0)
            self.assertGreater(each, -room // 4, "the race came nowhere near the wall")

    def test_without_the_shim_it_goes_over(self):
        over, _, _ = self.race(walled=False)
        self.assertGreater(min(over), 0)

    def contexts_race(self, walled):
        """Half of the processes ask for their contexts once the others have taken the room of those."""
        crew = (CREW[0] // 2, CREW[1])
        room = room_of(crew)
        limit = contexts_of(CREW[0]) + room
        bed = self.bed(limit)
        first = Crew(bed, *crew, walled)
        late = Crew(bed, CREW[0] // 2, LATE_THREADS, walled, "--late-contexts", seed=crew[0])
        first.say()
        if walled:
            await_wall(bed, limit, room)
        late.say()
        late.await_line("tried")
        for each in (first, late):
            each.say()
        counts = [first.results(), late.results()]
        for each in (first, late):
            each.end()
        return over_by(bed, limit, first, late), {field: sum(each[field] for each in counts) for field in FIELDS}

    def test_contexts_are_part_of_the_race(self):
        over, counts = self.contexts_race(walled=True)
        self.assertGreater(counts["refused"], 0)
        self.assertGreater(counts["contexts_refused"], 0)
        for each in over:
            self.assertLessEqual(each, 0)

    def test_without_the_shim_contexts_go_over(self):
        over, _ = self.contexts_race(walled=False)
        self.assertGreater(min(over), 0)


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
