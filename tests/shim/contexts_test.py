"""Contexts behind the wall of a pod: what the driver takes for each is charged, whichever thread makes it, and what was
allocated in one ends with it. Judged by what the driver itself shows for the program."""

import json
import threading
import time
import unittest

from arbiter import FOLDER, Arbiter, own_run
from bed import CONTEXT, MIB, Bed, Steps

GIB = 1 << 30
# What is left in a context when it ends. Pools and physical memory are the device's and stay; what they hold is freed.
LEAVING = """
def leave_something(i):
    form = FORMS[i % len(FORMS)]
    free = form(4 * MiB)
    if form in (physical, mapped, pooled, graphed):
        free()

def made_context():
    made = ctypes.c_void_p()
    checked(cuda.cuCtxCreate_v2(ref(made), 0, 0), "cuCtxCreate_v2")
    return made
"""


class Measured(Arbiter):
    """A node program that knows what the driver shows for a process, and by that what its contexts take."""

    def __init__(self, limit, bed):
        super().__init__(limit, context=self.measure, bound=CONTEXT)
        self.bed = bed

    def measure(self, pid, slot, device):
        held = self.holding(slot, device)[0]
        return self.settled(pid) - min(held, self.holding(slot, device)[0])

    def settled(self, pid):
        """NVML tells of a change up to 10 ms later."""
        seen, since, deadline = -1, 0, time.monotonic() + 30
        while time.monotonic() < deadline:
            used = self.bed.used(pid)
            if used != seen:
                seen, since = used, time.monotonic()
            elif time.monotonic() - since > 0.03:
                break
        return seen


