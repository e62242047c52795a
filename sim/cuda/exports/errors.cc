// cuGetErrorName and cuGetErrorString. They work without cuInit; each driver knows only the results
// of its own version. The texts are those of NVIDIA's 550 driver, which programs show to people;
// for the newer results, which no driver that we could ask has, they are ours.
#include <cstring>

#include "sim/cuda/declarations.h"
#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {
namespace {

struct Text {
  Result result;
  unsigned driver;  // the oldest of CUDA 12.2, 12.4 and 13.5 that has it
  const char* text;
};
constexpr Text kTexts[] = {
    {kSuccess, 12020, "no error"},
    {kInvalidValue, 12020, "invalid argument"},
    {kOutOfMemory, 12020, "out of memory"},
    {kNotInitialized, 12020, "initialization error"},
    {kDeinitialized, 12020, "driver shutting down"},
    {kProfilerDisabled, 12020, "profiler disabled while using external profiling tool"},
    {kProfilerNotInitialized, 12020, "profiler not initialized: call cudaProfilerInitialize()"},
    {kProfilerAlreadyStarted, 12020, "profiler already started"},
    {kProfilerAlreadyStopped, 12020, "profiler already stopped"},
    {kStubLibrary, 12020, "CUDA driver is a stub library"},
    {kCallRequiresNewerDriver, 13050, "the call needs a newer driver"},
    {kDeviceUnavailable, 12020, "CUDA-capable device(s) is/are busy or unavailable"},
    {kMulticastResourceFull, 13050, "the hardware resources for multicast are exhausted"},
    {kNoDevice, 12020, "no CUDA-capable device is detected"},
    {kInvalidDevice, 12020, "invalid device ordinal"},
    {kDeviceNotLicensed, 12020, "device doesn't have valid Grid license"},
    {kInvalidImage, 12020, "device kernel image is invalid"},
    {kInvalidContext, 12020, "invalid device context"},
    {kContextAlreadyCurrent, 12020, "context already current"},
    {kMapFailed, 12020, "mapping of buffer object failed"},
    {kUnmapFailed, 12020, "unmapping of buffer object failed"},
    {kArrayIsMapped, 12020, "array is mapped"},
    {kAlreadyMapped, 12020, "resource already mapped"},
    {kNoBinaryForGpu, 12020, "no kernel image is available for execution on the device"},
    {kAlreadyAcquired, 12020, "resource already acquired"},
    {kNotMapped, 12020, "resource not mapped"},
    {kNotMappedAsArray, 12020, "resource not mapped as array"},
    {kNotMappedAsPointer, 12020, "resource not mapped as pointer"},
    {kEccUncorrectable, 12020, "uncorrectable ECC error encountered"},
    {kUnsupportedLimit, 12020, "limit is not supported on this architecture"},
    {kContextAlreadyInUse, 12020, "exclusive-thread device already in use by a different thread"},
    {kPeerAccessUnsupported, 12020, "peer access is not supported between these two devices"},
    {kInvalidPtx, 12020, "a PTX JIT compilation failed"},
    {kInvalidGraphicsContext, 12020, "invalid OpenGL or DirectX context"},
    {kNvlinkUncorrectable, 12020, "uncorrectable NVLink error detected during the execution"},
    {kJitCompilerNotFound, 12020, "PTX JIT compiler library not found"},
    {kUnsupportedPtxVersion, 12020, "the provided PTX was compiled with an unsupported toolchain."},
    {kJitCompilationDisabled, 12020, "PTX JIT compilation was disabled"},
    {kUnsupportedExecAffinity, 12020, "the provided execution affinity is not supported"},
    {kUnsupportedDevsideSync, 12020,
     "the provided PTX contains unsupported call to cudaDeviceSynchronize"},
    {kContained, 13050, "an error was contained to this process"},
    {kInsufficientLoaderVersion, 13050, "the image needs a newer loader"},
    {kInvalidSource, 12020, "device kernel image is invalid"},
    {kFileNotFound, 12020, "file not found"},
    {kSharedObjectSymbolNotFound, 12020, "shared object symbol not found"},
    {kSharedObjectInitFailed, 12020, "shared object initialization failed"},
    {kOperatingSystem, 12020, "OS call failed or operation not supported on this OS"},
    {kInvalidHandle, 12020, "invalid resource handle"},
    {kIllegalState, 12020, "the operation cannot be performed in the present state"},
    {kLossyQuery, 12040, "attempted introspection would be semantically lossy"},
    {kNotFound, 12020, "named symbol not found"},
    {kNotReady, 12020, "device not ready"},
    {kIllegalAddress, 12020, "an illegal memory access was encountered"},
    {kLaunchOutOfResources, 12020, "too many resources requested for launch"},
    {kLaunchTimeout, 12020, "the launch timed out and was terminated"},
    {kLaunchIncompatibleTexturing, 12020, "launch uses incompatible texturing mode"},
    {kPeerAccessAlreadyEnabled, 12020, "peer access is already enabled"},
    {kPeerAccessNotEnabled, 12020, "peer access has not been enabled"},
    {kPrimaryContextActive, 12020, "cannot set while device is active in this process"},
    {kContextIsDestroyed, 12020, "context is destroyed"},
    {kAssert, 12020, "device-side assert triggered"},
    {kTooManyPeers, 12020, "peer mapping resources exhausted"},
    {kHostMemoryAlreadyRegistered, 12020,
     "part or all of the requested memory range is already mapped"},
    {kHostMemoryNotRegistered, 12020, "pointer does not correspond to a registered memory region"},
    {kHardwareStackError, 12020, "hardware stack error"},
    {kIllegalInstruction, 12020, "an illegal instruction was encountered"},
    {kMisalignedAddress, 12020, "misaligned address"},
    {kInvalidAddressSpace, 12020, "operation not supported on global/shared address space"},
    {kInvalidPc, 12020, "invalid program counter"},
    {kLaunchFailed, 12020, "unspecified launch failure"},
    {kCooperativeLaunchTooLarge, 12020, "too many blocks in cooperative launch"},
    {kTensorMemoryLeak, 13050, "a kernel left tensor memory allocated"},
    {kNotPermitted, 12020, "operation not permitted"},
    {kNotSupported, 12020, "operation not supported"},
    {kSystemNotReady, 12020, "system not yet initialized"},
    {kSystemDriverMismatch, 12020,
     "system has unsupported display driver / cuda driver combination"},
    {kCompatNotSupportedOnDevice, 12020, "forward compatibility was attempted on non supported HW"},
    {kMpsConnectionFailed, 12020,
     "MPS client failed to connect to the MPS control daemon or the MPS server"},
    {kMpsRpcFailure, 12020,
     "the remote procedural call between the MPS server and the MPS client failed"},
    {kMpsServerNotReady, 12020, "MPS server is not ready to accept new MPS client requests"},
    {kMpsMaxClientsReached, 12020,
     "the hardware resources required to create MPS client have been exhausted"},
    {kMpsMaxConnectionsReached, 12020,
     "the hardware resources required to support device connections have been exhausted"},
    {kMpsClientTerminated, 12020, "the MPS client has been terminated by the server"},
    {kCdpNotSupported, 12020,
     "is using CUDA Dynamic Parallelism, but the current configuration, like MPS, does not support "
     "it"},
    {kCdpVersionMismatch, 12020,
     "unsupported interaction between different versions of CUDA Dynamic Parallelism"},
    {kStreamCaptureUnsupported, 12020, "operation not permitted when stream is capturing"},
    {kStreamCaptureInvalidated, 12020, "operation failed due to a previous error during capture"},
    {kStreamCaptureMerge, 12020, "operation would result in a merge of separate capture sequences"},
    {kStreamCaptureUnmatched, 12020, "capture was not ended in the same stream as it began"},
    {kStreamCaptureUnjoined, 12020, "capturing stream has unjoined work"},
    {kStreamCaptureIsolation, 12020, "dependency created on uncaptured work in another stream"},
    {kStreamCaptureImplicit, 12020,
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {kCapturedEvent, 12020,
     "operation not permitted on an event last recorded in a capturing stream"},
    {kStreamCaptureWrongThread, 12020,
     "attempt to terminate a thread-local capture sequence from another thread"},
    {kTimeout, 12020, "wait operation timed out"},
    {kGraphExecUpdateFailure, 12020,
     "the graph update was not performed because it included changes which violated constraints "
     "specific to instantiated graph update"},
    {kExternalDevice, 12020, "an async error has occured in external entity outside of CUDA"},
    {kInvalidClusterSize, 12020,
     "a kernel launch error has occurred due to cluster misconfiguration"},
    {kFunctionNotLoaded, 12040,
     "the function handle is not loaded when calling an API that requires a loaded function"},
    {kInvalidResourceType, 12040,
     "one or more resources passed in are not valid resource types for the operation"},
    {kInvalidResourceConfiguration, 12040,
     "one or more resources are insufficient or non-applicable for the operation"},
    {kKeyRotation, 12040, "an error happened during the key rotation sequence"},
    {kStreamDetached, 13050, "the stream is detached"},
    {kGraphRecaptureFailure, 13050, "the recapture of a graph failed"},
    {kFabricNotReady, 13050, "the GPU fabric is not ready"},
    {kUnknown, 12020, "unknown error"},
};

const char* NameOf(Result result) {
  switch (result) {
#define TRANCHE_CUDA_NAME(ours, theirs, value) \
  case ours:                                   \
    return #theirs;
    TRANCHE_CUDA_RESULTS(TRANCHE_CUDA_NAME)
#undef TRANCHE_CUDA_NAME
  }
  return nullptr;
}

const Text* Find(Result result) {
  for (const Text& row : kTexts) {
    if (row.result == result && row.driver <= kLibraryVersion) return &row;
  }
  return nullptr;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuGetErrorName(Result error, const char** str) {
  if (str == nullptr) return kInvalidValue;
  *str = Find(error) == nullptr ? nullptr : NameOf(error);
  return *str == nullptr ? kInvalidValue : kSuccess;
}

Result cuGetErrorString(Result error, const char** str) {
  if (str == nullptr) return kInvalidValue;
  const Text* const found = Find(error);
  *str = found == nullptr ? nullptr : found->text;
  return found == nullptr ? kInvalidValue : kSuccess;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
