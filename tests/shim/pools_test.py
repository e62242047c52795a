"""Pools at the wall of a pod: those that are destroyed with memory in use, and those that programs share. Also memory
that is freed in the order of a stream that has other work to do first."""

import unittest

from arbiter import Arbiter, own_run
from bed import CONTEXT, MIB, Bed, Steps, most_tracked
from programs import POOL
from sharing import GIB, SharingCase

DESTROYED = POOL + """
begin()
pool = make_pool()
at = of_pool(pool, 600 * MiB)
ok(cuda.cuDeviceSetMemPool(0, pool), "cuDeviceSetMemPool")
ok(cuda.cuMemPoolDestroy(pool), "cuMemPoolDestroy")
current, default, reserved = ctypes.c_void_p(), ctypes.c_void_p(), u64()
ok(cuda.cuDeviceGetMemPool(ref(current), 0), "cuDeviceGetMemPool")
ok(cuda.cuDeviceGetDefaultMemPool(ref(default), 0), "cuDeviceGetDefaultMemPool")
said = [current.value == default.value, cuda.cuMemPoolDestroy(pool)]
said.append(attempt(600 * MiB))
ok(cuda.cuMemsetD8_v2(at, 1, size(600 * MiB)), "cuMemsetD8_v2")
ok(cuda.cuMemFreeAsync(at, None), "cuMemFreeAsync")
ok(cuda.cuStreamSynchronize(None), "cuStreamSynchronize")
said.append(attempt(600 * MiB))
# Without anything in use it goes at once.
again = make_pool()
at = of_pool(again, 600 * MiB)
ok(cuda.cuMemFreeAsync(at, None), "cuMemFreeAsync")
ok(cuda.cuStreamSynchronize(None), "cuStreamSynchronize")
ok(cuda.cuMemPoolDestroy(again), "cuMemPoolDestroy")
print(json.dumps([*said, attempt(600 * MiB)]))
"""
# A stream waits for what the program does later.
FREED_LATER = POOL + """
begin()
stream, freed = ctypes.c_void_p(), u64()
gate = threading.Event()
@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def wait(_):
    gate.wait()
ok(cuda.cuStreamCreate(ref(stream), 1), "cuStreamCreate")
ok(cuda.cuMemAlloc_v2(ref(freed), size(600 * MiB)), "cuMemAlloc_v2")
ok(cuda.cuLaunchHostFunc(stream, wait, None), "cuLaunchHostFunc")
ok(cuda.cuMemFreeAsync(freed, stream), "cuMemFreeAsync")
def keep():
    try:
        return plain(600 * MiB) and "given"
    except Refused:
        return "refused"
said = [keep()]
gate.set()
ok(cuda.cuStreamSynchronize(stream), "cuStreamSynchronize")
said.append(info()[0] // MiB)
print(json.dumps([*said, keep()]))
"""


# The same while another stream is captured, in the mode in which a thread may ask nothing of an event.
CAPTURED = POOL + """
begin()
stream, captured, event, graph = (ctypes.c_void_p() for _ in range(4))
first, second = u64(), u64()
gate = threading.Event()
@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def wait(_):
    gate.wait()
for made in (stream, captured):
    ok(cuda.cuStreamCreate(ref(made), 1), "cuStreamCreate")
for at in (first, second):
    ok(cuda.cuMemAlloc_v2(ref(at), size(100 * MiB)), "cuMemAlloc_v2")
ok(cuda.cuEventCreate(ref(event), 2), "cuEventCreate")
ok(cuda.cuLaunchHostFunc(stream, wait, None), "cuLaunchHostFunc")
ok(cuda.cuEventRecord(event, stream), "cuEventRecord")
ok(cuda.cuMemFreeAsync(first, stream), "cuMemFreeAsync")
ok(cuda.cuStreamBeginCapture_v2(captured, 0), "cuStreamBeginCapture_v2")
during = info()[0] // MiB
ok(cuda.cuMemFreeAsync(second, stream), "cuMemFreeAsync")
if sys.argv[1] == "asks":
    cuda.cuEventQuery(event)
ended = cuda.cuStreamEndCapture(captured, ref(graph))
gate.set()
ok(cuda.cuStreamSynchronize(stream), "cuStreamSynchronize")
print(json.dumps([during, ended, info()[0] // MiB]))
"""


