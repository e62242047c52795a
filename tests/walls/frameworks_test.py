"""Programs that do with memory what PyTorch and TensorFlow do keep working inside the wall: their own limits are parts of
it, and where the driver refuses they give back what they keep and ask again."""

import unittest

from wallsbed import CONTEXT, GIB, MIB, POD, Bed, own_run

# PyTorch's caching allocator: blocks that were freed are kept, up to a fraction of the device (set_per_process_memory_
# fraction). Above that it refuses by itself; where the driver refuses, it gives all it keeps back and asks once more.
PYTORCH = """
class Exhausted(Exception):
    pass

class Caching:
    def __init__(self, fraction, new=plain):
        begin()
        self.most, self.new = int(fraction * info()[1]), new
        self.reserved = self.peak = self.refused = self.own = 0
        self.kept = []

    def give_back(self):
        for size, free in self.kept:
            free()
            self.reserved -= size
        self.kept = []

    def ask(self, size):
        if self.reserved + size > self.most:
            self.own += 1
            raise Refused
        try:
            free = self.new(size)
        except Refused:
            self.refused += 1
            raise
        self.reserved += size
        self.peak = max(self.peak, self.reserved)
        return size, free

    def take(self, bytes):
        size = 20 * MiB if bytes < 10 * MiB else -(-bytes // (2 * MiB)) * 2 * MiB
        for block in sorted(self.kept, key=lambda block: block[0]):
            if size <= block[0] <= 2 * size:
                self.kept.remove(block)
                return block
        try:
            return self.ask(size)
        except Refused:
            self.give_back()
            try:
                return self.ask(size)
            except Refused:
                raise Exhausted

# Steps of a training: a model that stays, and activations of ever other sizes that are freed at the end of each step.
def train(memory, model, step, steps):
    chance, stays = random.Random(7), []
    try:
        for _ in range(model // (256 * MiB)):
            stays.append(memory.take(256 * MiB))
        for _ in range(steps):
            held, left = [], step
            try:
                while left > 0:
                    bytes = chance.randrange(1, 300) * MiB
                    held.append(memory.take(bytes))
                    left -= bytes
            finally:
                memory.kept += held
    finally:
        memory.kept += stays
    return {"peak": memory.peak, "refused": memory.refused, "own": memory.own, "free": info()[0]}
"""

# TensorFlow's allocator with allow_growth: regions that double, and where one is refused a tenth less, and less again.
TENSORFLOW = """
def grow(limit):
    held, regions, region, refused = 0, [], 2 * MiB, 0
    while True:
        size = region = min(region, limit - held)
        while size >= 2 * MiB:
            try:
                regions.append(plain(size))
                break
            except Refused:
                refused += 1
                size = int(size * 0.9) // 256 * 256
        if size < 2 * MiB:
            return held, refused, regions
        held += -(-size // (2 * MiB)) * 2 * MiB
        region *= 2
"""


class Frameworks(unittest.TestCase):
    def setUp(self):
        self.bed = self.enterContext(Bed())
        if self.bed.groups.root is None:
            self.skipTest("no control group can be made here")

    def run_in_pod(self, script, walled=True):
        return self.bed.python(script, POD, walled)

    def test_a_fraction_is_one_of_the_wall(self):
        script = PYTORCH + "print(json.dumps(train(Caching(0.5), 512 * MiB, 700 * MiB, 60)))"
        said = self.run_in_pod(script)
        self.assertLessEqual(said["peak"], 2 * GIB)
        self.assertGreater(said["own"], 0, "it kept to a limit of its own")
        self.assertEqual((said["refused"], self.bed.wall()["refusals"]), (0, 0), "the wall was never in its way")
        # The control: without the wall half of the device is ten times as much.
        script = PYTORCH + "print(json.dumps(train(Caching(0.5), 8192 * MiB, 1024 * MiB, 20)))"
        said = self.run_in_pod(script, walled=False)
        self.assertGreater(said["peak"], 8 * GIB)
        self.assertEqual(said["own"], 0)

    def test_one_that_wants_all_is_refused_gives_back_and_goes_on(self):
        for form in ("plain", "mapped"):  # the second as expandable segments do
            with self.subTest(form=form):
                before = self.bed.wall().get("refusals", 0)
                said = self.run_in_pod(
                    PYTORCH + f"print(json.dumps(train(Caching(1.0, {form}), 1024 * MiB, 1200 * MiB, 60)))")
                self.assertGreater(said["refused"], 0)
                self.assertEqual(self.bed.wall()["refusals"] - before, said["refused"])
                self.assertLessEqual(said["peak"], 4 * GIB - CONTEXT)
                self.assertGreater(said["peak"], 3 * GIB)

    def test_one_whose_step_does_not_fit_is_told_so_and_lives(self):
        said = self.run_in_pod(PYTORCH + """
memory = Caching(1.0)
try:
    train(memory, 512 * MiB, 6 << 30, 1)
except Exhausted:
    pass
    told = memory.refused
print(json.dumps([told, train(memory, 512 * MiB, 512 * MiB, 5)["refused"] - told, memory.reserved]))
""")
        told, since, reserved = said
        self.assertEqual(told, 2, "refused, and after it had given back what it kept refused again")
        self.assertEqual(since, 0)
        self.assertGreater(reserved, GIB)

    def test_growth_ends_at_the_wall(self):
        held, refused = self.run_in_pod(TENSORFLOW + """
begin()
free = info()[0]
held, refused, regions = grow(free - 64 * MiB)
print(json.dumps([held, refused]))
""")
        self.assertGreater(held, 4 * GIB - CONTEXT - 80 * MIB)
        self.assertLessEqual(held, 4 * GIB - CONTEXT)
        self.assertEqual(refused, 0, "it was told what there is")
        # Of two in one pod, the second finds less than it was told and takes what is left.
        held, refused, left = self.run_in_pod(TENSORFLOW + """
begin()
limit = info()[0] - 64 * MiB
other = plain(1 << 30)
held, refused, regions = grow(limit)
for free in regions: free()
print(json.dumps([held, refused, info()[0]]))
""")
        self.assertGreater(refused, 0)
        self.assertGreater(held, 2 * GIB)
        self.assertEqual(left, 3 * GIB - CONTEXT)

    def test_pools_are_trimmed_once_before_a_refusal(self):
        """As PyTorch's cudaMallocAsync backend and JAX: a pool that keeps all, beside memory of another form."""
        script = """
begin()
pool, all = ctypes.c_void_p(), u64(0xFFFFFFFFFFFFFFFF)
ok(cuda.cuDeviceGetDefaultMemPool(ref(pool), 0), "cuDeviceGetDefaultMemPool")
ok(cuda.cuMemPoolSetAttribute(pool, 4, ref(all)), "cuMemPoolSetAttribute")
held = [pooled(256 * MiB) for _ in range(10)]
%s
try:
    plain(3 << 30)
    print(json.dumps("given"))
except Refused:
    print(json.dumps("refused"))
"""
        self.assertEqual(self.run_in_pod(script % "for free in held: free()"), "given")
        self.assertEqual(self.run_in_pod(script % ""), "refused", "what is in use is not trimmed")


if __name__ == "__main__":
    own_run()
    unittest.main()
