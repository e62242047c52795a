"""Memory of graphs behind the wall of a pod: charged by what the driver has reserved for graphs, from the launch until
it is trimmed, and refused where a launch could pass the limit."""

import unittest

from arbiter import Arbiter, own_run
from bed import CONTEXT, MIB, Bed, Steps, most_tracked

RESERVED = """
def reserved():
    bytes = u64()
    ok(cuda.cuDeviceGetGraphMemAttribute(0, 2, ref(bytes)), "cuDeviceGetGraphMemAttribute")
    return bytes.value // MiB

def refused(act):
    try:
        act()
    except Refused:
        return True
    return False

def taken():
    free, total = info()
    return (total - free) // MiB
"""


class Graphs(unittest.TestCase):
    def both(self, script, limit=1 << 30):
        """What a script says behind the wall and without, and the most that it had each time."""
        said = []
        for walled in (True, False):
            with Arbiter(limit) as arbiter, Bed(walled) as bed:
                answer = bed.run(RESERVED + "begin()\n" + script)
                if walled:
                    self.assertEqual(arbiter.holding(0)[2], arbiter.holding(0)[3])
                said.append((answer, most_tracked(bed.node.log())))
        return said

    def test_they_are_charged_by_what_the_driver_has_reserved(self):
        with Arbiter(8 << 30) as arbiter, Bed() as bed, Steps(bed, RESERVED + """
begin()
made, at = graph_of(200 * MiB)
step("instantiated 0")
launch(made)
step(f"launched {reserved()}")
ok(cuda.cuMemFree_v2(at), "cuMemFree_v2")
launch(made)
ok(cuda.cuMemFreeAsync(at, None), "cuMemFreeAsync")
step(f"launched again {reserved()}")
other, beside = graph_of(300 * MiB, frees=True)
launch(other)
ok(cuda.cuStreamSynchronize(None), "cuStreamSynchronize")
step(f"another {reserved()}")
ok(cuda.cuGraphExecDestroy(made), "cuGraphExecDestroy")
ok(cuda.cuGraphExecDestroy(other), "cuGraphExecDestroy")
step(f"destroyed {reserved()}")
ok(cuda.cuDeviceGraphMemTrim(0), "cuDeviceGraphMemTrim")
step(f"trimmed {reserved()}")
""") as program:
            seen = []
            for name in ("instantiated 0", "launched 200", "launched again 200", "another 500", "destroyed 500",
                         "trimmed 0"):
                program.reach(name) if not seen else program.go(name)
                seen.append((int(name.split()[-1]), arbiter.holding(0)[0] // MIB))
            program.go()
            self.assertEqual(seen, [(mib, mib) for mib, _ in seen])

    def test_a_launch_that_does_not_fit_is_refused(self):
        walled, open_ = self.both("""
free = plain(500 * MiB)
made, at = graph_of(700 * MiB, frees=True)
before = refused(lambda: launch(made))
free()
after = refused(lambda: launch(made))
print(json.dumps([before, after, reserved()]))
""")
        self.assertEqual(walled, ([True, False, 700], 700 * MIB))
        self.assertEqual(open_, ([False, False, 700], 1200 * MIB))

    def test_so_is_an_upload(self):
        walled, open_ = self.both("""
class Params(ctypes.Structure):
    _fields_ = [("flags", u64), ("stream", ctypes.c_void_p), ("node", ctypes.c_void_p), ("result", ctypes.c_int)]
def instantiate():
    graph, node, made = (ctypes.c_void_p() for _ in range(3))
    ok(cuda.cuGraphCreate(ref(graph), 0), "cuGraphCreate")
    params = AllocNode(type=1, location=1, id=0, bytes=700 * MiB)
    ok(cuda.cuGraphAddMemAllocNode(ref(node), graph, None, size(0), ref(params)), "cuGraphAddMemAllocNode")
    checked(cuda.cuGraphInstantiateWithParams(ref(made), graph, ref(Params(flags=2))), "cuGraphInstantiateWithParams")
    return made
free = plain(500 * MiB)
made, at = graph_of(700 * MiB)
results = [refused(lambda: checked(cuda.cuGraphUpload(made, None), "cuGraphUpload")), refused(instantiate)]
free()
again = instantiate()
launch(again)
print(json.dumps([*results, reserved(), taken() >= 700]))
""")
        self.assertEqual(walled, ([True, True, 700, True], 700 * MIB))
        self.assertEqual(open_[0][:2], [False, False])
        self.assertGreater(open_[1], 1 << 30)

    def test_a_captured_allocation_is_a_graphs(self):
        walled, open_ = self.both("""
stream, graph, made, at = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p(), u64()
ok(cuda.cuStreamCreate(ref(stream), 0), "cuStreamCreate")
ok(cuda.cuStreamBeginCapture_v2(stream, 2), "cuStreamBeginCapture_v2")
ok(cuda.cuMemAllocAsync(ref(at), size(700 * MiB), stream), "cuMemAllocAsync")
ok(cuda.cuMemFreeAsync(at, stream), "cuMemFreeAsync")
ok(cuda.cuStreamEndCapture(stream, ref(graph)), "cuStreamEndCapture")
ok(cuda.cuGraphInstantiateWithFlags(ref(made), graph, u64(0)), "cuGraphInstantiateWithFlags")
free = plain(500 * MiB)
before = refused(lambda: launch(made, stream))
free()
launch(made, stream)
print(json.dumps([before, reserved()]))
""")
        self.assertEqual(walled, ([True, 700], 700 * MIB))
        self.assertEqual(open_, ([False, 700], 1200 * MIB))

    def test_what_a_graph_has_it_can_use_again_at_the_wall(self):
        """It takes nothing more, so nothing is asked for; and what is full stays full."""
        (said, most), _ = self.both("""
made, at = graph_of(600 * MiB, frees=True)
launch(made)
rest = plain(424 * MiB)
again = [refused(lambda: launch(made)) for _ in range(20)]
full = refused(lambda: plain(2 * MiB))
print(json.dumps([any(again), full]))
""")
        self.assertEqual(said[0], False)
        self.assertLessEqual(most, 1 << 30)

    def test_in_another_stream_it_takes_anew(self):
        walled, open_ = self.both("""
made, at = graph_of(600 * MiB, frees=True)
stream = ctypes.c_void_p()
ok(cuda.cuStreamCreate(ref(stream), 1), "cuStreamCreate")
launch(made)
ok(cuda.cuStreamSynchronize(None), "cuStreamSynchronize")
held = plain(300 * MiB)
launch(made, stream)
print(json.dumps(reserved()))
""")
        self.assertEqual(walled, (600, 900 * MIB))  # the first stream's was trimmed for it
        self.assertEqual(open_, (1200, 1500 * MIB))

    def test_what_graphs_keep_is_given_up_for_other_memory(self):
        walled, _ = self.both("""
made, at = graph_of(600 * MiB, frees=True)
launch(made)
ok(cuda.cuStreamSynchronize(None), "cuStreamSynchronize")
free = plain(700 * MiB)
kept = reserved()
print(json.dumps([kept, refused(lambda: launch(made))]))
""")
        self.assertEqual(walled, ([0, True], 700 * MIB))

    def test_an_allocation_that_outlives_its_graph_takes_it_from_the_next_one(self):
        """The graph that had the memory takes it anew, which is refused where it does not fit."""
        walled, open_ = self.both("""
first, at = graph_of(500 * MiB, frees=True)
launch(first)
second, kept = graph_of(500 * MiB)
launch(second)
held = plain(300 * MiB)
print(json.dumps([refused(lambda: launch(first)), reserved()]))
""")
        self.assertEqual(walled, ([True, 500], 800 * MIB))
        self.assertEqual(open_, ([False, 1000], 1300 * MIB))

    def test_they_end_with_the_context(self):
        with Arbiter(8 << 30, context=CONTEXT) as arbiter, Bed() as bed:
            self.assertEqual(bed.run(RESERVED + """
begin()
made, at = graph_of(200 * MiB)
launch(made)
during = taken()
ok(cuda.cuDevicePrimaryCtxReset_v2(0), "cuDevicePrimaryCtxReset_v2")
print(json.dumps([during, reserved()]))
"""), [200 + CONTEXT // MIB, 0])
            self.assertEqual(arbiter.holding(0)[:2], (0, 0))

    def test_threads_that_launch_at_once_go_over_by_nothing(self):
        script = """
def work(seed):
    ok(cuda.cuCtxSetCurrent(context), "cuCtxSetCurrent")
    stream, chance, made = ctypes.c_void_p(), random.Random(seed), []
    ok(cuda.cuStreamCreate(ref(stream), 1), "cuStreamCreate")
    for _ in range(4):
        made.append(graph_of(chance.randrange(60, 120) * MiB, frees=chance.random() < 0.5, flags=1)[0])
    for one in made + chance.choices(made, k=40):
        count[refused(lambda: launch(one, stream))] += 1
    done.wait()  # until then all keep what their graphs have left behind
    for one in made:
        ok(cuda.cuGraphExecDestroy(one), "cuGraphExecDestroy")
    ok(cuda.cuStreamDestroy_v2(stream), "cuStreamDestroy_v2")
count, done = [0, 0], threading.Barrier(4)
crew = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for thread in crew: thread.start()
for thread in crew: thread.join()
ok(cuda.cuDeviceGraphMemTrim(0), "cuDeviceGraphMemTrim")
print(json.dumps([*count, reserved(), taken()]))
"""
        ((launched, refused, reserved, taken), most), (open_, most_open) = self.both(script, 200 * MIB)
        self.assertGreater(launched, 0)
        self.assertGreater(refused, 0)
        self.assertEqual((reserved, taken), (0, 0))
        self.assertLessEqual(most, 200 * MIB)
        self.assertEqual(open_[1], 0)
        self.assertGreater(most_open, 200 * MIB)


if __name__ == "__main__":
    own_run()
    unittest.main()
