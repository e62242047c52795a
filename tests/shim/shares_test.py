"""Memory that programs of a pod share: its maker is charged, those who open it are not, and the pod is when the maker
has gone and others still have it."""

import unittest

from arbiter import own_run
from bed import CONTEXT, MIB, most_tracked
from sharing import GIB, SharingCase

# Exports 1 GiB; its handle comes as a file.
OWNER = """
begin()
at, handle = u64(), (ctypes.c_ubyte * 64)()
ok(cuda.cuMemAlloc_v2(ref(at), size(1 << 30)), "cuMemAlloc_v2")
ok(cuda.cuIpcGetMemHandle(ref(handle), at), "cuIpcGetMemHandle")
open(sys.argv[1], "wb").write(bytes(handle))
step("exported")
ok(cuda.cuMemFree_v2(at), "cuMemFree_v2")
step("freed")
"""
IMPORTER = """
begin()
class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_ubyte * 64)]
handle, at, again = Handle.from_buffer_copy(open(sys.argv[1], "rb").read()), u64(), u64()
step("ready")
ok(cuda.cuIpcOpenMemHandle_v2(ref(at), handle, 1), "cuIpcOpenMemHandle_v2")
ok(cuda.cuIpcOpenMemHandle_v2(ref(again), handle, 1), "cuIpcOpenMemHandle_v2")
assert at.value == again.value
step("opened")
held = []
try:
    while True:
        held.append(plain(64 * MiB))
except Refused:
    pass
step("took")
for free in held: free()
ok(cuda.cuIpcCloseMemHandle(at), "cuIpcCloseMemHandle")
step("closed once")
ok(cuda.cuIpcCloseMemHandle(at), "cuIpcCloseMemHandle")
step("closed")
"""
# The same by a descriptor, which the importer takes from /proc.
OWNER_OF_HANDLE = """
begin()
handle, fd = u64(), ctypes.c_int()
ok(cuda.cuMemCreate(ref(handle), size(1 << 30), ref(Properties(1, 1, 1, 0, None, 0)), u64(0)), "cuMemCreate")
ok(cuda.cuMemExportToShareableHandle(ref(fd), handle, 1, u64(0)), "cuMemExportToShareableHandle")
open(sys.argv[1], "w").write(f"/proc/{os.getpid()}/fd/{fd.value}")
step("exported")
ok(cuda.cuMemRelease(handle), "cuMemRelease")
step("freed")
"""
IMPORTER_OF_HANDLE = """
begin()
fd, handle, at = os.open(open(sys.argv[1]).read(), os.O_RDWR), u64(), u64()
step("ready")
ok(cuda.cuMemImportFromShareableHandle(ref(handle), ctypes.c_void_p(fd), 1), "cuMemImportFromShareableHandle")
os.close(fd)
step("imported")
ok(cuda.cuMemAddressReserve(ref(at), size(1 << 30), size(0), u64(0), u64(0)), "cuMemAddressReserve")
ok(cuda.cuMemMap(at, size(1 << 30), size(0), handle, u64(0)), "cuMemMap")
ok(cuda.cuMemRelease(handle), "cuMemRelease")
step("mapped")
ok(cuda.cuMemUnmap(at, size(1 << 30)), "cuMemUnmap")
step("closed")
"""


