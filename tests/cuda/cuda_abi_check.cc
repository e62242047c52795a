// Our declarations of libcuda against NVIDIA's own header: it is enough that this compiles. Needs
// the folder of a real cuda.h among the include folders (wheels nvidia-cuda-runtime-cu12 and
// nvidia-cuda-runtime, tests/requirements.txt).
#define __CUDA_API_VERSION_INTERNAL  // the older forms are declared too, and no name is a macro
#include <cuda.h>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sim/cuda/abi.h"
#include "sim/cuda/functions.h"

namespace tranche::sim::cuda {

// What a header does not declare is taken as we have it: cudaProfiler.h is in no wheel, and 12.4 is
// too old for some.
extern "C" {
Result cuProfilerInitialize(const char*, const char*, int);
Result cuProfilerStart();
Result cuProfilerStop();
#if CUDA_VERSION < 13000
Result cuCtxCreate_v4(Context*, ContextCreateParams*, unsigned, Device);
Result cuCtxGetDevice_v2(Device*, Context);
Result cuCtxSynchronize_v2(Context);
Result cuEventElapsedTime_v2(float*, Event, Event);
Result cuMemGetDefaultMemPool(MemoryPool*, Location*, AllocationType);
Result cuMemGetMemPool(MemoryPool*, Location*, AllocationType);
Result cuMemSetMemPool(Location*, AllocationType, MemoryPool);
#endif
}

namespace {

template <typename T>
concept Complete = requires {
  sizeof(T);
};

// Two parameters that the machine passes alike: both pointers to things of one size, or both
// numbers of one size, and equally const.
template <typename Ours, typename Theirs>
constexpr bool PassedAlike() {
  if constexpr (std::is_pointer_v<Ours> || std::is_pointer_v<Theirs>) {
    if constexpr (!std::is_pointer_v<Ours> || !std::is_pointer_v<Theirs>) {
      return false;
    } else {
      using A = std::remove_pointer_t<Ours>;
      using B = std::remove_pointer_t<Theirs>;
      if constexpr (Complete<A> != Complete<B>) return true;  // handles: ours have an inside
      if constexpr (Complete<A> && Complete<B>) {
        return sizeof(A) == sizeof(B) && std::is_const_v<A> == std::is_const_v<B> &&
               std::is_pointer_v<A> == std::is_pointer_v<B>;
      }
      return true;
    }
  } else {
    return sizeof(Ours) == sizeof(Theirs);
  }
}

template <typename Ours, typename Theirs>
struct CalledAlike : std::false_type {};
template <typename R, typename... A, typename S, typename... B>
requires(sizeof...(A) == sizeof...(B)) struct CalledAlike<R(A...), S(B...)>
    : std::bool_constant<PassedAlike<R, S>() && (PassedAlike<A, B>() && ...)> {
};

#define CHECK_FUNCTION(name, ...) \
  static_assert(CalledAlike<__VA_ARGS__, std::remove_pointer_t<decltype(&name)>>::value, #name);
#define CHECK_TWICE(name, per_thread, ...) \
  CHECK_FUNCTION(name, __VA_ARGS__)        \
  CHECK_FUNCTION(per_thread, __VA_ARGS__)
TRANCHE_CUDA_FUNCTIONS(CHECK_FUNCTION, CHECK_TWICE)

#define CHECK_SIZE(ours, theirs) static_assert(sizeof(ours) == sizeof(theirs), #ours)
#define CHECK_FIELD(ours, field, theirs, their_field)                                       \
  static_assert(                                                                            \
      offsetof(ours, field) == offsetof(theirs, their_field) &&                             \
          sizeof(std::declval<ours>().field) == sizeof(std::declval<theirs>().their_field), \
      #ours "." #field)
#define CHECK_VALUE(ours, theirs) \
  static_assert(static_cast<long long>(ours) == static_cast<long long>(theirs), #ours)

CHECK_SIZE(DeviceProperties, CUdevprop);
CHECK_FIELD(DeviceProperties, max_threads_per_block, CUdevprop, maxThreadsPerBlock);
CHECK_FIELD(DeviceProperties, max_threads_dim, CUdevprop, maxThreadsDim);
CHECK_FIELD(DeviceProperties, max_grid_size, CUdevprop, maxGridSize);
CHECK_FIELD(DeviceProperties, shared_memory_per_block, CUdevprop, sharedMemPerBlock);
CHECK_FIELD(DeviceProperties, total_constant_memory, CUdevprop, totalConstantMemory);
CHECK_FIELD(DeviceProperties, warp_size, CUdevprop, SIMDWidth);
CHECK_FIELD(DeviceProperties, pitch, CUdevprop, memPitch);
CHECK_FIELD(DeviceProperties, registers_per_block, CUdevprop, regsPerBlock);
CHECK_FIELD(DeviceProperties, clock_rate, CUdevprop, clockRate);
CHECK_FIELD(DeviceProperties, texture_align, CUdevprop, textureAlign);
CHECK_SIZE(AffinityParam, CUexecAffinityParam);
CHECK_FIELD(AffinityParam, type, CUexecAffinityParam, type);
CHECK_FIELD(AffinityParam, sm_count, CUexecAffinityParam, param);
CHECK_SIZE(Uuid, CUuuid);
CHECK_SIZE(Memcpy2d, CUDA_MEMCPY2D);
CHECK_FIELD(Memcpy2d, src_x_bytes, CUDA_MEMCPY2D, srcXInBytes);
CHECK_FIELD(Memcpy2d, src_y, CUDA_MEMCPY2D, srcY);
CHECK_FIELD(Memcpy2d, src_type, CUDA_MEMCPY2D, srcMemoryType);
CHECK_FIELD(Memcpy2d, src_host, CUDA_MEMCPY2D, srcHost);
CHECK_FIELD(Memcpy2d, src_device, CUDA_MEMCPY2D, srcDevice);
CHECK_FIELD(Memcpy2d, src_array, CUDA_MEMCPY2D, srcArray);
CHECK_FIELD(Memcpy2d, src_pitch, CUDA_MEMCPY2D, srcPitch);
CHECK_FIELD(Memcpy2d, dst_x_bytes, CUDA_MEMCPY2D, dstXInBytes);
CHECK_FIELD(Memcpy2d, dst_y, CUDA_MEMCPY2D, dstY);
CHECK_FIELD(Memcpy2d, dst_type, CUDA_MEMCPY2D, dstMemoryType);
CHECK_FIELD(Memcpy2d, dst_host, CUDA_MEMCPY2D, dstHost);
CHECK_FIELD(Memcpy2d, dst_device, CUDA_MEMCPY2D, dstDevice);
CHECK_FIELD(Memcpy2d, dst_array, CUDA_MEMCPY2D, dstArray);
CHECK_FIELD(Memcpy2d, dst_pitch, CUDA_MEMCPY2D, dstPitch);
CHECK_FIELD(Memcpy2d, width_bytes, CUDA_MEMCPY2D, WidthInBytes);
CHECK_FIELD(Memcpy2d, height, CUDA_MEMCPY2D, Height);
CHECK_SIZE(Memcpy3d, CUDA_MEMCPY3D);
CHECK_FIELD(Memcpy3d, src_x_bytes, CUDA_MEMCPY3D, srcXInBytes);
CHECK_FIELD(Memcpy3d, src_y, CUDA_MEMCPY3D, srcY);
CHECK_FIELD(Memcpy3d, src_z, CUDA_MEMCPY3D, srcZ);
CHECK_FIELD(Memcpy3d, src_lod, CUDA_MEMCPY3D, srcLOD);
CHECK_FIELD(Memcpy3d, src_type, CUDA_MEMCPY3D, srcMemoryType);
CHECK_FIELD(Memcpy3d, src_host, CUDA_MEMCPY3D, srcHost);
CHECK_FIELD(Memcpy3d, src_device, CUDA_MEMCPY3D, srcDevice);
CHECK_FIELD(Memcpy3d, src_array, CUDA_MEMCPY3D, srcArray);
CHECK_FIELD(Memcpy3d, src_pitch, CUDA_MEMCPY3D, srcPitch);
CHECK_FIELD(Memcpy3d, src_height, CUDA_MEMCPY3D, srcHeight);
CHECK_FIELD(Memcpy3d, dst_x_bytes, CUDA_MEMCPY3D, dstXInBytes);
CHECK_FIELD(Memcpy3d, dst_y, CUDA_MEMCPY3D, dstY);
CHECK_FIELD(Memcpy3d, dst_z, CUDA_MEMCPY3D, dstZ);
CHECK_FIELD(Memcpy3d, dst_lod, CUDA_MEMCPY3D, dstLOD);
CHECK_FIELD(Memcpy3d, dst_type, CUDA_MEMCPY3D, dstMemoryType);
CHECK_FIELD(Memcpy3d, dst_host, CUDA_MEMCPY3D, dstHost);
CHECK_FIELD(Memcpy3d, dst_device, CUDA_MEMCPY3D, dstDevice);
CHECK_FIELD(Memcpy3d, dst_array, CUDA_MEMCPY3D, dstArray);
CHECK_FIELD(Memcpy3d, dst_pitch, CUDA_MEMCPY3D, dstPitch);
CHECK_FIELD(Memcpy3d, dst_height, CUDA_MEMCPY3D, dstHeight);
CHECK_FIELD(Memcpy3d, width_bytes, CUDA_MEMCPY3D, WidthInBytes);
CHECK_FIELD(Memcpy3d, height, CUDA_MEMCPY3D, Height);
CHECK_FIELD(Memcpy3d, depth, CUDA_MEMCPY3D, Depth);
CHECK_SIZE(Memcpy3d, CUDA_MEMCPY3D_PEER);
CHECK_FIELD(Memcpy3d, src_context, CUDA_MEMCPY3D_PEER, srcContext);
CHECK_FIELD(Memcpy3d, dst_context, CUDA_MEMCPY3D_PEER, dstContext);
CHECK_SIZE(ArrayDescriptor, CUDA_ARRAY_DESCRIPTOR);
CHECK_FIELD(ArrayDescriptor, width, CUDA_ARRAY_DESCRIPTOR, Width);
CHECK_FIELD(ArrayDescriptor, height, CUDA_ARRAY_DESCRIPTOR, Height);
CHECK_FIELD(ArrayDescriptor, format, CUDA_ARRAY_DESCRIPTOR, Format);
CHECK_FIELD(ArrayDescriptor, channels, CUDA_ARRAY_DESCRIPTOR, NumChannels);
CHECK_SIZE(Array3dDescriptor, CUDA_ARRAY3D_DESCRIPTOR);
CHECK_FIELD(Array3dDescriptor, width, CUDA_ARRAY3D_DESCRIPTOR, Width);
CHECK_FIELD(Array3dDescriptor, height, CUDA_ARRAY3D_DESCRIPTOR, Height);
CHECK_FIELD(Array3dDescriptor, depth, CUDA_ARRAY3D_DESCRIPTOR, Depth);
CHECK_FIELD(Array3dDescriptor, format, CUDA_ARRAY3D_DESCRIPTOR, Format);
CHECK_FIELD(Array3dDescriptor, channels, CUDA_ARRAY3D_DESCRIPTOR, NumChannels);
CHECK_FIELD(Array3dDescriptor, flags, CUDA_ARRAY3D_DESCRIPTOR, Flags);
CHECK_SIZE(ArrayMemoryRequirements, CUDA_ARRAY_MEMORY_REQUIREMENTS);
CHECK_FIELD(ArrayMemoryRequirements, size, CUDA_ARRAY_MEMORY_REQUIREMENTS, size);
CHECK_FIELD(ArrayMemoryRequirements, alignment, CUDA_ARRAY_MEMORY_REQUIREMENTS, alignment);
CHECK_SIZE(Location, CUmemLocation);
CHECK_FIELD(Location, type, CUmemLocation, type);
CHECK_FIELD(Location, id, CUmemLocation, id);
CHECK_SIZE(AllocationProperties, CUmemAllocationProp);
CHECK_FIELD(AllocationProperties, type, CUmemAllocationProp, type);
CHECK_FIELD(AllocationProperties, requested_handle_types, CUmemAllocationProp,
            requestedHandleTypes);
CHECK_FIELD(AllocationProperties, location, CUmemAllocationProp, location);
CHECK_FIELD(AllocationProperties, win32_data, CUmemAllocationProp, win32HandleMetaData);
CHECK_FIELD(AllocationProperties, flags, CUmemAllocationProp, allocFlags);
CHECK_SIZE(AccessDescriptor, CUmemAccessDesc);
CHECK_FIELD(AccessDescriptor, location, CUmemAccessDesc, location);
CHECK_FIELD(AccessDescriptor, flags, CUmemAccessDesc, flags);
CHECK_SIZE(PoolProperties, CUmemPoolProps);
CHECK_FIELD(PoolProperties, allocation_type, CUmemPoolProps, allocType);
CHECK_FIELD(PoolProperties, handle_types, CUmemPoolProps, handleTypes);
CHECK_FIELD(PoolProperties, location, CUmemPoolProps, location);
CHECK_FIELD(PoolProperties, win32_data, CUmemPoolProps, win32SecurityAttributes);
CHECK_FIELD(PoolProperties, max_size, CUmemPoolProps, maxSize);
CHECK_SIZE(PoolPointerExport, CUmemPoolPtrExportData);
CHECK_SIZE(IpcMemHandle, CUipcMemHandle);
CHECK_SIZE(IpcEventHandle, CUipcEventHandle);
CHECK_SIZE(ExternalMemoryDescriptor, CUDA_EXTERNAL_MEMORY_HANDLE_DESC);
CHECK_FIELD(ExternalMemoryDescriptor, type, CUDA_EXTERNAL_MEMORY_HANDLE_DESC, type);
CHECK_FIELD(ExternalMemoryDescriptor, handle, CUDA_EXTERNAL_MEMORY_HANDLE_DESC, handle);
CHECK_FIELD(ExternalMemoryDescriptor, size, CUDA_EXTERNAL_MEMORY_HANDLE_DESC, size);
CHECK_FIELD(ExternalMemoryDescriptor, flags, CUDA_EXTERNAL_MEMORY_HANDLE_DESC, flags);
CHECK_SIZE(ExternalBufferDescriptor, CUDA_EXTERNAL_MEMORY_BUFFER_DESC);
CHECK_FIELD(ExternalBufferDescriptor, offset, CUDA_EXTERNAL_MEMORY_BUFFER_DESC, offset);
CHECK_FIELD(ExternalBufferDescriptor, size, CUDA_EXTERNAL_MEMORY_BUFFER_DESC, size);
CHECK_FIELD(ExternalBufferDescriptor, flags, CUDA_EXTERNAL_MEMORY_BUFFER_DESC, flags);
CHECK_SIZE(LaunchAttributeValue, CUlaunchAttributeValue);
CHECK_FIELD(LaunchAttributeValue, cooperative, CUlaunchAttributeValue, cooperative);
CHECK_FIELD(LaunchAttributeValue, cluster, CUlaunchAttributeValue, clusterDim);
CHECK_FIELD(LaunchAttributeValue, programmatic_event, CUlaunchAttributeValue, programmaticEvent);
CHECK_FIELD(LaunchAttributeValue, priority, CUlaunchAttributeValue, priority);
CHECK_SIZE(LaunchAttribute, CUlaunchAttribute);
CHECK_FIELD(LaunchAttribute, id, CUlaunchAttribute, id);
CHECK_FIELD(LaunchAttribute, value, CUlaunchAttribute, value);
CHECK_SIZE(LaunchConfig, CUlaunchConfig);
CHECK_FIELD(LaunchConfig, grid_x, CUlaunchConfig, gridDimX);
CHECK_FIELD(LaunchConfig, grid_y, CUlaunchConfig, gridDimY);
CHECK_FIELD(LaunchConfig, grid_z, CUlaunchConfig, gridDimZ);
CHECK_FIELD(LaunchConfig, block_x, CUlaunchConfig, blockDimX);
CHECK_FIELD(LaunchConfig, block_y, CUlaunchConfig, blockDimY);
CHECK_FIELD(LaunchConfig, block_z, CUlaunchConfig, blockDimZ);
CHECK_FIELD(LaunchConfig, shared_bytes, CUlaunchConfig, sharedMemBytes);
CHECK_FIELD(LaunchConfig, stream, CUlaunchConfig, hStream);
CHECK_FIELD(LaunchConfig, attributes, CUlaunchConfig, attrs);
CHECK_FIELD(LaunchConfig, attribute_count, CUlaunchConfig, numAttrs);
CHECK_SIZE(CooperativeLaunch, CUDA_LAUNCH_PARAMS);
CHECK_FIELD(CooperativeLaunch, function, CUDA_LAUNCH_PARAMS, function);
CHECK_FIELD(CooperativeLaunch, grid_x, CUDA_LAUNCH_PARAMS, gridDimX);
CHECK_FIELD(CooperativeLaunch, grid_y, CUDA_LAUNCH_PARAMS, gridDimY);
CHECK_FIELD(CooperativeLaunch, grid_z, CUDA_LAUNCH_PARAMS, gridDimZ);
CHECK_FIELD(CooperativeLaunch, block_x, CUDA_LAUNCH_PARAMS, blockDimX);
CHECK_FIELD(CooperativeLaunch, block_y, CUDA_LAUNCH_PARAMS, blockDimY);
CHECK_FIELD(CooperativeLaunch, block_z, CUDA_LAUNCH_PARAMS, blockDimZ);
CHECK_FIELD(CooperativeLaunch, shared_bytes, CUDA_LAUNCH_PARAMS, sharedMemBytes);
CHECK_FIELD(CooperativeLaunch, stream, CUDA_LAUNCH_PARAMS, hStream);
CHECK_FIELD(CooperativeLaunch, parameters, CUDA_LAUNCH_PARAMS, kernelParams);
CHECK_SIZE(MemOpParams, CUstreamBatchMemOpParams);
CHECK_FIELD(MemOpParams, value, CUstreamBatchMemOpParams, waitValue);
CHECK_FIELD(MemOpParams, value, CUstreamBatchMemOpParams, writeValue);
CHECK_FIELD(MemOpParams, flush, CUstreamBatchMemOpParams, flushRemoteWrites);
CHECK_SIZE(KernelNodeParamsV1, CUDA_KERNEL_NODE_PARAMS_v1);
CHECK_FIELD(KernelNodeParamsV1, function, CUDA_KERNEL_NODE_PARAMS_v1, func);
CHECK_FIELD(KernelNodeParamsV1, grid_x, CUDA_KERNEL_NODE_PARAMS_v1, gridDimX);
CHECK_FIELD(KernelNodeParamsV1, grid_y, CUDA_KERNEL_NODE_PARAMS_v1, gridDimY);
CHECK_FIELD(KernelNodeParamsV1, grid_z, CUDA_KERNEL_NODE_PARAMS_v1, gridDimZ);
CHECK_FIELD(KernelNodeParamsV1, block_x, CUDA_KERNEL_NODE_PARAMS_v1, blockDimX);
CHECK_FIELD(KernelNodeParamsV1, block_y, CUDA_KERNEL_NODE_PARAMS_v1, blockDimY);
CHECK_FIELD(KernelNodeParamsV1, block_z, CUDA_KERNEL_NODE_PARAMS_v1, blockDimZ);
CHECK_FIELD(KernelNodeParamsV1, shared_bytes, CUDA_KERNEL_NODE_PARAMS_v1, sharedMemBytes);
CHECK_FIELD(KernelNodeParamsV1, parameters, CUDA_KERNEL_NODE_PARAMS_v1, kernelParams);
CHECK_FIELD(KernelNodeParamsV1, extra, CUDA_KERNEL_NODE_PARAMS_v1, extra);
CHECK_SIZE(KernelNodeParams, CUDA_KERNEL_NODE_PARAMS_v2);
CHECK_FIELD(KernelNodeParams, function, CUDA_KERNEL_NODE_PARAMS_v2, func);
CHECK_FIELD(KernelNodeParams, grid_x, CUDA_KERNEL_NODE_PARAMS_v2, gridDimX);
CHECK_FIELD(KernelNodeParams, grid_y, CUDA_KERNEL_NODE_PARAMS_v2, gridDimY);
CHECK_FIELD(KernelNodeParams, grid_z, CUDA_KERNEL_NODE_PARAMS_v2, gridDimZ);
CHECK_FIELD(KernelNodeParams, block_x, CUDA_KERNEL_NODE_PARAMS_v2, blockDimX);
CHECK_FIELD(KernelNodeParams, block_y, CUDA_KERNEL_NODE_PARAMS_v2, blockDimY);
CHECK_FIELD(KernelNodeParams, block_z, CUDA_KERNEL_NODE_PARAMS_v2, blockDimZ);
CHECK_FIELD(KernelNodeParams, shared_bytes, CUDA_KERNEL_NODE_PARAMS_v2, sharedMemBytes);
CHECK_FIELD(KernelNodeParams, parameters, CUDA_KERNEL_NODE_PARAMS_v2, kernelParams);
CHECK_FIELD(KernelNodeParams, extra, CUDA_KERNEL_NODE_PARAMS_v2, extra);
CHECK_FIELD(KernelNodeParams, kernel, CUDA_KERNEL_NODE_PARAMS_v2, kern);
CHECK_FIELD(KernelNodeParams, context, CUDA_KERNEL_NODE_PARAMS_v2, ctx);
CHECK_SIZE(KernelNodeParams, CUDA_KERNEL_NODE_PARAMS_v3);
CHECK_SIZE(MemsetNodeParams, CUDA_MEMSET_NODE_PARAMS_v1);
CHECK_FIELD(MemsetNodeParams, dst, CUDA_MEMSET_NODE_PARAMS_v1, dst);
CHECK_FIELD(MemsetNodeParams, pitch, CUDA_MEMSET_NODE_PARAMS_v1, pitch);
CHECK_FIELD(MemsetNodeParams, value, CUDA_MEMSET_NODE_PARAMS_v1, value);
CHECK_FIELD(MemsetNodeParams, element_size, CUDA_MEMSET_NODE_PARAMS_v1, elementSize);
CHECK_FIELD(MemsetNodeParams, width, CUDA_MEMSET_NODE_PARAMS_v1, width);
CHECK_FIELD(MemsetNodeParams, height, CUDA_MEMSET_NODE_PARAMS_v1, height);
CHECK_SIZE(MemsetNodeParamsV2, CUDA_MEMSET_NODE_PARAMS_v2);
CHECK_FIELD(MemsetNodeParamsV2, context, CUDA_MEMSET_NODE_PARAMS_v2, ctx);
CHECK_SIZE(MemcpyNodeParams, CUDA_MEMCPY_NODE_PARAMS);
CHECK_FIELD(MemcpyNodeParams, flags, CUDA_MEMCPY_NODE_PARAMS, flags);
CHECK_FIELD(MemcpyNodeParams, context, CUDA_MEMCPY_NODE_PARAMS, copyCtx);
CHECK_FIELD(MemcpyNodeParams, copy, CUDA_MEMCPY_NODE_PARAMS, copyParams);
CHECK_SIZE(HostNodeParams, CUDA_HOST_NODE_PARAMS_v1);
CHECK_FIELD(HostNodeParams, function, CUDA_HOST_NODE_PARAMS_v1, fn);
CHECK_FIELD(HostNodeParams, data, CUDA_HOST_NODE_PARAMS_v1, userData);
// Newer versions add at the end.
static_assert(sizeof(HostNodeParams) <= sizeof(CUDA_HOST_NODE_PARAMS_v2));
CHECK_SIZE(MemAllocNodeParams, CUDA_MEM_ALLOC_NODE_PARAMS_v1);
CHECK_FIELD(MemAllocNodeParams, pool, CUDA_MEM_ALLOC_NODE_PARAMS_v1, poolProps);
CHECK_FIELD(MemAllocNodeParams, access, CUDA_MEM_ALLOC_NODE_PARAMS_v1, accessDescs);
CHECK_FIELD(MemAllocNodeParams, access_count, CUDA_MEM_ALLOC_NODE_PARAMS_v1, accessDescCount);
CHECK_FIELD(MemAllocNodeParams, bytes, CUDA_MEM_ALLOC_NODE_PARAMS_v1, bytesize);
CHECK_FIELD(MemAllocNodeParams, pointer, CUDA_MEM_ALLOC_NODE_PARAMS_v1, dptr);
CHECK_SIZE(BatchMemOpNodeParams, CUDA_BATCH_MEM_OP_NODE_PARAMS_v1);
CHECK_FIELD(BatchMemOpNodeParams, context, CUDA_BATCH_MEM_OP_NODE_PARAMS_v1, ctx);
CHECK_FIELD(BatchMemOpNodeParams, count, CUDA_BATCH_MEM_OP_NODE_PARAMS_v1, count);
CHECK_FIELD(BatchMemOpNodeParams, operations, CUDA_BATCH_MEM_OP_NODE_PARAMS_v1, paramArray);
CHECK_FIELD(BatchMemOpNodeParams, flags, CUDA_BATCH_MEM_OP_NODE_PARAMS_v1, flags);
CHECK_SIZE(ConditionalNodeParams, CUDA_CONDITIONAL_NODE_PARAMS);
CHECK_FIELD(ConditionalNodeParams, handle, CUDA_CONDITIONAL_NODE_PARAMS, handle);
CHECK_FIELD(ConditionalNodeParams, type, CUDA_CONDITIONAL_NODE_PARAMS, type);
CHECK_FIELD(ConditionalNodeParams, size, CUDA_CONDITIONAL_NODE_PARAMS, size);
CHECK_FIELD(ConditionalNodeParams, graphs, CUDA_CONDITIONAL_NODE_PARAMS, phGraph_out);
CHECK_FIELD(ConditionalNodeParams, context, CUDA_CONDITIONAL_NODE_PARAMS, ctx);
CHECK_SIZE(GraphNodeParams, CUgraphNodeParams);
CHECK_FIELD(GraphNodeParams, type, CUgraphNodeParams, type);
CHECK_FIELD(GraphNodeParams, kernel, CUgraphNodeParams, kernel);
CHECK_FIELD(GraphNodeParams, memcpy, CUgraphNodeParams, memcpy);
CHECK_FIELD(GraphNodeParams, memset, CUgraphNodeParams, memset);
CHECK_FIELD(GraphNodeParams, alloc, CUgraphNodeParams, alloc);
CHECK_FIELD(GraphNodeParams, mem_op, CUgraphNodeParams, memOp);
CHECK_FIELD(GraphNodeParams, conditional, CUgraphNodeParams, conditional);
CHECK_FIELD(GraphNodeParams, reserved2, CUgraphNodeParams, reserved2);
CHECK_SIZE(GraphEdgeData, CUgraphEdgeData);
CHECK_FIELD(GraphEdgeData, from_port, CUgraphEdgeData, from_port);
CHECK_FIELD(GraphEdgeData, to_port, CUgraphEdgeData, to_port);
CHECK_FIELD(GraphEdgeData, type, CUgraphEdgeData, type);
CHECK_SIZE(InstantiateParams, CUDA_GRAPH_INSTANTIATE_PARAMS);
CHECK_FIELD(InstantiateParams, flags, CUDA_GRAPH_INSTANTIATE_PARAMS, flags);
CHECK_FIELD(InstantiateParams, upload_stream, CUDA_GRAPH_INSTANTIATE_PARAMS, hUploadStream);
CHECK_FIELD(InstantiateParams, error_node, CUDA_GRAPH_INSTANTIATE_PARAMS, hErrNode_out);
CHECK_FIELD(InstantiateParams, result, CUDA_GRAPH_INSTANTIATE_PARAMS, result_out);
CHECK_SIZE(ExecUpdateInfo, CUgraphExecUpdateResultInfo);
CHECK_FIELD(ExecUpdateInfo, result, CUgraphExecUpdateResultInfo, result);
CHECK_FIELD(ExecUpdateInfo, error_node, CUgraphExecUpdateResultInfo, errorNode);
CHECK_FIELD(ExecUpdateInfo, error_from_node, CUgraphExecUpdateResultInfo, errorFromNode);

#define CHECK_ROW(ours, theirs, value) CHECK_VALUE(ours, theirs);
TRANCHE_CUDA_RESULTS_12_4(CHECK_ROW)
TRANCHE_CUDA_DEVICE_ATTRIBUTES_12_4(CHECK_ROW)
#if CUDA_VERSION >= 13050
TRANCHE_CUDA_RESULTS_13_5(CHECK_ROW)
TRANCHE_CUDA_DEVICE_ATTRIBUTES_13_5(CHECK_ROW)
#endif

CHECK_VALUE(kContextSchedAuto, CU_CTX_SCHED_AUTO);
CHECK_VALUE(kContextSchedSpin, CU_CTX_SCHED_SPIN);
CHECK_VALUE(kContextSchedYield, CU_CTX_SCHED_YIELD);
CHECK_VALUE(kContextSchedBlockingSync, CU_CTX_SCHED_BLOCKING_SYNC);
CHECK_VALUE(kContextSchedMask, CU_CTX_SCHED_MASK);
CHECK_VALUE(kContextMapHost, CU_CTX_MAP_HOST);
CHECK_VALUE(kContextLmemResizeToMax, CU_CTX_LMEM_RESIZE_TO_MAX);
CHECK_VALUE(kContextCoredumpEnable, CU_CTX_COREDUMP_ENABLE);
CHECK_VALUE(kContextUserCoredumpEnable, CU_CTX_USER_COREDUMP_ENABLE);
CHECK_VALUE(kContextSyncMemops, CU_CTX_SYNC_MEMOPS);
CHECK_VALUE(kContextFlagsMask, CU_CTX_FLAGS_MASK);
CHECK_VALUE(kStreamDefault, CU_STREAM_DEFAULT);
CHECK_VALUE(kStreamNonBlocking, CU_STREAM_NON_BLOCKING);
CHECK_VALUE(kEventDefault, CU_EVENT_DEFAULT);
CHECK_VALUE(kEventBlockingSync, CU_EVENT_BLOCKING_SYNC);
CHECK_VALUE(kEventDisableTiming, CU_EVENT_DISABLE_TIMING);
CHECK_VALUE(kEventInterprocess, CU_EVENT_INTERPROCESS);
CHECK_VALUE(kLimitStackSize, CU_LIMIT_STACK_SIZE);
CHECK_VALUE(kLimitPrintfFifoSize, CU_LIMIT_PRINTF_FIFO_SIZE);
CHECK_VALUE(kLimitMallocHeapSize, CU_LIMIT_MALLOC_HEAP_SIZE);
CHECK_VALUE(kLimitDevRuntimeSyncDepth, CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH);
CHECK_VALUE(kLimitDevRuntimePendingLaunchCount, CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT);
CHECK_VALUE(kLimitMaxL2FetchGranularity, CU_LIMIT_MAX_L2_FETCH_GRANULARITY);
CHECK_VALUE(kLimitPersistingL2CacheSize, CU_LIMIT_PERSISTING_L2_CACHE_SIZE);
CHECK_VALUE(kCachePreferNone, CU_FUNC_CACHE_PREFER_NONE);
CHECK_VALUE(kCachePreferShared, CU_FUNC_CACHE_PREFER_SHARED);
CHECK_VALUE(kCachePreferL1, CU_FUNC_CACHE_PREFER_L1);
CHECK_VALUE(kCachePreferEqual, CU_FUNC_CACHE_PREFER_EQUAL);
CHECK_VALUE(kSharedDefaultBankSize, CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE);
CHECK_VALUE(kSharedFourByteBankSize, CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE);
CHECK_VALUE(kSharedEightByteBankSize, CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE);
CHECK_VALUE(kComputeDefault, CU_COMPUTEMODE_DEFAULT);
CHECK_VALUE(kComputeProhibited, CU_COMPUTEMODE_PROHIBITED);
CHECK_VALUE(kComputeExclusiveProcess, CU_COMPUTEMODE_EXCLUSIVE_PROCESS);
CHECK_VALUE(kP2pPerformanceRank, CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK);
CHECK_VALUE(kP2pAccessSupported, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED);
CHECK_VALUE(kP2pNativeAtomicSupported, CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED);
CHECK_VALUE(kP2pArrayAccessSupported, CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED);
CHECK_VALUE(kFunctionMaxThreadsPerBlock, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
CHECK_VALUE(kFunctionSharedSizeBytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
CHECK_VALUE(kFunctionConstSizeBytes, CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES);
CHECK_VALUE(kFunctionLocalSizeBytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
CHECK_VALUE(kFunctionNumRegs, CU_FUNC_ATTRIBUTE_NUM_REGS);
CHECK_VALUE(kFunctionPtxVersion, CU_FUNC_ATTRIBUTE_PTX_VERSION);
CHECK_VALUE(kFunctionBinaryVersion, CU_FUNC_ATTRIBUTE_BINARY_VERSION);
CHECK_VALUE(kFunctionCacheModeCa, CU_FUNC_ATTRIBUTE_CACHE_MODE_CA);
CHECK_VALUE(kFunctionMaxDynamicSharedSizeBytes, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
CHECK_VALUE(kFunctionPreferredSharedMemoryCarveout,
            CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT);
CHECK_VALUE(kFunctionClusterSizeMustBeSet, CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET);
CHECK_VALUE(kFunctionRequiredClusterWidth, CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH);
CHECK_VALUE(kFunctionRequiredClusterHeight, CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT);
CHECK_VALUE(kFunctionRequiredClusterDepth, CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH);
CHECK_VALUE(kFunctionNonPortableClusterSizeAllowed,
            CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);
CHECK_VALUE(kFunctionClusterSchedulingPolicyPreference,
            CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE);
CHECK_VALUE(kJitMaxRegisters, CU_JIT_MAX_REGISTERS);
CHECK_VALUE(kJitThreadsPerBlock, CU_JIT_THREADS_PER_BLOCK);
CHECK_VALUE(kJitWallTime, CU_JIT_WALL_TIME);
CHECK_VALUE(kJitInfoLogBuffer, CU_JIT_INFO_LOG_BUFFER);
CHECK_VALUE(kJitInfoLogBufferSizeBytes, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES);
CHECK_VALUE(kJitErrorLogBuffer, CU_JIT_ERROR_LOG_BUFFER);
CHECK_VALUE(kJitErrorLogBufferSizeBytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
CHECK_VALUE(kJitOptimizationLevel, CU_JIT_OPTIMIZATION_LEVEL);
CHECK_VALUE(kJitTargetFromContext, CU_JIT_TARGET_FROM_CUCONTEXT);
CHECK_VALUE(kJitTarget, CU_JIT_TARGET);
CHECK_VALUE(kJitFallbackStrategy, CU_JIT_FALLBACK_STRATEGY);
CHECK_VALUE(kJitGenerateDebugInfo, CU_JIT_GENERATE_DEBUG_INFO);
CHECK_VALUE(kJitLogVerbose, CU_JIT_LOG_VERBOSE);
CHECK_VALUE(kJitGenerateLineInfo, CU_JIT_GENERATE_LINE_INFO);
CHECK_VALUE(kJitCacheMode, CU_JIT_CACHE_MODE);
CHECK_VALUE(kJitInputCubin, CU_JIT_INPUT_CUBIN);
CHECK_VALUE(kJitInputPtx, CU_JIT_INPUT_PTX);
CHECK_VALUE(kJitInputFatbinary, CU_JIT_INPUT_FATBINARY);
CHECK_VALUE(kJitInputObject, CU_JIT_INPUT_OBJECT);
CHECK_VALUE(kJitInputLibrary, CU_JIT_INPUT_LIBRARY);
CHECK_VALUE(kJitInputNvvm, CU_JIT_INPUT_NVVM);
CHECK_VALUE(kLibraryHostTables, CU_LIBRARY_HOST_UNIVERSAL_FUNCTION_AND_DATA_TABLE);
CHECK_VALUE(kLibraryBinaryIsPreserved, CU_LIBRARY_BINARY_IS_PRESERVED);
CHECK_VALUE(kLoadingEager, CU_MODULE_EAGER_LOADING);
CHECK_VALUE(kLoadingLazy, CU_MODULE_LAZY_LOADING);
CHECK_VALUE(kProcAddressDefault, CU_GET_PROC_ADDRESS_DEFAULT);
CHECK_VALUE(kProcAddressLegacyStream, CU_GET_PROC_ADDRESS_LEGACY_STREAM);
CHECK_VALUE(kProcAddressPerThreadDefaultStream, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM);
CHECK_VALUE(kProcAddressFound, CU_GET_PROC_ADDRESS_SUCCESS);
CHECK_VALUE(kProcAddressNotFound, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
CHECK_VALUE(kProcAddressVersionNotSufficient, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
CHECK_VALUE(kAffinitySmCount, CU_EXEC_AFFINITY_TYPE_SM_COUNT);
CHECK_VALUE(kMemoryTypeHost, CU_MEMORYTYPE_HOST);
CHECK_VALUE(kMemoryTypeDevice, CU_MEMORYTYPE_DEVICE);
CHECK_VALUE(kMemoryTypeArray, CU_MEMORYTYPE_ARRAY);
CHECK_VALUE(kMemoryTypeUnified, CU_MEMORYTYPE_UNIFIED);
CHECK_VALUE(kPointerContext, CU_POINTER_ATTRIBUTE_CONTEXT);
CHECK_VALUE(kPointerMemoryType, CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
CHECK_VALUE(kPointerDevicePointer, CU_POINTER_ATTRIBUTE_DEVICE_POINTER);
CHECK_VALUE(kPointerHostPointer, CU_POINTER_ATTRIBUTE_HOST_POINTER);
CHECK_VALUE(kPointerP2pTokens, CU_POINTER_ATTRIBUTE_P2P_TOKENS);
CHECK_VALUE(kPointerSyncMemops, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS);
CHECK_VALUE(kPointerBufferId, CU_POINTER_ATTRIBUTE_BUFFER_ID);
CHECK_VALUE(kPointerIsManaged, CU_POINTER_ATTRIBUTE_IS_MANAGED);
CHECK_VALUE(kPointerDeviceOrdinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL);
CHECK_VALUE(kPointerIsLegacyIpcCapable, CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE);
CHECK_VALUE(kPointerRangeStart, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR);
CHECK_VALUE(kPointerRangeSize, CU_POINTER_ATTRIBUTE_RANGE_SIZE);
CHECK_VALUE(kPointerMapped, CU_POINTER_ATTRIBUTE_MAPPED);
CHECK_VALUE(kPointerAllowedHandleTypes, CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES);
CHECK_VALUE(kPointerIsGpuDirectRdmaCapable, CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE);
CHECK_VALUE(kPointerAccessFlags, CU_POINTER_ATTRIBUTE_ACCESS_FLAGS);
CHECK_VALUE(kPointerMempoolHandle, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE);
CHECK_VALUE(kPointerMappingSize, CU_POINTER_ATTRIBUTE_MAPPING_SIZE);
CHECK_VALUE(kPointerMappingBase, CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR);
CHECK_VALUE(kPointerMemoryBlockId, CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID);
CHECK_VALUE(kHostAllocPortable, CU_MEMHOSTALLOC_PORTABLE);
CHECK_VALUE(kHostAllocDeviceMap, CU_MEMHOSTALLOC_DEVICEMAP);
CHECK_VALUE(kHostAllocWriteCombined, CU_MEMHOSTALLOC_WRITECOMBINED);
CHECK_VALUE(kHostRegisterPortable, CU_MEMHOSTREGISTER_PORTABLE);
CHECK_VALUE(kHostRegisterDeviceMap, CU_MEMHOSTREGISTER_DEVICEMAP);
CHECK_VALUE(kHostRegisterIoMemory, CU_MEMHOSTREGISTER_IOMEMORY);
CHECK_VALUE(kHostRegisterReadOnly, CU_MEMHOSTREGISTER_READ_ONLY);
CHECK_VALUE(kAttachGlobal, CU_MEM_ATTACH_GLOBAL);
CHECK_VALUE(kAttachHost, CU_MEM_ATTACH_HOST);
CHECK_VALUE(kAttachSingle, CU_MEM_ATTACH_SINGLE);
CHECK_VALUE(kAdviseSetReadMostly, CU_MEM_ADVISE_SET_READ_MOSTLY);
CHECK_VALUE(kAdviseUnsetReadMostly, CU_MEM_ADVISE_UNSET_READ_MOSTLY);
CHECK_VALUE(kAdviseSetPreferredLocation, CU_MEM_ADVISE_SET_PREFERRED_LOCATION);
CHECK_VALUE(kAdviseUnsetPreferredLocation, CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION);
CHECK_VALUE(kAdviseSetAccessedBy, CU_MEM_ADVISE_SET_ACCESSED_BY);
CHECK_VALUE(kAdviseUnsetAccessedBy, CU_MEM_ADVISE_UNSET_ACCESSED_BY);
CHECK_VALUE(kRangeReadMostly, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY);
CHECK_VALUE(kRangePreferredLocation, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION);
CHECK_VALUE(kRangeAccessedBy, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY);
CHECK_VALUE(kRangeLastPrefetchLocation, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION);
CHECK_VALUE(kRangeHandleDmaBufFd, CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD);
CHECK_VALUE(kFormatUnsignedInt8, CU_AD_FORMAT_UNSIGNED_INT8);
CHECK_VALUE(kFormatUnsignedInt16, CU_AD_FORMAT_UNSIGNED_INT16);
CHECK_VALUE(kFormatUnsignedInt32, CU_AD_FORMAT_UNSIGNED_INT32);
CHECK_VALUE(kFormatSignedInt8, CU_AD_FORMAT_SIGNED_INT8);
CHECK_VALUE(kFormatSignedInt16, CU_AD_FORMAT_SIGNED_INT16);
CHECK_VALUE(kFormatSignedInt32, CU_AD_FORMAT_SIGNED_INT32);
CHECK_VALUE(kFormatHalf, CU_AD_FORMAT_HALF);
CHECK_VALUE(kFormatFloat, CU_AD_FORMAT_FLOAT);
CHECK_VALUE(kLocationInvalid, CU_MEM_LOCATION_TYPE_INVALID);
CHECK_VALUE(kLocationDevice, CU_MEM_LOCATION_TYPE_DEVICE);
CHECK_VALUE(kLocationHost, CU_MEM_LOCATION_TYPE_HOST);
CHECK_VALUE(kLocationHostNuma, CU_MEM_LOCATION_TYPE_HOST_NUMA);
CHECK_VALUE(kLocationHostNumaCurrent, CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT);
CHECK_VALUE(kAllocationInvalid, CU_MEM_ALLOCATION_TYPE_INVALID);
CHECK_VALUE(kAllocationPinned, CU_MEM_ALLOCATION_TYPE_PINNED);
#if CUDA_VERSION >= 13000
CHECK_VALUE(kAllocationManaged, CU_MEM_ALLOCATION_TYPE_MANAGED);
#endif
CHECK_VALUE(kHandleNone, CU_MEM_HANDLE_TYPE_NONE);
CHECK_VALUE(kHandlePosixFileDescriptor, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
CHECK_VALUE(kHandleWin32, CU_MEM_HANDLE_TYPE_WIN32);
CHECK_VALUE(kHandleWin32Kmt, CU_MEM_HANDLE_TYPE_WIN32_KMT);
CHECK_VALUE(kHandleFabric, CU_MEM_HANDLE_TYPE_FABRIC);
CHECK_VALUE(kAccessNone, CU_MEM_ACCESS_FLAGS_PROT_NONE);
CHECK_VALUE(kAccessRead, CU_MEM_ACCESS_FLAGS_PROT_READ);
CHECK_VALUE(kAccessReadWrite, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
CHECK_VALUE(kGranularityMinimum, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
CHECK_VALUE(kGranularityRecommended, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED);
CHECK_VALUE(kPoolReuseFollowEventDependencies, CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES);
CHECK_VALUE(kPoolReuseAllowOpportunistic, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC);
CHECK_VALUE(kPoolReuseAllowInternalDependencies, CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES);
CHECK_VALUE(kPoolReleaseThreshold, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
CHECK_VALUE(kPoolReservedCurrent, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
CHECK_VALUE(kPoolReservedHigh, CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH);
CHECK_VALUE(kPoolUsedCurrent, CU_MEMPOOL_ATTR_USED_MEM_CURRENT);
CHECK_VALUE(kPoolUsedHigh, CU_MEMPOOL_ATTR_USED_MEM_HIGH);
CHECK_VALUE(kExternalMemoryOpaqueFd, CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD);
CHECK_VALUE(kLaunchIgnore, CU_LAUNCH_ATTRIBUTE_IGNORE);
CHECK_VALUE(kLaunchAccessPolicyWindow, CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW);
CHECK_VALUE(kLaunchCooperative, CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
CHECK_VALUE(kLaunchSynchronizationPolicy, CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY);
CHECK_VALUE(kLaunchClusterDimension, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
CHECK_VALUE(kLaunchClusterSchedulingPolicy,
            CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE);
CHECK_VALUE(kLaunchProgrammaticSerialization,
            CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
CHECK_VALUE(kLaunchProgrammaticEvent, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT);
CHECK_VALUE(kLaunchPriority, CU_LAUNCH_ATTRIBUTE_PRIORITY);
CHECK_VALUE(kLaunchMemSyncDomainMap, CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP);
CHECK_VALUE(kLaunchMemSyncDomain, CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN);
CHECK_VALUE(kLaunchCompletionEvent, CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT);
CHECK_VALUE(kLaunchDeviceUpdatableNode, CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE);
CHECK_VALUE(kWaitValueGeq, CU_STREAM_WAIT_VALUE_GEQ);
CHECK_VALUE(kWaitValueEq, CU_STREAM_WAIT_VALUE_EQ);
CHECK_VALUE(kWaitValueAnd, CU_STREAM_WAIT_VALUE_AND);
CHECK_VALUE(kWaitValueNor, CU_STREAM_WAIT_VALUE_NOR);
CHECK_VALUE(kWaitValueFlush, CU_STREAM_WAIT_VALUE_FLUSH);
CHECK_VALUE(kMemOpWaitValue32, CU_STREAM_MEM_OP_WAIT_VALUE_32);
CHECK_VALUE(kMemOpWriteValue32, CU_STREAM_MEM_OP_WRITE_VALUE_32);
CHECK_VALUE(kMemOpFlushRemoteWrites, CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES);
CHECK_VALUE(kMemOpWaitValue64, CU_STREAM_MEM_OP_WAIT_VALUE_64);
CHECK_VALUE(kMemOpWriteValue64, CU_STREAM_MEM_OP_WRITE_VALUE_64);
CHECK_VALUE(kMemOpBarrier, CU_STREAM_MEM_OP_BARRIER);
CHECK_VALUE(kCaptureNone, CU_STREAM_CAPTURE_STATUS_NONE);
CHECK_VALUE(kCaptureActive, CU_STREAM_CAPTURE_STATUS_ACTIVE);
CHECK_VALUE(kCaptureInvalidated, CU_STREAM_CAPTURE_STATUS_INVALIDATED);
CHECK_VALUE(kCaptureGlobal, CU_STREAM_CAPTURE_MODE_GLOBAL);
CHECK_VALUE(kCaptureThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
CHECK_VALUE(kCaptureRelaxed, CU_STREAM_CAPTURE_MODE_RELAXED);
CHECK_VALUE(kCaptureAddDependencies, CU_STREAM_ADD_CAPTURE_DEPENDENCIES);
CHECK_VALUE(kCaptureSetDependencies, CU_STREAM_SET_CAPTURE_DEPENDENCIES);
CHECK_VALUE(kNodeKernel, CU_GRAPH_NODE_TYPE_KERNEL);
CHECK_VALUE(kNodeMemcpy, CU_GRAPH_NODE_TYPE_MEMCPY);
CHECK_VALUE(kNodeMemset, CU_GRAPH_NODE_TYPE_MEMSET);
CHECK_VALUE(kNodeHost, CU_GRAPH_NODE_TYPE_HOST);
CHECK_VALUE(kNodeGraph, CU_GRAPH_NODE_TYPE_GRAPH);
CHECK_VALUE(kNodeEmpty, CU_GRAPH_NODE_TYPE_EMPTY);
CHECK_VALUE(kNodeWaitEvent, CU_GRAPH_NODE_TYPE_WAIT_EVENT);
CHECK_VALUE(kNodeEventRecord, CU_GRAPH_NODE_TYPE_EVENT_RECORD);
CHECK_VALUE(kNodeExtSemasSignal, CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL);
CHECK_VALUE(kNodeExtSemasWait, CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT);
CHECK_VALUE(kNodeMemAlloc, CU_GRAPH_NODE_TYPE_MEM_ALLOC);
CHECK_VALUE(kNodeMemFree, CU_GRAPH_NODE_TYPE_MEM_FREE);
CHECK_VALUE(kNodeBatchMemOp, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP);
CHECK_VALUE(kNodeConditional, CU_GRAPH_NODE_TYPE_CONDITIONAL);
CHECK_VALUE(kConditionalIf, CU_GRAPH_COND_TYPE_IF);
CHECK_VALUE(kConditionalWhile, CU_GRAPH_COND_TYPE_WHILE);
CHECK_VALUE(kInstantiateAutoFreeOnLaunch, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH);
CHECK_VALUE(kInstantiateUpload, CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD);
CHECK_VALUE(kInstantiateDeviceLaunch, CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH);
CHECK_VALUE(kInstantiateUseNodePriority, CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY);
CHECK_VALUE(kInstantiateSuccess, CUDA_GRAPH_INSTANTIATE_SUCCESS);
CHECK_VALUE(kInstantiateError, CUDA_GRAPH_INSTANTIATE_ERROR);
CHECK_VALUE(kInstantiateInvalidStructure, CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE);
CHECK_VALUE(kInstantiateNodeOperationNotSupported,
            CUDA_GRAPH_INSTANTIATE_NODE_OPERATION_NOT_SUPPORTED);
CHECK_VALUE(kInstantiateMultipleContextsNotSupported,
            CUDA_GRAPH_INSTANTIATE_MULTIPLE_CTXS_NOT_SUPPORTED);
CHECK_VALUE(kExecUpdateSuccess, CU_GRAPH_EXEC_UPDATE_SUCCESS);
CHECK_VALUE(kExecUpdateError, CU_GRAPH_EXEC_UPDATE_ERROR);
CHECK_VALUE(kExecUpdateTopologyChanged, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
CHECK_VALUE(kExecUpdateNodeTypeChanged, CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED);
CHECK_VALUE(kExecUpdateFunctionChanged, CU_GRAPH_EXEC_UPDATE_ERROR_FUNCTION_CHANGED);
CHECK_VALUE(kExecUpdateParametersChanged, CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED);
CHECK_VALUE(kExecUpdateNotSupported, CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED);
CHECK_VALUE(kExecUpdateUnsupportedFunctionChange,
            CU_GRAPH_EXEC_UPDATE_ERROR_UNSUPPORTED_FUNCTION_CHANGE);
CHECK_VALUE(kExecUpdateAttributesChanged, CU_GRAPH_EXEC_UPDATE_ERROR_ATTRIBUTES_CHANGED);
CHECK_VALUE(kGraphMemUsedCurrent, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT);
CHECK_VALUE(kGraphMemUsedHigh, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH);
CHECK_VALUE(kGraphMemReservedCurrent, CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT);
CHECK_VALUE(kGraphMemReservedHigh, CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH);
CHECK_VALUE(kEventRecordExternal, CU_EVENT_RECORD_EXTERNAL);
CHECK_VALUE(kEventWaitExternal, CU_EVENT_WAIT_EXTERNAL);
CHECK_VALUE(kDeviceCpu, CU_DEVICE_CPU);
CHECK_VALUE(kDeviceInvalid, CU_DEVICE_INVALID);
CHECK_VALUE(kIpcLazyEnablePeerAccess, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
CHECK_VALUE(kLaunchParamEnd, CU_LAUNCH_PARAM_END_AS_INT);
CHECK_VALUE(kLaunchParamBufferPointer, CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT);
CHECK_VALUE(kLaunchParamBufferSize, CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT);
CHECK_VALUE(kUserObjectNoDestructorSync, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
CHECK_VALUE(kGraphUserObjectMove, CU_GRAPH_USER_OBJECT_MOVE);

}  // namespace
}  // namespace tranche::sim::cuda

int main() { return 0; }  // all was checked by the compiler
