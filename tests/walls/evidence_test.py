"""What `tranche node` says of pods that keep to no wall, and of memory that no counter knows of; and that it says nothing of
those that behave."""

import json
import subprocess
import unittest

from wallsbed import BIN, FOLDER, GIB, NEIGHBOUR, POD, POOL, PRELUDE, Bed, own_run, until

# Attaches as all do, and takes half of what it has past the shim: by the driver's own function.
THIEF = PRELUDE + """
begin()
plain(512 * MiB)
past, at = ctypes.CDLL(sys.argv[1]), u64()
before = info()[0]
ok(past.cuMemAlloc_v2(ref(at), size(3 << 30)), "cuMemAlloc_v2")
print(json.dumps(before - info()[0]), flush=True)
sys.stdin.readline()
"""
# Exports nearly all that its pod may have, by a descriptor; and what opens the descriptors that it is told.
EXPORTER = PRELUDE + """
begin()
handle, fd = u64(), ctypes.c_int()
ok(cuda.cuMemCreate(ref(handle), size(3 << 30), ref(Properties(1, 1, 1, 0, None, 0)), u64(0)), "cuMemCreate")
ok(cuda.cuMemExportToShareableHandle(ref(fd), handle, 1, u64(0)), "cuMemExportToShareableHandle")
print(json.dumps(f"/proc/{os.getpid()}/fd/{fd.value}"), flush=True)
sys.stdin.readline()
"""
IMPORTER = PRELUDE + """
begin()
print(json.dumps(0), flush=True)
for path in sys.stdin:
    fd, handle = os.open(path.strip(), os.O_RDWR), u64()
    ok(cuda.cuMemImportFromShareableHandle(ref(handle), ctypes.c_void_p(fd), 1), "cuMemImportFromShareableHandle")
    print(json.dumps(0), flush=True)
"""
# Takes memory as all do, and writes over what it has counted of it.
SCRIBBLER = PRELUDE + """
begin()
plain(3 << 30)
line, = [line for line in open("/proc/self/maps") if "/memfd:tranche-counters" in line]
first, last = (int(part, 16) for part in line.split()[0].split("-"))
ctypes.memset(first + 64, 0, last - first - 64)
print(json.dumps(0), flush=True)
sys.stdin.readline()
"""
# Takes and gives back without a pause, and is at its wall again and again.
BUSY = PRELUDE + """
begin()
print(json.dumps(0), flush=True)
while True:
    held = []
    try:
        while True: held.append(plain(700 * MiB))
    except Refused:
        pass
    for free in held: free()
"""


# Makes more pools than the shim has places for, and takes of those that are beyond.
CROWDER = PRELUDE + POOL + """
begin()
pools = [make_pool(keeps=0) for _ in range(300)]
held = [of_pool(pool, 2 * MiB) for pool in pools[256:]]
print(json.dumps(len(held)), flush=True)
sys.stdin.readline()
"""


