// The functions that read and change what the nodes of graphs do.
#include "sim/cuda/declarations.h"
#include "sim/cuda/graph/graph.h"
#include "sim/cuda/library.h"
#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {
namespace {

// body(node) for a node of this type.
template <typename Body>
Result NodeOfType(GraphNode handle, GraphNodeType type, Body body) {
  NodeObject* const node = Nodes().Find(handle);
  return node != nullptr && node->type() == type ? body(*node) : kInvalidValue;
}

template <typename Body>
Result Unchecked(const char* name, GraphNode handle, GraphNodeType type, Body body) {
  return Call(name, [&](Process&) { return NodeOfType(handle, type, body); });
}

template <typename Body>
Result Checked(const char* name, GraphNode handle, GraphNodeType type, Body body) {
  return InitCall(name, [&](Process&) { return NodeOfType(handle, type, body); });
}

// 12.4 looks at the node first, 12.2 whether it is initialised.
template <typename Body>
Result CheckedBefore12040(const char* name, GraphNode handle, GraphNodeType type, Body body) {
  return kLibraryVersion < 12040 ? Checked(name, handle, type, body)
                                 : Unchecked(name, handle, type, body);
}

KernelNodeParamsV1 Older(const KernelNodeParams& parameters) {
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

Result GetEvent(const char* name, GraphNode handle, GraphNodeType type, Event* event) {
  return Unchecked(name, handle, type, [&](NodeObject& node) -> Result {
    if (event == nullptr) return kInvalidValue;
    *event = node.parameters->event;
    return kSuccess;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuGraphKernelNodeGetParams(GraphNode node, KernelNodeParamsV1* node_params) {
  if (node_params == nullptr) return kInvalidValue;
  return Unchecked("cuGraphKernelNodeGetParams", node, kNodeKernel, [&](NodeObject& found) {
    *node_params = Older(found.parameters->kernel);
    return kSuccess;
  });
}

Result cuGraphKernelNodeGetParams_v2(GraphNode node, KernelNodeParams* node_params) {
  if (node_params == nullptr) return kInvalidValue;
  return Unchecked("cuGraphKernelNodeGetParams_v2", node, kNodeKernel, [&](NodeObject& found) {
    *node_params = found.parameters->kernel;
    return kSuccess;
  });
}

Result cuGraphKernelNodeSetParams(GraphNode node, const KernelNodeParamsV1* node_params) {
  if (node_params == nullptr) return kInvalidValue;
  return Checked("cuGraphKernelNodeSetParams", node, kNodeKernel,
                 [&](NodeObject& found) { return SetKernel(Newer(*node_params), &found); });
}

Result cuGraphKernelNodeSetParams_v2(GraphNode node, const KernelNodeParams* node_params) {
  if (node_params == nullptr) return kInvalidValue;
  return Checked("cuGraphKernelNodeSetParams_v2", node, kNodeKernel,
                 [&](NodeObject& found) { return SetKernel(*node_params, &found); });
}

Result cuGraphMemcpyNodeGetParams(GraphNode node, Memcpy3d* node_params) {
  return Checked("cuGraphMemcpyNodeGetParams", node, kNodeMemcpy, [&](NodeObject& found) -> Result {
    if (node_params == nullptr) return kInvalidValue;
    *node_params = found.parameters->memcpy.copy;
    return kSuccess;
  });
}

Result cuGraphMemcpyNodeSetParams(GraphNode node, const Memcpy3d* node_params) {
  return CheckedBefore12040(
      "cuGraphMemcpyNodeSetParams", node, kNodeMemcpy, [&](NodeObject& found) {
        if (node_params == nullptr) return kInvalidValue;
        return SetCopy(*node_params, found.parameters->memcpy.context, &found);
      });
}

Result cuGraphMemsetNodeGetParams(GraphNode node, MemsetNodeParams* node_params) {
  return Checked("cuGraphMemsetNodeGetParams", node, kNodeMemset, [&](NodeObject& found) -> Result {
    if (node_params == nullptr) return kInvalidValue;
    *node_params = found.parameters->memset.set;
    return kSuccess;
  });
}

Result cuGraphMemsetNodeSetParams(GraphNode node, const MemsetNodeParams* node_params) {
  return CheckedBefore12040(
      "cuGraphMemsetNodeSetParams", node, kNodeMemset, [&](NodeObject& found) {
        if (node_params == nullptr) return kInvalidValue;
        return SetFill(*node_params, found.parameters->memset.context, &found);
      });
}

Result cuGraphHostNodeGetParams(GraphNode node, HostNodeParams* node_params) {
  return Unchecked("cuGraphHostNodeGetParams", node, kNodeHost, [&](NodeObject& found) -> Result {
    if (node_params == nullptr) return kInvalidValue;
    *node_params = found.parameters->host;
    return kSuccess;
  });
}

Result cuGraphHostNodeSetParams(GraphNode node, const HostNodeParams* node_params) {
  return Unchecked("cuGraphHostNodeSetParams", node, kNodeHost, [&](NodeObject& found) {
    return node_params == nullptr ? kInvalidValue : SetHost(*node_params, &found);
  });
}

Result cuGraphChildGraphNodeGetGraph(GraphNode node, Graph* graph) {
  return Checked("cuGraphChildGraphNodeGetGraph", node, kNodeGraph,
                 [&](NodeObject& found) -> Result {
                   if (graph == nullptr) return kInvalidValue;
                   *graph = found.child->handle;
                   return kSuccess;
                 });
}

Result cuGraphEventRecordNodeGetEvent(GraphNode node, Event* event_out) {
  return GetEvent("cuGraphEventRecordNodeGetEvent", node, kNodeEventRecord, event_out);
}

Result cuGraphEventRecordNodeSetEvent(GraphNode node, Event event) {
  return Unchecked("cuGraphEventRecordNodeSetEvent", node, kNodeEventRecord,
                   [&](NodeObject& found) { return SetEvent(kNodeEventRecord, event, &found); });
}

Result cuGraphEventWaitNodeGetEvent(GraphNode node, Event* event_out) {
  return GetEvent("cuGraphEventWaitNodeGetEvent", node, kNodeWaitEvent, event_out);
}

Result cuGraphEventWaitNodeSetEvent(GraphNode node, Event event) {
  return Unchecked("cuGraphEventWaitNodeSetEvent", node, kNodeWaitEvent,
                   [&](NodeObject& found) { return SetEvent(kNodeWaitEvent, event, &found); });
}

Result cuGraphMemAllocNodeGetParams(GraphNode node, MemAllocNodeParams* params_out) {
  return Unchecked("cuGraphMemAllocNodeGetParams", node, kNodeMemAlloc,
                   [&](NodeObject& found) -> Result {
                     if (params_out == nullptr) return kInvalidValue;
                     *params_out = found.parameters->alloc;
                     return kSuccess;
                   });
}

Result cuGraphMemFreeNodeGetParams(GraphNode node, DevicePtr* dptr_out) {
  return Unchecked("cuGraphMemFreeNodeGetParams", node, kNodeMemFree,
                   [&](NodeObject& found) -> Result {
                     if (dptr_out == nullptr) return kInvalidValue;
                     *dptr_out = found.parameters->freed;
                     return kSuccess;
                   });
}

Result cuGraphNodeSetParams(GraphNode node, GraphNodeParams* node_params) {
  if (node_params == nullptr) return kInvalidValue;
  return InitCall("cuGraphNodeSetParams", [&](Process&) -> Result {
    NodeObject* const found = Nodes().Find(node);
    if (found == nullptr || found->type() != node_params->type) return kInvalidValue;
    if (node_params->type == kNodeMemAlloc || node_params->type == kNodeMemFree) {
      return kNotSupported;
    }
    return SetAny(node_params, found);
  });
}

Result cuGraphKernelNodeGetAttribute(GraphNode node, LaunchAttributeId attr,
                                     LaunchAttributeValue* value_out) {
  return Checked("cuGraphKernelNodeGetAttribute", node, kNodeKernel,
                 [&](NodeObject& found) -> Result {
                   if (value_out == nullptr) return kInvalidValue;
                   *value_out = found.attributes[attr];
                   return kSuccess;
                 });
}

Result cuGraphKernelNodeSetAttribute(GraphNode node, LaunchAttributeId attr,
                                     const LaunchAttributeValue* value) {
  return Checked("cuGraphKernelNodeSetAttribute", node, kNodeKernel,
                 [&](NodeObject& found) -> Result {
                   if (value == nullptr) return kInvalidValue;
                   found.attributes[attr] = *value;
                   return kSuccess;
                 });
}

Result cuGraphKernelNodeCopyAttributes(GraphNode dst, GraphNode src) {
  return Checked("cuGraphKernelNodeCopyAttributes", dst, kNodeKernel, [&](NodeObject& to) {
    return NodeOfType(src, kNodeKernel, [&](const NodeObject& from) {
      to.attributes = from.attributes;
      return kSuccess;
    });
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
