"""The wall of a pod: what programs can allocate through the shim, in every form, by what the simulated driver's log
says that they had. Each wall is shown to be missing without the shim."""

import json
import unittest

from arbiter import FOLDER, Arbiter, own_run
from bed import CONTEXT, MIB, Bed, most_tracked
from programs import PRELUDE, RACE

class OneProgram(unittest.TestCase):
    def test_it_reaches_its_limit_and_no_more(self):
        limit = 8 << 30
        with Arbiter(limit, context=CONTEXT) as arbiter, Bed() as bed:
            said = bed.run("""
begin()
before = info()
held, bytes, piece = [], 0, 1 << 30
while piece >= 2 * MiB:
    try:
        held.append(plain(piece)); bytes += piece
    except Refused:
        piece //= 2
full = info()
for free in held: free()
after = info()
again = plain(4 << 30)
again()
print(json.dumps([before, bytes, full, after]))
""")
            before, taken, full, after = said
            self.assertEqual(before, [limit - CONTEXT, limit])
            self.assertGreater(taken, limit - CONTEXT - 2 * MIB)
            self.assertLessEqual(taken, limit - CONTEXT)
            self.assertEqual(full, [limit - CONTEXT - taken, limit])
            self.assertEqual(after, before)
            self.assertEqual(arbiter.holding(0)[:2], (0, CONTEXT))
            self.assertGreater(arbiter.totals()[1], 0)
            self.assertEqual(most_tracked(bed.node.log()), taken)

    def test_every_form_is_charged_and_given_back(self):
        with Arbiter(8 << 30, context=CONTEXT) as arbiter, Bed() as bed:
            said = bed.run("""
begin()
held = {}
for form in FORMS:
    before = info()[0]
    free = form(100 * MiB)
    during = info()[0]
    free()
    held[form.__name__] = [before - during, before - info()[0]]
print(json.dumps(held))
""")
            for form, (charged, left) in said.items():
                self.assertGreaterEqual(charged, 100 * MIB, form)
                self.assertLessEqual(charged, 140 * MIB, form)
                self.assertEqual(left, 0, form)
            self.assertEqual(len(said), 10)
            self.assertEqual(arbiter.totals()[0], CONTEXT)

    def test_each_form_is_refused_at_the_wall(self):
        with Arbiter(1 << 30, context=CONTEXT), Bed() as bed:
            self.assertEqual(bed.run("""
begin()
refused = []
for form in FORMS:
    try:
        form(700 * MiB)
    except Refused:
        refused.append(form.__name__)
print(json.dumps(refused == [form.__name__ for form in FORMS]))
"""), True)
            self.assertEqual(most_tracked(bed.node.log()), 0)

    def test_without_the_shim_none_is(self):
        with Arbiter(1 << 30, context=CONTEXT), Bed(walled=False) as bed:
            self.assertEqual(bed.run("""
begin()
held = [form(700 * MiB) for form in FORMS]
print(json.dumps(len(held)))
"""), 10)
            self.assertGreater(most_tracked(bed.node.log()), 1 << 30)

    def test_memory_of_the_host_is_free_of_charge_and_needs_no_context(self):
        """NCCL's sequence: physical memory of the host, on a thread that has no context."""
        with Arbiter(1 << 30) as arbiter, Bed() as bed:
            said = bed.run("""
results = []
for location, place in ((2, 0), (3, 0), (4, 0)):
    handle = u64()
    properties = Properties(1, 1, location, place, None, 0)
    results.append(cuda.cuMemCreate(ref(handle), size(64 << 30), ref(properties), u64(0)))
handle = u64()
results.append(cuda.cuMemCreate(ref(handle), size(64 * MiB), ref(Properties(1, 0, 1, 0, None, 0)), u64(0)))
none = ctypes.c_int(-7)
results.append(cuda.cuCtxGetDevice(ref(none)))
print(json.dumps(results))
""")
            self.assertEqual(said[3:], [0, 201])
            self.assertEqual(arbiter.totals()[1], 0, "nothing was refused")
            self.assertEqual(arbiter.holding(0)[0], 64 * MIB)

    def test_physical_memory_is_charged_until_its_last_use_ends(self):
        with Arbiter(8 << 30) as arbiter, Bed() as bed:
            process = bed.start(PRELUDE + """
begin()
handle, at, again = u64(), u64(), u64()
bytes = 64 * MiB
def step(name):
    print(name, flush=True)
    sys.stdin.readline()
ok(cuda.cuMemCreate(ref(handle), size(bytes), ref(Properties(1, 0, 1, 0, None, 0)), u64(0)), "create")
ok(cuda.cuMemAddressReserve(ref(at), size(bytes), size(0), u64(0), u64(0)), "reserve")
ok(cuda.cuMemMap(at, size(bytes), size(0), handle, u64(0)), "map")
ok(cuda.cuMemRetainAllocationHandle(ref(again), ctypes.c_void_p(at.value)), "retain")
step("all")
ok(cuda.cuMemRelease(handle), "release")
step("released once")
ok(cuda.cuMemUnmap(at, size(bytes)), "unmap")
step("unmapped")
ok(cuda.cuMemRelease(again), "release again")
step("released twice")
""")
            seen = []
            for _ in range(4):
                name = process.stdout.readline().strip()
                seen.append((name, arbiter.holding(0)[0] // MIB))
                process.stdin.write("\n")
                process.stdin.flush()
            self.assertEqual(process.communicate(timeout=60)[1], "")
            self.assertEqual(seen, [("all", 64), ("released once", 64), ("unmapped", 64), ("released twice", 0)])

    def test_what_is_made_in_a_context_ends_with_it(self):
        with Arbiter(8 << 30, context=CONTEXT) as arbiter, Bed() as bed:
            said = bed.run("""
made = ctypes.c_void_p()
ok(cuda.cuCtxCreate_v2(ref(made), 0, 0), "cuCtxCreate_v2")
free = [plain(100 * MiB), array(50 * MiB), managed(20 * MiB)]
during = info()[0]
ok(cuda.cuCtxDestroy_v2(made), "cuCtxDestroy_v2")
begin()
between = info()[0]
plain(100 * MiB)
ok(cuda.cuDevicePrimaryCtxReset_v2(0), "cuDevicePrimaryCtxReset_v2")
print(json.dumps([during, between]))
""")
            self.assertEqual(said[1], (8 << 30) - CONTEXT)
            self.assertLessEqual(said[0], said[1] - 170 * MIB)
            self.assertEqual(arbiter.holding(0)[:2], (0, 0))
            self.assertEqual(arbiter.totals()[0], 0)

    def test_pools_are_charged_by_what_they_keep(self):
        """By what each pointer has, as some peers count it, the pod would be over: the pool keeps what was freed."""
        script = """
begin()
pool, most = ctypes.c_void_p(), u64(1 << 60)
ok(cuda.cuDeviceGetDefaultMemPool(ref(pool), 0), "cuDeviceGetDefaultMemPool")
ok(cuda.cuMemPoolSetAttribute(pool, 4, ref(most)), "cuMemPoolSetAttribute")
held = [pooled(100 * MiB) for _ in range(6)]
for free in held[1:]: free()
reserved = u64()
ok(cuda.cuMemPoolGetAttribute(pool, 5, ref(reserved)), "cuMemPoolGetAttribute")
charged = info()
# All that is free can be had: the pools are trimmed for it.
rest = plain(800 * MiB)
print(json.dumps([reserved.value, charged]))
"""
        with Arbiter(1 << 30) as arbiter, Bed() as bed:
            reserved, (free, total) = bed.run(script)
            self.assertGreaterEqual(reserved, 600 * MIB)
            self.assertEqual(total - free, reserved)
            self.assertEqual(arbiter.totals()[2], 1, "one trim")
            self.assertLessEqual(most_tracked(bed.node.log()), 1 << 30)

    def test_accounting_by_pointer_would_go_over(self):
        """The control: a program that keeps its own sum of what its pointers have below the limit."""
        with Bed(walled=False) as bed:
            self.assertLessEqual(bed.run("""
begin()
pool, most, limit, sums, held = ctypes.c_void_p(), u64(1 << 60), 1 << 30, [], []
ok(cuda.cuDeviceGetDefaultMemPool(ref(pool), 0), "cuDeviceGetDefaultMemPool")
ok(cuda.cuMemPoolSetAttribute(pool, 4, ref(most)), "cuMemPoolSetAttribute")
def take(form, bytes):
    assert sum(size for size, _ in held) + bytes <= limit
    held.append((bytes, form(bytes)))
    sums.append(sum(size for size, _ in held))
for _ in range(6): take(pooled, 100 * MiB)
while len(held) > 1: held.pop()[1]()
take(plain, 800 * MiB)
while held: held.pop()[1]()
print(json.dumps(max(sums)))
"""), 1 << 30)
            self.assertGreater(most_tracked(bed.node.log()), 1 << 30)

    def test_for_an_array_the_most_that_it_can_take_is_taken_before(self):
        """How a driver pads rows and slices, only it knows. What it did not need is given back."""
        script = """
begin()
def solid(depth):
    made = ctypes.c_void_p()
    checked(cuda.cuArray3DCreate_v2(ref(made), ref(Shape3d(1000, 1000, depth, 0x20, 1, 0))), "cuArray3DCreate_v2")
before = info()[0]
solid(33)
charged = before - info()[0]
free = plain(info()[0] - 140 * MiB)
try:
    solid(33)
    again = "given"
except Refused:
    again = "refused"
free()
solid(33)
print(json.dumps([charged, again]))
"""
        one = 2 * MIB * 63  # 1000 x 1000 x 33 elements of 4 bytes; with all padding it may be 256 MiB
        with Arbiter(1 << 30) as arbiter, Bed() as bed:
            self.assertEqual(bed.run(script), [one, "refused"])
            self.assertEqual(arbiter.holding(0)[0], 2 * one)
            self.assertLessEqual(most_tracked(bed.node.log()), 1 << 30)
        with Bed(walled=False) as bed:
            self.assertEqual(bed.run(script)[1], "given")

    def test_a_limit_that_falls_below_what_is_held_refuses_more(self):
        with Arbiter(4 << 30) as arbiter, Bed() as bed:
            process = bed.start(PRELUDE + """
begin()
free = plain(2 << 30)
print("held", flush=True)
sys.stdin.readline()
try:
    plain(2 * MiB)
    print("given")
except Refused:
    print(json.dumps(info()))
""")
            self.assertEqual(process.stdout.readline(), "held\n")
            arbiter.set_limit(1 << 30)
            out, errors = process.communicate("\n", timeout=60)
            self.assertEqual(errors, "")
            self.assertEqual(json.loads(out), [0, 1 << 30])

    def test_the_total_of_a_device_is_the_limit(self):
        with Arbiter(3 << 30), Bed() as bed:
            self.assertEqual(bed.run("""
total = size()
ok(cuda.cuDeviceTotalMem_v2(ref(total), 1), "cuDeviceTotalMem_v2")
print(json.dumps(total.value))
"""), 3 << 30)


class Programs(unittest.TestCase):
    def test_a_forked_child_changes_nothing_of_its_parents(self):
        """As on a real driver, a child of a program that uses CUDA can do nothing with it."""
        script = """
begin()
at = u64()
ok(cuda.cuMemAlloc_v2(ref(at), size(200 * MiB)), "cuMemAlloc_v2")
child = os.fork()
if child == 0:
    results = [cuda.cuMemFree_v2(at), cuda.cuMemAlloc_v2(ref(u64()), size(MiB)), cuda.cuDevicePrimaryCtxRelease_v2(0)]
    os._exit(results[0] if len(set(results)) == 1 else 99)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps([status, info()]))
"""
        with Arbiter(4 << 30) as arbiter, Bed() as bed:
            said = bed.run(script)
            self.assertEqual(said, [3, [(4 << 30) - 200 * MIB, 4 << 30]])
            self.assertEqual(arbiter.holding(0)[0], 200 * MIB)
            self.assertEqual(len(arbiter.slots), 1)
        with Bed(walled=False) as bed:
            self.assertEqual(bed.run(script)[0], 3)

    def race(self, walled, processes=4, threads=4, rounds=60):
        room = 700 * MIB
        limit = processes * CONTEXT + room
        with Arbiter(limit, context=CONTEXT) as arbiter, Bed(walled) as bed:
            crew = [bed.start(RACE, threads, rounds) for _ in range(processes)]
            counts = []
            for process in crew:  # all contexts are there before the first allocation
                self.assertEqual(process.stdout.readline(), "ready\n")
            for process in crew:
                process.stdin.write("\n")
                process.stdin.flush()
            for process in crew:
                out, errors = process.communicate(timeout=300)
                self.assertEqual((process.returncode, errors), (0, ""), out)
                counts.append(json.loads(out))
            held = [arbiter.holding(slot) for slot in range(len(arbiter.slots))]
            over = most_tracked(bed.node.log()) - room
        return over, counts, held

    def test_a_race_of_programs_and_threads_goes_over_by_nothing(self):
        over, counts, held = self.race(walled=True)
        self.assertLessEqual(over, 0)
        self.assertGreater(over, -100 * MIB, "the race came nowhere near the wall")
        self.assertGreater(sum(count["refused"] for count in counts), 0)
        self.assertGreater(sum(count["made"] for count in counts), 100)
        for bytes_held, _, begun, ended in held:
            self.assertEqual((bytes_held, begun - ended), (0, 0))

    def test_without_the_shim_the_race_goes_over(self):
        over, counts, _ = self.race(walled=False)
        self.assertGreater(over, 0)
        self.assertEqual(sum(count["refused"] for count in counts), 0)


class WithoutANodeProgram(unittest.TestCase):
    ALLOCATE = """
begin()
try:
    plain(10 << 30)
    print(json.dumps("given"))
except Refused:
    print(json.dumps("refused"))
"""

    def test_a_container_that_is_not_in_its_hands_is_left_alone(self):
        with Bed() as bed:
            self.assertEqual(bed.run(self.ALLOCATE), "given")

    def test_while_it_is_away_the_file_says_what_to_do(self):
        FOLDER.mkdir(parents=True)
        self.addCleanup(FOLDER.rmdir)
        away = FOLDER / "arbiter-away"
        self.addCleanup(lambda: away.unlink(missing_ok=True))
        with Bed() as bed:
            self.assertEqual(bed.run(self.ALLOCATE), "given")
            for word, answer in (("open\n", "given"), ("closed\n", "refused")):
                away.write_text(word)
                self.assertEqual(bed.run(self.ALLOCATE), answer)

    def test_its_answers_are_obeyed(self):
        for status, answer in (("not walled", "given"), ("unknown version", "given"), ("no room", "refused"),
                               ("ok", "refused"), ("refused", "given")):
            with self.subTest(status=status), Arbiter(1 << 30, status=status), Bed() as bed:
                self.assertEqual(bed.run(self.ALLOCATE), answer)

    def test_no_room_stays_so_while_nobody_answers(self):
        script = PRELUDE + """
begin()
def attempt():
    try:
        plain(10 << 30)
        print("given", flush=True)
    except Refused:
        print("refused", flush=True)
attempt()
sys.stdin.readline()
attempt()
"""
        with Bed() as bed:
            with Arbiter(1 << 30, status="no room"):
                process = bed.start(script)
                self.assertEqual(process.stdout.readline(), "refused\n")
            FOLDER.mkdir(parents=True)
            self.addCleanup(FOLDER.rmdir)
            self.assertEqual(process.communicate("second\n", timeout=300), ("refused\n", ""))


if __name__ == "__main__":
    own_run()
    unittest.main()