class Contexts(unittest.TestCase):
    def begin(self, script, limit=8 * GIB, *arguments):
        bed = self.enterContext(Bed())
        arbiter = self.enterContext(Measured(limit, bed))
        return bed, arbiter, self.enterContext(Steps(bed, LEAVING + script, *arguments))

    def agree(self, arbiter, program):
        """The ledger says what the driver shows; MiB of allocations and of contexts."""
        held, context, begun, ended = arbiter.holding(0)
        self.assertEqual(held + context, arbiter.settled(program.pid))
        self.assertEqual((begun - ended, arbiter.totals()[0]), (0, held + context))
        return held // MIB, context // CONTEXT

    def test_each_context_is_charged_and_given_back(self):
        bed, arbiter, program = self.begin("""
begin()
step("primary")
contexts = [made_context() for _ in range(3)]
step("three more")
free = plain(100 * MiB)
ok(cuda.cuCtxDestroy_v2(contexts.pop()), "cuCtxDestroy_v2")
step("one gone with what was in it")
free = plain(100 * MiB)
ok(cuda.cuDevicePrimaryCtxReset_v2(0), "cuDevicePrimaryCtxReset_v2")
step("primary gone")
for made in contexts: ok(cuda.cuCtxDestroy_v2(made), "cuCtxDestroy_v2")
step("all gone")
""")
        program.reach("primary")
        seen = [self.agree(arbiter, program)]
        for name in ("three more", "one gone with what was in it", "primary gone", "all gone"):
            program.go(name)
            seen.append(self.agree(arbiter, program))
        self.assertEqual(seen, [(0, 1), (0, 4), (0, 3), (100, 2), (0, 0)])

    EARLY = LEAVING + """
begin()
contexts = [made_context() for _ in range(2)]
ok(cuda.cuCtxDestroy_v2(contexts.pop()), "cuCtxDestroy_v2")
def given():
    try:
        return plain(100 * MiB) and True
    except Refused:
        return False
step("given" if given() else "refused")
while not given(): pass
step("given")
ok(cuda.cuCtxDestroy_v2(contexts.pop()), "cuCtxDestroy_v2")
step("one gone with what was in it")
ok(cuda.cuDevicePrimaryCtxReset_v2(0), "cuDevicePrimaryCtxReset_v2")
step("all gone")
"""

    def early(self):
        """A program that has made contexts while nobody answered, and was refused memory."""
        FOLDER.mkdir(parents=True)
        (FOLDER / "arbiter-away").write_text("closed\n")
        bed = self.enterContext(Bed())
        program = self.enterContext(Steps(bed, self.EARLY))
        program.reach("refused")
        return bed, program

    def test_contexts_that_were_made_while_nobody_answered_are_charged_when_it_attaches(self):
        bed, program = self.early()
        arbiter = self.enterContext(Measured(8 * GIB, bed))
        program.go("given")
        seen = [self.agree(arbiter, program)]
        for name in ("one gone with what was in it", "all gone"):
            program.go(name)
            seen.append(self.agree(arbiter, program))
        self.assertEqual(seen, [(100, 2), (0, 1), (0, 0)])

    def test_of_contexts_that_were_made_before_the_bound_is_charged_where_nobody_says_what_they_take(self):
        _, program = self.early()
        answer = threading.Event()
        self.addCleanup(answer.set)
        with Arbiter(8 * GIB, context=lambda *_: answer.wait(120) and 0, bound=300 * MIB) as arbiter:
            program.go("given")
            self.assertEqual(arbiter.holding(0)[:2], (100 * MIB, 600 * MIB))
            self.assertTrue(arbiter.is_bound(0))
            answer.set()

    def test_a_thousand_contexts_leave_nothing(self):
        with Arbiter(8 * GIB, context=CONTEXT) as arbiter, Bed() as bed, Steps(bed, LEAVING + """
for i in range(1000):
    made = made_context()
    leave_something(i)
    ok(cuda.cuCtxDestroy_v2(made), "cuCtxDestroy_v2")
for i in range(20):
    begin()
    leave_something(i)
    ok((cuda.cuDevicePrimaryCtxReset_v2 if i % 2 else cuda.cuDevicePrimaryCtxRelease_v2)(0), "primary")
ok(cuda.cuDeviceGraphMemTrim(0), "cuDeviceGraphMemTrim")
step("done")
""") as program:
            program.reach("done")
            held, context, begun, ended = arbiter.holding(0)
            self.assertEqual((held, context, begun - ended), (0, 0, 0))
            self.assertEqual(arbiter.totals()[0], 0)
            self.assertGreaterEqual(arbiter.measured, 1000)
            deadline = time.monotonic() + 30
            while bed.used(program.pid) != 0 and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertEqual(bed.used(program.pid), 0)

    def test_threads_that_retain_and_release_at_once_leave_nothing(self):
        """One releases the primary context for good while another retains it: it may be gone, or be a new one."""
        with Arbiter(8 * GIB, context=CONTEXT) as arbiter, Bed() as bed, Steps(bed, """
def work(seed):
    mine, chance = ctypes.c_void_p(), random.Random(seed)
    for _ in range(60):
        ok(cuda.cuDevicePrimaryCtxRetain(ref(mine), 0), "cuDevicePrimaryCtxRetain")
        ok(cuda.cuCtxSetCurrent(mine), "cuCtxSetCurrent")
        free = plain(chance.randrange(1, 8) * MiB)
        if chance.random() < 0.5: free()
        ok(cuda.cuDevicePrimaryCtxRelease_v2(0), "cuDevicePrimaryCtxRelease_v2")
crew = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for thread in crew: thread.start()
for thread in crew: thread.join()
step("done")
begin()
step("again")
""") as program:
            program.reach("done")
            self.assertEqual(arbiter.holding(0)[:2], (0, 0))
            self.assertEqual(arbiter.totals()[0], 0)
            program.go("again")
            self.assertEqual(arbiter.holding(0)[:2], (0, CONTEXT))

    def test_a_primary_context_that_is_released_while_another_thread_retains_it(self):
        """It is the same one, with what was allocated in it, or a new one, and then that is no longer charged."""
        script = """
wrong, same, anew = [], 0, 0
first, second = ctypes.c_void_p(), ctypes.c_void_p()
both, done = threading.Barrier(2), threading.Barrier(2)
rounds = 400
def other():
    for _ in range(rounds):
        both.wait()
        ok(cuda.cuDevicePrimaryCtxRetain(ref(second), 0), "cuDevicePrimaryCtxRetain")
        done.wait()
        done.wait()
thread = threading.Thread(target=other)
thread.start()
for _ in range(rounds):
    begin()
    at = u64()
    ok(cuda.cuMemAlloc_v2(ref(at), size(64 * MiB)), "cuMemAlloc_v2")
    both.wait()
    ok(cuda.cuDevicePrimaryCtxRelease_v2(0), "cuDevicePrimaryCtxRelease_v2")
    done.wait()
    ok(cuda.cuCtxSetCurrent(second), "cuCtxSetCurrent")
    there = cuda.cuMemGetAddressRange_v2(None, ref(size()), at) == 0
    same, anew = same + there, anew + (not there)
    free, total = info()
    wrong.append(total - free - (64 * MiB if there else 0))
    ok(cuda.cuDevicePrimaryCtxRelease_v2(0), "cuDevicePrimaryCtxRelease_v2")
    done.wait()
thread.join()
print(json.dumps([sorted(set(wrong)), same, anew]))
"""
        with Arbiter(8 * GIB, context=CONTEXT) as arbiter, Bed() as bed:
            charged, same, anew = bed.run(script)
            self.assertEqual(charged, [CONTEXT])
            self.assertEqual(same + anew, 400)
            self.assertEqual(arbiter.totals()[0], 0)

    def test_nothing_is_allocated_while_the_first_context_is_measured(self):
        """Memory of a thread that allocates meanwhile would be taken for the context's."""
        bed, arbiter, program = self.begin("""
def work():
    handle = u64()
    for i in range(200):
        ok(cuda.cuMemCreate(ref(handle), size(2 * MiB), ref(Properties(1, 0, 1, 0, None, 0)), u64(0)), "cuMemCreate")
        if i % 2: ok(cuda.cuMemRelease(handle), "cuMemRelease")
def retain():
    mine = ctypes.c_void_p()
    ok(cuda.cuDevicePrimaryCtxRetain(ref(mine), 0), "cuDevicePrimaryCtxRetain")
    ok(cuda.cuCtxSetCurrent(mine), "cuCtxSetCurrent")
    plain(10 * MiB)
crew = [threading.Thread(target=each) for each in (work, work, retain, retain)]
for thread in crew: thread.start()
for thread in crew: thread.join()
step("done")
""")
        program.reach("done")
        self.assertEqual(self.agree(arbiter, program), (420, 1))

    def test_allocations_wait_for_the_measurement_and_not_for_ever(self):
        """The node program does not answer: the bound is charged, and allocations go on."""
        answer = threading.Event()
        self.addCleanup(answer.set)
        with Arbiter(8 * GIB, context=lambda *_: answer.wait(120) and 0, bound=300 * MIB) as arbiter, Bed() as bed, \
                Steps(bed, """
begin()
free = plain(10 * MiB)
step("on")
""") as program:
            program.reach("on")
            self.assertEqual(arbiter.holding(0)[:2], (10 * MIB, 300 * MIB))
            self.assertTrue(arbiter.is_bound(0))
            answer.set()

    def test_a_full_pod_gets_no_context(self):
        with Arbiter(GIB, context=CONTEXT) as arbiter, Bed() as bed, Steps(bed, LEAVING + """
begin()
free = plain(646 * MiB)
step("full")
made = ctypes.c_void_p()
print(json.dumps([cuda.cuCtxCreate_v2(ref(made), 0, 0), made.value]))
""") as first, Steps(bed, """
step("ready")
made = ctypes.c_void_p()
print(json.dumps([cuda.cuCtxCreate_v2(ref(made), 0, 0), cuda.cuDevicePrimaryCtxRetain(ref(made), 0), made.value]))
""") as second:
            first.reach("full")
            second.reach("ready")
            self.assertEqual(arbiter.totals()[0], GIB)
            self.assertEqual(second.go(), "[2, 2, null]")
            self.assertEqual(first.go(), "[2, null]")
            self.assertEqual(arbiter.totals()[:2], (GIB, 3))

    def test_a_context_that_turns_out_too_large_is_ended_again(self):
        """Where its bytes are known: so it is tried again where the answer came too late."""
        script = """
begin()
free = plain(500 * MiB)
made = ctypes.c_void_p()
step(json.dumps([cuda.cuCtxCreate_v2(ref(made), 0, 0), made.value]))
free()
step(cuda.cuCtxCreate_v2(ref(made), 0, 0))
"""
        for _ in range(50):
            answers = iter([CONTEXT] + [2 * CONTEXT] * 9)
            with Arbiter(GIB, context=lambda *_: next(answers), bound=CONTEXT) as arbiter, Bed() as bed, \
                    Steps(bed, script) as program:
                said = program.process.stdout.readline().strip()
                if arbiter.is_bound(0):
                    continue
                self.assertEqual(said, "[2, null]")
                program.go("0")
                self.assertEqual(arbiter.holding(0)[:2], (0, 2 * CONTEXT))
                return
        self.fail("no answer came in time")

    def test_what_a_context_is_known_to_take_is_taken_before_it_is_made(self):
        """A pod that has not so much left gets none, and the driver is not asked."""
        with Arbiter(GIB, context=CONTEXT, bound=CONTEXT, known=True) as arbiter, Bed() as bed:
            self.assertEqual(bed.run(LEAVING + """
begin()
free = plain(500 * MiB)
made = ctypes.c_void_p()
print(json.dumps([cuda.cuCtxCreate_v2(ref(made), 0, 0), made.value, info()[0] // MiB]))
"""), [2, None, 1024 - 500 - CONTEXT // MIB])
            self.assertEqual((arbiter.measured, arbiter.totals()[1]), (1, 1))
            events = [json.loads(line)["event"] for line in bed.node.log()]
            self.assertEqual(events.count("context"), 1)

    def test_without_the_shim_contexts_are_had(self):
        with Arbiter(GIB), Bed(walled=False) as bed:
            self.assertEqual(bed.run(LEAVING + """
print(json.dumps(len([made_context() for _ in range(5)])))
"""), 5)


if __name__ == "__main__":
    own_run()
    unittest.main()
