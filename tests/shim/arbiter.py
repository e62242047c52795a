"""A small node program for tests of the shim: it gives every program one pod's pages, as src/wire has them, and
answers what a context takes. Tests run with a /run of their own (own_run), where its socket lies."""

import array
import contextlib
import ctypes
import fcntl
import mmap
import os
import pathlib
import re
import socket
import struct
import sys
import threading

from shim import BIN

FOLDER = pathlib.Path("/run/tranche/walls")
DEVICES, SLOTS, SHARES = 32, 1024, 1024
KINDS = {"hello": 1, "hello answer": 2, "measure": 3, "measure answer": 4, "look": 5}
NO_SLOT = 0xFFFFFFFF
STATUS = {"ok": 0, "unknown version": 1, "not walled": 2, "not yet": 3, "no room": 4, "refused": 5}
MAGIC, VERSION = 0x4C4C4157, 1
LIMITS_BYTES = 64 + DEVICES * 128
SLOT_BYTES = 64 + DEVICES * 64
SLOTS_AT = 64 + DEVICES * 64
SHARES_AT = SLOTS_AT + SLOTS * SLOT_BYTES
COUNTERS_BYTES = SHARES_AT + SHARES * 64
F_ADD_SEALS, SEAL, SHRINK, GROW, FUTURE_WRITE = 1033, 1, 2, 4, 16


def own_run():
    """Runs the test again where /run is its own, once."""
    if os.environ.get("TRANCHE_OWN_RUN"):
        return
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.environ["TRANCHE_OWN_RUN"] = "1"
    os.execvp("unshare", ["unshare", "--mount", *user, "sh", "-c", "mount -t tmpfs tmpfs /run && exec \"$@\"", "sh",
                          sys.executable, "-B", *sys.argv])


def page(name, size, seals):
    descriptor = os.memfd_create(name, os.MFD_ALLOW_SEALING)
    os.truncate(descriptor, size)
    mapped = mmap.mmap(descriptor, size)
    fcntl.fcntl(descriptor, F_ADD_SEALS, seals)
    return descriptor, mapped


def uuid_bytes(text):
    return bytes.fromhex(text.split("-", 1)[1].replace("-", ""))


