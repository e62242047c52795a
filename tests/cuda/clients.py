"""Programs for CUDA clients that nobody here wrote: each prints as JSON what its client saw and computed.

Each is run with two arguments, the PTX of tests/cuda/kernels.ptx and a folder with cubins and fat binaries.
"""

COMMON = """
import ctypes, json, pathlib, sys
import numpy as np
ptx = pathlib.Path(sys.argv[1]).read_bytes()
count = 5000
left, right = np.arange(count, dtype=np.float32), np.full(count, 0.5, np.float32)
seen = {}
"""

BINDINGS = COMMON + """
from cuda.bindings import driver as d
def ok(answer):
    assert answer[0] == d.CUresult.CUDA_SUCCESS, answer
    return answer[1] if len(answer) == 2 else answer[1:]
def code(answer): return int(answer[0] if isinstance(answer, tuple) else answer)
ok(d.cuInit(0))
seen["version"] = ok(d.cuDriverGetVersion())
seen["devices"] = [[ok(d.cuDeviceGetName(64, i)).split(b"\\0")[0].decode().strip(),
                    "GPU-" + ok(d.cuDeviceGetUuid(i)).bytes.hex()] for i in range(ok(d.cuDeviceGetCount()))]
device = ok(d.cuDeviceGet(0))
seen["multiprocessors"] = ok(d.cuDeviceGetAttribute(
    d.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device))
ok(d.cuCtxSetCurrent(ok(d.cuDevicePrimaryCtxRetain(device))))
before = ok(d.cuMemGetInfo())[0]
big = ok(d.cuMemAlloc(1 << 30))
seen["taken"] = before - ok(d.cuMemGetInfo())[0]
ok(d.cuMemFree(big))
seen["given back"] = ok(d.cuMemGetInfo())[0] == before

module = ok(d.cuModuleLoadData(ptx))
kernel = {name: ok(d.cuModuleGetFunction(module, name.encode()))
          for name in ("add", "copy", "fill", "sum", "bump", "spin", "shuffle")}
a, b, c = (ok(d.cuMemAlloc(left.nbytes)) for _ in range(3))
stream, other = ok(d.cuStreamCreate(0)), ok(d.cuStreamCreate(1))
begin, end = ok(d.cuEventCreate(0)), ok(d.cuEventCreate(0))
def launch(name, grid, block, values, types, on=stream):
    return code(d.cuLaunchKernel(kernel[name], grid, 1, 1, block, 1, 1, 0, on, (values, types), 0))
def result(at, kind=np.float32, length=count):
    out = np.zeros(length, kind)
    ok(d.cuMemcpyDtoHAsync(out.ctypes.data, at, out.nbytes, stream))
    ok(d.cuStreamSynchronize(stream))
    return out
u8, u32, u64 = ctypes.c_uint8, ctypes.c_uint32, ctypes.c_uint64
ok(d.cuMemcpyHtoDAsync(a, left.ctypes.data, left.nbytes, stream))
ok(d.cuMemcpyHtoDAsync(b, right.ctypes.data, right.nbytes, stream))
launch("add", 20, 256, (a, b, c, count), (None, None, None, u32))
seen["add"] = bool((result(c) == left + right).all())
ok(d.cuMemsetD32(c, 0, count))
launch("copy", 4, 64, (c, a, count), (None, None, u64))
seen["copy"] = bool((result(c) == left).all())
launch("fill", 40, 128, (c, 9, count), (None, u8, u32))
filled = result(c, np.uint8)
seen["fill"] = bool((filled == 9).all())
ok(d.cuMemsetD32(c, 0, 1))
launch("sum", 16, 256, (a, c), (None, None))
seen["sum"] = float(result(c, length=1)[0]) == float(np.arange(4096).sum())
address, size = ok(d.cuModuleGetGlobal(module, b"counter"))
launch("bump", 3, 4, (), ())
seen["counter"] = [size, int(result(address, np.uint32, 1)[0])]

# The time of the driver: a kernel of 5 ms, and a second stream that waits for it.
ok(d.cuEventRecord(begin, stream))
launch("spin", 1, 1, (5_000_000,), (u64,))
ok(d.cuEventRecord(end, stream))
seen["busy"] = code(d.cuEventQuery(end))
ok(d.cuStreamWaitEvent(other, end, 0))
ok(d.cuStreamSynchronize(other))
seen["ready"] = code(d.cuEventQuery(end))
seen["milliseconds"] = ok(d.cuEventElapsedTime(begin, end))
launch("shuffle", 1, 32, (c,), (None,))
ok(d.cuStreamSynchronize(stream))

library = ok(d.cuLibraryLoadData(ptx, [], [], 0, [], [], 0))
of_library = ok(d.cuLibraryGetKernel(library, b"fill"))
seen["params"] = [list(ok(d.cuKernelGetParamInfo(of_library, i))) for i in range(3)]
seen["kernels"] = ok(d.cuLibraryGetKernelCount(library))
seen["errors"] = dict(
    name=code(d.cuModuleGetFunction(module, b"none")),
    text=code(d.cuModuleLoadData(b".version 6.0\\n.target sm_70\\nnonsense\\0")),
    image=code(d.cuModuleLoadData(b"no code\\0")),
    gpu=code(d.cuModuleLoadData(ptx.replace(b"sm_70", b"sm_120"))),
    block=launch("bump", 1, 1025, (), ()), grid=launch("bump", 0, 1, (), ()))

# Code in the forms that NVIDIA's tools make of the same text.
seen["files"] = {}
for file in sorted(pathlib.Path(sys.argv[2]).iterdir()):
    answer = d.cuModuleLoadData(file.read_bytes() + b"\\0")
    seen["files"][file.name] = code(answer)
    if code(answer) == 0:
        function = ok(d.cuModuleGetFunction(answer[1], b"fill"))
        attribute = d.CUfunction_attribute.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES
        shared = ok(d.cuFuncGetAttribute(attribute, ok(d.cuModuleGetFunction(answer[1], b"sum"))))
        seen["files"][file.name] = [list(ok(d.cuFuncGetParamInfo(function, i))) for i in range(3)] + [
            ok(d.cuModuleGetGlobal(answer[1], b"counter"))[1], shared & ~1024 if shared > 1024 else shared]

# A wrong address breaks the context, and everything in it says so from then on.
launch("fill", 1, 1, (int(a) + (1 << 40), 9, 1), (u64, u8, u32))
seen["broken"] = [code(d.cuStreamSynchronize(stream)), code(d.cuMemAlloc(4)), code(d.cuCtxSynchronize())]
print(json.dumps(seen))
"""

