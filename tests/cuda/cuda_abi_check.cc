// Our functions and structs of libcuda against NVIDIA's own header: it is enough that this
// compiles; the numbers are in cuda_abi_values.cc. Needs the folder of a real cuda.h among the
// include folders (wheels nvidia-cuda-runtime-cu12 and nvidia-cuda-runtime,
// tests/requirements.txt).
#define __CUDA_API_VERSION_INTERNAL  // the older forms are declared too, and no name is a macro
#include <cuda.h>

#include "sim/cuda/abi.h"
#include "sim/cuda/functions.h"
#include "tests/abi_check.h"

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

#define CHECK_TWICE(name, per_thread, ...) \
  CHECK_CALL(name, __VA_ARGS__)            \
  CHECK_CALL(per_thread, __VA_ARGS__)
TRANCHE_CUDA_FUNCTIONS(CHECK_CALL, CHECK_TWICE)

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

}  // namespace
}  // namespace tranche::sim::cuda

int main() { return 0; }  // all was checked by the compiler