class Evidence(unittest.TestCase):
    def setUp(self):
        self.bed = self.enterContext(Bed())
        if self.bed.groups.root is None:
            self.skipTest("no control group can be made here")

    def script(self, script, uid, *arguments):
        process = self.bed.start(["python3", "-c", script, *arguments], uid)
        line = process.stdout.readline()
        self.assertTrue(line, "it has ended")
        return process, json.loads(line)

    def events(self, reason):
        return [event["message"] for event in self.bed.status()["events"] if event["reason"] == reason]

    def metric(self, name, uid):
        """{reason: value} of a metric of this pod on the first GPU."""
        return {labels.get("reason"): value for labels, value in self.bed.sight.metrics().get(name, [])
                if labels["pod"] == self.bed.names[uid] and labels["index"] == "0"}

    def until_wall(self, uid, **is_so):
        return until(lambda: is_so.items() <= self.bed.wall(uid).items() and self.bed.wall(uid), self.bed.sight.process)

    def top(self):
        return subprocess.run([BIN / "tranche", "top", "--once", f"--address=127.0.0.1:{self.bed.sight.port}"],
                              capture_output=True, text=True).stdout

    def assert_mismatch(self, script, *arguments):
        """Of the one pod, and of its neighbour, which is as greedy as it may be, nothing."""
        busy, _ = self.script(BUSY, NEIGHBOUR)
        process, _ = self.script(script, POD, *arguments)
        self.until_wall(POD, ledgerMismatch=True, walled=True)
        self.assertEqual(self.metric("tranche_pod_gpu_ledger_mismatch", POD), {None: 1})
        self.assertEqual(self.metric("tranche_pod_gpu_ledger_mismatch", NEIGHBOUR), {None: 0})
        told, = self.events("LedgerMismatch")
        self.assertIn(self.bed.names[POD], told)
        self.assertRegex(self.top(), rf"{self.bed.names[POD]} .* yes +more than counted")
        self.assertGreater(self.until_wall(NEIGHBOUR, ledgerMismatch=False)["refusals"], 0)
        self.assertEqual(self.events("PodUnwalled"), [])
        process.kill()
        self.until_wall(POD, ledgerMismatch=False, programs=0)
        busy.kill()

    def test_a_program_that_allocates_past_the_shim(self):
        self.assert_mismatch(THIEF, self.bed.node.library())

    def test_what_it_takes_past_the_shim_is_really_taken_and_not_counted(self):
        _, seen = self.script(THIEF, POD, self.bed.node.library())
        self.assertEqual(seen, 0, "by its own counters it has no more than before")
        until(lambda: self.bed.seen_by_driver() > 3 * GIB, self.bed.sight.process)
        self.assertLess(self.bed.wall()["usedBytes"], GIB)

    def test_a_program_that_writes_over_its_counters(self):
        self.assert_mismatch(SCRIBBLER)

    def test_a_program_without_the_shim(self):
        neighbour = self.bed.program(NEIGHBOUR)
        self.until_wall(NEIGHBOUR, walled=True, reason="")
        self.assertIsNone(self.bed.wall()["walled"], "nobody has come yet")
        self.assertEqual(self.metric("tranche_pod_gpu_walled", POD), {})
        self.assertNotIn("no wall", self.top())
        stranger = self.bed.program(POD, walled=False)
        self.assertEqual(stranger.take(6144), (0, 6144))
        self.until_wall(POD, walled=False, reason="no-shim")
        self.assertIn("without the shim", self.bed.wall()["why"])
        self.assertEqual(self.metric("tranche_pod_gpu_walled", POD), {"no-shim": 0})
        self.assertEqual(self.metric("tranche_pod_gpu_walled", NEIGHBOUR), {"": 1})
        told, = self.events("PodUnwalled")
        self.assertIn(self.bed.names[POD], told)
        self.assertRegex(self.top(), rf"{self.bed.names[POD]} .* no: no-shim +no wall: no-shim")
        self.assertEqual(neighbour.take(6144), (2, 0), "the neighbour's wall holds")
        self.assertFalse(self.bed.wall()["ledgerMismatch"], "its memory is not held against the counters of others")
        stranger.end()
        self.until_wall(POD, walled=None)
        self.assertEqual(len(self.events("PodUnwalled")), 1)

    def test_what_was_said_at_the_birth_of_its_container_is_the_reason(self):
        births = FOLDER.parent / "births"
        births.mkdir(exist_ok=True)
        birth = births / self.bed.containers[POD][0].name
        birth.write_text(json.dumps({"walls": "no", "reason": "musl", "message": ""}))
        self.addCleanup(birth.unlink)
        self.bed.program(POD, walled=False)
        self.assertIn("musl", self.until_wall(POD, walled=False, reason="musl")["why"])

    def test_memory_that_another_pod_has_opened_when_its_owner_has_gone(self):
        """No ledger has it, and each new owner may have as much again: so it is told of who has it open."""
        importer, _ = self.script(IMPORTER, NEIGHBOUR)
        for owners in (1, 2):
            owner, path = self.script(EXPORTER, POD)
            importer.stdin.write(path + "\n")
            importer.stdin.flush()
            importer.stdout.readline()
            until(lambda: self.bed.seen_by_driver(POD) > 3 * GIB, self.bed.sight.process)
            self.assertIs(self.bed.wall(NEIGHBOUR)["ledgerMismatch"], owners > 1, "while the owner lives it is the owner's")
            owner.kill()
            owner.wait()
            self.until_wall(POD, programs=0, usedBytes=0, ledgerMismatch=False)
            self.until_wall(NEIGHBOUR, ledgerMismatch=True, walled=True)
            until(lambda: self.bed.seen_by_driver(NEIGHBOUR) > 3 * owners * GIB, self.bed.sight.process)
            self.assertLess(self.bed.wall(NEIGHBOUR)["usedBytes"], GIB)
        self.assertEqual(self.metric("tranche_pod_gpu_ledger_mismatch", NEIGHBOUR), {None: 1})
        told, = self.events("LedgerMismatch")
        self.assertIn(self.bed.names[NEIGHBOUR], told)
        importer.kill()
        self.until_wall(NEIGHBOUR, ledgerMismatch=False, programs=0)

    def test_calls_that_pass_through_where_a_table_of_the_shims_is_full(self):
        process, made = self.script(CROWDER, POD)
        self.assertEqual(made, 300 - 256)
        self.until_wall(POD, passedThrough=2 * (300 - 256))
        self.assertEqual(self.metric("tranche_pod_gpu_wall_passed_through_total", POD), {None: 2 * (300 - 256)})
        self.assertEqual(self.metric("tranche_pod_gpu_wall_passed_through_total", NEIGHBOUR), {None: 0})
        process.kill()
        self.until_wall(POD, programs=0)
        self.bed.program(POD)
        self.until_wall(POD, programs=1, passedThrough=0)

    def test_one_program_of_two_is_enough(self):
        """And what the other one counts is as exact as before."""
        walled = self.bed.program(POD)
        self.assertEqual(walled.take(1024), (0, 1024))
        self.until_wall(POD, walled=True)
        stranger = self.bed.program(POD, container=1, walled=False)
        self.until_wall(POD, walled=False, programs=1)
        self.assertEqual(walled.take(6144), (2, 1024))
        stranger.end()
        self.until_wall(POD, walled=True, reason="")


if __name__ == "__main__":
    own_run()
    unittest.main()
