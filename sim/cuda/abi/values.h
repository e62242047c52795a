// The numbers of CUresult and CUdevice_attribute, each once: our name, NVIDIA's name and the value.
// The simulated libcuda.so.1 answers with them, cuGetErrorName reads the names from here, and
// tests/cuda/cuda_abi_values.cc compares every row with the real cuda.h.
//
// Threading: macros only.
// Errors: none.
#pragma once

// X(our name, NVIDIA's name, value). Those of CUDA 12.4, then those dated later.
#define TRANCHE_CUDA_RESULTS(X) TRANCHE_CUDA_RESULTS_12_4(X) TRANCHE_CUDA_RESULTS_13_5(X)
#define TRANCHE_CUDA_RESULTS_12_4(X)                                               \
  X(kSuccess, CUDA_SUCCESS, 0)                                                     \
  X(kInvalidValue, CUDA_ERROR_INVALID_VALUE, 1)                                    \
  X(kOutOfMemory, CUDA_ERROR_OUT_OF_MEMORY, 2)                                     \
  X(kNotInitialized, CUDA_ERROR_NOT_INITIALIZED, 3)                                \
  X(kDeinitialized, CUDA_ERROR_DEINITIALIZED, 4)                                   \
  X(kProfilerDisabled, CUDA_ERROR_PROFILER_DISABLED, 5)                            \
  X(kProfilerNotInitialized, CUDA_ERROR_PROFILER_NOT_INITIALIZED, 6)               \
  X(kProfilerAlreadyStarted, CUDA_ERROR_PROFILER_ALREADY_STARTED, 7)               \
  X(kProfilerAlreadyStopped, CUDA_ERROR_PROFILER_ALREADY_STOPPED, 8)               \
  X(kStubLibrary, CUDA_ERROR_STUB_LIBRARY, 34)                                     \
  X(kDeviceUnavailable, CUDA_ERROR_DEVICE_UNAVAILABLE, 46)                         \
  X(kNoDevice, CUDA_ERROR_NO_DEVICE, 100)                                          \
  X(kInvalidDevice, CUDA_ERROR_INVALID_DEVICE, 101)                                \
  X(kDeviceNotLicensed, CUDA_ERROR_DEVICE_NOT_LICENSED, 102)                       \
  X(kInvalidImage, CUDA_ERROR_INVALID_IMAGE, 200)                                  \
  X(kInvalidContext, CUDA_ERROR_INVALID_CONTEXT, 201)                              \
  X(kContextAlreadyCurrent, CUDA_ERROR_CONTEXT_ALREADY_CURRENT, 202)               \
  X(kMapFailed, CUDA_ERROR_MAP_FAILED, 205)                                        \
  X(kUnmapFailed, CUDA_ERROR_UNMAP_FAILED, 206)                                    \
  X(kArrayIsMapped, CUDA_ERROR_ARRAY_IS_MAPPED, 207)                               \
  X(kAlreadyMapped, CUDA_ERROR_ALREADY_MAPPED, 208)                                \
  X(kNoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU, 209)                            \
  X(kAlreadyAcquired, CUDA_ERROR_ALREADY_ACQUIRED, 210)                            \
  X(kNotMapped, CUDA_ERROR_NOT_MAPPED, 211)                                        \
  X(kNotMappedAsArray, CUDA_ERROR_NOT_MAPPED_AS_ARRAY, 212)                        \
  X(kNotMappedAsPointer, CUDA_ERROR_NOT_MAPPED_AS_POINTER, 213)                    \
  X(kEccUncorrectable, CUDA_ERROR_ECC_UNCORRECTABLE, 214)                          \
  X(kUnsupportedLimit, CUDA_ERROR_UNSUPPORTED_LIMIT, 215)                          \
  X(kContextAlreadyInUse, CUDA_ERROR_CONTEXT_ALREADY_IN_USE, 216)                  \
  X(kPeerAccessUnsupported, CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, 217)               \
  X(kInvalidPtx, CUDA_ERROR_INVALID_PTX, 218)                                      \
  X(kInvalidGraphicsContext, CUDA_ERROR_INVALID_GRAPHICS_CONTEXT, 219)             \
  X(kNvlinkUncorrectable, CUDA_ERROR_NVLINK_UNCORRECTABLE, 220)                    \
  X(kJitCompilerNotFound, CUDA_ERROR_JIT_COMPILER_NOT_FOUND, 221)                  \
  X(kUnsupportedPtxVersion, CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222)               \
  X(kJitCompilationDisabled, CUDA_ERROR_JIT_COMPILATION_DISABLED, 223)             \
  X(kUnsupportedExecAffinity, CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY, 224)           \
  X(kUnsupportedDevsideSync, CUDA_ERROR_UNSUPPORTED_DEVSIDE_SYNC, 225)             \
  X(kInvalidSource, CUDA_ERROR_INVALID_SOURCE, 300)                                \
  X(kFileNotFound, CUDA_ERROR_FILE_NOT_FOUND, 301)                                 \
  X(kSharedObjectSymbolNotFound, CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND, 302)   \
  X(kSharedObjectInitFailed, CUDA_ERROR_SHARED_OBJECT_INIT_FAILED, 303)            \
  X(kOperatingSystem, CUDA_ERROR_OPERATING_SYSTEM, 304)                            \
  X(kInvalidHandle, CUDA_ERROR_INVALID_HANDLE, 400)                                \
  X(kIllegalState, CUDA_ERROR_ILLEGAL_STATE, 401)                                  \
  X(kLossyQuery, CUDA_ERROR_LOSSY_QUERY, 402)                                      \
  X(kNotFound, CUDA_ERROR_NOT_FOUND, 500)                                          \
  X(kNotReady, CUDA_ERROR_NOT_READY, 600)                                          \
  X(kIllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS, 700)                              \
  X(kLaunchOutOfResources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701)                \
  X(kLaunchTimeout, CUDA_ERROR_LAUNCH_TIMEOUT, 702)                                \
  X(kLaunchIncompatibleTexturing, CUDA_ERROR_LAUNCH_INCOMPATIBLE_TEXTURING, 703)   \
  X(kPeerAccessAlreadyEnabled, CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, 704)        \
  X(kPeerAccessNotEnabled, CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, 705)                \
  X(kPrimaryContextActive, CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, 708)                 \
  X(kContextIsDestroyed, CUDA_ERROR_CONTEXT_IS_DESTROYED, 709)                     \
  X(kAssert, CUDA_ERROR_ASSERT, 710)                                               \
  X(kTooManyPeers, CUDA_ERROR_TOO_MANY_PEERS, 711)                                 \
  X(kHostMemoryAlreadyRegistered, CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, 712)  \
  X(kHostMemoryNotRegistered, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, 713)          \
  X(kHardwareStackError, CUDA_ERROR_HARDWARE_STACK_ERROR, 714)                     \
  X(kIllegalInstruction, CUDA_ERROR_ILLEGAL_INSTRUCTION, 715)                      \
  X(kMisalignedAddress, CUDA_ERROR_MISALIGNED_ADDRESS, 716)                        \
  X(kInvalidAddressSpace, CUDA_ERROR_INVALID_ADDRESS_SPACE, 717)                   \
  X(kInvalidPc, CUDA_ERROR_INVALID_PC, 718)                                        \
  X(kLaunchFailed, CUDA_ERROR_LAUNCH_FAILED, 719)                                  \
  X(kCooperativeLaunchTooLarge, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, 720)      \
  X(kNotPermitted, CUDA_ERROR_NOT_PERMITTED, 800)                                  \
  X(kNotSupported, CUDA_ERROR_NOT_SUPPORTED, 801)                                  \
  X(kSystemNotReady, CUDA_ERROR_SYSTEM_NOT_READY, 802)                             \
  X(kSystemDriverMismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, 803)                 \
  X(kCompatNotSupportedOnDevice, CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, 804)   \
  X(kMpsConnectionFailed, CUDA_ERROR_MPS_CONNECTION_FAILED, 805)                   \
  X(kMpsRpcFailure, CUDA_ERROR_MPS_RPC_FAILURE, 806)                               \
  X(kMpsServerNotReady, CUDA_ERROR_MPS_SERVER_NOT_READY, 807)                      \
  X(kMpsMaxClientsReached, CUDA_ERROR_MPS_MAX_CLIENTS_REACHED, 808)                \
  X(kMpsMaxConnectionsReached, CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED, 809)        \
  X(kMpsClientTerminated, CUDA_ERROR_MPS_CLIENT_TERMINATED, 810)                   \
  X(kCdpNotSupported, CUDA_ERROR_CDP_NOT_SUPPORTED, 811)                           \
  X(kCdpVersionMismatch, CUDA_ERROR_CDP_VERSION_MISMATCH, 812)                     \
  X(kStreamCaptureUnsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900)         \
  X(kStreamCaptureInvalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901)         \
  X(kStreamCaptureMerge, CUDA_ERROR_STREAM_CAPTURE_MERGE, 902)                     \
  X(kStreamCaptureUnmatched, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, 903)             \
  X(kStreamCaptureUnjoined, CUDA_ERROR_STREAM_CAPTURE_UNJOINED, 904)               \
  X(kStreamCaptureIsolation, CUDA_ERROR_STREAM_CAPTURE_ISOLATION, 905)             \
  X(kStreamCaptureImplicit, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, 906)               \
  X(kCapturedEvent, CUDA_ERROR_CAPTURED_EVENT, 907)                                \
  X(kStreamCaptureWrongThread, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, 908)        \
  X(kTimeout, CUDA_ERROR_TIMEOUT, 909)                                             \
  X(kGraphExecUpdateFailure, CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, 910)            \
  X(kExternalDevice, CUDA_ERROR_EXTERNAL_DEVICE, 911)                              \
  X(kInvalidClusterSize, CUDA_ERROR_INVALID_CLUSTER_SIZE, 912)                     \
  X(kFunctionNotLoaded, CUDA_ERROR_FUNCTION_NOT_LOADED, 913)                       \
  X(kInvalidResourceType, CUDA_ERROR_INVALID_RESOURCE_TYPE, 914)                   \
  X(kInvalidResourceConfiguration, CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION, 915) \
  X(kUnknown, CUDA_ERROR_UNKNOWN, 999)
