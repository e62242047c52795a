"""The node program is killed, replaced, hung: programs go on, walls hold, and what starts meanwhile does as `arbiterAway`
says."""

import json
import signal
import socket
import threading
import unittest

from wallsbed import CONTEXT, FOLDER, GIB, MIB, NEIGHBOUR, POD, PRELUDE, Bed, own_run, until

ROOM = (4 * GIB - CONTEXT) // MIB


class Silent:
    """Takes the place of the node program's socket, and answers nobody; how often it was asked."""

    def __enter__(self):
        path = FOLDER / "arbiter.sock"
        path.unlink()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(str(path))
        self.socket.listen(128)
        self.asked, self.open = 0, []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self

    def serve(self):
        while True:
            try:
                self.open.append(self.socket.accept()[0])
            except OSError:
                return
            self.asked += 1

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for connection in [*self.open, self.socket]:
            connection.close()


class Away(unittest.TestCase):
    def bed(self, **config):
        bed = self.enterContext(Bed(**config))
        if bed.groups.root is None:
            self.skipTest("no control group can be made here")
        return bed

    def programs(self, bed, count, uid=POD):
        until(lambda: bed.wall(uid).get("programs") == count, bed.sight.process)

    def attached(self, bed):
        """How many programs have come to this node program's door and were let in."""
        return {labels["outcome"]: value for labels, value in
                bed.sight.metrics().get("tranche_walls_callers_total", [])}.get("accepted", 0)

    def test_a_wall_outlives_it_and_its_successor_goes_on(self):
        bed = self.bed()
        program, neighbour = bed.program(POD), bed.program(NEIGHBOUR)
        self.assertEqual(program.take(3072), (0, 3072))
        self.assertEqual(neighbour.take(1024), (0, 1024))
        used = bed.wall()["usedBytes"]
        bed.kill_node_program()
        self.assertEqual(program.take(1024), (2, 3072), "the wall holds")
        self.assertEqual(program.take(256), (0, 3328), "and below it there is memory")
        bed.arbitrate()
        until(lambda: bed.wall().get("usedBytes") == used + 256 * MIB, bed.sight.process)
        # It attaches anew by itself, a new program shares its wall, and both together reach it.
        other = bed.program(POD, container=1)
        self.programs(bed, 2)
        self.assertEqual(program.free()[1], 4 * GIB)
        self.assertEqual(program.take(2048), (0, 2048))
        self.assertGreaterEqual(self.attached(bed), 2)
        self.assertEqual(other.take(2048)[0], 2)
        held = other.fill()
        self.assertGreater(held, ROOM - 2048 - CONTEXT // MIB - 3)
        self.assertLessEqual(held + 2048 + 2 * CONTEXT / MIB, 4096)
        self.assertEqual(neighbour.take(2048), (0, 3072))

    def test_a_limit_is_what_it_was_also_after_the_config_has_changed(self):
        bed = self.bed()
        program = bed.program(POD)
        bed.kill_node_program()
        bed.arbitrate(limit="2Gi")
        until(lambda: bed.wall().get("programs") == 1, bed.sight.process)
        self.assertEqual(bed.wall()["limitBytes"], 4 * GIB)
        self.assertEqual(program.take(3072), (0, 3072))

    def test_hung_it_is_not_missed_by_programs_that_have_attached(self):
        bed = self.bed(away="closed")
        program = bed.program(POD)
        self.assertEqual(program.take(1024), (0, 1024))
        bed.sight.process.send_signal(signal.SIGSTOP)
        self.assertEqual(program.take(1024), (0, 2048))
        self.assertEqual(program.take(4096), (2, 2048))
        self.assertEqual(program.free(), [4 * GIB - CONTEXT, 4 * GIB])
        late = bed.program(POD)
        self.assertEqual(late.take(2), (2, 0), "closed: no memory for what has not attached")
        bed.sight.process.send_signal(signal.SIGCONT)
        until(lambda: late.take(2)[0] == 0, late.process)
        self.programs(bed, 2)
        self.assertEqual(late.take(4096)[0], 2, "and then it is walled")

    def test_away_and_closed_a_new_program_has_no_memory_until_it_returns(self):
        bed = self.bed(away="closed")
        bed.program(POD).end()
        bed.kill_node_program()
        late = bed.program(POD)
        self.assertEqual(late.take(2), (2, 0))
        bed.arbitrate()
        until(lambda: late.take(2)[0] == 0, late.process)
        self.assertEqual(late.take(4096)[0], 2)
        until(lambda: bed.wall()["walled"], late.process)

    def test_away_and_open_a_new_program_runs_without_a_wall_and_is_said_to(self):
        bed = self.bed(away="open")
        bed.program(POD).end()
        bed.kill_node_program()
        late = bed.program(POD)
        self.assertEqual(late.take(6144), (0, 6144))
        bed.arbitrate()
        until(lambda: bed.wall().get("walled") is False, bed.sight.process)
        self.assertTrue(bed.wall()["reason"])
        self.assertEqual(late.take(1024), (0, 7168))
        again = bed.program(POD)
        self.assertEqual(again.take(6144), (2, 0), "what starts after its return is walled")

    def test_a_program_does_not_wait_for_it_at_every_allocation(self):
        """It has come back, so that programs are to attach anew, and is gone again before they have."""
        bed = self.bed()
        program = bed.program(POD)
        bed.kill_node_program()
        bed.arbitrate()
        until(lambda: bed.wall().get("programs") == 1, bed.sight.process)
        bed.kill_node_program()
        with Silent() as silent:
            for _ in range(200):
                self.assertEqual(program.take(2)[0], 0)
                self.assertEqual(program.take(6144)[0], 2, "the wall holds")
                program.free()
            self.assertGreater(silent.asked, 0, "it is to attach anew")
            self.assertLess(silent.asked, 100)
        bed.arbitrate()
        until(lambda: program.take(2)[0] == 0 and self.attached(bed) >= 1, program.process)


class Contexts(unittest.TestCase):
    def bed(self, **config):
        bed = self.enterContext(Bed(**config))
        if bed.groups.root is None:
            self.skipTest("no control group can be made here")
        return bed

    def test_they_are_charged_before_any_thread_is_told_what_is_free(self):
        bed = self.bed()
        script = """
barrier, seen = threading.Barrier(16), []
def look(number):
    mine = ctypes.c_void_p()
    barrier.wait()
    ok(cuda.cuDevicePrimaryCtxRetain(ref(mine), number % 2), "cuDevicePrimaryCtxRetain")
    ok(cuda.cuCtxSetCurrent(mine), "cuCtxSetCurrent")
    seen.append(info()[0])
crew = [threading.Thread(target=look, args=(i,)) for i in range(16)]
for thread in crew: thread.start()
for thread in crew: thread.join()
print(json.dumps(seen), flush=True)
sys.stdin.readline()
"""
        process = bed.start(["python3", "-c", PRELUDE + script], POD)
        seen = json.loads(process.stdout.readline())
        self.assertEqual(len(seen), 16)
        # An answer that comes too late on a busy machine makes it a bound, which is more, and is put right.
        self.assertLessEqual(max(seen), 4 * GIB - CONTEXT)
        for device in (0, 1):
            until(lambda device=device: bed.wall(POD, device)["usedBytes"] == CONTEXT, bed.sight.process)

    def test_without_an_answer_an_upper_bound_is_charged_until_it_is_known(self):
        bed = self.bed()
        script = """
total = size()
ok(cuda.cuDeviceTotalMem_v2(ref(total), 0), "cuDeviceTotalMem_v2")
print("attached", flush=True)
sys.stdin.readline()
begin()
print(json.dumps(info()), flush=True)
sys.stdin.readline()
"""
        process = bed.start(["python3", "-c", PRELUDE + script], POD)
        self.assertEqual(process.stdout.readline(), "attached\n")
        bed.sight.process.send_signal(signal.SIGSTOP)
        process.stdin.write("\n")
        process.stdin.flush()
        free, total = json.loads(process.stdout.readline())
        self.assertEqual(total, 4 * GIB)
        self.assertLess(free, 4 * GIB - CONTEXT)
        bed.sight.process.send_signal(signal.SIGCONT)
        until(lambda: bed.wall()["usedBytes"] == CONTEXT, bed.sight.process)

    def test_free_memory_never_rises_without_a_free(self):
        """As profilers of memory need it, such as vLLM's: in every form, one after the other."""
        bed = self.bed(limit="16Gi")
        rises = bed.python("""
begin()
seen, held = [info()[0]], []
for form in FORMS * 4:
    for bytes in (100, 5000, MiB, 3 * MiB, 70 * MiB):
        held.append(form(bytes if form not in (array, mipmap) else max(bytes, 16384)))
        seen.append(info()[0])
print(json.dumps([[a, b] for a, b in zip(seen, seen[1:]) if b > a]))
""")
        self.assertEqual(rises, [])


if __name__ == "__main__":
    own_run()
    unittest.main()
