"""Programs for NVML clients that nobody here wrote: each prints as JSON what its client sees of a node."""

NVIDIA_ML_PY = """
import json, pynvml as n
def text(v): return v.decode() if isinstance(v, bytes) else v
def attempt(f, *a):
    try: return f(*a)
    except n.NVMLError as e: return str(e)
n.nvmlInit()
gpus = []
for i in range(n.nvmlDeviceGetCount()):
    d = n.nvmlDeviceGetHandleByIndex(i)
    pci, memory, v2 = n.nvmlDeviceGetPciInfo(d), n.nvmlDeviceGetMemoryInfo(d), \
        n.nvmlDeviceGetMemoryInfo(d, version=n.nvmlMemory_v2)
    migs = []
    if attempt(n.nvmlDeviceGetMigMode, d) == [1, 1]:
        for j in range(n.nvmlDeviceGetMaxMigDeviceCount(d)):
            try: m = n.nvmlDeviceGetMigDeviceHandleByIndex(d, j)
            except n.NVMLError_NotFound: break
            a = n.nvmlDeviceGetAttributes_v2(m)
            gi = n.nvmlDeviceGetGpuInstanceById(d, n.nvmlDeviceGetGpuInstanceId(m))
            ci = n.nvmlGpuInstanceGetComputeInstanceById(gi, n.nvmlDeviceGetComputeInstanceId(m))
            parent = n.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(m)
            uuid = text(n.nvmlDeviceGetUUID(m))
            migs.append(dict(uuid=uuid, name=text(n.nvmlDeviceGetName(m)),
                memory=n.nvmlDeviceGetMemoryInfo(m).total, mb=a.memorySizeMB,
                parent=text(n.nvmlDeviceGetUUID(parent)),
                gi=n.nvmlGpuInstanceGetInfo(gi).id, ci=n.nvmlComputeInstanceGetInfo(ci).id,
                again=text(n.nvmlDeviceGetUUID(n.nvmlDeviceGetHandleByUUID(uuid)))))
    gpus.append(dict(uuid=text(n.nvmlDeviceGetUUID(d)), name=text(n.nvmlDeviceGetName(d)),
        index=n.nvmlDeviceGetIndex(d), minor=n.nvmlDeviceGetMinorNumber(d), bus=text(pci.busId),
        pci=[pci.domain, pci.bus, pci.device], pci_id=pci.pciDeviceId,
        by_bus=text(n.nvmlDeviceGetUUID(n.nvmlDeviceGetHandleByPciBusId(pci.busId))),
        by_uuid=n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(d))),
        memory=memory.total, sum=memory.free + memory.used, v2=v2.total,
        v2sum=v2.free + v2.used + v2.reserved,
        compute=list(n.nvmlDeviceGetCudaComputeCapability(d)),
        power_limit=n.nvmlDeviceGetEnforcedPowerLimit(d) // 1000,
        temperature=n.nvmlDeviceGetTemperature(d, n.NVML_TEMPERATURE_GPU),
        mig=attempt(n.nvmlDeviceGetMigMode, d), migs=migs,
        events=n.nvmlDeviceGetSupportedEventTypes(d),
        beyond=attempt(lambda: n.nvmlDeviceGetHandleByIndex(1000)),
        links=sum(1 for l in range(18) if attempt(n.nvmlDeviceGetNvLinkState, d, l) == 1),
        remote=attempt(lambda: text(n.nvmlDeviceGetNvLinkRemotePciInfo(d, 0).busId))))
print(json.dumps(dict(driver=text(n.nvmlSystemGetDriverVersion()),
    cuda=n.nvmlSystemGetCudaDriverVersion(), gpus=gpus)))
n.nvmlShutdown()
"""

NVITOP = """
import json
from nvitop import Device, MigDevice
print(json.dumps(dict(driver=Device.driver_version(), count=Device.count(), gpus=[dict(
    uuid=d.uuid(), name=d.name(), bus=d.bus_id(), memory=d.memory_total(), used=d.memory_used(),
    utilization=d.gpu_utilization(), temperature=d.temperature(), power_limit=d.power_limit(),
    compute=list(d.cuda_compute_capability()), mig=d.mig_mode(), persistence=d.persistence_mode(),
    migs=[dict(uuid=m.uuid(), name=m.name(), memory=m.memory_total()) for m in d.mig_devices()],
    processes={pid: p.gpu_memory() for pid, p in d.processes().items()})
    for d in Device.all()])))
"""

GPUSTAT = """
import json, gpustat
query = gpustat.GPUStatCollection.new_query()
print(json.dumps(dict(driver=query.driver_version, gpus=[g.jsonify() for g in query]), default=str))
"""

NVIDIA_ML_PY_PROCESSES = """
import json, time, pynvml as n
n.nvmlInit()
gpus = []
for i in range(n.nvmlDeviceGetCount()):
    d = n.nvmlDeviceGetHandleByIndex(i)
    try: samples = n.nvmlDeviceGetProcessUtilization(d, int(time.time() * 1e6) - 2_000_000)
    except n.NVMLError_NotFound: samples = []
    busy = {s.pid: s.smUtil for s in samples}
    gpus.append(dict(used=n.nvmlDeviceGetMemoryInfo(d, version=n.nvmlMemory_v2).used,
        utilization=n.nvmlDeviceGetUtilizationRates(d).gpu,
        processes={p.pid: dict(memory=p.usedGpuMemory, sm=busy.get(p.pid, 0))
                   for p in n.nvmlDeviceGetComputeRunningProcesses(d)}))
print(json.dumps(gpus))
"""

NVITOP_PROCESSES = """
import json
from nvitop import Device
print(json.dumps([dict(used=d.memory_used(), utilization=d.gpu_utilization(),
    processes={pid: dict(memory=p.gpu_memory(), sm=p.gpu_sm_utilization()) for pid, p in d.processes().items()})
    for d in Device.all()]))
"""
