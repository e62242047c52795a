"""The shim's tables when they are full: the call passes through with the driver's own result and is counted for the node
program to say, nothing crashes, and afterwards what is freed is given back as ever."""

import unittest

from arbiter import Arbiter, own_run
from bed import CONTEXT, MIB, Bed, Steps
from programs import POOL
from shim import BIN

GIB = 1 << 30
NO_MEMORY = BIN.parent / "tests/libtranche_test_no_memory.so"
POOLS, FREES, SHARES = 256, 256, 1024  # src/shim/state.h, src/wire/pages.h

# Says what the driver itself answered to each of some calls, and what the program is told is free in MiB.
SAID = POOL + """
def small():
    at = u64()
    results.append(cuda.cuMemAlloc_v2(ref(at), size(512)))
    return at

results = []
"""
# What asks for memory beside the shim has to have it: Python by malloc alone, and of that enough from the start.
MEMORY = SAID + """
there = ctypes.CDLL(None).tranche_test_memory
libc = ctypes.CDLL(None)
libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [size], [ctypes.c_void_p]
libc.free(libc.malloc(256 << 20))

# As many allocations as there is no room for any more, wherever an address has its place.
def fill():
    held = [small()]
    there(0)
    held += [small() for _ in range(6000)]
    return held

def empty(held):
    for at in held: results.append(cuda.cuMemFree_v2(at))
"""


class Full(unittest.TestCase):
    def begin(self, limit=32 * GIB):
        arbiter = self.enterContext(Arbiter(limit, context=CONTEXT))
        bed = self.enterContext(Bed())
        bed.environment |= {"LD_PRELOAD": str(NO_MEMORY), "PYTHONMALLOC": "malloc"}
        return arbiter, bed

    def test_allocations_without_memory_to_remember_them(self):
        arbiter, bed = self.begin()
        held, passed, left, again = bed.run(MEMORY + """
begin()
all = info()[0]
held = fill()
known = (all - info()[0]) // 512
empty(held)
there(1)
left = all - info()[0]
held = [small() for _ in range(6001)]
again = (all - info()[0]) // 512
empty(held)
assert set(results) == {0} and len(results) == 4 * 6001, results
print(json.dumps([known, 6001 - known, left, again]))
""")
        self.assertGreater(held, 64)
        self.assertGreater(passed, 1000)
        self.assertEqual(arbiter.passed_through(0), passed, "each is counted, once")
        self.assertEqual((left, again), (0, 6001), "with memory again all are charged")
        self.assertEqual(arbiter.holding(0)[:2], (0, CONTEXT))

    def test_every_form_without_memory_to_remember_it(self):
        """A control beside it: with memory nothing is counted."""
        arbiter, bed = self.begin()
        forms = MEMORY + """
begin()
held = fill() if sys.argv[1] == "full" else []
before, counts = info()[0], {}
for form in FORMS:
    free = form(100 * MiB)
    during = info()[0]
    free()
    counts[form.__name__] = [before - during, before - info()[0]]
made = ctypes.c_void_p()
results.append(cuda.cuCtxCreate_v2(ref(made), 0, 0))
results.append(cuda.cuMemFree_v2(small()))
results.append(cuda.cuCtxDestroy_v2(made))
results.append(cuda.cuCtxSetCurrent(context))
empty(held)
there(1)
assert set(results) == {0}, results
print(json.dumps(counts))
"""
        for form, (charged, left) in bed.run(forms, "empty").items():
            self.assertGreaterEqual(charged, 100 * MIB, form)
            self.assertEqual(left, 0, form)
        self.assertEqual(arbiter.passed_through(0), 0)
        in_the_table = {"plain", "pitch", "managed", "physical", "mapped", "array", "cube", "mipmap"}
        for form, (charged, left) in bed.run(forms, "full").items():
            if form in in_the_table:
                self.assertEqual(charged, 0, form)
            self.assertEqual(left, 0, form)
        self.assertGreater(arbiter.passed_through(1), len(in_the_table))
        self.assertEqual(arbiter.holding(1)[0], 0)

    def test_memory_that_is_opened_of_another_program_and_of_itself(self):
        arbiter, bed = self.begin()
        bed.run(MEMORY + """
begin()
at, handle, shared, mapped = u64(), u64(), ctypes.c_int(), u64()
class IpcHandle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_ubyte * 64)]
told = IpcHandle()
ok(cuda.cuMemAlloc_v2(ref(at), size(4 * MiB)), "cuMemAlloc_v2")
ok(cuda.cuIpcGetMemHandle(ref(told), at), "cuIpcGetMemHandle")
held = fill()
results.append(cuda.cuMemCreate(ref(handle), size(2 * MiB), ref(Properties(1, 1, 1, 0, None, 0)), u64(0)))
results.append(cuda.cuMemExportToShareableHandle(ref(shared), handle, 1, u64(0)))
again = u64()
results.append(cuda.cuMemImportFromShareableHandle(ref(again), ctypes.c_void_p(shared.value), 1))
results.append(cuda.cuMemRelease(again))
results.append(cuda.cuMemRelease(handle))
empty(held)
there(1)
results.append(cuda.cuMemFree_v2(at))
assert set(results) == {0}, results
print(json.dumps(0))
""")
        self.assertGreater(arbiter.passed_through(0), 2)
        self.assertEqual(arbiter.holding(0)[0], 0)
        self.assertEqual(arbiter.shares(), [])

    def test_a_program_for_which_there_is_no_memory_at_all(self):
        """It has no pages to count in, so it is one that has not attached, as the node program says of such programs."""
        arbiter, bed = self.begin(limit=GIB)
        bed.run(MEMORY + """
there(0)
begin()
free = plain(4 << 30)
free()
print(json.dumps(0))
""")
        self.assertEqual(arbiter.hellos, [])


