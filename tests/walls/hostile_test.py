"""Pods that mean harm to `tranche node` and to their neighbours. Each test counts its tries; whatever they are, the
neighbour keeps its limit and its bytes, the node program lives and answers the neighbour's new programs, and it has no
more descriptors and hardly more memory than before. docs/security.md has the attacks in a table."""

import json
import os
import pathlib
import re
import sys
import unittest

from wallsbed import CONTEXT, FOLDER, GIB, HANGS, NEIGHBOUR, POD, PRELUDE, Bed, own_run, until

# What an attacker that brings no shim of its own says at the door.
SPEAK = """
import ctypes, fcntl, json, mmap, os, random, select, socket, struct, sys, threading, time
MAGIC, VERSION, HELLO, MEASURE, LOOK = 0x4C4C4157, 1, 1, 3, 5

def hello(image=1, version=VERSION):
    return struct.pack("<IHHQII", MAGIC, version, HELLO, image, 0, 0) + bytes(512)

def door():
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.connect("FOLDER/arbiter.sock")
    return made

def ask(packet):
    "The answer's status, and the descriptors that came with it."
    with door() as connection:
        try:
            connection.send(packet)
            answer, descriptors, _, _ = socket.recv_fds(connection, 1024, 8)
        except OSError:
            return None, []
        return (struct.unpack_from("<I", answer, 8)[0] if len(answer) >= 12 else None), descriptors

def pages():
    while True:
        status, descriptors = ask(hello())
        if status == 0:
            return descriptors
        time.sleep(0.02)

def said(**counts):
    print(json.dumps(counts), flush=True)
""".replace("FOLDER", str(FOLDER))
# Every size, and every kind with nonsense behind it.
PACKETS = SPEAK + """
random.seed(1)
tries = 0
for size in [*range(1, 1100), 4096, 60000]:
    for packet in (random.randbytes(size), (struct.pack("<IHH", MAGIC, VERSION, size % 8) + random.randbytes(size))[:size],
                   (hello() * 120)[:size]):
        tries += 1
        status, descriptors = ask(packet)
        for descriptor in descriptors: os.close(descriptor)
said(tries=tries)
"""
# argv: threads. Each comes in without a pause, in one of four ways.
FLOOD = SPEAK + """
def silent():
    held.append(door())
    if len(held) > 200: held.pop(0).close()
def hasty():
    door().close()
def deaf():
    with door() as connection: connection.send(hello())
def loaded():
    with door() as connection:
        socket.send_fds(connection, [hello()], [connection.fileno()] * 253)
def flood(way):
    while True:
        try:
            way()
        except OSError:
            pass
        counts[way.__name__] += 1
held, counts = [], {"silent": 0, "hasty": 0, "deaf": 0, "loaded": 0}
for i in range(int(sys.argv[1])):
    threading.Thread(target=flood, args=([silent, hasty, deaf, loaded][i % 4],), daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
said(**counts)
os._exit(0)
"""
# Every way to write a page that is known: on the page of limits, and on one of its own that has no seal.
PAGES = SPEAK + """
SIZE = 4160
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
READ, WRITE, SHARED = 1, 2, 1

def again(fd, how):
    return os.open(f"/proc/self/fd/{fd}", how)
def mapped(fd, protection):
    at = libc.mmap(None, SIZE, protection, SHARED, fd, 0)
    if at in (None, ctypes.c_void_p(-1).value): raise OSError("mmap")
    return at
def checked(result):
    if result != 0: raise OSError(ctypes.get_errno(), "refused")
def best(fd):
    try:
        return mapped(fd, READ | WRITE)
    except OSError:
        return mapped(fd, READ)
def write(fd): os.pwrite(fd, b"x" * 64, 80)
def write_again(fd): os.pwrite(again(fd, os.O_RDWR), b"x" * 64, 80)
def map_it(fd): mapped(fd, READ | WRITE)
def map_again(fd): mapped(again(fd, os.O_RDWR), READ | WRITE)
def protect(fd): checked(libc.mprotect(mapped(fd, READ), SIZE, READ | WRITE))
def memory(fd):
    with open("/proc/self/mem", "r+b", buffering=0) as own:
        own.seek(best(fd) + 80)
        own.write(b"x" * 64)
def truncate(fd): os.ftruncate(fd, 0)
def shorten_again(fd): os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_TRUNC)
def grow(fd): os.ftruncate(fd, 1 << 30)
def allocate(fd): checked(libc.fallocate(fd, 0, 0, 1 << 26))
def punch(fd): checked(libc.fallocate(fd, 3, 0, SIZE))
def remove(fd): checked(libc.madvise(best(fd), SIZE, 9))
def seal(fd): fcntl.fcntl(fd, 1033, 8)
def copy(fd):
    source = os.memfd_create("source"); os.write(source, b"x" * SIZE)
    os.sendfile(again(fd, os.O_RDWR), source, 0, SIZE)
WAYS = [write, write_again, map_it, map_again, protect, memory, grow, allocate, punch, remove, copy, truncate,
        shorten_again, seal]

def worked(make):
    found = []
    for way in WAYS:
        try:
            way(make())
            found.append(way.__name__)
        except OSError:
            pass
    return found

def unsealed():
    made = os.memfd_create("own", os.MFD_ALLOW_SEALING)
    os.ftruncate(made, SIZE)
    return made

limits, counters = pages()
tries, through = 0, set()
for _ in range(100):
    through |= set(worked(lambda: limits))
    tries += len(WAYS)
# The counters are its own: only their size is not.
sizes = set(worked(lambda: counters)) & {"truncate", "shorten_again", "grow", "allocate", "seal"}
said(tries=tries, through=sorted(through), sizes=sorted(sizes), failed=sorted({way.__name__ for way in WAYS} - set(worked(unsealed))))
"""
# Writes over its counters, at random and all of them, without a pause.
SCRIBBLE = SPEAK + """
limits, counters = pages()
size = os.fstat(counters).st_size
page = mmap.mmap(counters, size)
print("ready", flush=True)
tries = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(1000):
        at = random.randrange(size // 8) * 8 if random.random() < 0.5 else random.randrange(1 << 10) * 8
        page[at:at + 8] = random.choice([bytes(8), b"\\xff" * 8, random.randbytes(8)])
        tries += 1
    if random.random() < 0.1: page[:] = random.choice([bytes(1), b"\\xff"]) * size
said(tries=tries)
"""
# Attaches as all do, unloads the shim, and takes memory of the driver's own library.
UNLOADER = PRELUDE + """
import _ctypes
begin()
plain(256 * MiB)
shim = cuda._handle
del cuda
for _ in range(8):
    try: _ctypes.dlclose(shim)
    except OSError: break
cuda = ctypes.CDLL(sys.argv[1])
ok(cuda.cuInit(0), "cuInit")
begin()
at = u64()
ok(cuda.cuMemAlloc_v2(ref(at), size(6 << 30)), "cuMemAlloc_v2")
print(json.dumps(0), flush=True)
sys.stdin.readline()
"""
# argv: a pid. In a pid namespace of its own, one in the other, a program with that pid attaches.
NAMESPACES = SPEAK + """
def within(depth):
    checked = lambda result: result == 0 or sys.exit("unshare")
    checked(ctypes.CDLL(None).unshare(0x20000000))
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)
    if depth: within(depth - 1)
victim = int(sys.argv[1])
within(2)
answers = []
for pid in [victim] * 20 + list(range(2, 22)):
    # The namespace is new, and this is its only other process.
    last = os.open("/proc/sys/kernel/ns_last_pid", os.O_WRONLY)
    os.write(last, str(pid - 1).encode())
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = None
        while status is None: status, descriptors = ask(hello(image=pid))
        os.write(writing, struct.pack("<i", status))
        os._exit(0)
    answers.append((child == pid, struct.unpack("<i", os.read(reading, 4))[0]))
    os.waitpid(child, 0)
said(tries=len(answers), wanted=sum(right for right, _ in answers), answered=sum(status == 0 for _, status in answers))
os._exit(0)
"""