#define TRANCHE_CUDA_RESULTS_13_5(X)                                         \
  X(kCallRequiresNewerDriver, CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER, 36)     \
  X(kMulticastResourceFull, CUDA_ERROR_MULTICAST_RESOURCE_FULL, 47)          \
  X(kContained, CUDA_ERROR_CONTAINED, 226)                                   \
  X(kInsufficientLoaderVersion, CUDA_ERROR_INSUFFICIENT_LOADER_VERSION, 227) \
  X(kTensorMemoryLeak, CUDA_ERROR_TENSOR_MEMORY_LEAK, 721)                   \
  X(kKeyRotation, CUDA_ERROR_KEY_ROTATION, 916)                              \
  X(kStreamDetached, CUDA_ERROR_STREAM_DETACHED, 917)                        \
  X(kGraphRecaptureFailure, CUDA_ERROR_GRAPH_RECAPTURE_FAILURE, 918)         \
  X(kFabricNotReady, CUDA_ERROR_FABRIC_NOT_READY, 919)

// Where NVIDIA has two names for a number, the first.
#define TRANCHE_CUDA_DEVICE_ATTRIBUTES(X) \
  TRANCHE_CUDA_DEVICE_ATTRIBUTES_12_4(X) TRANCHE_CUDA_DEVICE_ATTRIBUTES_13_5(X)