class Shares(SharingCase):
    def begin(self, owner=OWNER, importer=IMPORTER, **options):
        return super().begin(owner, importer, **options)

    def test_an_import_is_not_charged_and_the_charge_stays_when_the_owner_dies(self):
        arbiter, bed, owner, importer = self.begin()
        importer.go("opened")
        self.assertEqual(self.held(arbiter), [1024, 1024, 0, 0])
        owner.kill()
        arbiter.left(0)
        self.assertEqual(self.held(arbiter), [1024, 0, 0, 1024])
        importer.go("took")
        self.assertEqual(self.held(arbiter)[0], (4 * GIB - CONTEXT) // MIB // 64 * 64)
        importer.go("closed once")
        self.assertEqual(self.held(arbiter), [1024, 0, 0, 1024])
        importer.go("closed")
        self.assertEqual(self.held(arbiter), [0, 0, 0, 0])
        importer.go()
        self.assertEqual(arbiter.shares(), [])
        self.assertLessEqual(most_tracked(bed.node.log()), 4 * GIB - CONTEXT)

    def test_were_the_charge_to_go_with_its_owner_the_pod_would_be_over(self):
        """The control: what the node program does without src/wire/shares.h."""
        arbiter, bed, owner, importer = self.begin()
        importer.go("opened")
        owner.kill()
        arbiter.by_wire("tranche_test_reclaim_only", 0)
        importer.go("took")
        importer.go("closed once")
        importer.go("closed")
        importer.go()
        self.assertGreater(most_tracked(bed.node.log()), 4 * GIB)

    def test_what_nobody_has_opened_goes_with_its_owner(self):
        arbiter, _, owner, importer = self.begin()
        owner.kill()
        arbiter.left(0)
        self.assertEqual(self.held(arbiter), [0, 0, 0, 0])

    def test_it_stays_too_when_the_owner_frees_it(self):
        arbiter, bed, owner, importer = self.begin()
        importer.go("opened")
        owner.go("freed")
        self.assertEqual(self.held(arbiter), [1024, 0, 0, 1024])
        owner.go()
        arbiter.left(0)
        self.assertEqual(self.held(arbiter), [1024, 0, 0, 1024])
        for name in ("took", "closed once", "closed"):
            importer.go(name)
        self.assertEqual(self.held(arbiter), [0, 0, 0, 0])

    def test_and_goes_when_the_last_importer_is_killed(self):
        arbiter, bed, owner, importer = self.begin()
        importer.go("opened")
        owner.kill()
        arbiter.left(0)
        importer.kill()
        arbiter.left(1)
        self.assertEqual(self.held(arbiter), [0, 0, 0, 0])
        self.assertEqual(arbiter.shares(), [])

    def test_an_owner_that_outlives_its_importers_has_it_all(self):
        arbiter, bed, owner, importer = self.begin()
        importer.go("opened")
        importer.kill()
        arbiter.left(1)
        self.assertEqual(self.held(arbiter), [1024, 1024, 0, 0])
        owner.go("freed")
        self.assertEqual(self.held(arbiter), [0, 0, 0, 0])

    def test_by_descriptor_it_stays_as_well(self):
        arbiter, bed, owner, importer = self.begin(OWNER_OF_HANDLE, IMPORTER_OF_HANDLE)
        importer.go("imported")
        self.assertEqual(self.held(arbiter), [1024, 1024, 0, 0])
        owner.kill()
        arbiter.left(0)
        self.assertEqual(self.held(arbiter), [1024, 0, 0, 1024])
        importer.go("mapped")
        arbiter.sweep()
        self.assertEqual(self.held(arbiter), [1024, 0, 0, 1024])
        importer.go("closed")
        arbiter.sweep()
        self.assertEqual(self.held(arbiter), [0, 0, 0, 0])

    def test_by_descriptor_what_nobody_has_opened_goes(self):
        arbiter, bed, owner, importer = self.begin(OWNER_OF_HANDLE, IMPORTER_OF_HANDLE)
        owner.go("freed")
        self.assertEqual(self.held(arbiter), [0, 0, 0, 0])

    def test_the_driver_has_as_much_as_is_charged(self):
        arbiter, bed, owner, importer = self.begin()
        importer.go("opened")
        for step in ("owner", "importer"):
            with self.subTest(gone=step):
                (owner if step == "owner" else importer).kill()
                arbiter.left(0 if step == "owner" else 1)
        free = bed.run("""
begin()
print(json.dumps(info()))
""")
        self.assertEqual(free, [4 * GIB - CONTEXT, 4 * GIB])
        self.assertEqual(arbiter.shares(), [])


if __name__ == "__main__":
    own_run()
    unittest.main()