class Pools(unittest.TestCase):
    def test_pools_beyond_those_that_it_knows(self):
        with Arbiter(32 * GIB, context=CONTEXT) as arbiter, Bed() as bed:
            known, most, left, again = bed.run(SAID + """
begin()
all = info()[0]
pools = [make_pool(keeps=0) for _ in range(300)]
held = [of_pool(pool, 32 * MiB) for pool in pools]
charged = (all - info()[0]) // (32 * MiB)
for at in held: ok(cuda.cuMemFreeAsync(at, None), "cuMemFreeAsync")
ok(cuda.cuStreamSynchronize(None), "cuStreamSynchronize")
most = len(pools) - charged
for pool in pools: ok(cuda.cuMemPoolDestroy(pool), "cuMemPoolDestroy")
left = all - info()[0]
pools = [make_pool(keeps=0) for _ in range(200)]
held = [of_pool(pool, 32 * MiB) for pool in pools]
again = (all - info()[0]) // (32 * MiB)
for at in held: ok(cuda.cuMemFreeAsync(at, None), "cuMemFreeAsync")
ok(cuda.cuStreamSynchronize(None), "cuStreamSynchronize")
for pool in pools: ok(cuda.cuMemPoolDestroy(pool), "cuMemPoolDestroy")
print(json.dumps([charged, most, left, again]))
""")
            self.assertEqual((known, most), (POOLS, 300 - POOLS))
            self.assertEqual((left, again), (0, 200), "their places are others' afterwards")
            self.assertEqual(arbiter.passed_through(0), 2 * (300 - POOLS), "each that was made, and each allocation")
            self.assertEqual(arbiter.holding(0)[:2], (0, CONTEXT))


# Frees more in the order of a stream than it is known of where each stands.
FREES_LATER = POOL + """
begin()
count = int(sys.argv[1])
made, stream = ctypes.c_void_p(), ctypes.c_void_p()
gate = threading.Event()
@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def wait(_):
    gate.wait()
all = info()[0]
if sys.argv[2] == "context":
    ok(cuda.cuCtxCreate_v2(ref(made), 0, 0), "cuCtxCreate_v2")
ok(cuda.cuStreamCreate(ref(stream), 1), "cuStreamCreate")
held = [u64() for _ in range(count)]
for at in held: ok(cuda.cuMemAlloc_v2(ref(at), size(2 * MiB)), "cuMemAlloc_v2")
ok(cuda.cuLaunchHostFunc(stream, wait, None), "cuLaunchHostFunc")
for at in held: ok(cuda.cuMemFreeAsync(at, stream), "cuMemFreeAsync")
during = info()[0]
if sys.argv[2] == "context":
    threading.Timer(0.2, gate.set).start()
    ok(cuda.cuCtxDestroy_v2(made), "cuCtxDestroy_v2")
    ok(cuda.cuCtxSetCurrent(context), "cuCtxSetCurrent")
else:
    gate.set()
    ok(cuda.cuStreamSynchronize(stream), "cuStreamSynchronize")
print(json.dumps([all - during, all - info()[0]]))
"""


class Frees(unittest.TestCase):
    def test_more_frees_in_the_order_of_a_stream_than_are_known_one_by_one(self):
        with Arbiter(32 * GIB, context=CONTEXT) as arbiter, Bed() as bed:
            self.assertEqual(bed.run(FREES_LATER, FREES + 100, "stream"), [(FREES + 100) * 2 * MIB, 0])
            self.assertEqual(arbiter.holding(0)[0], 0)
            self.assertEqual(arbiter.under_way(0), 0)
            self.assertEqual(arbiter.passed_through(0), 0)

    def test_frees_that_end_with_their_context(self):
        for count in (1, FREES + 100):
            with self.subTest(count=count), Arbiter(32 * GIB, context=CONTEXT) as arbiter, Bed() as bed:
                during, after = bed.run(FREES_LATER, count, "context")
                self.assertEqual((during, after), (count * 2 * MIB, 0))
                self.assertEqual(arbiter.holding(0)[0], 0)
                self.assertEqual(arbiter.under_way(0), 0, "and no call is under way for ever")


class Shares(unittest.TestCase):
    def test_more_that_programs_share_than_there_are_notes_for(self):
        script = SAID + """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
begin()
handles = [u64() for _ in range(600)]
for handle in handles:
    fd, properties = ctypes.c_int(), Properties(1, 1, 1, 0, None, 0)
    results.append(cuda.cuMemCreate(ref(handle), size(2 * MiB), ref(properties), u64(0)))
    results.append(cuda.cuMemExportToShareableHandle(ref(fd), handle, 1, u64(0)))
step("exported")
for handle in handles: results.append(cuda.cuMemRelease(handle))
assert set(results) == {0}, results
step("freed")
"""
        with Arbiter(32 * GIB, context=CONTEXT) as arbiter, Bed() as bed, Steps(bed, script) as first:
            first.reach("exported")
            self.assertEqual(arbiter.passed_through(0), 0)
            with Steps(bed, script) as second:
                second.reach("exported")
                self.assertEqual(arbiter.passed_through(1), 2 * 600 - SHARES)
                self.assertEqual([arbiter.holding(slot)[0] for slot in (0, 1)], 2 * [1200 * MIB])
                for program in (first, second):
                    program.go("freed")
                self.assertEqual([arbiter.holding(slot)[0] for slot in (0, 1)], [0, 0])
                self.assertEqual(arbiter.shares(), [])


if __name__ == "__main__":
    own_run()
    unittest.main()