class Hostile(unittest.TestCase):
    def setUp(self):
        self.bed = self.enterContext(Bed(away="closed"))
        if self.bed.groups.root is None:
            self.skipTest("no control group can be made here")
        self.neighbour = self.new_program()
        self.assertEqual(self.neighbour.take(1024), (0, 1024))
        self.used = GIB + CONTEXT
        until(lambda: self.neighbour_is_as_it_was(), self.bed.sight.process)
        self.before = self.descriptors(), self.memory()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.bed.sight.process.pid}/fd"))

    def memory(self):
        """KiB that only this process has in memory."""
        text = pathlib.Path(f"/proc/{self.bed.sight.process.pid}/status").read_text()
        return int(re.search(r"^RssAnon:\s+(\d+)", text, re.M)[1])

    def neighbour_is_as_it_was(self):
        wall = self.bed.wall(NEIGHBOUR)
        return (wall.get("limitBytes"), wall.get("usedBytes"), wall.get("walled")) == (4 * GIB, self.used, True)

    def start(self, script, *arguments, group=None):
        """An attacker of the pod's, without the shim."""
        if group:
            self.bed.containers[POD].append(group)
        return self.bed.start([sys.executable, "-c", script, *arguments], POD, walled=False,
                              container=-1 if group else 0)

    def counts(self, process):
        """What an attacker says of its tries; ends one that goes on until it is told to."""
        out, errors = process.communicate("\n", timeout=5 * HANGS)
        self.assertEqual(process.returncode, 0, errors)
        return json.loads(out.splitlines()[-1])

    def new_program(self, uid=NEIGHBOUR, container=0):
        """A program that begins now and gets its wall: once more where the node program had no time for it in the second
        that a program waits."""
        def started():
            program = self.bed.program(uid, container=container)
            if program.info()[1] == 4 * GIB:
                return program
            program.end()
            return None
        return until(started, self.bed.sight.process)

    def assert_neighbour_unharmed(self):
        self.assertTrue(self.neighbour_is_as_it_was(), self.bed.wall(NEIGHBOUR))
        program = self.new_program()
        self.assertEqual(program.take(1024), (0, 1024))
        self.assertEqual(program.take(2048), (2, 1024))
        program.end()
        until(self.neighbour_is_as_it_was, self.bed.sight.process)

    def assert_node_program_is_as_it_was(self):
        descriptors, memory = self.before
        self.assertIsNone(self.bed.sight.process.poll())
        # What a status page in the making holds comes and goes.
        until(lambda: self.descriptors() <= descriptors + 4, self.bed.sight.process)
        self.assertLess(self.memory(), memory + 32 * 1024)
        self.assert_neighbour_unharmed()

    def test_packets_of_every_size_and_kind(self):
        self.assertGreaterEqual(self.counts(self.start(PACKETS))["tries"], 3000)
        callers = {labels["outcome"]: value
                   for labels, value in self.bed.sight.metrics()["tranche_walls_callers_total"]}
        self.assertGreater(callers["malformed"], 1000)
        self.assert_node_program_is_as_it_was()

    def test_floods_of_callers(self):
        """Silent, hasty and deaf ones, and some with their hands full of descriptors; while they go on, programs of the
        neighbour's come in."""
        attackers = [self.start(FLOOD, "8") for _ in range(2)]
        for attacker in attackers:
            self.assertEqual(attacker.stdout.readline(), "ready\n")
        for _ in range(5):
            self.new_program().end()
        until(self.neighbour_is_as_it_was, self.bed.sight.process)
        self.assertLess(self.descriptors(), self.before[0] + 2 * 64 + 16)
        counts = [self.counts(attacker) for attacker in attackers]
        for way in ("silent", "hasty", "deaf", "loaded"):
            self.assertGreater(sum(count[way] for count in counts), 100, counts)
        self.assert_node_program_is_as_it_was()

    def test_the_page_of_limits(self):
        done = self.counts(self.start(PAGES))
        self.assertEqual((done["through"], done["sizes"]), ([], []))
        self.assertEqual(done["tries"], 1400)
        self.assertEqual(done["failed"], [], "each way works on a page without seals")
        self.assertEqual(self.bed.wall()["limitBytes"], 4 * GIB)
        self.assert_node_program_is_as_it_was()

    def test_counters_that_are_written_over_without_a_pause(self):
        """Also when the node program is replaced meanwhile."""
        attacker = self.start(SCRIBBLE)
        self.assertEqual(attacker.stdout.readline(), "ready\n")
        for _ in range(20):
            self.bed.status()
            self.assertTrue(self.neighbour_is_as_it_was())
        self.assert_neighbour_unharmed()
        self.bed.kill_node_program()
        self.bed.arbitrate()
        until(self.neighbour_is_as_it_was, self.bed.sight.process)
        self.assert_neighbour_unharmed()
        self.assertGreater(self.counts(attacker)["tries"], 10000)
        self.assertEqual(self.bed.wall()["limitBytes"], 4 * GIB)
        self.assert_neighbour_unharmed()

    def test_groups_that_are_named_after_the_neighbour(self):
        """Real control groups below the attacker's own. One that is in the neighbour's own group is the neighbour's."""
        victim, own = self.bed.containers[NEIGHBOUR][0], self.bed.containers[POD][0]
        names = [f"kubepods/pod{NEIGHBOUR}/{victim.name}", f"pod{NEIGHBOUR}/{victim.name}",
                 f"kubepods.slice/kubepods-pod{NEIGHBOUR.replace('-', '_')}.slice/cri-containerd-{victim.name}.scope"]
        for i, name in enumerate(names):
            group = own / name
            group.mkdir(parents=True)
            self.bed.containers[POD].append(group)
            forger = self.new_program(POD, container=-1)
            self.assertEqual(forger.take(1024), (0, 1024))
            until(lambda: self.bed.wall()["usedBytes"] == GIB + CONTEXT, self.bed.sight.process)
            self.assertTrue(self.neighbour_is_as_it_was(), name)
            forger.end()
            until(lambda: self.bed.wall()["usedBytes"] == 0, self.bed.sight.process)
        self.assert_node_program_is_as_it_was()
        inside = self.new_program()
        self.assertFalse(self.neighbour_is_as_it_was())
        inside.end()

    def test_pid_namespaces_in_which_pids_are_the_neighbours(self):
        done = self.counts(self.start(NAMESPACES, str(self.neighbour.process.pid)))
        self.assertEqual((done["wanted"], done["answered"]), (done["tries"], done["tries"]))
        until(lambda: self.bed.wall()["programs"] == 0, self.bed.sight.process)
        self.assertEqual(self.bed.wall(NEIGHBOUR)["programs"], 1)
        self.assert_node_program_is_as_it_was()

    def test_a_program_that_unloads_the_shim(self):
        """It is told of; what it takes is more than its limit, and no counter of the neighbour's changes."""
        def attacks():
            process = self.bed.start([sys.executable, "-c", UNLOADER, self.bed.node.library()], POD)
            return process.stdout.readline() == "0\n"
        until(attacks, self.bed.sight.process)
        until(lambda: self.bed.wall()["ledgerMismatch"], self.bed.sight.process)
        told, = [event["message"] for event in self.bed.status()["events"] if event["reason"] == "LedgerMismatch"]
        self.assertIn(self.bed.names[POD], told)
        self.assertGreater(self.bed.seen_by_driver(), 6 * GIB)
        self.assert_neighbour_unharmed()


if __name__ == "__main__":
    own_run()
    unittest.main()