class Destroyed(unittest.TestCase):
    def test_a_pool_that_is_destroyed_is_charged_until_nothing_of_it_is_in_use(self):
        with Arbiter(GIB) as arbiter, Bed() as bed:
            self.assertEqual(bed.run(DESTROYED), [True, 1, "refused", "given", "given"])
            self.assertLessEqual(most_tracked(bed.node.log()), GIB)
            self.assertEqual(arbiter.holding(0)[0], 0)

    def test_without_the_shim_it_takes_more(self):
        with Bed(walled=False) as bed:
            self.assertEqual(bed.run(DESTROYED), [True, 1, "given", "given", "given"])
            self.assertGreater(most_tracked(bed.node.log()), GIB)


class FreedLater(unittest.TestCase):
    def test_memory_is_charged_until_its_stream_has_freed_it(self):
        with Arbiter(GIB) as arbiter, Bed() as bed:
            self.assertEqual(bed.run(FREED_LATER), ["refused", 1024, "given"])
            self.assertLessEqual(most_tracked(bed.node.log()), GIB)
            self.assertEqual(arbiter.holding(0)[0], 600 * MIB)

    def test_a_capture_meanwhile_is_not_disturbed(self):
        with Arbiter(GIB), Bed() as bed:
            self.assertEqual(bed.run(CAPTURED, "frees"), [824, 0, 1024])
            self.assertNotEqual(bed.run(CAPTURED, "asks")[1], 0, "by a program that asks of an event itself, it is")

    def test_without_the_shim_it_has_both(self):
        with Bed(walled=False) as bed:
            first, _, second = bed.run(FREED_LATER)
            self.assertEqual((first, second), ("given", "given"))
            self.assertGreater(most_tracked(bed.node.log()), GIB)


# Exports a pool of 1 GiB; what is told of it comes as a file.
OWNER = POOL + """
begin()
pool, fd, pointer = make_pool(handles=1), ctypes.c_int(), (ctypes.c_ubyte * 64)()
at = of_pool(pool, 512 * MiB)
ok(cuda.cuMemPoolExportToShareableHandle(ref(fd), pool, 1, u64(0)), "cuMemPoolExportToShareableHandle")
more = of_pool(pool, 512 * MiB)
ok(cuda.cuMemPoolExportPointer(ref(pointer), at), "cuMemPoolExportPointer")
open(sys.argv[1], "wb").write(bytes(pointer) + f"/proc/{os.getpid()}/fd/{fd.value}".encode())
step("exported")
ok(cuda.cuMemFreeAsync(more, None), "cuMemFreeAsync")
ok(cuda.cuMemPoolTrimTo(pool, size(0)), "cuMemPoolTrimTo")
step("trimmed")
ok(cuda.cuMemFreeAsync(at, None), "cuMemFreeAsync")
ok(cuda.cuStreamSynchronize(None), "cuStreamSynchronize")
ok(cuda.cuMemPoolDestroy(pool), "cuMemPoolDestroy")
step("destroyed")
"""
IMPORTER = POOL + """
begin()
told = open(sys.argv[1], "rb").read()
fd, pointer = os.open(told[64:].decode(), os.O_RDWR), (ctypes.c_ubyte * 64).from_buffer_copy(told)
pool, at = ctypes.c_void_p(), u64()
step("ready")
ok(cuda.cuMemPoolImportFromShareableHandle(ref(pool), ctypes.c_void_p(fd), 1, u64(0)), "import")
ok(cuda.cuMemPoolImportPointer(ref(at), pool, ref(pointer)), "cuMemPoolImportPointer")
os.close(fd)
step("opened")
held = []
try:
    while True:
        held.append(plain(64 * MiB))
except Refused:
    pass
step("took")
for free in held: free()
ok(cuda.cuMemPoolDestroy(pool), "cuMemPoolDestroy")
step("destroyed")
ok(cuda.FREE, "free")
ok(cuda.cuStreamSynchronize(None), "cuStreamSynchronize")
step("freed")
"""
FREE, FREE_ASYNC = "cuMemFree_v2(at)", "cuMemFreeAsync(at, None)"