#define TRANCHE_CUDA_DEVICE_ATTRIBUTES_12_4(X)                                                     \
  X(kAttributeMaxThreadsPerBlock, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1)                    \
  X(kAttributeMaxBlockDimX, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, 2)                                \
  X(kAttributeMaxBlockDimY, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, 3)                                \
  X(kAttributeMaxBlockDimZ, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 4)                                \
  X(kAttributeMaxGridDimX, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 5)                                  \
  X(kAttributeMaxGridDimY, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 6)                                  \
  X(kAttributeMaxGridDimZ, CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, 7)                                  \
  X(kAttributeMaxSharedMemoryPerBlock, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 8)         \
  X(kAttributeTotalConstantMemory, CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY, 9)                   \
  X(kAttributeWarpSize, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 10)                                         \
  X(kAttributeMaxPitch, CU_DEVICE_ATTRIBUTE_MAX_PITCH, 11)                                         \
  X(kAttributeMaxRegistersPerBlock, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, 12)               \
  X(kAttributeClockRate, CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 13)                                       \
  X(kAttributeTextureAlignment, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT, 14)                         \
  X(kAttributeGpuOverlap, CU_DEVICE_ATTRIBUTE_GPU_OVERLAP, 15)                                     \
  X(kAttributeMultiprocessorCount, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)                   \
  X(kAttributeKernelExecTimeout, CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT, 17)                      \
  X(kAttributeIntegrated, CU_DEVICE_ATTRIBUTE_INTEGRATED, 18)                                      \
  X(kAttributeCanMapHostMemory, CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, 19)                       \
  X(kAttributeComputeMode, CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, 20)                                   \
  X(kAttributeMaxTexture1dWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH, 21)                  \
  X(kAttributeMaxTexture2dWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_WIDTH, 22)                  \
  X(kAttributeMaxTexture2dHeight, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_HEIGHT, 23)                \
  X(kAttributeMaxTexture3dWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_WIDTH, 24)                  \
  X(kAttributeMaxTexture3dHeight, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_HEIGHT, 25)                \
  X(kAttributeMaxTexture3dDepth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH, 26)                  \
  X(kAttributeMaxTexture2dLayeredWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_WIDTH, 27)   \
  X(kAttributeMaxTexture2dLayeredHeight, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_HEIGHT, 28) \
  X(kAttributeMaxTexture2dLayeredLayers, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_LAYERS, 29) \
  X(kAttributeSurfaceAlignment, CU_DEVICE_ATTRIBUTE_SURFACE_ALIGNMENT, 30)                         \
  X(kAttributeConcurrentKernels, CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS, 31)                       \
  X(kAttributeEccEnabled, CU_DEVICE_ATTRIBUTE_ECC_ENABLED, 32)                                     \
  X(kAttributePciBusId, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, 33)                                        \
  X(kAttributePciDeviceId, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, 34)                                  \
  X(kAttributeTccDriver, CU_DEVICE_ATTRIBUTE_TCC_DRIVER, 35)                                       \
  X(kAttributeMemoryClockRate, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 36)                          \
  X(kAttributeGlobalMemoryBusWidth, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 37)               \
  X(kAttributeL2CacheSize, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 38)                                  \
  X(kAttributeMaxThreadsPerMultiprocessor, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 39) \
  X(kAttributeAsyncEngineCount, CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT, 40)                        \
  X(kAttributeUnifiedAddressing, CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 41)                       \
  X(kAttributeMaxTexture1dLayeredWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_WIDTH, 42)   \
  X(kAttributeMaxTexture1dLayeredLayers, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_LAYERS, 43) \
  X(kAttributeCanTex2dGather, CU_DEVICE_ATTRIBUTE_CAN_TEX2D_GATHER, 44)                            \
  X(kAttributeMaxTexture2dGatherWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_GATHER_WIDTH, 45)     \
  X(kAttributeMaxTexture2dGatherHeight, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_GATHER_HEIGHT, 46)   \
  X(kAttributeMaxTexture3dWidthAlternate, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_WIDTH_ALTERNATE,   \
    47)                                                                                            \
  X(kAttributeMaxTexture3dHeightAlternate, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_HEIGHT_ALTERNATE, \
    48)                                                                                            \
  X(kAttributeMaxTexture3dDepthAlternate, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH_ALTERNATE,   \
    49)                                                                                            \
  X(kAttributePciDomainId, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, 50)                                  \
  X(kAttributeTexturePitchAlignment, CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT, 51)              \
  X(kAttributeMaxTextureCubemapWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_WIDTH, 52)        \
  X(kAttributeMaxTextureCubemapLayeredWidth,                                                       \
    CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_LAYERED_WIDTH, 53)                                  \
  X(kAttributeMaxTextureCubemapLayeredLayers,                                                      \
    CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_LAYERED_LAYERS, 54)                                 \
  X(kAttributeMaxSurface1dWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE1D_WIDTH, 55)                  \
  X(kAttributeMaxSurface2dWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_WIDTH, 56)                  \
  X(kAttributeMaxSurface2dHeight, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_HEIGHT, 57)                \
  X(kAttributeMaxSurface3dWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE3D_WIDTH, 58)                  \
  X(kAttributeMaxSurface3dHeight, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE3D_HEIGHT, 59)                \
  X(kAttributeMaxSurface3dDepth, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE3D_DEPTH, 60)                  \
  X(kAttributeMaxSurface1dLayeredWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE1D_LAYERED_WIDTH, 61)   \
  X(kAttributeMaxSurface1dLayeredLayers, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE1D_LAYERED_LAYERS, 62) \
  X(kAttributeMaxSurface2dLayeredWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_LAYERED_WIDTH, 63)   \
  X(kAttributeMaxSurface2dLayeredHeight, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_LAYERED_HEIGHT, 64) \
  X(kAttributeMaxSurface2dLayeredLayers, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE2D_LAYERED_LAYERS, 65) \
  X(kAttributeMaxSurfaceCubemapWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACECUBEMAP_WIDTH, 66)        \
  X(kAttributeMaxSurfaceCubemapLayeredWidth,                                                       \
    CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACECUBEMAP_LAYERED_WIDTH, 67)                                  \
  X(kAttributeMaxSurfaceCubemapLayeredLayers,                                                      \
    CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACECUBEMAP_LAYERED_LAYERS, 68)                                 \
  X(kAttributeMaxTexture1dLinearWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH, 69)     \
  X(kAttributeMaxTexture2dLinearWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_WIDTH, 70)     \
  X(kAttributeMaxTexture2dLinearHeight, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_HEIGHT, 71)   \
  X(kAttributeMaxTexture2dLinearPitch, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_PITCH, 72)     \
  X(kAttributeMaxTexture2dMipmappedWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_MIPMAPPED_WIDTH,   \
    73)                                                                                            \
  X(kAttributeMaxTexture2dMipmappedHeight, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_MIPMAPPED_HEIGHT, \
    74)                                                                                            \
  X(kAttributeComputeCapabilityMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)            \
  X(kAttributeComputeCapabilityMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)            \
  X(kAttributeMaxTexture1dMipmappedWidth, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_MIPMAPPED_WIDTH,   \
    77)                                                                                            \
  X(kAttributeStreamPrioritiesSupported, CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED, 78)      \
  X(kAttributeGlobalL1CacheSupported, CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED, 79)           \
  X(kAttributeLocalL1CacheSupported, CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED, 80)             \
  X(kAttributeMaxSharedMemoryPerMultiprocessor,                                                    \
    CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 81)                                  \
  X(kAttributeMaxRegistersPerMultiprocessor, CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, \
    82)                                                                                            \
  X(kAttributeManagedMemory, CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 83)                               \
  X(kAttributeMultiGpuBoard, CU_DEVICE_ATTRIBUTE_MULTI_GPU_BOARD, 84)                              \
  X(kAttributeMultiGpuBoardGroupId, CU_DEVICE_ATTRIBUTE_MULTI_GPU_BOARD_GROUP_ID, 85)              \
  X(kAttributeHostNativeAtomicSupported, CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED, 86)     \
  X(kAttributeSingleToDoublePrecisionPerfRatio,                                                    \
    CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO, 87)                                 \
  X(kAttributePageableMemoryAccess, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS, 88)                \
  X(kAttributeConcurrentManagedAccess, CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS, 89)          \
  X(kAttributeComputePreemptionSupported, CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED, 90)    \
  X(kAttributeCanUseHostPointerForRegisteredMem,                                                   \
    CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM, 91)                               \
  X(kAttributeCanUseStreamMemOpsV1, CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_MEM_OPS_V1, 92)             \
  X(kAttributeCanUse64BitStreamMemOpsV1, CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS_V1, 93) \
  X(kAttributeCanUseStreamWaitValueNorV1, CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_WAIT_VALUE_NOR_V1,    \
    94)                                                                                            \
  X(kAttributeCooperativeLaunch, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 95)                       \
  X(kAttributeCooperativeMultiDeviceLaunch, CU_DEVICE_ATTRIBUTE_COOPERATIVE_MULTI_DEVICE_LAUNCH,   \
    96)                                                                                            \
  X(kAttributeMaxSharedMemoryPerBlockOptin, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, \
    97)                                                                                            \
  X(kAttributeCanFlushRemoteWrites, CU_DEVICE_ATTRIBUTE_CAN_FLUSH_REMOTE_WRITES, 98)               \
  X(kAttributeHostRegisterSupported, CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED, 99)              \
  X(kAttributePageableMemoryAccessUsesHostPageTables,                                              \
    CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES, 100)                         \
  X(kAttributeDirectManagedMemAccessFromHost,                                                      \
    CU_DEVICE_ATTRIBUTE_DIRECT_MANAGED_MEM_ACCESS_FROM_HOST, 101)                                  \
  X(kAttributeVirtualAddressManagementSupported,                                                   \
    CU_DEVICE_ATTRIBUTE_VIRTUAL_ADDRESS_MANAGEMENT_SUPPORTED, 102)                                 \
  X(kAttributeHandleTypePosixFileDescriptorSupported,                                              \
    CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED, 103)                          \
  X(kAttributeHandleTypeWin32HandleSupported,                                                      \
    CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_WIN32_HANDLE_SUPPORTED, 104)                                   \
  X(kAttributeHandleTypeWin32KmtHandleSupported,                                                   \
    CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_WIN32_KMT_HANDLE_SUPPORTED, 105)                               \
  X(kAttributeMaxBlocksPerMultiprocessor, CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, 106)  \
  X(kAttributeGenericCompressionSupported, CU_DEVICE_ATTRIBUTE_GENERIC_COMPRESSION_SUPPORTED, 107) \
  X(kAttributeMaxPersistingL2CacheSize, CU_DEVICE_ATTRIBUTE_MAX_PERSISTING_L2_CACHE_SIZE, 108)     \
  X(kAttributeMaxAccessPolicyWindowSize, CU_DEVICE_ATTRIBUTE_MAX_ACCESS_POLICY_WINDOW_SIZE, 109)   \
  X(kAttributeGpuDirectRdmaWithCudaVmmSupported,                                                   \
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED, 110)                              \
  X(kAttributeReservedSharedMemoryPerBlock, CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK,  \
    111)                                                                                           \
  X(kAttributeSparseCudaArraySupported, CU_DEVICE_ATTRIBUTE_SPARSE_CUDA_ARRAY_SUPPORTED, 112)      \
  X(kAttributeReadOnlyHostRegisterSupported,                                                       \
    CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED, 113)                                    \
  X(kAttributeTimelineSemaphoreInteropSupported,                                                   \
    CU_DEVICE_ATTRIBUTE_TIMELINE_SEMAPHORE_INTEROP_SUPPORTED, 114)                                 \
  X(kAttributeMemoryPoolsSupported, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 115)               \
  X(kAttributeGpuDirectRdmaSupported, CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_SUPPORTED, 116)          \
  X(kAttributeGpuDirectRdmaFlushWritesOptions,                                                     \
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS, 117)                                 \
  X(kAttributeGpuDirectRdmaWritesOrdering, CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING,    \
    118)                                                                                           \
  X(kAttributeMempoolSupportedHandleTypes, CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES,     \
    119)                                                                                           \
  X(kAttributeClusterLaunch, CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH, 120)                              \
  X(kAttributeDeferredMappingCudaArraySupported,                                                   \
    CU_DEVICE_ATTRIBUTE_DEFERRED_MAPPING_CUDA_ARRAY_SUPPORTED, 121)                                \
  X(kAttributeCanUse64BitStreamMemOps, CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS, 122)     \
  X(kAttributeCanUseStreamWaitValueNor, CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_WAIT_VALUE_NOR, 123)    \
  X(kAttributeDmaBufSupported, CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED, 124)                         \
  X(kAttributeIpcEventSupported, CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED, 125)                     \
  X(kAttributeMemSyncDomainCount, CU_DEVICE_ATTRIBUTE_MEM_SYNC_DOMAIN_COUNT, 126)                  \
  X(kAttributeTensorMapAccessSupported, CU_DEVICE_ATTRIBUTE_TENSOR_MAP_ACCESS_SUPPORTED, 127)      \
  X(kAttributeHandleTypeFabricSupported, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED, 128)    \
  X(kAttributeUnifiedFunctionPointers, CU_DEVICE_ATTRIBUTE_UNIFIED_FUNCTION_POINTERS, 129)         \
  X(kAttributeNumaConfig, CU_DEVICE_ATTRIBUTE_NUMA_CONFIG, 130)                                    \
  X(kAttributeNumaId, CU_DEVICE_ATTRIBUTE_NUMA_ID, 131)                                            \
  X(kAttributeMulticastSupported, CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED, 132)                    \
  X(kAttributeMpsEnabled, CU_DEVICE_ATTRIBUTE_MPS_ENABLED, 133)                                    \
  X(kAttributeHostNumaId, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, 134)
