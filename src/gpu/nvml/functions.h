// The list of the functions of libnvidia-ml.so.1 that we call or that the simulated library
// answers, each once and with its type. Loaders, the simulated library and the test against the
// real nvml.h are all made from it. Types are in gpu/nvml/abi.h; expand the list inside namespace
// tranche::gpu::nvml or after a using-directive for it.
//
//     #define MEMBER(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
//     struct Table { TRANCHE_NVML_FUNCTIONS(MEMBER) };
//
// Threading: macros only. The library itself is thread-safe.
// Errors: a driver may lack any of the functions. Look each up by dlsym and treat an absent one as
// kFunctionNotFound.
#pragma once

#include "gpu/nvml/abi.h"

// X(name, type). The unversioned names are those of the oldest interface, kept by every driver.
#define TRANCHE_NVML_FUNCTIONS(X)   \
  TRANCHE_NVML_SYSTEM_FUNCTIONS(X)  \
  TRANCHE_NVML_DEVICE_FUNCTIONS(X)  \
  TRANCHE_NVML_READING_FUNCTIONS(X) \
  TRANCHE_NVML_PROCESS_FUNCTIONS(X) \
  TRANCHE_NVML_LINK_FUNCTIONS(X)    \
  TRANCHE_NVML_MIG_FUNCTIONS(X)     \
  TRANCHE_NVML_EVENT_FUNCTIONS(X)

#define TRANCHE_NVML_SYSTEM_FUNCTIONS(X)                                \
  X(nvmlInit, Return())                                                 \
  X(nvmlInit_v2, Return())                                              \
  X(nvmlInitWithFlags, Return(unsigned flags))                          \
  X(nvmlShutdown, Return())                                             \
  X(nvmlErrorString, const char*(Return result))                        \
  X(nvmlSystemGetDriverVersion, Return(char* version, unsigned length)) \
  X(nvmlSystemGetNVMLVersion, Return(char* version, unsigned length))   \
  X(nvmlSystemGetCudaDriverVersion, Return(int* version))               \
  X(nvmlSystemGetCudaDriverVersion_v2, Return(int* version))            \
  X(nvmlSystemGetProcessName, Return(unsigned pid, char* name, unsigned length))

