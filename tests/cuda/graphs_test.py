"""Graphs as cuda.core builds them, which nobody here wrote: captured from streams that fork and join and that are
closed meanwhile, launched, updated as a whole, with functions of the program inside. What they compute is checked.

Run with a Python that has tests/requirements.txt installed (tools/python-env makes one).
"""

import json
import unittest

import clients_test
from node import DrivenNode

GRAPHS = """
import json, pathlib, sys
import numpy as np
from cuda.bindings import driver as cu
from cuda.core import Device, LaunchConfig, ObjectCode, launch

device = Device(0)
device.set_current()
stream = device.create_stream()
fill = ObjectCode.from_ptx(pathlib.Path(sys.argv[1]).read_bytes()).get_kernel("fill")
memory = int(cu.cuMemAlloc(64)[1])
config = LaunchConfig(grid=1, block=64)

def content():
    stream.sync()
    found = np.zeros(64, dtype=np.uint8)
    assert cu.cuMemcpyDtoH(found.ctypes.data, memory, 64)[0] == 0
    return sorted({int(value): int((found == value).sum()) for value in found}.items())

# One kernel, and then two side by side, each for its half.
def forked(first, left, right):
    builder = device.create_graph_builder().begin_building()
    launch(builder, config, fill, memory, np.uint8(first), np.uint32(64))
    one, other = builder.split(2)
    launch(one, config, fill, memory, np.uint8(left), np.uint32(32))
    launch(other, config, fill, memory + 32, np.uint8(right), np.uint32(32))
    return type(builder).join(one, other).end_building()

seen = {}
built = forked(1, 2, 3)
graph = built.complete()
seen["not yet"] = content()
graph.upload(stream)
graph.launch(stream)
seen["forked"] = content()
graph.update(forked(4, 5, 6))
graph.launch(stream)
seen["updated"] = content()

called = []
builder = device.create_graph_builder().begin_building()
builder.callback(lambda: called.append(1))
graph = builder.end_building().complete()
seen["called before"] = len(called)
for _ in range(3):
    graph.launch(stream)
stream.sync()
seen["called"] = len(called)

# A stream that is waited for while it is captured gives no graph.
builder = device.create_graph_builder().begin_building()
launch(builder, config, fill, memory, np.uint8(9), np.uint32(64))
seen["waited"] = int(cu.cuStreamSynchronize(builder.stream.handle)[0])
try:
    builder.end_building()
except RuntimeError as refusal:
    seen["refused"] = "invalidated" in str(refusal)
print(json.dumps(seen))
"""


class GraphsOfCudaCore(unittest.TestCase):
    client = clients_test.Clients.client

    @clients_test.need("cuda.core")
    def test_fork_join_update_and_callback(self):
        for cuda in clients_test.VERSIONS:
            with self.subTest(cuda=cuda), DrivenNode(clients_test.profile(cuda)) as node:
                seen = self.client(node, GRAPHS)
                self.assertEqual(seen, {
                    "not yet": [[0, 64]], "forked": [[2, 32], [3, 32]], "updated": [[5, 32], [6, 32]],
                    "called before": 0, "called": 3, "waited": 900, "refused": True}, json.dumps(seen))


if __name__ == "__main__":
    unittest.main()