def identity(pid):
    """The pid that a process sees itself, and when it began (proc(5))."""
    inside = re.search(r"^NSpid:.*\s(\d+)$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(inside[1]), int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


class Arbiter:
    """`limit` bytes on each of `devices` (UUIDs), or on each that a program names; `status` is what every Hello and
    Look is answered; `context` is what contexts take, or a function of pid, slot and device that says it; `bound` is
    charged where that comes too late."""

    def __init__(self, limit, context=0, status="ok", devices=(), bound=None, known=False):
        self.limit, self.context, self.status = limit, context, STATUS[status]
        self.bound, self.known = context if bound is None else bound, int(known)
        self.hellos, self.slots, self.measured, self.looks = [], {}, 0, []
        self.devices = [uuid_bytes(device) for device in devices]
        self.limits_fd, self.limits = page("limits", LIMITS_BYTES, SEAL | SHRINK | GROW | FUTURE_WRITE)
        self.counters_fd, self.counters = page("counters", COUNTERS_BYTES, SEAL | SHRINK | GROW)
        struct.pack_into("<QIIII", self.limits, 0, 0x3153544D494C5254, VERSION, LIMITS_BYTES, 0, 1)
        struct.pack_into("<QIIII", self.counters, 0, 0x31544E554F435254, VERSION, COUNTERS_BYTES, SLOTS, 1)
        self.set_walls(self.devices)

    def __enter__(self):
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / "arbiter.sock").unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(str(FOLDER / "arbiter.sock"))
        self.socket.listen(128)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(60)
        self.socket.close()
        for path in FOLDER.iterdir():
            path.unlink()
        FOLDER.rmdir()

    def serve(self):
        # Programs wait for it for a second and no longer: a machine with much else to do keeps no test waiting.
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self.answer(connection, connection.recv(1024))

    def answer(self, connection, message):
        pid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        magic, version, kind = struct.unpack_from("<IHH", message)
        assert (magic, version) == (MAGIC, VERSION), message
        try:
            if kind == KINDS["hello"]:
                self.answer_hello(connection, message, pid)
            elif kind == KINDS["look"]:
                self.looks.append(pid)
                self.give_pages(connection, NO_SLOT, pid, 0)
            elif kind == KINDS["measure"]:
                self.measured += 1
                slot, device = struct.unpack_from("<II", message, 16)
                context = self.context(pid, slot, device) if callable(self.context) else self.context
                connection.send(struct.pack("<IHHIIQ", MAGIC, VERSION, KINDS["measure answer"], 0, 0, context))
        except OSError:
            pass  # the program has gone

    def answer_hello(self, connection, message, pid):
        image, count = struct.unpack_from("<QI", message, 8)
        uuids = [message[24 + 16 * i:40 + 16 * i] for i in range(count)]
        slot = self.slots.setdefault((pid, image), len(self.slots))
        self.hellos.append((pid, uuids))
        if not self.devices:
            self.set_walls(uuids)
        walled = self.devices or uuids
        inside, start = identity(pid)
        struct.pack_into("<IIIIQ", self.counters, SLOTS_AT + SLOT_BYTES * slot, 1, pid, inside, 0, start)
        struct.pack_into("<I", self.counters, 24, len(self.slots))
        self.give_pages(connection, slot, pid, sum(1 << i for i, uuid in enumerate(uuids) if uuid not in walled))

    def set_walls(self, uuids):
        for i, uuid in enumerate(uuids):
            struct.pack_into("<16sQQQQ", self.limits, 64 + 128 * i, uuid, self.limit, self.bound, 80 << 30, self.known)
        struct.pack_into("<I", self.limits, 16, len(uuids))

    def give_pages(self, connection, slot, pid, unwalled):
        answer = struct.pack("<IHHIIII", MAGIC, VERSION, KINDS["hello answer"], self.status, slot, pid, unwalled)
        rights = [] if self.status else [self.limits_fd, self.counters_fd]
        connection.sendmsg([answer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", rights))] if rights
                           else [])

    def set_limit(self, limit, device=0):
        struct.pack_into("<Q", self.limits, 64 + 128 * device + 16, limit)

    def totals(self, device=0):
        """total, refusals, trims"""
        return struct.unpack_from("<QQQ", self.counters, 64 + 64 * device)

    def holding(self, slot, device=0):
        """held, context, begun, ended"""
        return struct.unpack_from("<QQQQ", self.counters, SLOTS_AT + SLOT_BYTES * slot + 64 + 64 * device)

    def passed_through(self, slot):
        """Calls that the program in the slot says to have passed on because of trouble of the shim's own."""
        return struct.unpack_from("<Q", self.counters, SLOTS_AT + SLOT_BYTES * slot + 24)[0]

    def under_way(self, slot, device=0):
        at = SLOTS_AT + SLOT_BYTES * slot + 64 + 64 * device + 36
        return struct.unpack_from("<i", self.counters, at)[0]

    def is_bound(self, slot, device=0):
        """Its contexts are charged by the bound."""
        at = SLOTS_AT + SLOT_BYTES * slot + 64 + 64 * device + 32
        return struct.unpack_from("<I", self.counters, at)[0] == 2

    def left(self, slot):
        """A program has ended: as the node program does, by src/wire."""
        self.by_wire("tranche_test_leave", slot)

    def sweep(self, device=0):
        self.by_wire("tranche_test_sweep", device)

    def by_wire(self, function, number):
        ledger = ctypes.CDLL(str(BIN.parent / "tests/libtranche_test_ledger.so"))
        page = (ctypes.c_char * COUNTERS_BYTES).from_buffer(self.counters)
        getattr(ledger, function)(ctypes.byref(page), number)
        del page

    def shares(self):
        """Of what programs share: kind, slot, key, bytes, device."""
        kinds = {1: "busy", 2: "export", 3: "import", 4: "orphan"}
        rows = [struct.unpack_from("<QQQI", self.counters, SHARES_AT + 64 * i) for i in range(SHARES)]
        return [(kinds[state & 0xFF], state >> 8, key, size, device) for state, key, size, device in rows if state]


def check_layout():
    """The numbers above are those of src/wire: the compiler checks the header's own against the structs."""
    def text_of(header):
        return (pathlib.Path(__file__).resolve().parents[2] / "src/wire" / header).read_text()
    text = text_of("pages.h")
    assert "offsetof(Slot, passed_through) == 24" in text and "offsetof(Holding, under_way) == 36" in text
    assert "offsetof(Slot, holdings) == 64" in text and "sizeof(DeviceLimits) == 128" in text
    assert re.search(r"kMaxSlots = +1024", text) and "offsetof(Counters, slots_used) == 24" in text
    assert re.search(r"kMaxShares = 1024", text) and "sizeof(Share) == 64" in text
    for enum, numbers in (("Kind", KINDS), ("Status", STATUS)):
        body, first = re.search(rf"enum class {enum} .*?{{(.*?= (\d+),.*?)}};", text_of("message.h"), re.S).groups()
        names = re.findall(r"^  k(\w+)", body, re.M)
        assert {name: i for i, name in enumerate(names, int(first))} == {
            name.title().replace(" ", ""): number for name, number in numbers.items()}, f"{enum}: {names}"


check_layout()
