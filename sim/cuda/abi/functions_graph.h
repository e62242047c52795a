// The functions of stream capture and graphs: a part of the list in sim/cuda/functions.h.
//
// Threading: macros only.
// Errors: see sim/cuda/functions.h.
#pragma once

#include "sim/cuda/abi/memory.h"
#include "sim/cuda/abi/types.h"
#include "sim/cuda/abi/work.h"

#define TRANCHE_CUDA_GRAPH_FUNCTIONS(X, T)                                                         \
  X(cuThreadExchangeStreamCaptureMode, Result(CaptureMode* mode))                                  \
  X(cuGraphCreate, Result(Graph* graph, unsigned flags))                                           \
  X(cuGraphAddKernelNode,                                                                          \
    Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,                      \
           std::size_t num_dependencies, const KernelNodeParamsV1* node_params))                   \
  X(cuGraphAddKernelNode_v2,                                                                       \
    Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,                      \
           std::size_t num_dependencies, const KernelNodeParams* node_params))                     \
  X(cuGraphKernelNodeGetParams, Result(GraphNode node, KernelNodeParamsV1* node_params))           \
  X(cuGraphKernelNodeGetParams_v2, Result(GraphNode node, KernelNodeParams* node_params))          \
  X(cuGraphKernelNodeSetParams, Result(GraphNode node, const KernelNodeParamsV1* node_params))     \
  X(cuGraphKernelNodeSetParams_v2, Result(GraphNode node, const KernelNodeParams* node_params))    \
  X(cuGraphAddMemcpyNode,                                                                          \
    Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,                      \
           std::size_t num_dependencies, const Memcpy3d* copy_params, Context context))            \
  X(cuGraphMemcpyNodeGetParams, Result(GraphNode node, Memcpy3d* node_params))                     \
  X(cuGraphMemcpyNodeSetParams, Result(GraphNode node, const Memcpy3d* node_params))               \
  X(cuGraphAddMemsetNode,                                                                          \
    Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,                      \
           std::size_t num_dependencies, const MemsetNodeParams* memset_params, Context context))  \
  X(cuGraphMemsetNodeGetParams, Result(GraphNode node, MemsetNodeParams* node_params))             \
  X(cuGraphMemsetNodeSetParams, Result(GraphNode node, const MemsetNodeParams* node_params))       \
  X(cuGraphAddHostNode, Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,  \
                               std::size_t num_dependencies, const HostNodeParams* node_params))   \
  X(cuGraphHostNodeGetParams, Result(GraphNode node, HostNodeParams* node_params))                 \
  X(cuGraphHostNodeSetParams, Result(GraphNode node, const HostNodeParams* node_params))           \
  X(cuGraphAddChildGraphNode,                                                                      \
    Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,                      \
           std::size_t num_dependencies, Graph child_graph))                                       \
  X(cuGraphChildGraphNodeGetGraph, Result(GraphNode node, Graph* graph))                           \
  X(cuGraphAddEmptyNode, Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies, \
                                std::size_t num_dependencies))                                     \
  X(cuGraphAddEventRecordNode,                                                                     \
    Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,                      \
           std::size_t num_dependencies, Event event))                                             \
  X(cuGraphEventRecordNodeGetEvent, Result(GraphNode node, Event* event_out))                      \
  X(cuGraphEventRecordNodeSetEvent, Result(GraphNode node, Event event))                           \
  X(cuGraphAddEventWaitNode,                                                                       \
    Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,                      \
           std::size_t num_dependencies, Event event))                                             \
  X(cuGraphEventWaitNodeGetEvent, Result(GraphNode node, Event* event_out))                        \
  X(cuGraphEventWaitNodeSetEvent, Result(GraphNode node, Event event))                             \
  X(cuGraphAddBatchMemOpNode,                                                                      \
    Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,                      \
           std::size_t num_dependencies, const BatchMemOpNodeParams* node_params))                 \
  X(cuGraphBatchMemOpNodeGetParams, Result(GraphNode node, BatchMemOpNodeParams* node_params_out)) \
  X(cuGraphBatchMemOpNodeSetParams,                                                                \
    Result(GraphNode node, const BatchMemOpNodeParams* node_params))                               \
  X(cuGraphExecBatchMemOpNodeSetParams,                                                            \
    Result(GraphExec graph_exec, GraphNode node, const BatchMemOpNodeParams* node_params))         \
  X(cuGraphAddMemAllocNode,                                                                        \
    Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,                      \
           std::size_t num_dependencies, MemAllocNodeParams* node_params))                         \
  X(cuGraphMemAllocNodeGetParams, Result(GraphNode node, MemAllocNodeParams* params_out))          \
  X(cuGraphAddMemFreeNode,                                                                         \
    Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,                      \
           std::size_t num_dependencies, DevicePtr dptr))                                          \
  X(cuGraphMemFreeNodeGetParams, Result(GraphNode node, DevicePtr* dptr_out))                      \
  X(cuDeviceGraphMemTrim, Result(Device device))                                                   \
  X(cuDeviceGetGraphMemAttribute, Result(Device device, GraphMemAttribute attr, void* value))      \
  X(cuDeviceSetGraphMemAttribute, Result(Device device, GraphMemAttribute attr, void* value))      \
  X(cuGraphClone, Result(Graph* graph_clone, Graph original_graph))                                \
  X(cuGraphNodeFindInClone, Result(GraphNode* node, GraphNode original_node, Graph cloned_graph))  \
  X(cuGraphNodeGetType, Result(GraphNode node, GraphNodeType* type))                               \
  X(cuGraphGetNodes, Result(Graph graph, GraphNode* nodes, std::size_t* num_nodes))                \
  X(cuGraphGetRootNodes, Result(Graph graph, GraphNode* root_nodes, std::size_t* num_root_nodes))  \
  X(cuGraphGetEdges, Result(Graph graph, GraphNode* from, GraphNode* to, std::size_t* num_edges))  \
  X(cuGraphGetEdges_v2, Result(Graph graph, GraphNode* from, GraphNode* to,                        \
                               GraphEdgeData* edge_data, std::size_t* num_edges))                  \
  X(cuGraphNodeGetDependencies,                                                                    \
    Result(GraphNode node, GraphNode* dependencies, std::size_t* num_dependencies))                \
  X(cuGraphNodeGetDependencies_v2,                                                                 \
    Result(GraphNode node, GraphNode* dependencies, GraphEdgeData* edge_data,                      \
           std::size_t* num_dependencies))                                                         \
  X(cuGraphNodeGetDependentNodes,                                                                  \
    Result(GraphNode node, GraphNode* dependent_nodes, std::size_t* num_dependent_nodes))          \
  X(cuGraphNodeGetDependentNodes_v2,                                                               \
    Result(GraphNode node, GraphNode* dependent_nodes, GraphEdgeData* edge_data,                   \
           std::size_t* num_dependent_nodes))                                                      \
  X(cuGraphAddDependencies,                                                                        \
    Result(Graph graph, const GraphNode* from, const GraphNode* to, std::size_t num_dependencies)) \
  X(cuGraphAddDependencies_v2,                                                                     \
    Result(Graph graph, const GraphNode* from, const GraphNode* to,                                \
           const GraphEdgeData* edge_data, std::size_t num_dependencies))                          \
  X(cuGraphRemoveDependencies,                                                                     \
    Result(Graph graph, const GraphNode* from, const GraphNode* to, std::size_t num_dependencies)) \
  X(cuGraphRemoveDependencies_v2,                                                                  \
    Result(Graph graph, const GraphNode* from, const GraphNode* to,                                \
           const GraphEdgeData* edge_data, std::size_t num_dependencies))                          \
  X(cuGraphDestroyNode, Result(GraphNode node))                                                    \
  X(cuGraphInstantiateWithFlags,                                                                   \
    Result(GraphExec* graph_exec, Graph graph, unsigned long long flags))                          \
  X(cuGraphExecGetFlags, Result(GraphExec graph_exec, std::uint64_t* flags))                       \
  X(cuGraphExecKernelNodeSetParams,                                                                \
    Result(GraphExec graph_exec, GraphNode node, const KernelNodeParamsV1* node_params))           \
  X(cuGraphExecKernelNodeSetParams_v2,                                                             \
    Result(GraphExec graph_exec, GraphNode node, const KernelNodeParams* node_params))             \
  X(cuGraphExecMemcpyNodeSetParams,                                                                \
    Result(GraphExec graph_exec, GraphNode node, const Memcpy3d* copy_params, Context context))    \
  X(cuGraphExecMemsetNodeSetParams,                                                                \
    Result(GraphExec graph_exec, GraphNode node, const MemsetNodeParams* memset_params,            \
           Context context))                                                                       \
  X(cuGraphExecHostNodeSetParams,                                                                  \
    Result(GraphExec graph_exec, GraphNode node, const HostNodeParams* node_params))               \
  X(cuGraphExecChildGraphNodeSetParams,                                                            \
    Result(GraphExec graph_exec, GraphNode node, Graph child_graph))                               \
  X(cuGraphExecEventRecordNodeSetEvent, Result(GraphExec graph_exec, GraphNode node, Event event)) \
  X(cuGraphExecEventWaitNodeSetEvent, Result(GraphExec graph_exec, GraphNode node, Event event))   \
  X(cuGraphNodeSetEnabled, Result(GraphExec graph_exec, GraphNode node, unsigned is_enabled))      \
  X(cuGraphNodeGetEnabled, Result(GraphExec graph_exec, GraphNode node, unsigned* is_enabled))     \
  X(cuGraphExecDestroy, Result(GraphExec graph_exec))                                              \
  X(cuGraphDestroy, Result(Graph graph))                                                           \
  X(cuGraphExecUpdate, Result(GraphExec graph_exec, Graph graph, GraphNode* error_node_out,        \
                              ExecUpdateResult* update_result_out))                                \
  X(cuGraphExecUpdate_v2, Result(GraphExec graph_exec, Graph graph, ExecUpdateInfo* result_info))  \
  X(cuGraphKernelNodeCopyAttributes, Result(GraphNode dst, GraphNode src))                         \
  X(cuGraphKernelNodeGetAttribute,                                                                 \
    Result(GraphNode node, LaunchAttributeId attr, LaunchAttributeValue* value_out))               \
  X(cuGraphKernelNodeSetAttribute,                                                                 \
    Result(GraphNode node, LaunchAttributeId attr, const LaunchAttributeValue* value))             \
  X(cuGraphDebugDotPrint, Result(Graph graph, const char* path, unsigned flags))                   \
  X(cuUserObjectCreate, Result(UserObject* object_out, void* ptr, HostFunction destroy,            \
                               unsigned initial_refcount, unsigned flags))                         \
  X(cuUserObjectRetain, Result(UserObject object, unsigned count))                                 \
  X(cuUserObjectRelease, Result(UserObject object, unsigned count))                                \
  X(cuGraphRetainUserObject,                                                                       \
    Result(Graph graph, UserObject object, unsigned count, unsigned flags))                        \
  X(cuGraphReleaseUserObject, Result(Graph graph, UserObject object, unsigned count))              \
  X(cuGraphAddNode, Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,      \
                           std::size_t num_dependencies, GraphNodeParams* node_params))            \
  X(cuGraphAddNode_v2, Result(GraphNode* graph_node, Graph graph, const GraphNode* dependencies,   \
                              const GraphEdgeData* dependency_data, std::size_t num_dependencies,  \
                              GraphNodeParams* node_params))                                       \
  X(cuGraphNodeSetParams, Result(GraphNode node, GraphNodeParams* node_params))                    \
  X(cuGraphExecNodeSetParams,                                                                      \
    Result(GraphExec graph_exec, GraphNode node, GraphNodeParams* node_params))                    \
  T(cuStreamBeginCapture, cuStreamBeginCapture_ptsz, Result(Stream stream))                        \
  T(cuStreamBeginCapture_v2, cuStreamBeginCapture_v2_ptsz,                                         \
    Result(Stream stream, CaptureMode mode))                                                       \
  T(cuStreamBeginCaptureToGraph, cuStreamBeginCaptureToGraph_ptsz,                                 \
    Result(Stream stream, Graph graph, const GraphNode* dependencies,                              \
           const GraphEdgeData* dependency_data, std::size_t num_dependencies, CaptureMode mode))  \
  T(cuStreamEndCapture, cuStreamEndCapture_ptsz, Result(Stream stream, Graph* graph))              \
  T(cuStreamIsCapturing, cuStreamIsCapturing_ptsz,                                                 \
    Result(Stream stream, CaptureStatus* capture_status))                                          \
  T(cuStreamGetCaptureInfo, cuStreamGetCaptureInfo_ptsz,                                           \
    Result(Stream stream, CaptureStatus* capture_status_out, std::uint64_t* id_out))               \
  T(cuStreamGetCaptureInfo_v2, cuStreamGetCaptureInfo_v2_ptsz,                                     \
    Result(Stream stream, CaptureStatus* capture_status_out, std::uint64_t* id_out,                \
           Graph* graph_out, const GraphNode** dependencies_out,                                   \
           std::size_t* num_dependencies_out))                                                     \
  T(cuStreamGetCaptureInfo_v3, cuStreamGetCaptureInfo_v3_ptsz,                                     \
    Result(Stream stream, CaptureStatus* capture_status_out, std::uint64_t* id_out,                \
           Graph* graph_out, const GraphNode** dependencies_out,                                   \
           const GraphEdgeData** edge_data_out, std::size_t* num_dependencies_out))                \
  T(cuGraphInstantiateWithParams, cuGraphInstantiateWithParams_ptsz,                               \
    Result(GraphExec* graph_exec, Graph graph, InstantiateParams* instantiate_params))             \
  T(cuGraphUpload, cuGraphUpload_ptsz, Result(GraphExec graph, Stream stream))                     \
  T(cuGraphLaunch, cuGraphLaunch_ptsz, Result(GraphExec graph, Stream stream))                     \
  X(cuGraphInstantiate, Result(GraphExec* graph_exec, Graph graph, GraphNode* error_node,          \
                               char* log_buffer, std::size_t buffer_size))                         \
  X(cuGraphInstantiate_v2, Result(GraphExec* graph_exec, Graph graph, GraphNode* error_node,       \
                                  char* log_buffer, std::size_t buffer_size))                      \
  T(cuStreamUpdateCaptureDependencies, cuStreamUpdateCaptureDependencies_ptsz,                     \
    Result(Stream stream, GraphNode* dependencies, std::size_t num_dependencies, unsigned flags))  \
  T(cuStreamUpdateCaptureDependencies_v2, cuStreamUpdateCaptureDependencies_v2_ptsz,               \
    Result(Stream stream, GraphNode* dependencies, const GraphEdgeData* dependency_data,           \
           std::size_t num_dependencies, unsigned flags))