CORE = COMMON + """
import warnings
warnings.simplefilter("ignore")
from cuda.core import Device, LaunchConfig, ObjectCode, launch
device = Device(0)
device.set_current()
seen["name"], seen["compute"] = device.name, list(device.compute_capability)
stream, other = device.create_stream(), device.create_stream()
kernel = ObjectCode.from_ptx(ptx).get_kernel("add")
seen["arguments"] = kernel.num_arguments
seen["blocks"] = kernel.occupancy.max_active_blocks_per_multiprocessor(256, 0)
from cuda.bindings import driver as d
a, b, c = (d.cuMemAlloc(left.nbytes)[1] for _ in range(3))
d.cuMemcpyHtoD(a, left.ctypes.data, left.nbytes)
d.cuMemcpyHtoD(b, right.ctypes.data, right.nbytes)
arguments = LaunchConfig(grid=20, block=256), kernel, int(a), int(b), int(c), np.uint32(count)
def right_result():
    out = np.zeros_like(left)
    d.cuMemcpyDtoH(out.ctypes.data, c, out.nbytes)
    d.cuMemsetD8(c, 0, left.nbytes)
    return bool((out == left + right).all())
launch(stream, *arguments)
event = stream.record()
other.wait(event)
event.sync()
stream.sync()
seen["add"] = right_result()
builder = device.create_graph_builder().begin_building()
launch(builder, *arguments)
graph = builder.end_building().complete()
graph.launch(stream)
stream.sync()
seen["graph"] = right_result()
print(json.dumps(seen))
"""
