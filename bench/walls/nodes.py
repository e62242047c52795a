"""What walls cost and hold on a node: programs that start, race and are killed under `tranche node`, each beside the same
without the shim in the same run. For bench/walls/run.py."""

import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import time

HANGS = 300  # seconds: only ends what would never end
GOALS = {"attaching alone": "p50 1 ms", "attaching, 64 at once": "p50 1 ms, max 10 ms", "race, bytes over": "0",
         "attached after its return": "1 s"}


class Nodes:
    """`build`: a build folder; `smoke`: each for a moment; `limit`: of a pod in a bed that is given to a method."""

    def __init__(self, build, smoke, limit=40 << 30):
        import race_test
        import wallsbed
        self.bed, self.race = wallsbed, race_test
        self.probe, self.instant = build / "bench/walls_start_probe", build / "bench/walls_instant_door"
        self.smoke, self.limit = smoke, limit
        self.rows = []

    def add(self, what, unit, shim, plain):
        """`shim`, `plain`: lists of figures with and without it."""
        self.rows.append({"name": what, "unit": unit, "shim": shim, "without": plain})

    def measure(self):
        with self.bed.Bed(limit=str(self.limit), away="closed") as bed:
            if bed.groups.root is None:
                print("no control group can be made here: what needs pods is left out")
                return []
            self.attaching(bed, 1, 2 if self.smoke else 100)
            self.attaching(bed, 4 if self.smoke else 64, 1 if self.smoke else 10)
            self.starts(bed, 1, 2 if self.smoke else 100)
            self.starts(bed, 4 if self.smoke else 64, 1 if self.smoke else 10)
            self.recovery(bed, 1 if self.smoke else 20)
            self.returns(bed, 1 if self.smoke else 10)
        self.races()
        self.memory(4 if self.smoke else 64)
        return self.rows

    # ---- programs that start

    def start_at_once(self, bed, count, walled, what="start"):
        """What `count` programs say that begin at the same time, and when that was."""
        reads, writes = os.pipe()
        crew = [bed.start([self.probe, what], self.bed.POD, walled, container=i % 2, stdin=reads)
                for i in range(count)]
        os.close(reads)
        for process in crew:
            assert process.stdout.readline() == "ready\n"
        began = time.monotonic_ns()
        os.close(writes)
        return [{**self.json_of(process), "began": began} for process in crew]

    @contextlib.contextmanager
    def instant_door(self, bed):
        """Gives what puts a door that answers at once and looks nothing up in the place of the node program's, for a
        while. Programs find either by the same name."""
        folder = self.bed.FOLDER
        name, kept, instant = (folder / f"{each}.sock" for each in ("arbiter", "kept", "instant"))
        door = subprocess.Popen([self.instant, instant, str(40 << 30), *bed.uuids], stdout=subprocess.PIPE, text=True)

        @contextlib.contextmanager
        def in_place():
            name.rename(kept)
            name.hardlink_to(instant)
            try:
                yield
            finally:
                kept.rename(name)

        try:
            assert door.stdout.readline() == "ready\n"
            yield in_place
        finally:
            door.kill()
            door.communicate()
            instant.unlink(missing_ok=True)

    @staticmethod
    def json_of(process):
        out, errors = process.communicate(timeout=HANGS)
        if process.returncode != 0:
            raise RuntimeError(f"{process.returncode}: {errors}")
        return json.loads(out)

    def attaching(self, bed, count, rounds):
        """Programs that attach and make no context, which others would wait for. The first question alone, as each
        program times it; and what that adds to a start, from the moment at which all of them begin to the answer: the
        differences, in each round, of those that come first with the shim and without it, of those that come second,
        and so on. Both also before a door that answers at once: that is what the machine itself takes. Of each question
        also what is left of it without the time in which the program was ready and waited for a processor; what is left
        has the door's own waits in it, which are those of a whole round."""
        ours, ideal, plain, door_waits = ([], [], []), ([], [], []), [], []

        def took(walled):
            crew = self.start_at_once(bed, count, walled, "attach")
            return ([one["attach"] / 1e6 for one in crew], [max(0, one["attach"] - one["waited"]) / 1e6 for one in crew],
                    sorted((one["at"] - one["began"]) / 1e6 for one in crew))

        with self.instant_door(bed) as in_place:
            for _ in range(rounds):
                without, _, start = took(False)
                plain += without
                with in_place():
                    rounds_of = [(ideal, took(True))]
                waited = self.waited(bed.sight.process.pid)
                rounds_of.append((ours, took(True)))
                door_waits.append((self.waited(bed.sight.process.pid) - waited) / 1e6)
                for (all_asked, all_left, all_added), (each, left, ends) in rounds_of:
                    all_asked += each
                    all_left += left
                    all_added += [end - other for end, other in zip(ends, start)]
        how = "alone" if count == 1 else f"{count} at once"
        for row, mine, other in (("attaching", 0, plain), ("attaching without the program's waits for a processor", 1, []),
                                 ("attaching adds to a start", 2, [])):
            self.add(f"{row}, {how}", "ms", ours[mine], other)
            self.add(f"the same {'by' if mine == 2 else 'to'} a door that answers at once, {how}", "ms", ideal[mine], [])
        self.add(f"the door's waits for a processor in a round, {how}", "ms", door_waits, [])

    @staticmethod
    def waited(pid):
        """How long the main thread of a process has been ready and had no processor, in nanoseconds."""
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1])

    def starts(self, bed, count, rounds):
        took = {True: [], False: []}
        for _ in range(rounds):
            for walled in (True, False):
                took[walled] += self.start_at_once(bed, count, walled)
        assert {one["total"] for one in took[True]} == {self.limit}, "they were walled"
        assert min(one["total"] for one in took[False]) > self.limit, "and these were not"
        how = "alone" if count == 1 else f"{count} at once"
        for what, fields in ((f"attaching before a context, {how}", ("attach",)),
                             (f"first context, {how}", ("context",)),
                             (f"process start in all, {how}", ("init", "attach", "again", "context", "allocate"))):
            self.add(what, "ms", *([sum(one[field] for field in fields) / 1e6 for one in took[walled]]
                                   for walled in (True, False)))

    # ---- programs that are killed

    def recovery(self, bed, kills):
        """From the kill of a program that has all of it to the allocation of one that waits for some. Without the shim
        the driver itself is full."""
        took = {True: [], False: []}
        for _ in range(kills):
            for walled in (True, False):
                took[walled].append(self.recover(bed, walled))
        self.add("memory again after SIGKILL", "ms", took[True], took[False])

    def recover(self, bed, walled):
        waits = bed.start([self.probe, "await", 1024], self.bed.POD, walled, container=1)
        assert waits.stdout.readline() == "ready\n", waits.communicate()  # its context is there
        greedy = bed.start([self.probe, "hold", 0], self.bed.POD, walled)
        taken = int(greedy.stdout.readline())
        assert walled == (taken <= self.limit >> 20), taken
        self.refused(waits)
        began = time.monotonic_ns()
        greedy.kill()
        got = int(waits.communicate(timeout=HANGS)[0])
        greedy.communicate()
        return (got - began) / 1e6

    @staticmethod
    def refused(waits):
        waits.stdin.write("\n")
        waits.stdin.flush()
        assert waits.stdout.readline() == "ready\n", waits.communicate()

    # ---- the node program returns

    def returns(self, bed, times):
        """From its first answer at the door, and from its start, to the memory of a program that has begun while it was
        away. Beside that: from its start to its first answer at the door."""
        after, opened, all_of_it = [], [], []
        for _ in range(times):
            bed.kill_node_program()
            waits = bed.start([self.probe, "await", 64], self.bed.POD)
            assert waits.stdout.readline() == "ready\n", waits.communicate()
            self.refused(waits)
            began = time.monotonic_ns()
            bed.begin_node_program()
            self.await_door()
            door = time.monotonic_ns()
            got = int(waits.communicate(timeout=HANGS)[0])
            bed.await_walls()
            after.append(max(0, got - door) / 1e6)
            opened.append((door - began) / 1e6)
            all_of_it.append((got - began) / 1e6)
        self.add("attached after its return", "ms", after, [])
        self.add("attached after its start", "ms", all_of_it, opened)

    def await_door(self):
        while True:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
                try:
                    return door.connect(str(self.bed.FOLDER / "arbiter.sock"))
                except OSError:
                    time.sleep(0.001)

    # ---- programs that race

    def races(self):
        over = {}
        processes, threads = size = (2, 8) if self.smoke else (16, 16)
        room = self.race.room_of(size)
        limit = self.race.contexts_of(processes) + room
        for walled in (True, False):
            with self.bed.Bed(limit=str(limit)) as bed:
                crew = self.race.Crew(bed, processes, threads, walled)
                crew.say()
                if walled:
                    self.race.await_wall(bed, limit, room)
                crew.say()
                crew.results()
                crew.end()
                over[walled] = [max(0, each) for each in self.race.over_by(bed, limit, crew)]
        self.add(f"race of {processes} x {threads}, bytes over", "bytes", over[True], over[False])

    # ---- the node program's memory

    def memory(self, pods):
        used = {}
        for mode in ("enforce", "observe"):
            # Room for a context at its bound, which it is charged where the machine is too busy to measure it in time.
            with self.bed.Bed(limit="1Gi", mode=mode, more=pods - 2) as bed:
                crew = [bed.start([self.probe, "hold", 16], uid, mode == "enforce")
                        for uid in [self.bed.POD, self.bed.NEIGHBOUR, *bed.more]]
                for process in crew:
                    assert int(process.stdout.readline()) == 16
                if mode == "enforce":
                    self.bed.until(lambda bed=bed: bed.attached() == pods)
                text = pathlib.Path(f"/proc/{bed.sight.process.pid}/smaps_rollup").read_text()
                used[mode] = sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024
        self.add(f"node program with {pods} pods (PSS)", "MiB", [used["enforce"]], [used["observe"]])


def show(rows):
    print("\n| | unit | p50 | max | without the shim: p50 | max |\n|---|---|--:|--:|--:|--:|")
    for row in rows:
        figures = [f"{figure(values):.2f}" if values else "" for values in (row["shim"], row["without"])
                   for figure in (statistics.median, max)]
        print(f"| {row['name']} | {row['unit']} | {' | '.join(figures)} |")


def load():
    """How busy the machine is, for the record."""
    return {"load": os.getloadavg(), "cores": os.cpu_count(),
            "kernel": subprocess.run(["uname", "-r"], capture_output=True, text=True).stdout.strip()}
