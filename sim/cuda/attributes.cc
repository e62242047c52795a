#include "sim/cuda/attributes.h"

#include <algorithm>
#include <iterator>

#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {
namespace {

// The first number that is no attribute any more: CU_DEVICE_ATTRIBUTE_MAX of each version.
int FirstUnknown() {
  if (kLibraryVersion >= 13050) return 162;
  if (kLibraryVersion >= 12040) return 135;
  return 135;
}

struct Fixed {
  int attribute;
  int value;
};

// Alike on every GPU since Volta.
constexpr Fixed kFixed[] = {
    {kAttributeMaxThreadsPerBlock, 1024},
    {kAttributeMaxBlockDimX, 1024},
    {kAttributeMaxBlockDimY, 1024},
    {kAttributeMaxBlockDimZ, 64},
    {kAttributeMaxGridDimX, 2147483647},
    {kAttributeMaxGridDimY, 65535},
    {kAttributeMaxGridDimZ, 65535},
    {kAttributeMaxSharedMemoryPerBlock, 49152},
    {kAttributeTotalConstantMemory, 65536},
    {kAttributeWarpSize, 32},
    {kAttributeMaxPitch, 2147483647},
    {kAttributeMaxRegistersPerBlock, 65536},
    {kAttributeTextureAlignment, 512},
    {kAttributeGpuOverlap, 1},
    {kAttributeCanMapHostMemory, 1},
    {kAttributeMaxTexture1dWidth, 131072},
    {kAttributeMaxTexture2dWidth, 131072},
    {kAttributeMaxTexture2dHeight, 65536},
    {kAttributeMaxTexture3dWidth, 16384},
    {kAttributeMaxTexture3dHeight, 16384},
    {kAttributeMaxTexture3dDepth, 16384},
    {kAttributeMaxTexture2dLayeredWidth, 32768},
    {kAttributeMaxTexture2dLayeredHeight, 32768},
    {kAttributeMaxTexture2dLayeredLayers, 2048},
    {kAttributeSurfaceAlignment, 512},
    {kAttributeConcurrentKernels, 1},
    {kAttributeUnifiedAddressing, 1},
    {kAttributeMaxTexture1dLayeredWidth, 32768},
    {kAttributeMaxTexture1dLayeredLayers, 2048},
    {kAttributeCanTex2dGather, 1},
    {kAttributeMaxTexture2dGatherWidth, 32768},
    {kAttributeMaxTexture2dGatherHeight, 32768},
    {kAttributeMaxTexture3dWidthAlternate, 8192},
    {kAttributeMaxTexture3dHeightAlternate, 8192},
    {kAttributeMaxTexture3dDepthAlternate, 32768},
    {kAttributeTexturePitchAlignment, 32},
    {kAttributeMaxTextureCubemapWidth, 32768},
    {53 /* layered cubemaps: width */, 32768},
    {54 /* layered cubemaps: layers */, 2046},
    {kAttributeMaxSurface1dWidth, 32768},
    {kAttributeMaxSurface2dWidth, 131072},
    {kAttributeMaxSurface2dHeight, 65536},
    {kAttributeMaxSurface3dWidth, 16384},
    {kAttributeMaxSurface3dHeight, 16384},
    {kAttributeMaxSurface3dDepth, 16384},
    {kAttributeMaxSurface1dLayeredWidth, 32768},
    {kAttributeMaxSurface1dLayeredLayers, 2048},
    {kAttributeMaxSurface2dLayeredWidth, 32768},
    {kAttributeMaxSurface2dLayeredHeight, 32768},
    {kAttributeMaxSurface2dLayeredLayers, 2048},
    {kAttributeMaxSurfaceCubemapWidth, 32768},
    {kAttributeMaxSurfaceCubemapLayeredWidth, 32768},
    {kAttributeMaxSurfaceCubemapLayeredLayers, 2046},
    {kAttributeMaxTexture1dLinearWidth, 268435456},
    {kAttributeMaxTexture2dLinearWidth, 131072},
    {kAttributeMaxTexture2dLinearHeight, 65000},
    {kAttributeMaxTexture2dLinearPitch, 2097120},
    {kAttributeMaxTexture2dMipmappedWidth, 32768},
    {kAttributeMaxTexture2dMipmappedHeight, 32768},
    {kAttributeMaxTexture1dMipmappedWidth, 32768},
    {kAttributeStreamPrioritiesSupported, 1},
    {kAttributeGlobalL1CacheSupported, 1},
    {kAttributeLocalL1CacheSupported, 1},
    {kAttributeMaxRegistersPerMultiprocessor, 65536},
    {kAttributeManagedMemory, 1},
    {kAttributeConcurrentManagedAccess, 1},
    {kAttributeComputePreemptionSupported, 1},
    {kAttributeCanUseHostPointerForRegisteredMem, 1},
    {kAttributeCanUse64BitStreamMemOpsV1, 1},
    {kAttributeCanUseStreamWaitValueNorV1, 1},
    {kAttributeCooperativeLaunch, 1},
    {kAttributeCooperativeMultiDeviceLaunch, 1},
    {kAttributeHostRegisterSupported, 1},
    {kAttributeVirtualAddressManagementSupported, 1},
    {kAttributeHandleTypePosixFileDescriptorSupported, 1},
    {kAttributeMaxAccessPolicyWindowSize, 134213632},
    {kAttributeSparseCudaArraySupported, 1},
    {kAttributeReadOnlyHostRegisterSupported, 1},
    {kAttributeTimelineSemaphoreInteropSupported, 1},
    {kAttributeMemoryPoolsSupported, 1},
    {kAttributeMempoolSupportedHandleTypes, kHandlePosixFileDescriptor},
    {kAttributeDeferredMappingCudaArraySupported, 1},
    {kAttributeCanUse64BitStreamMemOps, 1},
    {kAttributeCanUseStreamWaitValueNor, 1},
    {kAttributeIpcEventSupported, 1},
    {kAttributeMemSyncDomainCount, 1},
    {kAttributeNumaId, -1},
    // What the simulation does not have: GPUDirect, DMA buffers, multicast, fabric handles, access
    // to pageable memory, clusters of blocks without a launch attribute.
};

// Differs between compute capabilities.
struct Generation {
  int capability;  // 10 * major + minor
  int shared_per_multiprocessor;
  int shared_per_block_optin;
  int threads_per_multiprocessor;
  int blocks_per_multiprocessor;
  int double_ratio;  // throughput of single to double precision
  int copy_engines;
  int l2_bytes;
  int reserved_shared;
};
constexpr Generation kGenerations[] = {
    {70, 98304, 98304, 2048, 32, 2, 7, 6291456, 0},
    {75, 65536, 65536, 1024, 16, 32, 3, 4194304, 0},
    {80, 167936, 166912, 2048, 32, 2, 3, 41943040, 1024},
    {86, 102400, 101376, 1536, 16, 32, 2, 6291456, 1024},
    {89, 102400, 101376, 1536, 24, 64, 2, 50331648, 1024},
    {90, 233472, 232448, 2048, 32, 2, 3, 52428800, 1024},
    {100, 233472, 232448, 2048, 32, 2, 4, 132644864, 1024},
};

const Generation& GenerationOf(const GpuState& gpu) {
  const int capability = 10 * gpu.compute_major + gpu.compute_minor;
  const Generation* found = std::begin(kGenerations);
  for (const Generation& generation : kGenerations) {
    if (generation.capability <= capability) found = &generation;
  }
  return *found;
}

bool OfGeneration(const GpuState& gpu, int attribute, int* value) {
  const Generation& generation = GenerationOf(gpu);
  switch (attribute) {
    case kAttributeMaxSharedMemoryPerMultiprocessor:
      return *value = generation.shared_per_multiprocessor, true;
    case kAttributeMaxSharedMemoryPerBlockOptin:
      return *value = generation.shared_per_block_optin, true;
    case kAttributeMaxThreadsPerMultiprocessor:
      return *value = generation.threads_per_multiprocessor, true;
    case kAttributeMaxBlocksPerMultiprocessor:
      return *value = generation.blocks_per_multiprocessor, true;
    case kAttributeSingleToDoublePrecisionPerfRatio:
      return *value = generation.double_ratio, true;
    case kAttributeAsyncEngineCount:
      return *value = generation.copy_engines, true;
    case kAttributeL2CacheSize:
      return *value = generation.l2_bytes, true;
    case kAttributeReservedSharedMemoryPerBlock:
      return *value = generation.reserved_shared, true;
    case kAttributeMaxPersistingL2CacheSize:
      return *value = gpu.compute_major >= 8 ? generation.l2_bytes * 3 / 4 : 0, true;
    case kAttributeGenericCompressionSupported:
      return *value = gpu.compute_major >= 8 ? 1 : 0, true;
    case kAttributeClusterLaunch:
    case kAttributeTensorMapAccessSupported:
    case kAttributeUnifiedFunctionPointers:
      return *value = gpu.compute_major >= 9 ? 1 : 0, true;
    default:
      return false;
  }
}

bool OfThisGpu(const DeviceObject& device, int attribute, int* value) {
  const GpuState& gpu = device.gpu;
  switch (attribute) {
    case kAttributeClockRate:
      return *value = static_cast<int>(gpu.max_clock_mhz[1]) * 1000, true;
    case kAttributeMemoryClockRate:
      return *value = static_cast<int>(gpu.max_clock_mhz[2]) * 1000, true;
    case kAttributeMultiprocessorCount:
      return *value = static_cast<int>(device.multiprocessors), true;
    case kAttributeEccEnabled:
      return *value = static_cast<int>(gpu.ecc), true;
    case kAttributePciBusId:
      return *value = static_cast<int>(gpu.pci_bus), true;
    case kAttributePciDeviceId:
      return *value = static_cast<int>(gpu.pci_device), true;
    case kAttributePciDomainId:
      return *value = static_cast<int>(gpu.pci_domain), true;
    case kAttributeGlobalMemoryBusWidth:
      return *value = static_cast<int>(gpu.memory_bus_width), true;
    case kAttributeComputeCapabilityMajor:
      return *value = gpu.compute_major, true;
    case kAttributeComputeCapabilityMinor:
      return *value = gpu.compute_minor, true;
    case kAttributeHostNumaId:
      return *value = gpu.numa_node, true;
    case kAttributeGpuPciDeviceId:
      return *value = static_cast<int>(gpu.pci_device_id), true;
    case kAttributeGpuPciSubsystemId:
      return *value = static_cast<int>(gpu.pci_subsystem_id), true;
    default:
      return false;
  }
}

}  // namespace

bool AttributeOf(const DeviceObject& device, DeviceAttribute attribute, int* value) {
  const int number = attribute;
  if (number < 1 || number >= FirstUnknown()) return false;
  if (OfThisGpu(device, number, value) || OfGeneration(device.gpu, number, value)) return true;
  const auto* const found =
      std::find_if(std::begin(kFixed), std::end(kFixed),
                   [&](const Fixed& fixed) { return fixed.attribute == number; });
  *value = found == std::end(kFixed) ? 0 : found->value;
  return true;
}

}  // namespace tranche::sim::cuda