#define TRANCHE_NVML_DEVICE_FUNCTIONS(X)                                                         \
  X(nvmlDeviceGetCount, Return(unsigned* count))                                                 \
  X(nvmlDeviceGetCount_v2, Return(unsigned* count))                                              \
  X(nvmlDeviceGetHandleByIndex, Return(unsigned index, Device* device))                          \
  X(nvmlDeviceGetHandleByIndex_v2, Return(unsigned index, Device* device))                       \
  X(nvmlDeviceGetHandleBySerial, Return(const char* serial, Device* device))                     \
  X(nvmlDeviceGetHandleByUUID, Return(const char* uuid, Device* device))                         \
  X(nvmlDeviceGetHandleByPciBusId, Return(const char* bus_id, Device* device))                   \
  X(nvmlDeviceGetHandleByPciBusId_v2, Return(const char* bus_id, Device* device))                \
  X(nvmlDeviceGetName, Return(Device device, char* name, unsigned length))                       \
  X(nvmlDeviceGetUUID, Return(Device device, char* uuid, unsigned length))                       \
  X(nvmlDeviceGetIndex, Return(Device device, unsigned* index))                                  \
  X(nvmlDeviceGetMinorNumber, Return(Device device, unsigned* minor))                            \
  X(nvmlDeviceGetSerial, Return(Device device, char* serial, unsigned length))                   \
  X(nvmlDeviceGetBoardPartNumber, Return(Device device, char* number, unsigned length))          \
  X(nvmlDeviceGetVbiosVersion, Return(Device device, char* version, unsigned length))            \
  X(nvmlDeviceGetBrand, Return(Device device, Brand* brand))                                     \
  X(nvmlDeviceGetArchitecture, Return(Device device, unsigned* architecture))                    \
  X(nvmlDeviceGetBoardId, Return(Device device, unsigned* id))                                   \
  X(nvmlDeviceGetMultiGpuBoard, Return(Device device, unsigned* multi_gpu))                      \
  X(nvmlDeviceGetModuleId, Return(Device device, unsigned* id))                                  \
  X(nvmlDeviceGetPciInfo, Return(Device device, PciInfo* pci))                                   \
  X(nvmlDeviceGetPciInfo_v2, Return(Device device, PciInfo* pci))                                \
  X(nvmlDeviceGetPciInfo_v3, Return(Device device, PciInfo* pci))                                \
  X(nvmlDeviceGetPciInfoExt, Return(Device device, PciInfoExt* pci))                             \
  X(nvmlDeviceGetCudaComputeCapability, Return(Device device, int* major, int* minor))           \
  X(nvmlDeviceGetNumGpuCores, Return(Device device, unsigned* cores))                            \
  X(nvmlDeviceGetMemoryBusWidth, Return(Device device, unsigned* bits))                          \
  X(nvmlDeviceGetMemoryInfo, Return(Device device, Memory* memory))                              \
  X(nvmlDeviceGetMemoryInfo_v2, Return(Device device, MemoryV2* memory))                         \
  X(nvmlDeviceGetBAR1MemoryInfo, Return(Device device, Bar1Memory* memory))                      \
  X(nvmlDeviceGetNumaNodeId, Return(Device device, unsigned* node))                              \
  X(nvmlDeviceGetCpuAffinity, Return(Device device, unsigned words, unsigned long* set))         \
  X(nvmlDeviceGetCpuAffinityWithinScope,                                                         \
    Return(Device device, unsigned words, unsigned long* set, AffinityScope scope))              \
  X(nvmlDeviceGetMemoryAffinity,                                                                 \
    Return(Device device, unsigned words, unsigned long* set, AffinityScope scope))              \
  X(nvmlDeviceGetVirtualizationMode, Return(Device device, VirtualizationMode* mode))            \
  X(nvmlDeviceGetDriverModel, Return(Device device, DriverModel* current, DriverModel* pending)) \
  X(nvmlDeviceGetDriverModel_v2, Return(Device device, DriverModel* current, DriverModel* pending))

