// The functions that the shim exports, under NVIDIA's names and with NVIDIA's types. What each does
// beside calling the driver's own is told in src/shim/calls.
//
// Threading: any thread, as the driver's own.
// Errors: the driver's own result, or kOutOfMemory at the pod's wall. Where the driver of this node
// has no such function: kNotFound.
#pragma once

#include "shim/abi.h"

namespace tranche::shim {

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuGetProcAddress(const char* symbol, void** pfn, int cuda_version, std::uint64_t flags);
Result cuGetProcAddress_v2(const char* symbol, void** pfn, int cuda_version, std::uint64_t flags,
                           int* symbol_status);

Result cuCtxCreate(Context* pctx, unsigned flags, Device dev);
Result cuCtxCreate_v2(Context* pctx, unsigned flags, Device dev);
Result cuCtxCreate_v3(Context* pctx, void* params, int num_params, unsigned flags, Device dev);
Result cuCtxCreate_v4(Context* pctx, void* params, unsigned flags, Device dev);
Result cuCtxDestroy(Context ctx);
Result cuCtxDestroy_v2(Context ctx);
Result cuDevicePrimaryCtxRetain(Context* pctx, Device dev);
Result cuDevicePrimaryCtxRelease(Device dev);
Result cuDevicePrimaryCtxRelease_v2(Device dev);
Result cuDevicePrimaryCtxReset(Device dev);
Result cuDevicePrimaryCtxReset_v2(Device dev);

Result cuMemAlloc(OldDevicePtr* dptr, unsigned bytesize);
Result cuMemAlloc_v2(DevicePtr* dptr, std::size_t bytesize);
Result cuMemAllocPitch(OldDevicePtr* dptr, unsigned* pitch, unsigned width_in_bytes,
                       unsigned height, unsigned element_size_bytes);
Result cuMemAllocPitch_v2(DevicePtr* dptr, std::size_t* pitch, std::size_t width_in_bytes,
                          std::size_t height, unsigned element_size_bytes);
Result cuMemAllocManaged(DevicePtr* dptr, std::size_t bytesize, unsigned flags);
Result cuMemFree(OldDevicePtr dptr);
Result cuMemFree_v2(DevicePtr dptr);

Result cuMemAllocAsync(DevicePtr* dptr, std::size_t bytesize, Stream stream);
Result cuMemAllocAsync_ptsz(DevicePtr* dptr, std::size_t bytesize, Stream stream);
Result cuMemAllocFromPoolAsync(DevicePtr* dptr, std::size_t bytesize, Pool pool, Stream stream);
Result cuMemAllocFromPoolAsync_ptsz(DevicePtr* dptr, std::size_t bytesize, Pool pool,
                                    Stream stream);
Result cuMemFreeAsync(DevicePtr dptr, Stream stream);
Result cuMemFreeAsync_ptsz(DevicePtr dptr, Stream stream);
Result cuMemPoolCreate(Pool* pool, const PoolProperties* pool_props);
Result cuMemPoolDestroy(Pool pool);
Result cuMemPoolTrimTo(Pool pool, std::size_t min_bytes_to_keep);
Result cuStreamSynchronize(Stream stream);
Result cuStreamSynchronize_ptsz(Stream stream);
Result cuCtxSynchronize();
Result cuCtxSynchronize_v2(Context ctx);
Result cuEventSynchronize(Event event);

Result cuGraphInstantiate(GraphExec* exec, Graph graph, GraphNode* error_node, char* log,
                          std::size_t log_bytes);
Result cuGraphInstantiate_v2(GraphExec* exec, Graph graph, GraphNode* error_node, char* log,
                             std::size_t log_bytes);
Result cuGraphInstantiateWithFlags(GraphExec* exec, Graph graph, Flags flags);
Result cuGraphInstantiateWithParams(GraphExec* exec, Graph graph, InstantiateParams* params);
Result cuGraphInstantiateWithParams_ptsz(GraphExec* exec, Graph graph, InstantiateParams* params);
Result cuGraphExecUpdate(GraphExec exec, Graph graph, GraphNode* error_node, int* update_result);
Result cuGraphExecUpdate_v2(GraphExec exec, Graph graph, void* result_info);
Result cuGraphExecDestroy(GraphExec exec);
Result cuGraphUpload(GraphExec exec, Stream stream);
Result cuGraphUpload_ptsz(GraphExec exec, Stream stream);
Result cuGraphLaunch(GraphExec exec, Stream stream);
Result cuGraphLaunch_ptsz(GraphExec exec, Stream stream);
Result cuDeviceGraphMemTrim(Device dev);

Result cuIpcGetMemHandle(IpcHandle* handle, DevicePtr dptr);
Result cuIpcOpenMemHandle(DevicePtr* dptr, IpcHandle handle, unsigned flags);
Result cuIpcOpenMemHandle_v2(DevicePtr* dptr, IpcHandle handle, unsigned flags);
Result cuIpcCloseMemHandle(DevicePtr dptr);
Result cuMemExportToShareableHandle(void* shareable, Handle handle, int handle_type, Flags flags);
Result cuMemPoolExportToShareableHandle(void* handle_out, Pool pool, int handle_type, Flags flags);
Result cuMemPoolImportFromShareableHandle(Pool* pool_out, void* handle, int handle_type,
                                          Flags flags);
Result cuMemPoolImportPointer(DevicePtr* ptr_out, Pool pool, void* share_data);

Result cuMemCreate(Handle* handle, std::size_t size, const AllocationProperties* prop, Flags flags);
Result cuMemRelease(Handle handle);
Result cuMemMap(DevicePtr ptr, std::size_t size, std::size_t offset, Handle handle, Flags flags);
Result cuMemUnmap(DevicePtr ptr, std::size_t size);
Result cuMemRetainAllocationHandle(Handle* handle, void* addr);
Result cuMemImportFromShareableHandle(Handle* handle, void* os_handle, int sh_handle_type);

Result cuArrayCreate(Array* handle, const OldArrayShape* shape);
Result cuArrayCreate_v2(Array* handle, const ArrayShape* shape);
Result cuArray3DCreate(Array* handle, const OldArray3dShape* shape);
Result cuArray3DCreate_v2(Array* handle, const Array3dShape* shape);
Result cuArrayDestroy(Array array);
Result cuMipmappedArrayCreate(Mipmap* handle, const Array3dShape* shape, unsigned levels);
Result cuMipmappedArrayDestroy(Mipmap mipmap);

Result cuMemGetInfo(unsigned* free, unsigned* total);
Result cuMemGetInfo_v2(std::size_t* free, std::size_t* total);
Result cuDeviceTotalMem(unsigned* bytes, Device dev);
Result cuDeviceTotalMem_v2(std::size_t* bytes, Device dev);

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::shim