class Shared(SharingCase):
    def begin(self, free=FREE, **options):
        return super().begin(OWNER, IMPORTER.replace("FREE", free), **options)

    def test_the_charge_stays_when_the_owner_dies_and_goes_with_the_last_use(self):
        for free in (FREE, FREE_ASYNC):
            with self.subTest(free=free):
                arbiter, bed, owner, importer = self.begin(free=free)
                importer.go("opened")
                self.assertEqual(self.held(arbiter), [1024, 1024, 0, 0])
                owner.kill()
                arbiter.left(0)
                self.assertEqual(self.held(arbiter), [1024, 0, 0, 1024])
                importer.go("took")
                self.assertEqual(self.held(arbiter)[0], (4 * GIB - CONTEXT) // MIB // 64 * 64)
                importer.go("destroyed")
                self.assertEqual(self.held(arbiter), [1024, 0, 0, 1024])
                importer.go("freed")
                self.assertEqual(self.held(arbiter), [0, 0, 0, 0])
                importer.go()
                self.assertEqual(arbiter.shares(), [])
                self.assertLessEqual(most_tracked(bed.node.log()), 4 * GIB - CONTEXT)
                self.doCleanups()

    def test_were_the_charge_to_go_with_its_owner_the_pod_would_be_over(self):
        """The control: what the node program does without src/wire/shares.h."""
        arbiter, bed, owner, importer = self.begin()
        importer.go("opened")
        owner.kill()
        arbiter.by_wire("tranche_test_reclaim_only", 0)
        for name in ("took", "destroyed", "freed"):
            importer.go(name)
        importer.go()
        self.assertGreater(most_tracked(bed.node.log()), 4 * GIB - CONTEXT)

    def test_what_an_owner_trims_is_charged_no_longer_and_what_it_destroys_is(self):
        arbiter, bed, owner, importer = self.begin()
        importer.go("opened")
        owner.go("trimmed")
        self.assertEqual(self.held(arbiter), [512, 512, 0, 0])
        owner.go("destroyed")
        self.assertEqual(self.held(arbiter), [512, 0, 0, 512])
        owner.go()
        arbiter.left(0)
        self.assertEqual(self.held(arbiter), [512, 0, 0, 512])
        importer.kill()
        arbiter.left(1)
        self.assertEqual(self.held(arbiter), [0, 0, 0, 0])
        self.assertEqual(arbiter.shares(), [])

    def test_what_nobody_has_opened_goes_with_its_owner(self):
        arbiter, _, owner, importer = self.begin()
        owner.kill()
        arbiter.left(0)
        self.assertEqual(self.held(arbiter), [0, 0, 0, 0])

    def test_a_pool_that_nobody_has_stays_charged_while_another_one_is_imported(self):
        """A descriptor does not say which pool it stands for: the simulated driver makes another file at each export,
        NVIDIA's one of a device that is the same for all."""
        arbiter, bed, owner, importer = self.begin()
        with Steps(bed, OWNER, bed.node.folder.name + "/other") as other:
            other.reach("exported")
            importer.go("opened")
            other.kill()
            arbiter.left(2)
            self.assertEqual(self.held(arbiter), [2048, 1024, 0, 1024], "too much: nobody has it")
            importer.kill()
            arbiter.left(1)
            self.assertEqual(self.held(arbiter), [1024, 1024, 0, 0], "until nobody has any")

    def test_an_owner_that_outlives_its_importers_has_it_all(self):
        arbiter, _, owner, importer = self.begin()
        importer.go("opened")
        importer.kill()
        arbiter.left(1)
        self.assertEqual(self.held(arbiter), [1024, 1024, 0, 0])
        owner.go("trimmed")
        owner.go("destroyed")
        self.assertEqual(self.held(arbiter), [0, 0, 0, 0])


if __name__ == "__main__":
    own_run()
    unittest.main()
