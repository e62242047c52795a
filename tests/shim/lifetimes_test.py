"""Programs that unload the library, fork, and exec, behind the wall of a pod."""

import unittest

from arbiter import Arbiter, own_run
from bed import CONTEXT, MIB, Bed, Steps
from programs import PRELUDE

GIB = 1 << 30
AGAIN = """
import ctypes, sys
cuda = ctypes.CDLL("libcuda.so.1")
made, at = ctypes.c_void_p(), ctypes.c_uint64()
results = [cuda.cuInit(0), cuda.cuDevicePrimaryCtxRetain(ctypes.byref(made), 0), cuda.cuCtxSetCurrent(made),
           cuda.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(100 << 20))]
print(results, flush=True)
sys.stdin.readline()
"""


class Lifetimes(unittest.TestCase):
    def test_a_program_that_unloads_the_library_keeps_its_wall(self):
        """The shim stays, since the driver stays: what was charged is, and nothing is asked anew."""
        with Arbiter(GIB, context=CONTEXT) as arbiter, Bed() as bed:
            said = bed.run("""
import _ctypes
begin()
free = plain(500 * MiB)
before = info()
for _ in range(3):
    _ctypes.dlclose(cuda._handle)
cuda = ctypes.CDLL("libcuda.so.1")
ok(cuda.cuInit(0), "cuInit")
try:
    plain(500 * MiB)
    refused = False
except Refused:
    refused = True
after = info()
free()
mapped = {line.split()[-1] for line in open("/proc/self/maps") if "libcuda" in line}
print(json.dumps([refused, before == after, len(mapped) > 1]))
""")
            self.assertEqual(said, [True, True, True])
            self.assertEqual(len(arbiter.hellos), 1)
            self.assertEqual(arbiter.holding(0)[0], 0)

    def test_a_child_of_a_program_that_has_not_used_cuda_has_its_own_part_of_the_wall(self):
        """A data loader, and a server that forks its workers. cuInit itself does not survive a fork."""
        script = """
import subprocess
child = os.fork()
if child == 0:
    ok(cuda.cuInit(0), "cuInit")
    begin()
    free = plain(300 * MiB)
    step("child")
    os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
ok(cuda.cuInit(0), "cuInit")
begin()
free = plain(100 * MiB)
step("parent")
"""
        with Arbiter(2 * GIB, context=CONTEXT) as arbiter, Bed() as bed:
            before_init = PRELUDE.replace('ok(cuda.cuInit(0), "cuInit")\n', "", 1)
            self.assertNotEqual(before_init, PRELUDE)
            process = bed.start(before_init + Steps.STEP + script)
            with Steps.of(process) as program:
                program.reach("child")
                self.assertEqual(arbiter.holding(0)[:2], (300 * MIB, CONTEXT))
                child = arbiter.hellos[0][0]
                self.assertNotEqual(child, process.pid)
                program.go("parent")
                self.assertEqual(arbiter.holding(1)[:2], (100 * MIB, CONTEXT))
                self.assertEqual([pid for pid, _ in arbiter.hellos], [child, process.pid])

    def test_a_fork_takes_nothing_of_its_parents_and_gives_nothing_of_it_back(self):
        """A child that ends, with all that it inherited, is no end of its parent's memory."""
        with Arbiter(2 * GIB, context=CONTEXT) as arbiter, Bed() as bed, Steps(bed, """
begin()
free = plain(300 * MiB)
children = []
for _ in range(8):
    child = os.fork()
    if child == 0:
        cuda.cuMemFree_v2(u64(1))
        cuda.cuDevicePrimaryCtxReset_v2(0)
        os._exit(0)
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children], flush=True)
step("forked")
free()
step("freed")
""") as program:
            program.reach(str([0] * 8))
            program.reach("forked")
            self.assertEqual(arbiter.holding(0)[:2], (300 * MIB, CONTEXT))
            self.assertEqual(len(arbiter.hellos), 1)
            program.go("freed")
            self.assertEqual(arbiter.holding(0)[:2], (0, CONTEXT))

    def test_forks_in_the_middle_of_other_threads_calls(self):
        """Whatever the other threads were about: the child is told what it is told without the shim, waits for nobody, and
        what its parent has is exact."""
        script = """
begin()
ends, threads = threading.Event(), []
def work():
    ok(cuda.cuCtxSetCurrent(context), "cuCtxSetCurrent")
    while not ends.is_set():
        for form in (plain, physical, pooled): form(4 * MiB)()
        made = ctypes.c_void_p()
        ok(cuda.cuCtxCreate_v2(ref(made), 0, 0), "cuCtxCreate_v2")
        ok(cuda.cuCtxDestroy_v2(made), "cuCtxDestroy_v2")
        ok(cuda.cuCtxSetCurrent(context), "cuCtxSetCurrent")
for _ in range(4):
    threads.append(threading.Thread(target=work))
    threads[-1].start()
told = set()
for _ in range(100):
    child = os.fork()
    if child == 0:
        at, made, free, total = u64(), ctypes.c_void_p(), size(), size()
        os._exit(hash((cuda.cuMemAlloc_v2(ref(at), size(MiB)), cuda.cuMemAllocAsync(ref(at), size(MiB), None),
                       cuda.cuCtxCreate_v2(ref(made), 0, 0), cuda.cuMemGetInfo_v2(ref(free), ref(total)),
                       cuda.cuMemFree_v2(u64(1 << 40)))) % 255)
    told.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
ends.set()
for thread in threads: thread.join()
print(json.dumps(sorted(told)))
"""
        with Bed(walled=False) as bed:
            without = bed.run(script)
        with Arbiter(8 * GIB, context=CONTEXT) as arbiter, Bed() as bed:
            self.assertEqual(bed.run(script), without)
            self.assertEqual(len(without), 1)
            self.assertEqual(len(arbiter.hellos), 1, "no child asks for anything")
            held, _, begun, ended = arbiter.holding(0)
            self.assertEqual((held, begun), (0, ended))
            self.assertEqual(arbiter.under_way(0), 0)

    def test_after_an_exec_it_is_another_program(self):
        """The same process, and none of its memory: it attaches anew, as another image, and gets another slot."""
        with Arbiter(2 * GIB, context=CONTEXT) as arbiter, Bed() as bed, Steps(bed, """
begin()
free = plain(300 * MiB)
step("before")
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
""", AGAIN) as program:
            program.reach("before")
            self.assertEqual(arbiter.holding(0)[:2], (300 * MIB, CONTEXT))
            program.go("[0, 0, 0, 0]")
            self.assertEqual([pid for pid, _ in arbiter.hellos], [program.pid] * 2)
            self.assertEqual(len(arbiter.slots), 2)
            self.assertEqual(arbiter.holding(1)[:2], (100 * MIB, CONTEXT))
            arbiter.left(0)  # as the node program does when it sees the other image
            self.assertEqual(arbiter.totals()[0], 100 * MIB + CONTEXT)


if __name__ == "__main__":
    own_run()
    unittest.main()
