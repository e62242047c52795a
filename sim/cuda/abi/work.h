// The structs and enumerations of work: launches, operations on memory words, capture and graphs.
// A part of sim/cuda/abi.h, which includes it.
//
// Threading: plain data.
// Errors: none.
#pragma once

#include "sim/cuda/abi/memory.h"
#include "sim/cuda/abi/types.h"

namespace tranche::sim::cuda {

// ---- launches

// The words of a launch's `extra`: CU_LAUNCH_PARAM_…; they are numbers in place of a pointer.
inline constexpr std::uintptr_t kLaunchParamEnd = 0;
inline constexpr std::uintptr_t kLaunchParamBufferPointer = 1;
inline constexpr std::uintptr_t kLaunchParamBufferSize = 2;

enum LaunchAttributeId : int {  // CUlaunchAttributeID
  kLaunchIgnore = 0,
  kLaunchAccessPolicyWindow = 1,
  kLaunchCooperative = 2,
  kLaunchSynchronizationPolicy = 3,
  kLaunchClusterDimension = 4,
  kLaunchClusterSchedulingPolicy = 5,
  kLaunchProgrammaticSerialization = 6,
  kLaunchProgrammaticEvent = 7,
  kLaunchPriority = 8,
  kLaunchMemSyncDomainMap = 9,
  kLaunchMemSyncDomain = 10,
  kLaunchCompletionEvent = 12,
  kLaunchDeviceUpdatableNode = 13,
};
union LaunchAttributeValue {  // CUlaunchAttributeValue
  char pad[64];
  int cooperative;
  int synchronization_policy;
  struct {
    unsigned x;
    unsigned y;
    unsigned z;
  } cluster;
  int programmatic_serialization;
  struct {
    Event event;
    int flags;
    int trigger_at_block_start;
  } programmatic_event;
  struct {
    Event event;
    int flags;
  } completion_event;
  int priority;
  int mem_sync_domain;
};
struct LaunchAttribute {  // CUlaunchAttribute
  LaunchAttributeId id;
  char pad[4];
  LaunchAttributeValue value;
};
struct LaunchConfig {  // CUlaunchConfig
  unsigned grid_x;
  unsigned grid_y;
  unsigned grid_z;
  unsigned block_x;
  unsigned block_y;
  unsigned block_z;
  unsigned shared_bytes;
  Stream stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};
struct CooperativeLaunch {  // CUDA_LAUNCH_PARAMS
  Function function;
  unsigned grid_x;
  unsigned grid_y;
  unsigned grid_z;
  unsigned block_x;
  unsigned block_y;
  unsigned block_z;
  unsigned shared_bytes;
  Stream stream;
  void** parameters;
};

// ---- words of memory that streams wait for and write

enum WaitValueFlag : unsigned {  // CUstreamWaitValue_flags
  kWaitValueGeq = 0,
  kWaitValueEq = 1,
  kWaitValueAnd = 2,
  kWaitValueNor = 3,
  kWaitValueFlush = 1U << 30U,
};
enum MemOp : int {  // CUstreamBatchMemOpType
  kMemOpWaitValue32 = 1,
  kMemOpWriteValue32 = 2,
  kMemOpFlushRemoteWrites = 3,
  kMemOpWaitValue64 = 4,
  kMemOpWriteValue64 = 5,
  kMemOpBarrier = 6,
};
union MemOpParams {  // CUstreamBatchMemOpParams
  MemOp operation;
  struct {  // waitValue and writeValue
    MemOp operation;
    DevicePtr address;
    std::uint64_t value;  // a 32-bit one is the low half
    unsigned flags;
    DevicePtr alias;
  } value;
  struct {
    MemOp operation;
    unsigned flags;
  } flush;
  std::uint64_t pad[6];
};

// ---- capture

enum CaptureStatus : int {  // CUstreamCaptureStatus
  kCaptureNone = 0,
  kCaptureActive = 1,
  kCaptureInvalidated = 2,
};
enum CaptureMode : int {  // CUstreamCaptureMode
  kCaptureGlobal = 0,
  kCaptureThreadLocal = 1,
  kCaptureRelaxed = 2,
};
enum CaptureDependencies : unsigned {  // CUstreamUpdateCaptureDependencies_flags
  kCaptureAddDependencies = 0,
  kCaptureSetDependencies = 1,
};

// ---- graphs

enum GraphNodeType : int {  // CUgraphNodeType
  kNodeKernel = 0,
  kNodeMemcpy = 1,
  kNodeMemset = 2,
  kNodeHost = 3,
  kNodeGraph = 4,
  kNodeEmpty = 5,
  kNodeWaitEvent = 6,
  kNodeEventRecord = 7,
  kNodeExtSemasSignal = 8,
  kNodeExtSemasWait = 9,
  kNodeMemAlloc = 10,
  kNodeMemFree = 11,
  kNodeBatchMemOp = 12,
  kNodeConditional = 13,
};
struct KernelNodeParamsV1 {  // CUDA_KERNEL_NODE_PARAMS_v1
  Function function;
  unsigned grid_x;
  unsigned grid_y;
  unsigned grid_z;
  unsigned block_x;
  unsigned block_y;
  unsigned block_z;
  unsigned shared_bytes;
  void** parameters;
  void** extra;
};
struct KernelNodeParams {  // CUDA_KERNEL_NODE_PARAMS_v2, and _v3 in GraphNodeParams
  Function function;
  unsigned grid_x;
  unsigned grid_y;
  unsigned grid_z;
  unsigned block_x;
  unsigned block_y;
  unsigned block_z;
  unsigned shared_bytes;
  void** parameters;
  void** extra;
  Kernel kernel;
  Context context;
};
struct MemsetNodeParams {  // CUDA_MEMSET_NODE_PARAMS
  DevicePtr dst;
  std::size_t pitch;
  unsigned value;
  unsigned element_size;
  std::size_t width;
  std::size_t height;
};
struct MemsetNodeParamsV2 {  // CUDA_MEMSET_NODE_PARAMS_v2
  MemsetNodeParams set;
  Context context;
};
struct MemcpyNodeParams {  // CUDA_MEMCPY_NODE_PARAMS
  int flags;
  int reserved;
  Context context;
  Memcpy3d copy;
};
struct HostNodeParams {  // CUDA_HOST_NODE_PARAMS
  HostFunction function;
  void* data;
};
struct MemAllocNodeParams {  // CUDA_MEM_ALLOC_NODE_PARAMS
  PoolProperties pool;
  const AccessDescriptor* access;
  std::size_t access_count;
  std::size_t bytes;
  DevicePtr pointer;
};
struct BatchMemOpNodeParams {  // CUDA_BATCH_MEM_OP_NODE_PARAMS
  Context context;
  unsigned count;
  MemOpParams* operations;
  unsigned flags;
};
enum ConditionalType : int {  // CUgraphConditionalNodeType
  kConditionalIf = 0,
  kConditionalWhile = 1,
};
struct ConditionalNodeParams {  // CUDA_CONDITIONAL_NODE_PARAMS
  ConditionalHandle handle;
  ConditionalType type;
  unsigned size;
  Graph* graphs;
  Context context;
};
struct GraphNodeParams {  // CUgraphNodeParams
  GraphNodeType type;
  int reserved0[3];
  union {
    long long reserved1[29];  // NOLINT(google-runtime-int): the interface's own
    KernelNodeParams kernel;
    MemcpyNodeParams memcpy;
    MemsetNodeParamsV2 memset;
    HostNodeParams host;
    Graph child;
    Event event_wait;
    Event event_record;
    MemAllocNodeParams alloc;
    DevicePtr free;
    BatchMemOpNodeParams mem_op;
    ConditionalNodeParams conditional;
  };
  long long reserved2;  // NOLINT(google-runtime-int)
};
struct GraphEdgeData {  // CUgraphEdgeData
  unsigned char from_port;
  unsigned char to_port;
  unsigned char type;
  unsigned char reserved[5];
};
enum InstantiateFlag : unsigned {  // CUgraphInstantiate_flags
  kInstantiateAutoFreeOnLaunch = 1,
  kInstantiateUpload = 2,
  kInstantiateDeviceLaunch = 4,
  kInstantiateUseNodePriority = 8,
};
enum InstantiateResult : int {  // CUgraphInstantiateResult
  kInstantiateSuccess = 0,
  kInstantiateError = 1,
  kInstantiateInvalidStructure = 2,
  kInstantiateNodeOperationNotSupported = 3,
  kInstantiateMultipleContextsNotSupported = 4,
};
struct InstantiateParams {  // CUDA_GRAPH_INSTANTIATE_PARAMS
  std::uint64_t flags;
  Stream upload_stream;
  GraphNode error_node;
  InstantiateResult result;
};
enum ExecUpdateResult : int {  // CUgraphExecUpdateResult
  kExecUpdateSuccess = 0,
  kExecUpdateError = 1,
  kExecUpdateTopologyChanged = 2,
  kExecUpdateNodeTypeChanged = 3,
  kExecUpdateFunctionChanged = 4,
  kExecUpdateParametersChanged = 5,
  kExecUpdateNotSupported = 6,
  kExecUpdateUnsupportedFunctionChange = 7,
  kExecUpdateAttributesChanged = 8,
};
struct ExecUpdateInfo {  // CUgraphExecUpdateResultInfo
  ExecUpdateResult result;
  GraphNode error_node;
  GraphNode error_from_node;
};
enum GraphMemAttribute : int {  // CUgraphMem_attribute
  kGraphMemUsedCurrent = 0,
  kGraphMemUsedHigh = 1,
  kGraphMemReservedCurrent = 2,
  kGraphMemReservedHigh = 3,
};
inline constexpr unsigned kUserObjectNoDestructorSync = 1;  // CU_USER_OBJECT_NO_DESTRUCTOR_SYNC
inline constexpr unsigned kGraphUserObjectMove = 1;         // CU_GRAPH_USER_OBJECT_MOVE

}  // namespace tranche::sim::cuda