#define TRANCHE_NVML_READING_FUNCTIONS(X)                                                          \
  X(nvmlDeviceGetUtilizationRates, Return(Device device, Utilization* utilization))                \
  X(nvmlDeviceGetEncoderUtilization, Return(Device device, unsigned* percent, unsigned* period))   \
  X(nvmlDeviceGetDecoderUtilization, Return(Device device, unsigned* percent, unsigned* period))   \
  X(nvmlDeviceGetJpgUtilization, Return(Device device, unsigned* percent, unsigned* period))       \
  X(nvmlDeviceGetOfaUtilization, Return(Device device, unsigned* percent, unsigned* period))       \
  X(nvmlDeviceGetTemperature, Return(Device device, TemperatureSensor sensor, unsigned* celsius))  \
  X(nvmlDeviceGetTemperatureV, Return(Device device, Temperature* temperature))                    \
  X(nvmlDeviceGetTemperatureThreshold,                                                             \
    Return(Device device, TemperatureThreshold threshold, unsigned* celsius))                      \
  X(nvmlDeviceGetFanSpeed, Return(Device device, unsigned* percent))                               \
  X(nvmlDeviceGetFanSpeed_v2, Return(Device device, unsigned fan, unsigned* percent))              \
  X(nvmlDeviceGetNumFans, Return(Device device, unsigned* count))                                  \
  X(nvmlDeviceGetPowerUsage, Return(Device device, unsigned* milliwatts))                          \
  X(nvmlDeviceGetEnforcedPowerLimit, Return(Device device, unsigned* milliwatts))                  \
  X(nvmlDeviceGetPowerManagementMode, Return(Device device, EnableState* mode))                    \
  X(nvmlDeviceGetPowerManagementLimit, Return(Device device, unsigned* milliwatts))                \
  X(nvmlDeviceGetPowerManagementDefaultLimit, Return(Device device, unsigned* milliwatts))         \
  X(nvmlDeviceGetPowerManagementLimitConstraints,                                                  \
    Return(Device device, unsigned* least, unsigned* most))                                        \
  X(nvmlDeviceGetTotalEnergyConsumption, Return(Device device, unsigned long long* millijoules))   \
  X(nvmlDeviceGetClock, Return(Device device, ClockType type, ClockId id, unsigned* mhz))          \
  X(nvmlDeviceGetClockInfo, Return(Device device, ClockType type, unsigned* mhz))                  \
  X(nvmlDeviceGetMaxClockInfo, Return(Device device, ClockType type, unsigned* mhz))               \
  X(nvmlDeviceGetApplicationsClock, Return(Device device, ClockType type, unsigned* mhz))          \
  X(nvmlDeviceGetDefaultApplicationsClock, Return(Device device, ClockType type, unsigned* mhz))   \
  X(nvmlDeviceGetPerformanceState, Return(Device device, PState* state))                           \
  X(nvmlDeviceGetPowerState, Return(Device device, PState* state))                                 \
  X(nvmlDeviceGetCurrentClocksThrottleReasons, Return(Device device, unsigned long long* reasons)) \
  X(nvmlDeviceGetCurrentClocksEventReasons, Return(Device device, unsigned long long* reasons))    \
  X(nvmlDeviceGetSupportedClocksThrottleReasons,                                                   \
    Return(Device device, unsigned long long* reasons))                                            \
  X(nvmlDeviceGetSupportedClocksEventReasons, Return(Device device, unsigned long long* reasons))  \
  X(nvmlDeviceGetPcieThroughput, Return(Device device, PcieCounter counter, unsigned* kib))        \
  X(nvmlDeviceGetPcieReplayCounter, Return(Device device, unsigned* count))                        \
  X(nvmlDeviceGetCurrPcieLinkGeneration, Return(Device device, unsigned* generation))              \
  X(nvmlDeviceGetMaxPcieLinkGeneration, Return(Device device, unsigned* generation))               \
  X(nvmlDeviceGetGpuMaxPcieLinkGeneration, Return(Device device, unsigned* generation))            \
  X(nvmlDeviceGetCurrPcieLinkWidth, Return(Device device, unsigned* width))                        \
  X(nvmlDeviceGetMaxPcieLinkWidth, Return(Device device, unsigned* width))                         \
  X(nvmlDeviceGetPersistenceMode, Return(Device device, EnableState* mode))                        \
  X(nvmlDeviceGetDisplayMode, Return(Device device, EnableState* mode))                            \
  X(nvmlDeviceGetDisplayActive, Return(Device device, EnableState* mode))                          \
  X(nvmlDeviceGetComputeMode, Return(Device device, ComputeMode* mode))                            \
  X(nvmlDeviceGetEccMode, Return(Device device, EnableState* current, EnableState* pending))       \
  X(nvmlDeviceClearEccErrorCounts, Return(Device device, EccCounterType counter))                  \
  X(nvmlDeviceGetDetailedEccErrors,                                                                \
    Return(Device device, EccErrorType type, EccCounterType counter, EccErrorCounts* counts))      \
  X(nvmlDeviceGetMemoryErrorCounter,                                                               \
    Return(Device device, EccErrorType type, EccCounterType counter, MemoryLocation location,      \
           unsigned long long* count))                                                             \
  X(nvmlDeviceGetTotalEccErrors,                                                                   \
    Return(Device device, EccErrorType type, EccCounterType counter, unsigned long long* count))   \
  X(nvmlDeviceGetRetiredPagesPendingStatus, Return(Device device, EnableState* pending))           \
  X(nvmlDeviceGetRemappedRows,                                                                     \
    Return(Device device, unsigned* correctable, unsigned* uncorrectable, unsigned* pending,       \
           unsigned* failed))                                                                      \
  X(nvmlDeviceGetFieldValues, Return(Device device, int count, FieldValue* values))                \
  X(nvmlDeviceGetSamples, Return(Device device, SamplingType type, unsigned long long last_seen,   \
                                 ValueType* value_type, unsigned* count, Sample* samples))

