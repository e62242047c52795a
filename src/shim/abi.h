// The part of the binary interface of libcuda.so.1 that the shim's hooks take and give. Values and
// layouts are those of NVIDIA's "CUDA Driver API" reference.
//
// Threading: plain data.
// Errors: Result.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tranche::shim {

// CUresult: those that the shim itself gives or looks at; a driver gives many more.
enum Result : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kInvalidHandle = 400,
  kNotFound = 500,
  kContextIsDestroyed = 709,
};

using Device = int;
using DevicePtr = unsigned long long;  // NOLINT(google-runtime-int): the interface's own
using OldDevicePtr = unsigned;         // of CUDA before 3.2
using Handle = unsigned long long;     // NOLINT(google-runtime-int): of cuMemCreate
using Flags = unsigned long long;      // NOLINT(google-runtime-int)
using Context = struct ContextOpaque*;
using Stream = struct StreamOpaque*;
using Event = struct EventOpaque*;
using Array = struct ArrayOpaque*;
using Mipmap = struct MipmapOpaque*;
using Pool = struct PoolOpaque*;
using Graph = struct GraphOpaque*;
using GraphExec = struct GraphExecOpaque*;
using GraphNode = struct GraphNodeOpaque*;

struct DeviceUuid {  // CUuuid
  unsigned char bytes[16];
};

enum LocationType : int { kLocationDevice = 1 };  // CUmemLocationType
struct Location {                                 // CUmemLocation
  int type;
  int id;
};
struct AllocationProperties {  // CUmemAllocationProp
  int type;
  int handle_types;
  Location location;
  void* win32;
  unsigned char flags[8];
};
struct PoolProperties {  // CUmemPoolProps
  int type;
  int handle_types;
  Location location;
  void* win32;
  std::size_t max_size;
  unsigned char reserved[56];
};
struct MemAllocNode {  // CUDA_MEM_ALLOC_NODE_PARAMS, of both versions
  PoolProperties pool;
  const void* access;
  std::size_t access_count;
  std::size_t bytes;
  DevicePtr pointer;
};
enum NodeType : int { kNodeGraph = 4, kNodeMemAlloc = 10, kNodeMemFree = 11 };  // CUgraphNodeType
struct InstantiateParams {  // CUDA_GRAPH_INSTANTIATE_PARAMS
  std::uint64_t flags;
  Stream upload_stream;
  GraphNode error_node;
  int result;
};
inline constexpr std::uint64_t kInstantiateUpload = 2;  // CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD
inline constexpr int kGraphMemReservedCurrent = 2;      // CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT
struct IpcHandle {                                      // CUipcMemHandle
  unsigned char bytes[64];
};
inline constexpr int kHandlePosixDescriptor = 1;  // CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
inline constexpr int kHandleFabric = 8;           // CU_MEM_HANDLE_TYPE_FABRIC
inline constexpr int kPoolReleaseThreshold = 4;   // CU_MEMPOOL_ATTR_RELEASE_THRESHOLD
inline constexpr int kPoolReservedCurrent = 5;    // CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT
inline constexpr int kCaptureRelaxed = 2;         // CU_STREAM_CAPTURE_MODE_RELAXED
inline constexpr unsigned kEventPlain = 2;        // CU_EVENT_DISABLE_TIMING

struct ArrayShape {  // CUDA_ARRAY_DESCRIPTOR
  std::size_t width;
  std::size_t height;
  int format;
  unsigned channels;
};
struct Array3dShape {  // CUDA_ARRAY3D_DESCRIPTOR
  std::size_t width;
  std::size_t height;
  std::size_t depth;
  int format;
  unsigned channels;
  unsigned flags;
};
struct OldArrayShape {  // CUDA_ARRAY_DESCRIPTOR_v1
  unsigned width;
  unsigned height;
  int format;
  unsigned channels;
};
struct OldArray3dShape {  // CUDA_ARRAY3D_DESCRIPTOR_v1
  unsigned width;
  unsigned height;
  unsigned depth;
  int format;
  unsigned channels;
  unsigned flags;
};
inline constexpr unsigned kArrayLayered = 0x01;          // CUDA_ARRAY3D_LAYERED
inline constexpr unsigned kArrayCubemap = 0x04;          // CUDA_ARRAY3D_CUBEMAP
inline constexpr unsigned kArraySparse = 0x40;           // CUDA_ARRAY3D_SPARSE
inline constexpr unsigned kArrayDeferredMapping = 0x80;  // CUDA_ARRAY3D_DEFERRED_MAPPING
struct ArrayRequirements {                               // CUDA_ARRAY_MEMORY_REQUIREMENTS
  std::size_t size;
  std::size_t alignment;
  unsigned reserved[4];
};

static_assert(sizeof(AllocationProperties) == 32 && sizeof(PoolProperties) == 88);
static_assert(sizeof(ArrayShape) == 24 && sizeof(Array3dShape) == 40);
static_assert(sizeof(ArrayRequirements) == 32 && sizeof(IpcHandle) == 64);
static_assert(sizeof(MemAllocNode) == 120 && sizeof(InstantiateParams) == 32);

}  // namespace tranche::shim
