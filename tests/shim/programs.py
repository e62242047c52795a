"""Programs that allocate in every form, as Python that is run in a process of its own. `device` and `form` come from
PRELUDE; a form gives back a function that frees, or the driver's refusal."""

PRELUDE = """
import ctypes, json, os, random, sys, threading
cuda = ctypes.CDLL("libcuda.so.1")
u64, size, ref = ctypes.c_uint64, ctypes.c_size_t, ctypes.byref
MiB = 1 << 20
OUT_OF_MEMORY = 2

def ok(result, call=""):
    if result != 0:
        raise SystemExit(f"{call}: {result}")

ok(cuda.cuInit(0), "cuInit")
context = ctypes.c_void_p()

def begin(device=0):
    ok(cuda.cuDevicePrimaryCtxRetain(ref(context), device), "cuDevicePrimaryCtxRetain")
    ok(cuda.cuCtxSetCurrent(context), "cuCtxSetCurrent")

class Properties(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("handles", ctypes.c_int), ("location", ctypes.c_int), ("id", ctypes.c_int),
                ("win32", ctypes.c_void_p), ("flags", u64)]

class Shape(ctypes.Structure):
    _fields_ = [("width", size), ("height", size), ("format", ctypes.c_int), ("channels", ctypes.c_uint)]

class Shape3d(ctypes.Structure):
    _fields_ = [("width", size), ("height", size), ("depth", size), ("format", ctypes.c_int),
                ("channels", ctypes.c_uint), ("flags", ctypes.c_uint)]

class Refused(Exception):
    pass

def checked(result, call):
    if result == OUT_OF_MEMORY:
        raise Refused
    ok(result, call)

def plain(bytes):
    at = u64()
    checked(cuda.cuMemAlloc_v2(ref(at), size(bytes)), "cuMemAlloc_v2")
    return lambda: ok(cuda.cuMemFree_v2(at), "cuMemFree_v2")

def pitch(bytes):
    at, row = u64(), size()
    checked(cuda.cuMemAllocPitch_v2(ref(at), ref(row), size(1000), size(-(-bytes // 1024)), 4), "cuMemAllocPitch_v2")
    return lambda: ok(cuda.cuMemFree_v2(at), "cuMemFree_v2")

def managed(bytes):
    at = u64()
    checked(cuda.cuMemAllocManaged(ref(at), size(bytes), 1), "cuMemAllocManaged")
    return lambda: ok(cuda.cuMemFree_v2(at), "cuMemFree_v2")

def physical(bytes, location=1, place=0):
    handle = u64()
    properties = Properties(1, 0, location, place, None, 0)
    rounded = -(-bytes // (2 * MiB)) * 2 * MiB
    checked(cuda.cuMemCreate(ref(handle), size(rounded), ref(properties), u64(0)), "cuMemCreate")
    return lambda: ok(cuda.cuMemRelease(handle), "cuMemRelease")

def mapped(bytes):
    handle, at, again = u64(), u64(), u64()
    rounded = -(-bytes // (2 * MiB)) * 2 * MiB
    properties = Properties(1, 0, 1, 0, None, 0)
    checked(cuda.cuMemCreate(ref(handle), size(rounded), ref(properties), u64(0)), "cuMemCreate")
    ok(cuda.cuMemAddressReserve(ref(at), size(rounded), size(0), u64(0), u64(0)), "cuMemAddressReserve")
    ok(cuda.cuMemMap(at, size(rounded), size(0), handle, u64(0)), "cuMemMap")
    ok(cuda.cuMemRelease(handle), "cuMemRelease")
    def free():
        ok(cuda.cuMemUnmap(at, size(rounded)), "cuMemUnmap")
        ok(cuda.cuMemAddressFree(at, size(rounded)), "cuMemAddressFree")
    return free

def array(bytes):
    made = ctypes.c_void_p()
    shape = Shape(4096, -(-bytes // 16384), 0x20, 1)
    checked(cuda.cuArrayCreate_v2(ref(made), ref(shape)), "cuArrayCreate_v2")
    return lambda: ok(cuda.cuArrayDestroy(made), "cuArrayDestroy")

def cube(bytes):
    made = ctypes.c_void_p()
    shape = Shape3d(256, 256, -(-bytes // (4 << 16)), 0x20, 1, 0)
    checked(cuda.cuArray3DCreate_v2(ref(made), ref(shape)), "cuArray3DCreate_v2")
    return lambda: ok(cuda.cuArrayDestroy(made), "cuArrayDestroy")

def mipmap(bytes, levels=4):
    made = ctypes.c_void_p()
    shape = Shape3d(4096, -(-bytes // 16384), 0, 0x20, 1, 0)
    checked(cuda.cuMipmappedArrayCreate(ref(made), ref(shape), levels), "cuMipmappedArrayCreate")
    return lambda: ok(cuda.cuMipmappedArrayDestroy(made), "cuMipmappedArrayDestroy")

def pooled(bytes):
    at = u64()
    checked(cuda.cuMemAllocAsync(ref(at), size(bytes), None), "cuMemAllocAsync")
    def free():
        ok(cuda.cuMemFreeAsync(at, None), "cuMemFreeAsync")
        ok(cuda.cuStreamSynchronize(None), "cuStreamSynchronize")
    return free

class AllocNode(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("handles", ctypes.c_int), ("location", ctypes.c_int), ("id", ctypes.c_int),
                ("win32", ctypes.c_void_p), ("most", size), ("reserved", ctypes.c_ubyte * 56),
                ("access", ctypes.c_void_p), ("accesses", size), ("bytes", size), ("at", u64)]

# An instantiated graph with an allocation node, and its address; with `frees` it frees it again.
def graph_of(bytes, frees=False, flags=0):
    graph, node, freed, made = (ctypes.c_void_p() for _ in range(4))
    ok(cuda.cuGraphCreate(ref(graph), 0), "cuGraphCreate")
    params = AllocNode(type=1, location=1, id=0, bytes=bytes)
    ok(cuda.cuGraphAddMemAllocNode(ref(node), graph, None, size(0), ref(params)), "cuGraphAddMemAllocNode")
    if frees:
        ok(cuda.cuGraphAddMemFreeNode(ref(freed), graph, ref(node), size(1), u64(params.at)), "cuGraphAddMemFreeNode")
    ok(cuda.cuGraphInstantiateWithFlags(ref(made), graph, u64(flags)), "cuGraphInstantiateWithFlags")
    ok(cuda.cuGraphDestroy(graph), "cuGraphDestroy")
    return made, u64(params.at)

def launch(made, stream=None):
    checked(cuda.cuGraphLaunch(made, stream), "cuGraphLaunch")

def graphed(bytes):
    made, at = graph_of(bytes)
    try:
        launch(made)
    except Refused:
        ok(cuda.cuGraphExecDestroy(made), "cuGraphExecDestroy")
        raise
    def free():
        ok(cuda.cuMemFree_v2(at), "cuMemFree_v2")
        ok(cuda.cuGraphExecDestroy(made), "cuGraphExecDestroy")
        ok(cuda.cuDeviceGraphMemTrim(0), "cuDeviceGraphMemTrim")
    return free

FORMS = [plain, pitch, managed, physical, mapped, array, cube, mipmap, pooled, graphed]

# The same in pieces of their own alone. Small levels of a mipmap share a chunk, and of those the driver's log tells
# when the chunk comes and goes, not what lies in it.
def one_level(bytes):
    return mipmap(bytes, 1)

PIECES = [one_level if form is mipmap else form for form in FORMS]

def info():
    free, total = size(), size()
    ok(cuda.cuMemGetInfo_v2(ref(free), ref(total)), "cuMemGetInfo_v2")
    return [free.value, total.value]
"""

