// What the nodes of a graph do: from the program's structs to parameters and operations.
#include <algorithm>
#include <utility>

#include "sim/cuda/graph/graph.h"
#include "sim/cuda/graph/memory.h"
#include "sim/cuda/library.h"
#include "sim/cuda/memory.h"

namespace tranche::sim::cuda {
namespace {

std::shared_ptr<NodeParameters> OfType(GraphNodeType type) {
  auto parameters = std::make_shared<NodeParameters>();
  parameters->type = type;
  return parameters;
}

void SetWork(std::shared_ptr<const NodeParameters> parameters, const Operation& operation,
             NodeObject* node) {
  node->operation = operation;
  node->operation.node = nullptr;  // it is `parameters`
  node->parameters = std::move(parameters);
}

}  // namespace

Result ContextFor(Context context, std::shared_ptr<ContextObject>* found) {
  Process& process = Process::Get();
  if (context == nullptr) return process.CurrentContext(found);
  *found = process.contexts().Share(context);
  return *found != nullptr && (*found)->alive ? kSuccess : kContextIsDestroyed;
}

KernelNodeParams Newer(const KernelNodeParamsV1& parameters) {
  return {.function = parameters.function,
          .grid_x = parameters.grid_x,
          .grid_y = parameters.grid_y,
          .grid_z = parameters.grid_z,
          .block_x = parameters.block_x,
          .block_y = parameters.block_y,
          .block_z = parameters.block_z,
          .shared_bytes = parameters.shared_bytes,
          .parameters = parameters.parameters,
          .extra = parameters.extra};
}

Result SetKernel(const KernelNodeParams& parameters, NodeObject* node) {
  std::shared_ptr<ContextObject> context;
  if (const Result found = ContextFor(parameters.context, &context); found != kSuccess) {
    return found;
  }
  Operation operation;
  const Result made = MakeKernelOperation(*context, parameters, &operation);
  if (made != kSuccess) return made;
  auto kept = operation.node;
  if (kept == nullptr) {
    auto plain = OfType(kNodeKernel);
    plain->kernel = parameters;
    kept = std::move(plain);
  }
  SetWork(std::move(kept), operation, node);
  return kSuccess;
}

Result SetCopy(const Memcpy3d& copy, Context context, NodeObject* node) {
  std::shared_ptr<ContextObject> found;
  if (const Result result = ContextFor(context, &found); result != kSuccess) return result;
  Operation operation;
  const Result made = MakeCopyOperation(*found, copy, &operation);
  if (made != kSuccess) return made;
  auto parameters = OfType(kNodeMemcpy);
  parameters->memcpy.copy = copy;
  parameters->memcpy.context = context;
  SetWork(std::move(parameters), operation, node);
  return kSuccess;
}

Result SetFill(const MemsetNodeParams& fill, Context context, NodeObject* node) {
  std::shared_ptr<ContextObject> found;
  if (const Result result = ContextFor(context, &found); result != kSuccess) return result;
  Operation operation;
  const Result made = MakeFillOperation(*found, fill, &operation);
  if (made != kSuccess) return made;
  auto parameters = OfType(kNodeMemset);
  parameters->memset = {.set = fill, .context = context};
  SetWork(std::move(parameters), operation, node);
  return kSuccess;
}

Result SetHost(const HostNodeParams& host, NodeObject* node) {
  if (host.function == nullptr) return kInvalidValue;
  auto parameters = OfType(kNodeHost);
  parameters->host = host;
  const Operation operation{
      .work = link::Work::kHost, .kind = PendingItem::Kind::kHost, .effect = [host] {
        host.function(host.data);
        return kSuccess;
      }};
  SetWork(std::move(parameters), operation, node);
  return kSuccess;
}

Result SetEvent(GraphNodeType type, Event event, NodeObject* node) {
  if (Process::Get().events().Find(event) == nullptr) return kInvalidValue;
  auto parameters = OfType(type);
  parameters->event = event;
  SetWork(std::move(parameters), {.work = link::Work::kAfter}, node);
  return kSuccess;
}

Result SetChild(const GraphObject& child, NodeObject* node) {
  if (node->child != nullptr) ForgetGraph(node->child);
  node->child = CloneGraph(child);
  node->child->belongs_to_node = true;
  SetWork(OfType(kNodeGraph), {.work = link::Work::kAfter}, node);
  return kSuccess;
}

Result SetAlloc(const MemAllocNodeParams& alloc, NodeObject* node) {
  if (alloc.bytes == 0 || alloc.pool.allocation_type != kAllocationPinned ||
      alloc.pool.location.type != kLocationDevice) {
    return kInvalidValue;
  }
  std::shared_ptr<ContextObject> context;
  if (const Result found = ContextFor(nullptr, &context); found != kSuccess) return found;
  auto parameters = OfType(kNodeMemAlloc);
  const Result made = MakeGraphAllocation(*context, alloc.bytes, &parameters->memory);
  if (made != kSuccess) return made;
  parameters->alloc = alloc;
  parameters->alloc.access = nullptr;
  parameters->alloc.access_count = 0;
  parameters->alloc.pointer = parameters->memory->base();
  SetWork(std::move(parameters), {.work = link::Work::kAfter}, node);
  return kSuccess;
}

Result SetFree(DevicePtr pointer, NodeObject* node) {
  if (Process::Get().memory().Find(pointer) == nullptr) return kInvalidValue;
  auto parameters = OfType(kNodeMemFree);
  parameters->freed = pointer;
  SetWork(std::move(parameters), {.work = link::Work::kAfter}, node);
  return kSuccess;
}

void SetEmpty(NodeObject* node) { SetWork(OfType(kNodeEmpty), {.work = link::Work::kAfter}, node); }

Result SetAny(GraphNodeParams* parameters, NodeObject* node) {
  switch (parameters->type) {
    case kNodeKernel:
      return SetKernel(parameters->kernel, node);
    case kNodeMemcpy:
      return SetCopy(parameters->memcpy.copy, parameters->memcpy.context, node);
    case kNodeMemset:
      return SetFill(parameters->memset.set, parameters->memset.context, node);
    case kNodeHost:
      return SetHost(parameters->host, node);
    case kNodeGraph: {
      const GraphObject* const child = Graphs().Find(parameters->child);
      return child == nullptr ? kInvalidValue : SetChild(*child, node);
    }
    case kNodeEmpty:
      SetEmpty(node);
      return kSuccess;
    case kNodeWaitEvent:
      return SetEvent(kNodeWaitEvent, parameters->event_wait, node);
    case kNodeEventRecord:
      return SetEvent(kNodeEventRecord, parameters->event_record, node);
    case kNodeMemAlloc: {
      const Result set = SetAlloc(parameters->alloc, node);
      if (set == kSuccess) parameters->alloc.pointer = node->parameters->alloc.pointer;
      return set;
    }
    case kNodeMemFree:
      return SetFree(parameters->free, node);
    default:
      return kNotSupported;
  }
}

}  // namespace tranche::sim::cuda
