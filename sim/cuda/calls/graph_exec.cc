// The functions of graphs that have been instantiated, and of the memory of graphs.
#include "sim/cuda/declarations.h"
#include "sim/cuda/graph/exec.h"
#include "sim/cuda/graph/memory.h"
#include "sim/cuda/library.h"
#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::uint64_t kFlags = kInstantiateAutoFreeOnLaunch | kInstantiateUpload |
                                 kInstantiateDeviceLaunch | kInstantiateUseNodePriority;

Result Make(const char* name, GraphExec* handle, Graph graph, std::uint64_t flags) {
  return InitCall(name, [&](Process&) -> Result {
    const GraphObject* const found = Graphs().Find(graph);
    if (handle == nullptr || found == nullptr) return kInvalidValue;
    std::shared_ptr<ExecObject> exec;
    const Result made = Instantiate(*found, flags, &exec);
    if (made == kSuccess) *handle = exec->handle;
    return made;
  });
}

Result Upload(const Entry& entry, GraphExec graph, Stream stream) {
  return StreamCall(entry, stream, [&](StreamObject& found) -> Result {
    const std::shared_ptr<ExecObject> exec = Execs().Share(graph);
    return exec == nullptr ? kInvalidValue : UploadGraph(*exec, found);
  });
}

Result Forget(GraphExec handle) {
  return InitCall("cuGraphExecDestroy", [&](Process&) -> Result {
    std::shared_ptr<ExecObject> exec = Execs().Share(handle);
    if (exec == nullptr) return kInvalidValue;
    ForgetExec(exec);
    exec.reset();
    DestroyUserObjects();
    return kSuccess;
  });
}

Result MakeWithParams(const Entry& entry, GraphExec* handle, Graph graph,
                      InstantiateParams* parameters) {
  if (parameters == nullptr) return kInvalidValue;
  Result made = (parameters->flags & ~kFlags) != 0
                    ? kInvalidValue
                    : Make(entry.name, handle, graph, parameters->flags);
  if (made == kNotInitialized) return made;
  if (made == kSuccess && (parameters->flags & kInstantiateUpload) != 0) {
    made = Upload(entry, *handle, parameters->upload_stream);
    if (made != kSuccess) Forget(*handle);
  }
  parameters->error_node = nullptr;
  parameters->result = made == kSuccess        ? kInstantiateSuccess
                       : made == kInvalidValue ? kInstantiateInvalidStructure
                                               : kInstantiateError;
  return made;
}

Result MakeOld(const char* name, GraphExec* handle, Graph graph, GraphNode* error_node, char* log,
               std::size_t log_bytes) {
  const Result made = Make(name, handle, graph, 0);
  if (made == kNotInitialized) return made;
  if (error_node != nullptr) *error_node = nullptr;
  if (log != nullptr && log_bytes != 0) *log = '\0';
  return made;
}

Result Launch(const Entry& entry, GraphExec graph, Stream stream) {
  return StreamCall(entry, stream, [&](StreamObject& found) -> Result {
    const std::shared_ptr<ExecObject> exec = Execs().Share(graph);
    return exec == nullptr ? kInvalidValue : LaunchGraph(*exec, found);
  });
}

template <typename Body>
Result ExecCall(const char* name, GraphExec handle, Body body) {
  return InitCall(name, [&](Process&) -> Result {
    const std::shared_ptr<ExecObject> exec = Execs().Share(handle);
    return exec == nullptr ? kInvalidValue : body(exec);
  });
}

// body(exec, node): before cuInit there is no handle that could be right.
template <typename Body>
Result ExecNodeCall(const char* name, GraphExec handle, GraphNode node, Body body) {
  return Call(name, [&](Process&) -> Result {
    const std::shared_ptr<ExecObject> exec = Execs().Share(handle);
    if (exec == nullptr) return kInvalidValue;
    ExecNode* const found = FindExecNode(*exec, node);
    return found == nullptr ? kInvalidValue : body(*exec, *found);
  });
}

// set(made) fills what the node shall do from now on.
template <typename Set>
Result SetNode(const char* name, GraphExec handle, GraphNode node, Set set) {
  return ExecNodeCall(name, handle, node, [&](ExecObject& exec, ExecNode& found) {
    NodeObject made;
    const Result result = set(&made);
    return result == kSuccess ? SetExecNode(exec, &found, made) : result;
  });
}

