// The handles, results and small enumerations of the binary interface of libcuda.so.1. A part of
// sim/cuda/abi.h, which is the header to include.
//
// Threading: plain data.
// Errors: none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sim/cuda/abi/values.h"

namespace tranche::sim::cuda {

// CUresult
enum Result : int {
#define TRANCHE_CUDA_ENUMERATOR(ours, theirs, value) ours = (value),
  TRANCHE_CUDA_RESULTS(TRANCHE_CUDA_ENUMERATOR)
};
// CUdevice_attribute
enum DeviceAttribute : int {
  TRANCHE_CUDA_DEVICE_ATTRIBUTES(TRANCHE_CUDA_ENUMERATOR)
#undef TRANCHE_CUDA_ENUMERATOR
};

using Device = int;
using DevicePtr = unsigned long long;         // NOLINT(google-runtime-int): the interface's own
using AllocationHandle = unsigned long long;  // NOLINT(google-runtime-int)
using TexObject = unsigned long long;         // NOLINT(google-runtime-int)
using SurfObject = unsigned long long;        // NOLINT(google-runtime-int)
using ConditionalHandle = std::uint64_t;

// Handles: opaque, compared by value.
using Context = struct ContextOpaque*;
using Module = struct ModuleOpaque*;
using Function = struct FunctionOpaque*;
using Library = struct LibraryOpaque*;
using Kernel = struct KernelOpaque*;
using Array = struct ArrayOpaque*;
using MipmappedArray = struct MipmappedArrayOpaque*;
using Stream = struct StreamOpaque*;
using Event = struct EventOpaque*;
using Graph = struct GraphOpaque*;
using GraphNode = struct GraphNodeOpaque*;
using GraphExec = struct GraphExecOpaque*;
using GraphDeviceNode = struct GraphDeviceNodeOpaque*;
using UserObject = struct UserObjectOpaque*;
using MemoryPool = struct MemoryPoolOpaque*;
using ExternalMemory = struct ExternalMemoryOpaque*;
using ExternalSemaphore = struct ExternalSemaphoreOpaque*;
using GreenContext = struct GreenContextOpaque*;
using LinkState = struct LinkStateOpaque*;
using TexRef = struct TexRefOpaque*;
using SurfRef = struct SurfRefOpaque*;

using HostFunction = void (*)(void* data);
using StreamCallback = void (*)(Stream stream, Result status, void* data);
using BlockSizeToShared = std::size_t (*)(int block_size);

struct Uuid {
  unsigned char bytes[16];
};

// Streams that are no objects: CU_STREAM_LEGACY, CU_STREAM_PER_THREAD. They are numbers in place of
// a handle.
inline constexpr std::uintptr_t kStreamLegacy = 1;
inline constexpr std::uintptr_t kStreamPerThread = 2;
// Devices that are no GPU: CU_DEVICE_CPU, CU_DEVICE_INVALID.
inline constexpr Device kDeviceCpu = -1;
inline constexpr Device kDeviceInvalid = -2;

enum ContextFlag : unsigned {  // CUctx_flags
  kContextSchedAuto = 0,
  kContextSchedSpin = 1,
  kContextSchedYield = 2,
  kContextSchedBlockingSync = 4,
  kContextSchedMask = 7,
  kContextMapHost = 8,
  kContextLmemResizeToMax = 0x10,
  kContextCoredumpEnable = 0x20,
  kContextUserCoredumpEnable = 0x40,
  kContextSyncMemops = 0x80,
  kContextFlagsMask = 0xFF,
};
enum StreamFlag : unsigned {  // CUstream_flags
  kStreamDefault = 0,
  kStreamNonBlocking = 1,
};
enum EventFlag : unsigned {  // CUevent_flags
  kEventDefault = 0,
  kEventBlockingSync = 1,
  kEventDisableTiming = 2,
  kEventInterprocess = 4,
};
inline constexpr unsigned kEventRecordExternal = 1;  // CU_EVENT_RECORD_EXTERNAL
inline constexpr unsigned kEventWaitExternal = 1;    // CU_EVENT_WAIT_EXTERNAL

enum Limit : int {  // CUlimit
  kLimitStackSize = 0,
  kLimitPrintfFifoSize = 1,
  kLimitMallocHeapSize = 2,
  kLimitDevRuntimeSyncDepth = 3,
  kLimitDevRuntimePendingLaunchCount = 4,
  kLimitMaxL2FetchGranularity = 5,
  kLimitPersistingL2CacheSize = 6,
};
enum CacheConfig : int {  // CUfunc_cache
  kCachePreferNone = 0,
  kCachePreferShared = 1,
  kCachePreferL1 = 2,
  kCachePreferEqual = 3,
};
enum SharedConfig : int {  // CUsharedconfig
  kSharedDefaultBankSize = 0,
  kSharedFourByteBankSize = 1,
  kSharedEightByteBankSize = 2,
};
enum ComputeMode : int {  // CUcomputemode
  kComputeDefault = 0,
  kComputeProhibited = 2,
  kComputeExclusiveProcess = 3,
};
enum P2pAttribute : int {  // CUdevice_P2PAttribute
  kP2pPerformanceRank = 1,
  kP2pAccessSupported = 2,
  kP2pNativeAtomicSupported = 3,
  kP2pArrayAccessSupported = 4,
};

enum FunctionAttribute : int {  // CUfunction_attribute
  kFunctionMaxThreadsPerBlock = 0,
  kFunctionSharedSizeBytes = 1,
  kFunctionConstSizeBytes = 2,
  kFunctionLocalSizeBytes = 3,
  kFunctionNumRegs = 4,
  kFunctionPtxVersion = 5,
  kFunctionBinaryVersion = 6,
  kFunctionCacheModeCa = 7,
  kFunctionMaxDynamicSharedSizeBytes = 8,
  kFunctionPreferredSharedMemoryCarveout = 9,
  kFunctionClusterSizeMustBeSet = 10,
  kFunctionRequiredClusterWidth = 11,
  kFunctionRequiredClusterHeight = 12,
  kFunctionRequiredClusterDepth = 13,
  kFunctionNonPortableClusterSizeAllowed = 14,
  kFunctionClusterSchedulingPolicyPreference = 15,
};
enum JitOption : int {  // CUjit_option
  kJitMaxRegisters = 0,
  kJitThreadsPerBlock = 1,
  kJitWallTime = 2,
  kJitInfoLogBuffer = 3,
  kJitInfoLogBufferSizeBytes = 4,
  kJitErrorLogBuffer = 5,
  kJitErrorLogBufferSizeBytes = 6,
  kJitOptimizationLevel = 7,
  kJitTargetFromContext = 8,
  kJitTarget = 9,
  kJitFallbackStrategy = 10,
  kJitGenerateDebugInfo = 11,
  kJitLogVerbose = 12,
  kJitGenerateLineInfo = 13,
  kJitCacheMode = 14,
};
enum JitInput : int {  // CUjitInputType
  kJitInputCubin = 0,
  kJitInputPtx = 1,
  kJitInputFatbinary = 2,
  kJitInputObject = 3,
  kJitInputLibrary = 4,
  kJitInputNvvm = 5,
};
enum LibraryOption : int {  // CUlibraryOption
  kLibraryHostTables = 0,
  kLibraryBinaryIsPreserved = 1,
};
enum LoadingMode : int {  // CUmoduleLoadingMode
  kLoadingEager = 1,
  kLoadingLazy = 2,
};

// cuGetProcAddress: CUdriverProcAddress_flags and CUdriverProcAddressQueryResult.
enum ProcAddressFlag : unsigned {
  kProcAddressDefault = 0,
  kProcAddressLegacyStream = 1,
  kProcAddressPerThreadDefaultStream = 2,
};
enum ProcAddressStatus : int {
  kProcAddressFound = 0,
  kProcAddressNotFound = 1,
  kProcAddressVersionNotSufficient = 2,
};

enum AffinityType : int { kAffinitySmCount = 0 };  // CUexecAffinityType
struct AffinityParam {                             // CUexecAffinityParam
  AffinityType type;
  unsigned sm_count;
};
struct CigParam {  // CUctxCigParam
  int type;
  void* data;
};
struct ContextCreateParams {  // CUctxCreateParams, of cuCtxCreate_v4
  AffinityParam* affinity;
  int affinity_count;
  CigParam* cig;
};
struct DeviceProperties {  // CUdevprop
  int max_threads_per_block;
  int max_threads_dim[3];
  int max_grid_size[3];
  int shared_memory_per_block;
  int total_constant_memory;
  int warp_size;
  int pitch;
  int registers_per_block;
  int clock_rate;
  int texture_align;
};

}  // namespace tranche::sim::cuda
