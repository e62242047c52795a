// The structs and enumerations of memory: copies, arrays, virtual memory, pools and what is shared
// between processes. A part of sim/cuda/abi.h, which includes it.
//
// Threading: plain data.
// Errors: none.
#pragma once

#include "sim/cuda/abi/types.h"

namespace tranche::sim::cuda {

enum MemoryType : int {  // CUmemorytype
  kMemoryTypeHost = 1,
  kMemoryTypeDevice = 2,
  kMemoryTypeArray = 3,
  kMemoryTypeUnified = 4,
};
enum PointerAttribute : int {  // CUpointer_attribute
  kPointerContext = 1,
  kPointerMemoryType = 2,
  kPointerDevicePointer = 3,
  kPointerHostPointer = 4,
  kPointerP2pTokens = 5,
  kPointerSyncMemops = 6,
  kPointerBufferId = 7,
  kPointerIsManaged = 8,
  kPointerDeviceOrdinal = 9,
  kPointerIsLegacyIpcCapable = 10,
  kPointerRangeStart = 11,
  kPointerRangeSize = 12,
  kPointerMapped = 13,
  kPointerAllowedHandleTypes = 14,
  kPointerIsGpuDirectRdmaCapable = 15,
  kPointerAccessFlags = 16,
  kPointerMempoolHandle = 17,
  kPointerMappingSize = 18,
  kPointerMappingBase = 19,
  kPointerMemoryBlockId = 20,
};
enum HostFlag : unsigned {  // CU_MEMHOSTALLOC_…, CU_MEMHOSTREGISTER_…
  kHostAllocPortable = 1,
  kHostAllocDeviceMap = 2,
  kHostAllocWriteCombined = 4,
  kHostRegisterPortable = 1,
  kHostRegisterDeviceMap = 2,
  kHostRegisterIoMemory = 4,
  kHostRegisterReadOnly = 8,
};
enum AttachFlag : unsigned {  // CUmemAttach_flags
  kAttachGlobal = 1,
  kAttachHost = 2,
  kAttachSingle = 4,
};
enum MemoryAdvice : int {  // CUmem_advise
  kAdviseSetReadMostly = 1,
  kAdviseUnsetReadMostly = 2,
  kAdviseSetPreferredLocation = 3,
  kAdviseUnsetPreferredLocation = 4,
  kAdviseSetAccessedBy = 5,
  kAdviseUnsetAccessedBy = 6,
};
enum RangeAttribute : int {  // CUmem_range_attribute
  kRangeReadMostly = 1,
  kRangePreferredLocation = 2,
  kRangeAccessedBy = 3,
  kRangeLastPrefetchLocation = 4,
};
enum RangeHandleType : int { kRangeHandleDmaBufFd = 1 };  // CUmemRangeHandleType

struct Memcpy2d {  // CUDA_MEMCPY2D
  std::size_t src_x_bytes;
  std::size_t src_y;
  MemoryType src_type;
  const void* src_host;
  DevicePtr src_device;
  Array src_array;
  std::size_t src_pitch;
  std::size_t dst_x_bytes;
  std::size_t dst_y;
  MemoryType dst_type;
  void* dst_host;
  DevicePtr dst_device;
  Array dst_array;
  std::size_t dst_pitch;
  std::size_t width_bytes;
  std::size_t height;
};
// CUDA_MEMCPY3D; the contexts are those of CUDA_MEMCPY3D_PEER, and reserved in the former.
struct Memcpy3d {
  std::size_t src_x_bytes;
  std::size_t src_y;
  std::size_t src_z;
  std::size_t src_lod;
  MemoryType src_type;
  const void* src_host;
  DevicePtr src_device;
  Array src_array;
  Context src_context;
  std::size_t src_pitch;
  std::size_t src_height;
  std::size_t dst_x_bytes;
  std::size_t dst_y;
  std::size_t dst_z;
  std::size_t dst_lod;
  MemoryType dst_type;
  void* dst_host;
  DevicePtr dst_device;
  Array dst_array;
  Context dst_context;
  std::size_t dst_pitch;
  std::size_t dst_height;
  std::size_t width_bytes;
  std::size_t height;
  std::size_t depth;
};

enum ArrayFormat : int {  // CUarray_format
  kFormatUnsignedInt8 = 0x01,
  kFormatUnsignedInt16 = 0x02,
  kFormatUnsignedInt32 = 0x03,
  kFormatSignedInt8 = 0x08,
  kFormatSignedInt16 = 0x09,
  kFormatSignedInt32 = 0x0A,
  kFormatHalf = 0x10,
  kFormatFloat = 0x20,
};
struct ArrayDescriptor {  // CUDA_ARRAY_DESCRIPTOR
  std::size_t width;
  std::size_t height;
  ArrayFormat format;
  unsigned channels;
};
struct Array3dDescriptor {  // CUDA_ARRAY3D_DESCRIPTOR
  std::size_t width;
  std::size_t height;
  std::size_t depth;
  ArrayFormat format;
  unsigned channels;
  unsigned flags;
};
struct ArrayMemoryRequirements {  // CUDA_ARRAY_MEMORY_REQUIREMENTS
  std::size_t size;
  std::size_t alignment;
  unsigned reserved[4];
};

// ---- virtual memory

enum LocationType : int {  // CUmemLocationType
  kLocationInvalid = 0,
  kLocationDevice = 1,
  kLocationHost = 2,
  kLocationHostNuma = 3,
  kLocationHostNumaCurrent = 4,
};
struct Location {  // CUmemLocation
  LocationType type;
  int id;
};
enum AllocationType : int {  // CUmemAllocationType
  kAllocationInvalid = 0,
  kAllocationPinned = 1,
  kAllocationManaged = 2,
};
enum HandleType : int {  // CUmemAllocationHandleType
  kHandleNone = 0,
  kHandlePosixFileDescriptor = 1,
  kHandleWin32 = 2,
  kHandleWin32Kmt = 4,
  kHandleFabric = 8,
};
struct AllocationProperties {  // CUmemAllocationProp
  AllocationType type;
  HandleType requested_handle_types;
  Location location;
  void* win32_data;
  struct {
    unsigned char compression;
    unsigned char gpu_direct_rdma_capable;
    unsigned short usage;  // NOLINT(google-runtime-int): the interface's own
    unsigned char reserved[4];
  } flags;
};
enum AccessFlag : int {  // CUmemAccess_flags
  kAccessNone = 0,
  kAccessRead = 1,
  kAccessReadWrite = 3,
};
struct AccessDescriptor {  // CUmemAccessDesc
  Location location;
  AccessFlag flags;
};
enum GranularityFlag : int {  // CUmemAllocationGranularity_flags
  kGranularityMinimum = 0,
  kGranularityRecommended = 1,
};

// ---- pools

struct PoolProperties {  // CUmemPoolProps
  AllocationType allocation_type;
  HandleType handle_types;
  Location location;
  void* win32_data;
  std::size_t max_size;
  unsigned char reserved[56];
};
enum PoolAttribute : int {  // CUmemPool_attribute
  kPoolReuseFollowEventDependencies = 1,
  kPoolReuseAllowOpportunistic = 2,
  kPoolReuseAllowInternalDependencies = 3,
  kPoolReleaseThreshold = 4,
  kPoolReservedCurrent = 5,
  kPoolReservedHigh = 6,
  kPoolUsedCurrent = 7,
  kPoolUsedHigh = 8,
};
struct PoolPointerExport {  // CUmemPoolPtrExportData
  unsigned char reserved[64];
};

// ---- between processes

struct IpcMemHandle {  // CUipcMemHandle
  char reserved[64];
};
struct IpcEventHandle {  // CUipcEventHandle
  char reserved[64];
};
inline constexpr unsigned kIpcLazyEnablePeerAccess = 1;  // CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS

enum ExternalMemoryType : int { kExternalMemoryOpaqueFd = 1 };  // CUexternalMemoryHandleType
struct ExternalMemoryDescriptor {                               // CUDA_EXTERNAL_MEMORY_HANDLE_DESC
  ExternalMemoryType type;
  union {
    int fd;
    struct {
      void* handle;
      const void* name;
    } win32;
  } handle;
  unsigned long long size;  // NOLINT(google-runtime-int): the interface's own
  unsigned flags;
  unsigned reserved[16];
};
struct ExternalBufferDescriptor {  // CUDA_EXTERNAL_MEMORY_BUFFER_DESC
  unsigned long long offset;       // NOLINT(google-runtime-int)
  unsigned long long size;         // NOLINT(google-runtime-int)
  unsigned flags;
  unsigned reserved[16];
};

}  // namespace tranche::sim::cuda
