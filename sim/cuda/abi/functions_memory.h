// The functions of memory: allocation, copies, fills, pools, virtual memory, sharing: a part of the
// list in sim/cuda/functions.h.
//
// Threading: macros only.
// Errors: see sim/cuda/functions.h.
#pragma once

#include "sim/cuda/abi/memory.h"
#include "sim/cuda/abi/types.h"
#include "sim/cuda/abi/work.h"

#define TRANCHE_CUDA_MEMORY_FUNCTIONS(X, T)                                                        \
  X(cuMemGetInfo_v2, Result(std::size_t* free, std::size_t* total))                                \
  X(cuMemAlloc_v2, Result(DevicePtr* dptr, std::size_t bytesize))                                  \
  X(cuMemAllocPitch_v2, Result(DevicePtr* dptr, std::size_t* pitch, std::size_t width_in_bytes,    \
                               std::size_t height, unsigned element_size_bytes))                   \
  X(cuMemFree_v2, Result(DevicePtr dptr))                                                          \
  X(cuMemGetAddressRange_v2, Result(DevicePtr* pbase, std::size_t* psize, DevicePtr dptr))         \
  X(cuMemAllocHost_v2, Result(void** pp, std::size_t bytesize))                                    \
  X(cuMemFreeHost, Result(void* p))                                                                \
  X(cuMemHostAlloc, Result(void** pp, std::size_t bytesize, unsigned flags))                       \
  X(cuMemHostGetDevicePointer_v2, Result(DevicePtr* pdptr, void* p, unsigned flags))               \
  X(cuMemHostGetFlags, Result(unsigned* flags, void* p))                                           \
  X(cuMemAllocManaged, Result(DevicePtr* dptr, std::size_t bytesize, unsigned flags))              \
  X(cuIpcGetEventHandle, Result(IpcEventHandle* handle, Event event))                              \
  X(cuIpcOpenEventHandle, Result(Event* event, IpcEventHandle handle))                             \
  X(cuIpcGetMemHandle, Result(IpcMemHandle* handle, DevicePtr dptr))                               \
  X(cuIpcOpenMemHandle, Result(DevicePtr* pdptr, IpcMemHandle handle, unsigned flags))             \
  X(cuIpcOpenMemHandle_v2, Result(DevicePtr* pdptr, IpcMemHandle handle, unsigned flags))          \
  X(cuIpcCloseMemHandle, Result(DevicePtr dptr))                                                   \
  X(cuMemHostRegister, Result(void* p, std::size_t bytesize, unsigned flags))                      \
  X(cuMemHostRegister_v2, Result(void* p, std::size_t bytesize, unsigned flags))                   \
  X(cuMemHostUnregister, Result(void* p))                                                          \
  X(cuArrayCreate_v2, Result(Array* handle, const ArrayDescriptor* allocate_array))                \
  X(cuArrayGetDescriptor_v2, Result(ArrayDescriptor* array_descriptor, Array array))               \
  X(cuArrayGetMemoryRequirements,                                                                  \
    Result(ArrayMemoryRequirements* memory_requirements, Array array, Device device))              \
  X(cuMipmappedArrayGetMemoryRequirements,                                                         \
    Result(ArrayMemoryRequirements* memory_requirements, MipmappedArray mipmap, Device device))    \
  X(cuArrayGetPlane, Result(Array* plane_array, Array array, unsigned plane_idx))                  \
  X(cuArrayDestroy, Result(Array array))                                                           \
  X(cuArray3DCreate_v2, Result(Array* handle, const Array3dDescriptor* allocate_array))            \
  X(cuArray3DGetDescriptor_v2, Result(Array3dDescriptor* array_descriptor, Array array))           \
  X(cuMipmappedArrayCreate,                                                                        \
    Result(MipmappedArray* handle, const Array3dDescriptor* mipmapped_array_desc,                  \
           unsigned num_mipmap_levels))                                                            \
  X(cuMipmappedArrayGetLevel,                                                                      \
    Result(Array* level_array, MipmappedArray mipmapped_array, unsigned level))                    \
  X(cuMipmappedArrayDestroy, Result(MipmappedArray mipmapped_array))                               \
  X(cuMemGetHandleForAddressRange, Result(void* handle, DevicePtr dptr, std::size_t size,          \
                                          RangeHandleType handle_type, unsigned long long flags))  \
  X(cuMemAddressReserve, Result(DevicePtr* ptr, std::size_t size, std::size_t alignment,           \
                                DevicePtr addr, unsigned long long flags))                         \
  X(cuMemAddressFree, Result(DevicePtr ptr, std::size_t size))                                     \
  X(cuMemCreate, Result(AllocationHandle* handle, std::size_t size,                                \
                        const AllocationProperties* prop, unsigned long long flags))               \
  X(cuMemRelease, Result(AllocationHandle handle))                                                 \
  X(cuMemMap, Result(DevicePtr ptr, std::size_t size, std::size_t offset, AllocationHandle handle, \
                     unsigned long long flags))                                                    \
  X(cuMemUnmap, Result(DevicePtr ptr, std::size_t size))                                           \
  X(cuMemSetAccess,                                                                                \
    Result(DevicePtr ptr, std::size_t size, const AccessDescriptor* desc, std::size_t count))      \
  X(cuMemGetAccess, Result(unsigned long long* flags, const Location* location, DevicePtr ptr))    \
  X(cuMemExportToShareableHandle, Result(void* shareable_handle, AllocationHandle handle,          \
                                         HandleType handle_type, unsigned long long flags))        \
  X(cuMemImportFromShareableHandle,                                                                \
    Result(AllocationHandle* handle, void* os_handle, HandleType sh_handle_type))                  \
  X(cuMemGetAllocationGranularity,                                                                 \
    Result(std::size_t* granularity, const AllocationProperties* prop, GranularityFlag option))    \
  X(cuMemGetAllocationPropertiesFromHandle,                                                        \
    Result(AllocationProperties* prop, AllocationHandle handle))                                   \
  X(cuMemRetainAllocationHandle, Result(AllocationHandle* handle, void* addr))                     \
  X(cuMemPoolTrimTo, Result(MemoryPool pool, std::size_t min_bytes_to_keep))                       \
  X(cuMemPoolSetAttribute, Result(MemoryPool pool, PoolAttribute attr, void* value))               \
  X(cuMemPoolGetAttribute, Result(MemoryPool pool, PoolAttribute attr, void* value))               \
  X(cuMemPoolSetAccess, Result(MemoryPool pool, const AccessDescriptor* map, std::size_t count))   \
  X(cuMemPoolGetAccess, Result(AccessFlag* flags, MemoryPool mem_pool, Location* location))        \
  X(cuMemPoolCreate, Result(MemoryPool* pool, const PoolProperties* pool_props))                   \
  X(cuMemPoolDestroy, Result(MemoryPool pool))                                                     \
  X(cuMemPoolExportToShareableHandle,                                                              \
    Result(void* handle_out, MemoryPool pool, HandleType handle_type, unsigned long long flags))   \
  X(cuMemPoolImportFromShareableHandle,                                                            \
    Result(MemoryPool* pool_out, void* handle, HandleType handle_type, unsigned long long flags))  \
  X(cuMemPoolExportPointer, Result(PoolPointerExport* share_data_out, DevicePtr ptr))              \
  X(cuMemPoolImportPointer,                                                                        \
    Result(DevicePtr* ptr_out, MemoryPool pool, PoolPointerExport* share_data))                    \
  X(cuPointerGetAttribute, Result(void* data, PointerAttribute attribute, DevicePtr ptr))          \
  X(cuMemAdvise, Result(DevicePtr dev_ptr, std::size_t count, MemoryAdvice advice, Device device)) \
  X(cuMemAdvise_v2,                                                                                \
    Result(DevicePtr dev_ptr, std::size_t count, MemoryAdvice advice, Location location))          \
  X(cuMemRangeGetAttribute, Result(void* data, std::size_t data_size, RangeAttribute attribute,    \
                                   DevicePtr dev_ptr, std::size_t count))                          \
  X(cuMemRangeGetAttributes,                                                                       \
    Result(void** data, std::size_t* data_sizes, RangeAttribute* attributes,                       \
           std::size_t num_attributes, DevicePtr dev_ptr, std::size_t count))                      \
  X(cuPointerSetAttribute, Result(const void* value, PointerAttribute attribute, DevicePtr ptr))   \
  X(cuPointerGetAttributes,                                                                        \
    Result(unsigned num_attributes, PointerAttribute* attributes, void** data, DevicePtr ptr))     \
  X(cuImportExternalMemory,                                                                        \
    Result(ExternalMemory* ext_mem_out, const ExternalMemoryDescriptor* mem_handle_desc))          \
  X(cuExternalMemoryGetMappedBuffer, Result(DevicePtr* dev_ptr, ExternalMemory ext_mem,            \
                                            const ExternalBufferDescriptor* buffer_desc))          \
  X(cuDestroyExternalMemory, Result(ExternalMemory ext_mem))                                       \
  X(cuMemcpyHtoA,                                                                                  \
    Result(Array dst_array, unsigned dst_offset, const void* src_host, unsigned byte_count))       \
  T(cuMemcpyHtoA_v2, cuMemcpyHtoA_v2_ptds,                                                         \
    Result(Array dst_array, std::size_t dst_offset, const void* src_host, std::size_t byte_count)) \
  X(cuMemcpyAtoH,                                                                                  \
    Result(void* dst_host, Array src_array, unsigned src_offset, unsigned byte_count))             \
  T(cuMemcpyAtoH_v2, cuMemcpyAtoH_v2_ptds,                                                         \
    Result(void* dst_host, Array src_array, std::size_t src_offset, std::size_t byte_count))       \
  X(cuMemcpyAtoA, Result(Array dst_array, unsigned dst_offset, Array src_array,                    \
                         unsigned src_offset, unsigned byte_count))                                \
  T(cuMemcpyAtoA_v2, cuMemcpyAtoA_v2_ptds,                                                         \
    Result(Array dst_array, std::size_t dst_offset, Array src_array, std::size_t src_offset,       \
           std::size_t byte_count))                                                                \
  X(cuMemcpyHtoAAsync, Result(Array dst_array, unsigned dst_offset, const void* src_host,          \
                              unsigned byte_count, Stream stream))                                 \
  T(cuMemcpyHtoAAsync_v2, cuMemcpyHtoAAsync_v2_ptsz,                                               \
    Result(Array dst_array, std::size_t dst_offset, const void* src_host, std::size_t byte_count,  \
           Stream stream))                                                                         \
  X(cuMemcpyAtoHAsync, Result(void* dst_host, Array src_array, unsigned src_offset,                \
                              unsigned byte_count, Stream stream))                                 \
  T(cuMemcpyAtoHAsync_v2, cuMemcpyAtoHAsync_v2_ptsz,                                               \
    Result(void* dst_host, Array src_array, std::size_t src_offset, std::size_t byte_count,        \
           Stream stream))                                                                         \
  T(cuMemcpyHtoD_v2, cuMemcpyHtoD_v2_ptds,                                                         \
    Result(DevicePtr dst_device, const void* src_host, std::size_t byte_count))                    \
  T(cuMemcpyDtoH_v2, cuMemcpyDtoH_v2_ptds,                                                         \
    Result(void* dst_host, DevicePtr src_device, std::size_t byte_count))                          \
  T(cuMemcpyDtoD_v2, cuMemcpyDtoD_v2_ptds,                                                         \
    Result(DevicePtr dst_device, DevicePtr src_device, std::size_t byte_count))                    \
  T(cuMemcpyDtoA_v2, cuMemcpyDtoA_v2_ptds,                                                         \
    Result(Array dst_array, std::size_t dst_offset, DevicePtr src_device, std::size_t byte_count)) \
  T(cuMemcpyAtoD_v2, cuMemcpyAtoD_v2_ptds,                                                         \
    Result(DevicePtr dst_device, Array src_array, std::size_t src_offset, std::size_t byte_count)) \
  T(cuMemcpy2D_v2, cuMemcpy2D_v2_ptds, Result(const Memcpy2d* copy))                               \
  T(cuMemcpy2DUnaligned_v2, cuMemcpy2DUnaligned_v2_ptds, Result(const Memcpy2d* copy))             \
  T(cuMemcpy3D_v2, cuMemcpy3D_v2_ptds, Result(const Memcpy3d* copy))                               \
  T(cuMemcpyHtoDAsync_v2, cuMemcpyHtoDAsync_v2_ptsz,                                               \
    Result(DevicePtr dst_device, const void* src_host, std::size_t byte_count, Stream stream))     \
  T(cuMemcpyDtoHAsync_v2, cuMemcpyDtoHAsync_v2_ptsz,                                               \
    Result(void* dst_host, DevicePtr src_device, std::size_t byte_count, Stream stream))           \
  T(cuMemcpyDtoDAsync_v2, cuMemcpyDtoDAsync_v2_ptsz,                                               \
    Result(DevicePtr dst_device, DevicePtr src_device, std::size_t byte_count, Stream stream))     \
  T(cuMemcpy2DAsync_v2, cuMemcpy2DAsync_v2_ptsz, Result(const Memcpy2d* copy, Stream stream))      \
  T(cuMemcpy3DAsync_v2, cuMemcpy3DAsync_v2_ptsz, Result(const Memcpy3d* copy, Stream stream))      \
  T(cuMemsetD8_v2, cuMemsetD8_v2_ptds,                                                             \
    Result(DevicePtr dst_device, unsigned char uc, std::size_t n))                                 \
  T(cuMemsetD16_v2, cuMemsetD16_v2_ptds,                                                           \
    Result(DevicePtr dst_device, unsigned short us, std::size_t n))                                \
  T(cuMemsetD32_v2, cuMemsetD32_v2_ptds, Result(DevicePtr dst_device, unsigned ui, std::size_t n)) \
  T(cuMemsetD2D8_v2, cuMemsetD2D8_v2_ptds,                                                         \
    Result(DevicePtr dst_device, std::size_t dst_pitch, unsigned char uc, std::size_t width,       \
           std::size_t height))                                                                    \
  T(cuMemsetD2D16_v2, cuMemsetD2D16_v2_ptds,                                                       \
    Result(DevicePtr dst_device, std::size_t dst_pitch, unsigned short us, std::size_t width,      \
           std::size_t height))                                                                    \
  T(cuMemsetD2D32_v2, cuMemsetD2D32_v2_ptds,                                                       \
    Result(DevicePtr dst_device, std::size_t dst_pitch, unsigned ui, std::size_t width,            \
           std::size_t height))                                                                    \
  T(cuMemcpy, cuMemcpy_ptds, Result(DevicePtr dst, DevicePtr src, std::size_t byte_count))         \
  T(cuMemcpyAsync, cuMemcpyAsync_ptsz,                                                             \
    Result(DevicePtr dst, DevicePtr src, std::size_t byte_count, Stream stream))                   \
  T(cuMemcpyPeer, cuMemcpyPeer_ptds,                                                               \
    Result(DevicePtr dst_device, Context dst_context, DevicePtr src_device, Context src_context,   \
           std::size_t byte_count))                                                                \
  T(cuMemcpyPeerAsync, cuMemcpyPeerAsync_ptsz,                                                     \
    Result(DevicePtr dst_device, Context dst_context, DevicePtr src_device, Context src_context,   \
           std::size_t byte_count, Stream stream))                                                 \
  T(cuMemcpy3DPeer, cuMemcpy3DPeer_ptds, Result(const Memcpy3d* copy))                             \
  T(cuMemcpy3DPeerAsync, cuMemcpy3DPeerAsync_ptsz, Result(const Memcpy3d* copy, Stream stream))    \
  T(cuMemsetD8Async, cuMemsetD8Async_ptsz,                                                         \
    Result(DevicePtr dst_device, unsigned char uc, std::size_t n, Stream stream))                  \
  T(cuMemsetD16Async, cuMemsetD16Async_ptsz,                                                       \
    Result(DevicePtr dst_device, unsigned short us, std::size_t n, Stream stream))                 \
  T(cuMemsetD32Async, cuMemsetD32Async_ptsz,                                                       \
    Result(DevicePtr dst_device, unsigned ui, std::size_t n, Stream stream))                       \
  T(cuMemsetD2D8Async, cuMemsetD2D8Async_ptsz,                                                     \
    Result(DevicePtr dst_device, std::size_t dst_pitch, unsigned char uc, std::size_t width,       \
           std::size_t height, Stream stream))                                                     \
  T(cuMemsetD2D16Async, cuMemsetD2D16Async_ptsz,                                                   \
    Result(DevicePtr dst_device, std::size_t dst_pitch, unsigned short us, std::size_t width,      \
           std::size_t height, Stream stream))                                                     \
  T(cuMemsetD2D32Async, cuMemsetD2D32Async_ptsz,                                                   \
    Result(DevicePtr dst_device, std::size_t dst_pitch, unsigned ui, std::size_t width,            \
           std::size_t height, Stream stream))                                                     \
  T(cuMemPrefetchAsync, cuMemPrefetchAsync_ptsz,                                                   \
    Result(DevicePtr dev_ptr, std::size_t count, Device dst_device, Stream stream))                \
  T(cuMemPrefetchAsync_v2, cuMemPrefetchAsync_v2_ptsz,                                             \
    Result(DevicePtr dev_ptr, std::size_t count, Location location, unsigned flags,                \
           Stream stream))                                                                         \
  T(cuMemFreeAsync, cuMemFreeAsync_ptsz, Result(DevicePtr dptr, Stream stream))                    \
  T(cuMemAllocAsync, cuMemAllocAsync_ptsz,                                                         \
    Result(DevicePtr* dptr, std::size_t bytesize, Stream stream))                                  \
  T(cuMemAllocFromPoolAsync, cuMemAllocFromPoolAsync_ptsz,                                         \
    Result(DevicePtr* dptr, std::size_t bytesize, MemoryPool pool, Stream stream))                 \
  X(cuMemGetDefaultMemPool, Result(MemoryPool* pool, Location* location, AllocationType type))     \
  X(cuMemGetMemPool, Result(MemoryPool* pool, Location* location, AllocationType type))            \
  X(cuMemSetMemPool, Result(Location* location, AllocationType type, MemoryPool pool))