#define TRANCHE_NVML_PROCESS_FUNCTIONS(X)                                                         \
  X(nvmlDeviceGetComputeRunningProcesses,                                                         \
    Return(Device device, unsigned* count, ProcessInfoV1* infos))                                 \
  X(nvmlDeviceGetComputeRunningProcesses_v2,                                                      \
    Return(Device device, unsigned* count, ProcessInfo* infos))                                   \
  X(nvmlDeviceGetComputeRunningProcesses_v3,                                                      \
    Return(Device device, unsigned* count, ProcessInfo* infos))                                   \
  X(nvmlDeviceGetGraphicsRunningProcesses,                                                        \
    Return(Device device, unsigned* count, ProcessInfoV1* infos))                                 \
  X(nvmlDeviceGetGraphicsRunningProcesses_v2,                                                     \
    Return(Device device, unsigned* count, ProcessInfo* infos))                                   \
  X(nvmlDeviceGetGraphicsRunningProcesses_v3,                                                     \
    Return(Device device, unsigned* count, ProcessInfo* infos))                                   \
  X(nvmlDeviceGetMPSComputeRunningProcesses,                                                      \
    Return(Device device, unsigned* count, ProcessInfoV1* infos))                                 \
  X(nvmlDeviceGetMPSComputeRunningProcesses_v2,                                                   \
    Return(Device device, unsigned* count, ProcessInfo* infos))                                   \
  X(nvmlDeviceGetMPSComputeRunningProcesses_v3,                                                   \
    Return(Device device, unsigned* count, ProcessInfo* infos))                                   \
  X(nvmlDeviceGetRunningProcessDetailList, Return(Device device, ProcessDetailList* list))        \
  X(nvmlDeviceGetProcessUtilization, Return(Device device, ProcessUtilizationSample* samples,     \
                                            unsigned* count, unsigned long long last_seen))       \
  X(nvmlDeviceGetProcessesUtilizationInfo, Return(Device device, ProcessesUtilizationInfo* info)) \
  X(nvmlDeviceGetAccountingMode, Return(Device device, EnableState* mode))                        \
  X(nvmlDeviceSetAccountingMode, Return(Device device, EnableState mode))                         \
  X(nvmlDeviceGetAccountingBufferSize, Return(Device device, unsigned* size))                     \
  X(nvmlDeviceGetAccountingPids, Return(Device device, unsigned* count, unsigned* pids))          \
  X(nvmlDeviceGetAccountingStats, Return(Device device, unsigned pid, AccountingStats* stats))    \
  X(nvmlDeviceClearAccountingPids, Return(Device device))

#define TRANCHE_NVML_LINK_FUNCTIONS(X)                                                         \
  X(nvmlDeviceGetTopologyCommonAncestor, Return(Device a, Device b, TopologyLevel* level))     \
  X(nvmlDeviceGetTopologyNearestGpus,                                                          \
    Return(Device device, TopologyLevel level, unsigned* count, Device* devices))              \
  X(nvmlDeviceOnSameBoard, Return(Device a, Device b, int* same))                              \
  X(nvmlDeviceGetP2PStatus, Return(Device a, Device b, P2pCapsIndex index, P2pStatus* status)) \
  X(nvmlDeviceGetNvLinkState, Return(Device device, unsigned link, EnableState* active))       \
  X(nvmlDeviceGetNvLinkVersion, Return(Device device, unsigned link, unsigned* version))       \
  X(nvmlDeviceGetNvLinkRemotePciInfo, Return(Device device, unsigned link, PciInfo* pci))      \
  X(nvmlDeviceGetNvLinkRemotePciInfo_v2, Return(Device device, unsigned link, PciInfo* pci))   \
  X(nvmlDeviceGetNvLinkRemoteDeviceType,                                                       \
    Return(Device device, unsigned link, NvLinkDeviceType* type))                              \
  X(nvmlDeviceGetGpuFabricInfo, Return(Device device, FabricInfo* info))                       \
  X(nvmlDeviceGetGpuFabricInfoV, Return(Device device, FabricInfoV3* info))

