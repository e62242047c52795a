"""Programs that ask NVML what its clients do not ask, as Python that is run in a process of its own."""

from programs import PRELUDE

# For what the clients do not ask: each function, with its own layout.
RAW = """
import ctypes, json, os, sys
nvml = ctypes.CDLL("libnvidia-ml.so.1")
u32, u64, ref = ctypes.c_uint, ctypes.c_ulonglong, ctypes.byref

def struct(*fields):
    return type("Struct", (ctypes.Structure,), {"_fields_": list(fields)})

V1 = struct(("pid", u32), ("used", u64))
V2 = struct(("pid", u32), ("used", u64), ("gi", u32), ("ci", u32))
DETAIL = struct(("pid", u32), ("used", u64), ("gi", u32), ("ci", u32), ("cc", u64))
SAMPLE = struct(("pid", u32), ("time", u64), ("sm", u32), ("mem", u32), ("enc", u32), ("dec", u32))
INFO = struct(("time", u64), ("pid", u32), ("sm", u32), ("mem", u32), ("enc", u32), ("dec", u32), ("jpg", u32),
              ("ofa", u32))
LIST = struct(("version", u32), ("mode", u32), ("count", u32), ("entries", ctypes.POINTER(DETAIL)))
INFOS = struct(("version", u32), ("count", u32), ("seen", u64), ("entries", ctypes.POINTER(INFO)))
MEMORY = struct(("total", u64), ("free", u64), ("used", u64))
MEMORY2 = struct(("version", u32), ("total", u64), ("reserved", u64), ("free", u64), ("used", u64))

def version(kind, number=1):
    return ctypes.sizeof(kind) | number << 24

def ok(result, call=""):
    assert result == 0, (call, result)

ok(nvml.nvmlInit_v2())

def device(index=0):
    handle = ctypes.c_void_p()
    ok(nvml.nvmlDeviceGetHandleByIndex_v2(index, ref(handle)))
    return handle

def by_uuid(uuid):
    handle = ctypes.c_void_p()
    ok(nvml.nvmlDeviceGetHandleByUUID(uuid.encode(), ref(handle)))
    return handle

def rows(entries, count):
    return [[getattr(entry, name) for name, _ in entry._fields_] for entry in entries[:count]]

# The status and the count without room, with less than it takes, and with more.
def listed(call, kind, handle, rooms=(0, 1, 8)):
    results = []
    for room in rooms:
        entries, count = (kind * max(room, 1))(), u32(room)
        status = call(handle, ref(count), entries if room else None)
        results.append([status, count.value, rows(entries, min(room, count.value))])
    return results

def memory(handle):
    first, second = MEMORY(), MEMORY2(version(MEMORY2, 2))
    ok(nvml.nvmlDeviceGetMemoryInfo(handle, ref(first)))
    ok(nvml.nvmlDeviceGetMemoryInfo_v2(handle, ref(second)))
    return [[first.total, first.free, first.used], [second.total, second.free, second.used, second.reserved]]
"""
LISTS = RAW + """
gpu = device()
answers = {}
for kind in ("Compute", "Graphics", "MPSCompute"):
    for suffix, layout in (("", V1), ("_v2", V2), ("_v3", V2)):
        name = f"nvmlDeviceGet{kind}RunningProcesses{suffix}"
        answers[name] = listed(getattr(nvml, name), layout, gpu)
for mode in range(4):
    def details(handle, count, entries):
        plist = LIST(version(LIST), mode, count._obj.value, entries)
        status = nvml.nvmlDeviceGetRunningProcessDetailList(handle, ref(plist))
        count._obj.value = plist.count
        return status
    answers[f"details {mode}"] = listed(details, DETAIL, gpu)
def utilization(handle, count, entries):
    return nvml.nvmlDeviceGetProcessUtilization(handle, entries, count, u64(0))
answers["utilization"] = listed(utilization, SAMPLE, gpu)
def infos(handle, count, entries):
    info = INFOS(version(INFOS), count._obj.value, 0, entries)
    status = nvml.nvmlDeviceGetProcessesUtilizationInfo(handle, ref(info))
    count._obj.value = info.count
    return status
answers["infos"] = listed(infos, INFO, gpu)
json.dump(answers, sys.stdout)
"""
# Has a slot, and nothing of a device.
ATTACHED = PRELUDE + """
total = size()
ok(cuda.cuDeviceTotalMem_v2(ref(total), 0), "cuDeviceTotalMem_v2")
print(total.value, flush=True)
sys.stdin.read()
"""
MEMORY = RAW + "json.dump(memory(device(int(sys.argv[1]))), sys.stdout)\n"
# argv: pids. Those that are accounted, and what is said of each of argv.
ACCOUNTS = RAW + """
STATS = struct(("gpu", u32), ("memory", u32), ("most", u64), ("time", u64), ("start", u64), ("running", u32),
               ("reserved", u32 * 5))
pids, count, stats = (u32 * 64)(), u32(64), STATS()
ok(nvml.nvmlDeviceGetAccountingPids(device(), ref(count), pids))
answers = [pids[:count.value]]
for pid in map(int, sys.argv[1:]):
    answers.append([nvml.nvmlDeviceGetAccountingStats(device(), pid, ref(stats)), stats.running, stats.most])
    stats = STATS()
json.dump(answers, sys.stdout)
"""
# Allocates step by step, and looks at each step, as CUDA and as NVML tell.
PROFILE = PRELUDE + RAW + """
begin()
gpu, seen, held = device(), [], []
def look():
    free, total = size(), size()
    ok(cuda.cuMemGetInfo_v2(ref(free), ref(total)))
    seen.append([free.value, total.value, *memory(gpu)[0]])
look()
for step in range(6):
    held.append(plain(512 * MiB))
    look()
for free in held: free()
look()
print(json.dumps(seen), flush=True)
sys.stdin.read()
"""
# Writes the total into each file that it is told of.
WATCHER = RAW + """
gpu = device()
print(memory(gpu)[0][0], flush=True)
for line in sys.stdin:
    with open(line.strip(), "w") as file:
        file.write(str(memory(gpu)[0][0]))
"""
# argv: UUIDs. Of each its memory, its processes, and which instance it is.
MIG = RAW + """
answers = []
for uuid in sys.argv[1:]:
    gpu = by_uuid(uuid)
    instance = [u32(0xFFFFFFFF), u32(0xFFFFFFFF)]
    nvml.nvmlDeviceGetGpuInstanceId(gpu, ref(instance[0]))
    nvml.nvmlDeviceGetComputeInstanceId(gpu, ref(instance[1]))
    listed_here = listed(nvml.nvmlDeviceGetComputeRunningProcesses_v3, V2, gpu, (8,))[0][2]
    answers.append([memory(gpu)[0], listed_here, [number.value for number in instance]])
json.dump(answers, sys.stdout)
"""