#define TRANCHE_CUDA_DEVICE_ATTRIBUTES_13_5(X)                                                    \
  X(kAttributeD3d12CigSupported, CU_DEVICE_ATTRIBUTE_D3D12_CIG_SUPPORTED, 135)                    \
  X(kAttributeMemDecompressAlgorithmMask, CU_DEVICE_ATTRIBUTE_MEM_DECOMPRESS_ALGORITHM_MASK, 136) \
  X(kAttributeMemDecompressMaximumLength, CU_DEVICE_ATTRIBUTE_MEM_DECOMPRESS_MAXIMUM_LENGTH, 137) \
  X(kAttributeVulkanCigSupported, CU_DEVICE_ATTRIBUTE_VULKAN_CIG_SUPPORTED, 138)                  \
  X(kAttributeGpuPciDeviceId, CU_DEVICE_ATTRIBUTE_GPU_PCI_DEVICE_ID, 139)                         \
  X(kAttributeGpuPciSubsystemId, CU_DEVICE_ATTRIBUTE_GPU_PCI_SUBSYSTEM_ID, 140)                   \
  X(kAttributeHostNumaVirtualMemoryManagementSupported,                                           \
    CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 141)                       \
  X(kAttributeHostNumaMemoryPoolsSupported, CU_DEVICE_ATTRIBUTE_HOST_NUMA_MEMORY_POOLS_SUPPORTED, \
    142)                                                                                          \
  X(kAttributeHostNumaMultinodeIpcSupported,                                                      \
    CU_DEVICE_ATTRIBUTE_HOST_NUMA_MULTINODE_IPC_SUPPORTED, 143)                                   \
  X(kAttributeHostMemoryPoolsSupported, CU_DEVICE_ATTRIBUTE_HOST_MEMORY_POOLS_SUPPORTED, 144)     \
  X(kAttributeHostVirtualMemoryManagementSupported,                                               \
    CU_DEVICE_ATTRIBUTE_HOST_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 145)                            \
  X(kAttributeHostAllocDmaBufSupported, CU_DEVICE_ATTRIBUTE_HOST_ALLOC_DMA_BUF_SUPPORTED, 146)    \
  X(kAttributeOnlyPartialHostNativeAtomicSupported,                                               \
    CU_DEVICE_ATTRIBUTE_ONLY_PARTIAL_HOST_NATIVE_ATOMIC_SUPPORTED, 147)                           \
  X(kAttributeAtomicReductionSupported, CU_DEVICE_ATTRIBUTE_ATOMIC_REDUCTION_SUPPORTED, 148)      \
  X(kAttributeLocalityDomainCount, CU_DEVICE_ATTRIBUTE_LOCALITY_DOMAIN_COUNT, 149)                \
  X(kAttributeMaxOversizedSharedMemoryPerBlock,                                                   \
    CU_DEVICE_ATTRIBUTE_MAX_OVERSIZED_SHARED_MEMORY_PER_BLOCK, 150)                               \
  X(kAttributeD3d12CigStreamsSupported, CU_DEVICE_ATTRIBUTE_D3D12_CIG_STREAMS_SUPPORTED, 151)     \
  X(kAttributeDmaBufMmapSupported, CU_DEVICE_ATTRIBUTE_DMA_BUF_MMAP_SUPPORTED, 152)               \
  X(kAttributeLogicalEndpointUnicastSupported,                                                    \
    CU_DEVICE_ATTRIBUTE_LOGICAL_ENDPOINT_UNICAST_SUPPORTED, 153)                                  \
  X(kAttributeLogicalEndpointMulticastSupported,                                                  \
    CU_DEVICE_ATTRIBUTE_LOGICAL_ENDPOINT_MULTICAST_SUPPORTED, 154)                                \
  X(kAttributeLogicalEndpointCountedOpsSupported,                                                 \
    CU_DEVICE_ATTRIBUTE_LOGICAL_ENDPOINT_COUNTED_OPS_SUPPORTED, 155)                              \
  X(kAttributeLogicalEndpointUnicastAccessOnOwnerDeviceSupported,                                 \
    CU_DEVICE_ATTRIBUTE_LOGICAL_ENDPOINT_UNICAST_ACCESS_ON_OWNER_DEVICE_SUPPORTED, 156)           \
  X(kAttributeLocalityDomainMultiprocessorCount,                                                  \
    CU_DEVICE_ATTRIBUTE_LOCALITY_DOMAIN_MULTIPROCESSOR_COUNT, 157)                                \
  X(kAttributeLogicalEndpointSupportedHandleTypes,                                                \
    CU_DEVICE_ATTRIBUTE_LOGICAL_ENDPOINT_SUPPORTED_HANDLE_TYPES, 158)                             \
  X(kAttributeVulkanCigStreamsSupported, CU_DEVICE_ATTRIBUTE_VULKAN_CIG_STREAMS_SUPPORTED, 159)   \
  X(kAttributeTensorMapLargeTensorMinSize, CU_DEVICE_ATTRIBUTE_TENSOR_MAP_LARGE_TENSOR_MIN_SIZE,  \
    160)                                                                                          \
  X(kAttributeGpuDirectRdmaWithLocalizedMemorySupported,                                          \
    CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_LOCALIZED_MEMORY_SUPPORTED, 161)
