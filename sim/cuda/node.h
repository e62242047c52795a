// NodeParameters is what a node of a graph does, as the program gave it: what the graph functions
// that read and change nodes answer from. The work itself is an Operation (sim/cuda/work.h), and
// keeps its parameters in Operation::node. A call that makes work and may be captured fills them,
// so that the captured node can be read and changed too.
//
// The makers below turn parameters into an Operation that can be enqueued any number of times:
// launches, copies and fills outside graphs go through them as well. They check what the driver
// checks when such a node is added, and copy all that the program may change afterwards.
//
// Threading: parameters do not change once made. The makers are called under the process's lock.
// Errors: CUDA's result codes.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "sim/cuda/abi.h"
#include "sim/cuda/objects.h"
#include "sim/cuda/work.h"

namespace tranche::sim::cuda {

class GraphAllocation;  // sim/cuda/graph/memory.h

struct NodeParameters {
  GraphNodeType type = kNodeEmpty;
  // kNodeKernel: `parameters` points to `argument_pointers`, those into `argument_bytes`.
  KernelNodeParams kernel{};
  std::vector<char> argument_bytes;
  std::vector<void*> argument_pointers;
  MemcpyNodeParams memcpy{};
  MemsetNodeParamsV2 memset{};
  HostNodeParams host{};
  MemAllocNodeParams alloc{};
  std::shared_ptr<GraphAllocation> memory;  // kNodeMemAlloc
  DevicePtr freed = 0;
  Event event = nullptr;
};

// For a function or a kernel, whose arguments are copied (sim/cuda/code/launch.cc).
Result MakeKernelOperation(ContextObject& context, const KernelNodeParams& parameters,
                           Operation* operation);
// Copies and fills (sim/cuda/copy.cc).
Result MakeCopyOperation(ContextObject& context, const Memcpy3d& copy, Operation* operation);
Result MakeFillOperation(ContextObject& context, const MemsetNodeParams& fill,
                         Operation* operation);

}  // namespace tranche::sim::cuda