// The context of a copy or a fill is looked at first, from 12.4 on.
Result CheckContext(const char* name, Context context) {
  if (context == nullptr || kLibraryVersion < 12040) return kSuccess;
  return Call(name, [&](Process&) {
    std::shared_ptr<ContextObject> found;
    return ContextFor(context, &found);
  });
}

Result Update(const char* name, GraphExec handle, Graph graph, ExecUpdateInfo* info) {
  return ExecCall(name, handle, [&](const auto& exec) -> Result {
    const GraphObject* const found = Graphs().Find(graph);
    if (found == nullptr || info == nullptr) return kInvalidValue;
    const Result updated = UpdateExec(*exec, *found, info);
    DestroyUserObjects();
    return updated;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
TRANCHE_CUDA_EXPORT_TWICE(cuGraphInstantiateWithParams, cuGraphInstantiateWithParams_ptsz,
                          MakeWithParams,
                          (GraphExec * graph_exec, Graph graph, InstantiateParams* parameters),
                          graph_exec, graph, parameters)
TRANCHE_CUDA_EXPORT_TWICE(cuGraphLaunch, cuGraphLaunch_ptsz, Launch,
                          (GraphExec graph, Stream stream), graph, stream)
TRANCHE_CUDA_EXPORT_TWICE(cuGraphUpload, cuGraphUpload_ptsz, Upload,
                          (GraphExec graph, Stream stream), graph, stream)

extern "C" {

Result cuGraphInstantiate(GraphExec* graph_exec, Graph graph, GraphNode* error_node,
                          char* log_buffer, std::size_t buffer_size) {
  return MakeOld("cuGraphInstantiate", graph_exec, graph, error_node, log_buffer, buffer_size);
}

Result cuGraphInstantiate_v2(GraphExec* graph_exec, Graph graph, GraphNode* error_node,
                             char* log_buffer, std::size_t buffer_size) {
  return MakeOld("cuGraphInstantiate_v2", graph_exec, graph, error_node, log_buffer, buffer_size);
}

Result cuGraphInstantiateWithFlags(GraphExec* graph_exec, Graph graph, unsigned long long flags) {
  if ((flags & ~kFlags) != 0) return kInvalidValue;
  return Make("cuGraphInstantiateWithFlags", graph_exec, graph, flags);
}

Result cuGraphExecGetFlags(GraphExec graph_exec, std::uint64_t* flags) {
  return ExecCall("cuGraphExecGetFlags", graph_exec, [&](const auto& exec) -> Result {
    if (flags == nullptr) return kInvalidValue;
    *flags = exec->flags;
    return kSuccess;
  });
}

Result cuGraphExecDestroy(GraphExec graph_exec) { return Forget(graph_exec); }

Result cuGraphExecUpdate(GraphExec graph_exec, Graph graph, GraphNode* error_node_out,
                         ExecUpdateResult* update_result_out) {
  ExecUpdateInfo info{};
  const Result updated = Update("cuGraphExecUpdate", graph_exec, graph, &info);
  if (updated != kSuccess && updated != kGraphExecUpdateFailure) return updated;
  if (error_node_out != nullptr) *error_node_out = info.error_node;
  if (update_result_out != nullptr) *update_result_out = info.result;
  return updated;
}

Result cuGraphExecUpdate_v2(GraphExec graph_exec, Graph graph, ExecUpdateInfo* result_info) {
  return Update("cuGraphExecUpdate_v2", graph_exec, graph, result_info);
}

Result cuGraphExecKernelNodeSetParams(GraphExec graph_exec, GraphNode node,
                                      const KernelNodeParamsV1* node_params) {
  if (node_params == nullptr) return kInvalidValue;
  return SetNode("cuGraphExecKernelNodeSetParams", graph_exec, node,
                 [&](NodeObject* made) { return SetKernel(Newer(*node_params), made); });
}

Result cuGraphExecKernelNodeSetParams_v2(GraphExec graph_exec, GraphNode node,
                                         const KernelNodeParams* node_params) {
  if (node_params == nullptr) return kInvalidValue;
  return SetNode("cuGraphExecKernelNodeSetParams_v2", graph_exec, node,
                 [&](NodeObject* made) { return SetKernel(*node_params, made); });
}

Result cuGraphExecMemcpyNodeSetParams(GraphExec graph_exec, GraphNode node,
                                      const Memcpy3d* copy_params, Context context) {
  constexpr char kName[] = "cuGraphExecMemcpyNodeSetParams";
  if (copy_params == nullptr) return kInvalidValue;
  if (const Result found = CheckContext(kName, context); found != kSuccess) return found;
  return SetNode(kName, graph_exec, node,
                 [&](NodeObject* made) { return SetCopy(*copy_params, context, made); });
}

Result cuGraphExecMemsetNodeSetParams(GraphExec graph_exec, GraphNode node,
                                      const MemsetNodeParams* memset_params, Context context) {
  constexpr char kName[] = "cuGraphExecMemsetNodeSetParams";
  if (memset_params == nullptr) return kInvalidValue;
  if (const Result found = CheckContext(kName, context); found != kSuccess) return found;
  return SetNode(kName, graph_exec, node,
                 [&](NodeObject* made) { return SetFill(*memset_params, context, made); });
}

Result cuGraphExecHostNodeSetParams(GraphExec graph_exec, GraphNode node,
                                    const HostNodeParams* node_params) {
  return SetNode("cuGraphExecHostNodeSetParams", graph_exec, node, [&](NodeObject* made) {
    return node_params == nullptr ? kInvalidValue : SetHost(*node_params, made);
  });
}

Result cuGraphExecChildGraphNodeSetParams(GraphExec graph_exec, GraphNode node, Graph child_graph) {
  return Call("cuGraphExecChildGraphNodeSetParams", [&](Process&) -> Result {
    ExecObject* const exec = Execs().Find(graph_exec);
    const GraphObject* const child = Graphs().Find(child_graph);
    if (exec == nullptr || child == nullptr) return kInvalidValue;
    return SetExecChild(*exec, node, *child);
  });
}

Result cuGraphExecEventRecordNodeSetEvent(GraphExec graph_exec, GraphNode node, Event event) {
  return SetNode("cuGraphExecEventRecordNodeSetEvent", graph_exec, node,
                 [&](NodeObject* made) { return SetEvent(kNodeEventRecord, event, made); });
}

Result cuGraphExecEventWaitNodeSetEvent(GraphExec graph_exec, GraphNode node, Event event) {
  return SetNode("cuGraphExecEventWaitNodeSetEvent", graph_exec, node,
                 [&](NodeObject* made) { return SetEvent(kNodeWaitEvent, event, made); });
}

Result cuGraphExecNodeSetParams(GraphExec graph_exec, GraphNode node,
                                GraphNodeParams* node_params) {
  if (node_params == nullptr) return kInvalidValue;
  return ExecNodeCall(
      "cuGraphExecNodeSetParams", graph_exec, node,
      [&](ExecObject& exec, ExecNode& found) -> Result {
        if (found.parameters->type != node_params->type) return kInvalidValue;
        if (node_params->type == kNodeMemAlloc || node_params->type == kNodeMemFree) {
          return kNotSupported;
        }
        NodeObject made;
        const Result set = SetAny(node_params, &made);
        return set == kSuccess ? SetExecNode(exec, &found, made) : set;
      });
}

// Only what does work can be switched off.
Result cuGraphNodeSetEnabled(GraphExec graph_exec, GraphNode node, unsigned is_enabled) {
  return ExecNodeCall("cuGraphNodeSetEnabled", graph_exec, node,
                      [&](ExecObject& exec, ExecNode& found) -> Result {
                        if (found.parameters->type > kNodeMemset) return kInvalidValue;
                        found.enabled = is_enabled != 0;
                        Outdate(exec);
                        return kSuccess;
                      });
}

Result cuGraphNodeGetEnabled(GraphExec graph_exec, GraphNode node, unsigned* is_enabled) {
  return ExecNodeCall("cuGraphNodeGetEnabled", graph_exec, node,
                      [&](ExecObject&, const ExecNode& found) -> Result {
                        if (is_enabled == nullptr) return kInvalidValue;
                        *is_enabled = found.enabled ? 1 : 0;
                        return kSuccess;
                      });
}

Result cuDeviceGraphMemTrim(Device device) {
  return DeviceCall("cuDeviceGraphMemTrim", device, &TrimGraphMemory);
}

Result cuDeviceGetGraphMemAttribute(Device device, GraphMemAttribute attr, void* value) {
  return DeviceCall("cuDeviceGetGraphMemAttribute", device,
                    [&](DeviceObject& found) { return GetGraphMemory(found, attr, value); });
}

Result cuDeviceSetGraphMemAttribute(Device device, GraphMemAttribute attr, void* value) {
  return DeviceCall("cuDeviceSetGraphMemAttribute", device,
                    [&](DeviceObject& found) { return SetGraphMemory(found, attr, value); });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