# Of pools, behind PRELUDE.
POOL = """
class PoolProperties(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("handles", ctypes.c_int), ("location", ctypes.c_int), ("id", ctypes.c_int),
                ("win32", ctypes.c_void_p), ("most", size), ("reserved", ctypes.c_ubyte * 56)]

def make_pool(handles=0, keeps=1 << 60):
    pool = ctypes.c_void_p()
    properties, most = PoolProperties(type=1, handles=handles, location=1, id=0), u64(keeps)
    ok(cuda.cuMemPoolCreate(ref(pool), ref(properties)), "cuMemPoolCreate")
    ok(cuda.cuMemPoolSetAttribute(pool, 4, ref(most)), "cuMemPoolSetAttribute")
    return pool

def of_pool(pool, bytes):
    at = u64()
    checked(cuda.cuMemAllocFromPoolAsync(ref(at), size(bytes), pool, None), "cuMemAllocFromPoolAsync")
    return at

def attempt(bytes):
    try:
        plain(bytes)()
        return "given"
    except Refused:
        return "refused"
"""

# argv: threads, rounds. Each thread allocates and frees in every form, in random order.
RACE = PRELUDE + """
threads, rounds = int(sys.argv[1]), int(sys.argv[2])
begin()
counts = {"made": 0, "refused": 0}
lock = threading.Lock()

def work(seed):
    ok(cuda.cuCtxSetCurrent(context), "cuCtxSetCurrent")
    chance, held, made, refused = random.Random(seed), [], 0, 0
    for _ in range(rounds):
        if held and chance.random() < 0.45:
            held.pop(chance.randrange(len(held)))()
            continue
        try:
            held.append(chance.choice(PIECES)(chance.randrange(1, 48) * MiB))
            made += 1
        except Refused:
            refused += 1
    for free in held:
        free()
    with lock:
        counts["made"] += made
        counts["refused"] += refused

crew = [threading.Thread(target=work, args=(os.getpid() * 1000 + i,)) for i in range(threads)]
print("ready", flush=True)
sys.stdin.readline()
for thread in crew: thread.start()
for thread in crew: thread.join()
json.dump(counts, sys.stdout)
"""