#define TRANCHE_NVML_MIG_FUNCTIONS(X)                                                        \
  X(nvmlDeviceGetMigMode, Return(Device device, unsigned* current, unsigned* pending))       \
  X(nvmlDeviceGetMaxMigDeviceCount, Return(Device device, unsigned* count))                  \
  X(nvmlDeviceGetMigDeviceHandleByIndex, Return(Device device, unsigned index, Device* mig)) \
  X(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, Return(Device mig, Device* device))        \
  X(nvmlDeviceIsMigDeviceHandle, Return(Device device, unsigned* is_mig))                    \
  X(nvmlDeviceGetGpuInstanceId, Return(Device mig, unsigned* id))                            \
  X(nvmlDeviceGetComputeInstanceId, Return(Device mig, unsigned* id))                        \
  X(nvmlDeviceGetAttributes, Return(Device mig, DeviceAttributes* attributes))               \
  X(nvmlDeviceGetAttributes_v2, Return(Device mig, DeviceAttributes* attributes))            \
  X(nvmlDeviceGetGpuInstanceProfileInfo,                                                     \
    Return(Device device, unsigned profile, GpuInstanceProfileInfo* info))                   \
  X(nvmlDeviceGetGpuInstanceProfileInfoV,                                                    \
    Return(Device device, unsigned profile, GpuInstanceProfileInfoV2* info))                 \
  X(nvmlDeviceGetGpuInstancePossiblePlacements,                                              \
    Return(Device device, unsigned profile_id, Placement* placements, unsigned* count))      \
  X(nvmlDeviceGetGpuInstancePossiblePlacements_v2,                                           \
    Return(Device device, unsigned profile_id, Placement* placements, unsigned* count))      \
  X(nvmlDeviceGetGpuInstanceRemainingCapacity,                                               \
    Return(Device device, unsigned profile_id, unsigned* count))                             \
  X(nvmlDeviceGetGpuInstances,                                                               \
    Return(Device device, unsigned profile_id, GpuInstance* instances, unsigned* count))     \
  X(nvmlDeviceGetGpuInstanceById, Return(Device device, unsigned id, GpuInstance* instance)) \
  X(nvmlGpuInstanceGetInfo, Return(GpuInstance instance, GpuInstanceInfo* info))             \
  X(nvmlGpuInstanceGetComputeInstanceProfileInfo,                                            \
    Return(GpuInstance instance, unsigned profile, unsigned engine_profile,                  \
           ComputeInstanceProfileInfo* info))                                                \
  X(nvmlGpuInstanceGetComputeInstances, Return(GpuInstance instance, unsigned profile_id,    \
                                               ComputeInstance* instances, unsigned* count)) \
  X(nvmlGpuInstanceGetComputeInstanceById,                                                   \
    Return(GpuInstance instance, unsigned id, ComputeInstance* compute))                     \
  X(nvmlComputeInstanceGetInfo, Return(ComputeInstance compute, ComputeInstanceInfo* info))  \
  X(nvmlComputeInstanceGetInfo_v2, Return(ComputeInstance compute, ComputeInstanceInfo* info))

#define TRANCHE_NVML_EVENT_FUNCTIONS(X)                                                 \
  X(nvmlEventSetCreate, Return(EventSet* set))                                          \
  X(nvmlEventSetFree, Return(EventSet set))                                             \
  X(nvmlEventSetWait, Return(EventSet set, EventData* data, unsigned timeout_ms))       \
  X(nvmlEventSetWait_v2, Return(EventSet set, EventData* data, unsigned timeout_ms))    \
  X(nvmlDeviceGetSupportedEventTypes, Return(Device device, unsigned long long* types)) \
  X(nvmlDeviceRegisterEvents, Return(Device device, unsigned long long types, EventSet set))
