// Our structs and functions of NVML against NVIDIA's own header: it is enough that this compiles.
// Needs the folder of the real nvml.h (wheel nvidia-nvml-dev, tests/requirements.txt) as
// NVML_H_DIR.
#define NVML_NO_UNVERSIONED_FUNC_DEFS  // the old names are declared too, not made macros
#include <nvml.h>

#include "gpu/nvml/abi.h"
#include "gpu/nvml/functions.h"
#include "tests/abi_check.h"

namespace tranche::gpu::nvml {
namespace {

#define CHECK_FUNCTION(name, ...) CHECK_CALL(::name, __VA_ARGS__)
TRANCHE_NVML_FUNCTIONS(CHECK_FUNCTION)

CHECK_SIZE(PciInfoExt, nvmlPciInfoExt_v1_t);
CHECK_FIELD(PciInfoExt, version, nvmlPciInfoExt_v1_t, version);
CHECK_FIELD(PciInfoExt, domain, nvmlPciInfoExt_v1_t, domain);
CHECK_FIELD(PciInfoExt, bus, nvmlPciInfoExt_v1_t, bus);
CHECK_FIELD(PciInfoExt, device, nvmlPciInfoExt_v1_t, device);
CHECK_FIELD(PciInfoExt, pci_device_id, nvmlPciInfoExt_v1_t, pciDeviceId);
CHECK_FIELD(PciInfoExt, pci_subsystem_id, nvmlPciInfoExt_v1_t, pciSubSystemId);
CHECK_FIELD(PciInfoExt, base_class, nvmlPciInfoExt_v1_t, baseClass);
CHECK_FIELD(PciInfoExt, sub_class, nvmlPciInfoExt_v1_t, subClass);
CHECK_FIELD(PciInfoExt, bus_id, nvmlPciInfoExt_v1_t, busId);
CHECK_SIZE(Memory, nvmlMemory_t);
CHECK_FIELD(Memory, total, nvmlMemory_t, total);
CHECK_FIELD(Memory, free, nvmlMemory_t, free);
CHECK_FIELD(Memory, used, nvmlMemory_t, used);
CHECK_SIZE(MemoryV2, nvmlMemory_v2_t);
CHECK_FIELD(MemoryV2, version, nvmlMemory_v2_t, version);
CHECK_FIELD(MemoryV2, total, nvmlMemory_v2_t, total);
CHECK_FIELD(MemoryV2, reserved, nvmlMemory_v2_t, reserved);
CHECK_FIELD(MemoryV2, free, nvmlMemory_v2_t, free);
CHECK_FIELD(MemoryV2, used, nvmlMemory_v2_t, used);
CHECK_SIZE(Bar1Memory, nvmlBAR1Memory_t);
CHECK_FIELD(Bar1Memory, total, nvmlBAR1Memory_t, bar1Total);
CHECK_FIELD(Bar1Memory, free, nvmlBAR1Memory_t, bar1Free);
CHECK_FIELD(Bar1Memory, used, nvmlBAR1Memory_t, bar1Used);
CHECK_SIZE(Utilization, nvmlUtilization_t);
CHECK_FIELD(Utilization, gpu, nvmlUtilization_t, gpu);
CHECK_FIELD(Utilization, memory, nvmlUtilization_t, memory);
CHECK_SIZE(ProcessInfoV1, nvmlProcessInfo_v1_t);
CHECK_FIELD(ProcessInfoV1, pid, nvmlProcessInfo_v1_t, pid);
CHECK_FIELD(ProcessInfoV1, used_gpu_memory, nvmlProcessInfo_v1_t, usedGpuMemory);
CHECK_SIZE(ProcessInfo, nvmlProcessInfo_v2_t);
CHECK_FIELD(ProcessInfo, pid, nvmlProcessInfo_v2_t, pid);
CHECK_FIELD(ProcessInfo, used_gpu_memory, nvmlProcessInfo_v2_t, usedGpuMemory);
CHECK_FIELD(ProcessInfo, gpu_instance_id, nvmlProcessInfo_v2_t, gpuInstanceId);
CHECK_FIELD(ProcessInfo, compute_instance_id, nvmlProcessInfo_v2_t, computeInstanceId);
CHECK_SIZE(ProcessDetail, nvmlProcessDetail_v1_t);
CHECK_FIELD(ProcessDetail, pid, nvmlProcessDetail_v1_t, pid);
CHECK_FIELD(ProcessDetail, used_gpu_memory, nvmlProcessDetail_v1_t, usedGpuMemory);
CHECK_FIELD(ProcessDetail, gpu_instance_id, nvmlProcessDetail_v1_t, gpuInstanceId);
CHECK_FIELD(ProcessDetail, compute_instance_id, nvmlProcessDetail_v1_t, computeInstanceId);
CHECK_FIELD(ProcessDetail, used_gpu_cc_protected_memory, nvmlProcessDetail_v1_t,
            usedGpuCcProtectedMemory);
CHECK_SIZE(ProcessDetailList, nvmlProcessDetailList_v1_t);
CHECK_FIELD(ProcessDetailList, version, nvmlProcessDetailList_v1_t, version);
CHECK_FIELD(ProcessDetailList, mode, nvmlProcessDetailList_v1_t, mode);
CHECK_FIELD(ProcessDetailList, count, nvmlProcessDetailList_v1_t, numProcArrayEntries);
CHECK_FIELD(ProcessDetailList, processes, nvmlProcessDetailList_v1_t, procArray);
CHECK_SIZE(ProcessUtilizationSample, nvmlProcessUtilizationSample_t);
CHECK_FIELD(ProcessUtilizationSample, pid, nvmlProcessUtilizationSample_t, pid);
CHECK_FIELD(ProcessUtilizationSample, time_stamp_us, nvmlProcessUtilizationSample_t, timeStamp);
CHECK_FIELD(ProcessUtilizationSample, sm_util, nvmlProcessUtilizationSample_t, smUtil);
CHECK_FIELD(ProcessUtilizationSample, mem_util, nvmlProcessUtilizationSample_t, memUtil);
CHECK_FIELD(ProcessUtilizationSample, enc_util, nvmlProcessUtilizationSample_t, encUtil);
CHECK_FIELD(ProcessUtilizationSample, dec_util, nvmlProcessUtilizationSample_t, decUtil);
CHECK_SIZE(ProcessUtilizationInfo, nvmlProcessUtilizationInfo_v1_t);
CHECK_FIELD(ProcessUtilizationInfo, time_stamp_us, nvmlProcessUtilizationInfo_v1_t, timeStamp);
CHECK_FIELD(ProcessUtilizationInfo, pid, nvmlProcessUtilizationInfo_v1_t, pid);
CHECK_FIELD(ProcessUtilizationInfo, sm_util, nvmlProcessUtilizationInfo_v1_t, smUtil);
CHECK_FIELD(ProcessUtilizationInfo, mem_util, nvmlProcessUtilizationInfo_v1_t, memUtil);
CHECK_FIELD(ProcessUtilizationInfo, enc_util, nvmlProcessUtilizationInfo_v1_t, encUtil);
CHECK_FIELD(ProcessUtilizationInfo, dec_util, nvmlProcessUtilizationInfo_v1_t, decUtil);
CHECK_FIELD(ProcessUtilizationInfo, jpg_util, nvmlProcessUtilizationInfo_v1_t, jpgUtil);
CHECK_FIELD(ProcessUtilizationInfo, ofa_util, nvmlProcessUtilizationInfo_v1_t, ofaUtil);
CHECK_SIZE(ProcessesUtilizationInfo, nvmlProcessesUtilizationInfo_v1_t);
CHECK_FIELD(ProcessesUtilizationInfo, version, nvmlProcessesUtilizationInfo_v1_t, version);
CHECK_FIELD(ProcessesUtilizationInfo, count, nvmlProcessesUtilizationInfo_v1_t,
            processSamplesCount);
CHECK_FIELD(ProcessesUtilizationInfo, last_seen_time_stamp_us, nvmlProcessesUtilizationInfo_v1_t,
            lastSeenTimeStamp);
CHECK_FIELD(ProcessesUtilizationInfo, samples, nvmlProcessesUtilizationInfo_v1_t, procUtilArray);
CHECK_SIZE(DeviceAttributes, nvmlDeviceAttributes_t);
CHECK_FIELD(DeviceAttributes, multiprocessor_count, nvmlDeviceAttributes_t, multiprocessorCount);
CHECK_FIELD(DeviceAttributes, shared_copy_engine_count, nvmlDeviceAttributes_t,
            sharedCopyEngineCount);
CHECK_FIELD(DeviceAttributes, shared_decoder_count, nvmlDeviceAttributes_t, sharedDecoderCount);
CHECK_FIELD(DeviceAttributes, shared_encoder_count, nvmlDeviceAttributes_t, sharedEncoderCount);
CHECK_FIELD(DeviceAttributes, shared_jpeg_count, nvmlDeviceAttributes_t, sharedJpegCount);
CHECK_FIELD(DeviceAttributes, shared_ofa_count, nvmlDeviceAttributes_t, sharedOfaCount);
CHECK_FIELD(DeviceAttributes, gpu_instance_slice_count, nvmlDeviceAttributes_t,
            gpuInstanceSliceCount);
CHECK_FIELD(DeviceAttributes, compute_instance_slice_count, nvmlDeviceAttributes_t,
            computeInstanceSliceCount);
CHECK_FIELD(DeviceAttributes, memory_size_mb, nvmlDeviceAttributes_t, memorySizeMB);
CHECK_SIZE(Placement, nvmlGpuInstancePlacement_t);
CHECK_SIZE(Placement, nvmlComputeInstancePlacement_t);
CHECK_FIELD(Placement, start, nvmlGpuInstancePlacement_t, start);
CHECK_FIELD(Placement, size, nvmlGpuInstancePlacement_t, size);
CHECK_SIZE(GpuInstanceProfileInfo, nvmlGpuInstanceProfileInfo_t);
CHECK_FIELD(GpuInstanceProfileInfo, id, nvmlGpuInstanceProfileInfo_t, id);
CHECK_FIELD(GpuInstanceProfileInfo, is_p2p_supported, nvmlGpuInstanceProfileInfo_t, isP2pSupported);
CHECK_FIELD(GpuInstanceProfileInfo, slice_count, nvmlGpuInstanceProfileInfo_t, sliceCount);
CHECK_FIELD(GpuInstanceProfileInfo, instance_count, nvmlGpuInstanceProfileInfo_t, instanceCount);
CHECK_FIELD(GpuInstanceProfileInfo, multiprocessor_count, nvmlGpuInstanceProfileInfo_t,
            multiprocessorCount);
CHECK_FIELD(GpuInstanceProfileInfo, copy_engine_count, nvmlGpuInstanceProfileInfo_t,
            copyEngineCount);
CHECK_FIELD(GpuInstanceProfileInfo, decoder_count, nvmlGpuInstanceProfileInfo_t, decoderCount);
CHECK_FIELD(GpuInstanceProfileInfo, encoder_count, nvmlGpuInstanceProfileInfo_t, encoderCount);
CHECK_FIELD(GpuInstanceProfileInfo, jpeg_count, nvmlGpuInstanceProfileInfo_t, jpegCount);
CHECK_FIELD(GpuInstanceProfileInfo, ofa_count, nvmlGpuInstanceProfileInfo_t, ofaCount);
CHECK_FIELD(GpuInstanceProfileInfo, memory_size_mb, nvmlGpuInstanceProfileInfo_t, memorySizeMB);
CHECK_SIZE(GpuInstanceProfileInfoV2, nvmlGpuInstanceProfileInfo_v2_t);
CHECK_FIELD(GpuInstanceProfileInfoV2, version, nvmlGpuInstanceProfileInfo_v2_t, version);
CHECK_FIELD(GpuInstanceProfileInfoV2, id, nvmlGpuInstanceProfileInfo_v2_t, id);
CHECK_FIELD(GpuInstanceProfileInfoV2, is_p2p_supported, nvmlGpuInstanceProfileInfo_v2_t,
            isP2pSupported);
CHECK_FIELD(GpuInstanceProfileInfoV2, slice_count, nvmlGpuInstanceProfileInfo_v2_t, sliceCount);
CHECK_FIELD(GpuInstanceProfileInfoV2, instance_count, nvmlGpuInstanceProfileInfo_v2_t,
            instanceCount);
CHECK_FIELD(GpuInstanceProfileInfoV2, multiprocessor_count, nvmlGpuInstanceProfileInfo_v2_t,
            multiprocessorCount);
CHECK_FIELD(GpuInstanceProfileInfoV2, copy_engine_count, nvmlGpuInstanceProfileInfo_v2_t,
            copyEngineCount);
CHECK_FIELD(GpuInstanceProfileInfoV2, decoder_count, nvmlGpuInstanceProfileInfo_v2_t, decoderCount);
CHECK_FIELD(GpuInstanceProfileInfoV2, encoder_count, nvmlGpuInstanceProfileInfo_v2_t, encoderCount);
CHECK_FIELD(GpuInstanceProfileInfoV2, jpeg_count, nvmlGpuInstanceProfileInfo_v2_t, jpegCount);
CHECK_FIELD(GpuInstanceProfileInfoV2, ofa_count, nvmlGpuInstanceProfileInfo_v2_t, ofaCount);
CHECK_FIELD(GpuInstanceProfileInfoV2, memory_size_mb, nvmlGpuInstanceProfileInfo_v2_t,
            memorySizeMB);
CHECK_FIELD(GpuInstanceProfileInfoV2, name, nvmlGpuInstanceProfileInfo_v2_t, name);
CHECK_SIZE(GpuInstanceProfileInfoV3, nvmlGpuInstanceProfileInfo_v3_t);
CHECK_FIELD(GpuInstanceProfileInfoV3, version, nvmlGpuInstanceProfileInfo_v3_t, version);
CHECK_FIELD(GpuInstanceProfileInfoV3, id, nvmlGpuInstanceProfileInfo_v3_t, id);
CHECK_FIELD(GpuInstanceProfileInfoV3, slice_count, nvmlGpuInstanceProfileInfo_v3_t, sliceCount);
CHECK_FIELD(GpuInstanceProfileInfoV3, instance_count, nvmlGpuInstanceProfileInfo_v3_t,
            instanceCount);
CHECK_FIELD(GpuInstanceProfileInfoV3, multiprocessor_count, nvmlGpuInstanceProfileInfo_v3_t,
            multiprocessorCount);
CHECK_FIELD(GpuInstanceProfileInfoV3, copy_engine_count, nvmlGpuInstanceProfileInfo_v3_t,
            copyEngineCount);
CHECK_FIELD(GpuInstanceProfileInfoV3, decoder_count, nvmlGpuInstanceProfileInfo_v3_t, decoderCount);
CHECK_FIELD(GpuInstanceProfileInfoV3, encoder_count, nvmlGpuInstanceProfileInfo_v3_t, encoderCount);
CHECK_FIELD(GpuInstanceProfileInfoV3, jpeg_count, nvmlGpuInstanceProfileInfo_v3_t, jpegCount);
CHECK_FIELD(GpuInstanceProfileInfoV3, ofa_count, nvmlGpuInstanceProfileInfo_v3_t, ofaCount);
CHECK_FIELD(GpuInstanceProfileInfoV3, memory_size_mb, nvmlGpuInstanceProfileInfo_v3_t,
            memorySizeMB);
CHECK_FIELD(GpuInstanceProfileInfoV3, name, nvmlGpuInstanceProfileInfo_v3_t, name);
CHECK_FIELD(GpuInstanceProfileInfoV3, capabilities, nvmlGpuInstanceProfileInfo_v3_t, capabilities);
CHECK_SIZE(GpuInstanceInfo, nvmlGpuInstanceInfo_t);
CHECK_FIELD(GpuInstanceInfo, device, nvmlGpuInstanceInfo_t, device);
CHECK_FIELD(GpuInstanceInfo, id, nvmlGpuInstanceInfo_t, id);
CHECK_FIELD(GpuInstanceInfo, profile_id, nvmlGpuInstanceInfo_t, profileId);
CHECK_FIELD(GpuInstanceInfo, placement, nvmlGpuInstanceInfo_t, placement);
CHECK_SIZE(ComputeInstanceProfileInfo, nvmlComputeInstanceProfileInfo_t);
CHECK_FIELD(ComputeInstanceProfileInfo, id, nvmlComputeInstanceProfileInfo_t, id);
CHECK_FIELD(ComputeInstanceProfileInfo, slice_count, nvmlComputeInstanceProfileInfo_t, sliceCount);
CHECK_FIELD(ComputeInstanceProfileInfo, instance_count, nvmlComputeInstanceProfileInfo_t,
            instanceCount);
CHECK_FIELD(ComputeInstanceProfileInfo, multiprocessor_count, nvmlComputeInstanceProfileInfo_t,
            multiprocessorCount);
CHECK_FIELD(ComputeInstanceProfileInfo, shared_copy_engine_count, nvmlComputeInstanceProfileInfo_t,
            sharedCopyEngineCount);
CHECK_FIELD(ComputeInstanceProfileInfo, shared_decoder_count, nvmlComputeInstanceProfileInfo_t,
            sharedDecoderCount);
CHECK_FIELD(ComputeInstanceProfileInfo, shared_encoder_count, nvmlComputeInstanceProfileInfo_t,
            sharedEncoderCount);
CHECK_FIELD(ComputeInstanceProfileInfo, shared_jpeg_count, nvmlComputeInstanceProfileInfo_t,
            sharedJpegCount);
CHECK_FIELD(ComputeInstanceProfileInfo, shared_ofa_count, nvmlComputeInstanceProfileInfo_t,
            sharedOfaCount);
CHECK_SIZE(ComputeInstanceInfo, nvmlComputeInstanceInfo_t);
CHECK_FIELD(ComputeInstanceInfo, device, nvmlComputeInstanceInfo_t, device);
CHECK_FIELD(ComputeInstanceInfo, gpu_instance, nvmlComputeInstanceInfo_t, gpuInstance);
CHECK_FIELD(ComputeInstanceInfo, id, nvmlComputeInstanceInfo_t, id);
CHECK_FIELD(ComputeInstanceInfo, profile_id, nvmlComputeInstanceInfo_t, profileId);
CHECK_FIELD(ComputeInstanceInfo, placement, nvmlComputeInstanceInfo_t, placement);
CHECK_SIZE(EventData, nvmlEventData_t);
CHECK_FIELD(EventData, device, nvmlEventData_t, device);
CHECK_FIELD(EventData, type, nvmlEventData_t, eventType);
CHECK_FIELD(EventData, data, nvmlEventData_t, eventData);
CHECK_FIELD(EventData, gpu_instance_id, nvmlEventData_t, gpuInstanceId);
CHECK_FIELD(EventData, compute_instance_id, nvmlEventData_t, computeInstanceId);
CHECK_SIZE(Temperature, nvmlTemperature_v1_t);
CHECK_FIELD(Temperature, version, nvmlTemperature_v1_t, version);
CHECK_FIELD(Temperature, sensor, nvmlTemperature_v1_t, sensorType);
CHECK_FIELD(Temperature, temperature, nvmlTemperature_v1_t, temperature);
CHECK_SIZE(Value, nvmlValue_t);
CHECK_SIZE(FieldValue, nvmlFieldValue_t);
CHECK_FIELD(FieldValue, field_id, nvmlFieldValue_t, fieldId);
CHECK_FIELD(FieldValue, scope_id, nvmlFieldValue_t, scopeId);
CHECK_FIELD(FieldValue, time_stamp_us, nvmlFieldValue_t, timestamp);
CHECK_FIELD(FieldValue, latency_us, nvmlFieldValue_t, latencyUsec);
CHECK_FIELD(FieldValue, value_type, nvmlFieldValue_t, valueType);
CHECK_FIELD(FieldValue, status, nvmlFieldValue_t, nvmlReturn);
CHECK_FIELD(FieldValue, value, nvmlFieldValue_t, value);
CHECK_SIZE(AccountingStats, nvmlAccountingStats_t);
CHECK_FIELD(AccountingStats, gpu_utilization, nvmlAccountingStats_t, gpuUtilization);
CHECK_FIELD(AccountingStats, memory_utilization, nvmlAccountingStats_t, memoryUtilization);
CHECK_FIELD(AccountingStats, max_memory_usage, nvmlAccountingStats_t, maxMemoryUsage);
CHECK_FIELD(AccountingStats, time_ms, nvmlAccountingStats_t, time);
CHECK_FIELD(AccountingStats, start_time_us, nvmlAccountingStats_t, startTime);
CHECK_FIELD(AccountingStats, is_running, nvmlAccountingStats_t, isRunning);
CHECK_SIZE(EccErrorCounts, nvmlEccErrorCounts_t);
CHECK_FIELD(EccErrorCounts, l1_cache, nvmlEccErrorCounts_t, l1Cache);
CHECK_FIELD(EccErrorCounts, l2_cache, nvmlEccErrorCounts_t, l2Cache);
CHECK_FIELD(EccErrorCounts, device_memory, nvmlEccErrorCounts_t, deviceMemory);
CHECK_FIELD(EccErrorCounts, register_file, nvmlEccErrorCounts_t, registerFile);
CHECK_SIZE(Sample, nvmlSample_t);
CHECK_FIELD(Sample, time_stamp_us, nvmlSample_t, timeStamp);
CHECK_FIELD(Sample, value, nvmlSample_t, sampleValue);
CHECK_SIZE(FabricInfo, nvmlGpuFabricInfo_t);
CHECK_FIELD(FabricInfo, cluster_uuid, nvmlGpuFabricInfo_t, clusterUuid);
CHECK_FIELD(FabricInfo, status, nvmlGpuFabricInfo_t, status);
CHECK_FIELD(FabricInfo, clique_id, nvmlGpuFabricInfo_t, cliqueId);
CHECK_FIELD(FabricInfo, state, nvmlGpuFabricInfo_t, state);
CHECK_SIZE(FabricInfoV2, nvmlGpuFabricInfo_v2_t);
CHECK_FIELD(FabricInfoV2, version, nvmlGpuFabricInfo_v2_t, version);
CHECK_FIELD(FabricInfoV2, cluster_uuid, nvmlGpuFabricInfo_v2_t, clusterUuid);
CHECK_FIELD(FabricInfoV2, status, nvmlGpuFabricInfo_v2_t, status);
CHECK_FIELD(FabricInfoV2, clique_id, nvmlGpuFabricInfo_v2_t, cliqueId);
CHECK_FIELD(FabricInfoV2, state, nvmlGpuFabricInfo_v2_t, state);
CHECK_FIELD(FabricInfoV2, health_mask, nvmlGpuFabricInfo_v2_t, healthMask);
CHECK_SIZE(FabricInfoV3, nvmlGpuFabricInfo_v3_t);
CHECK_FIELD(FabricInfoV3, version, nvmlGpuFabricInfo_v3_t, version);
CHECK_FIELD(FabricInfoV3, cluster_uuid, nvmlGpuFabricInfo_v3_t, clusterUuid);
CHECK_FIELD(FabricInfoV3, status, nvmlGpuFabricInfo_v3_t, status);
CHECK_FIELD(FabricInfoV3, clique_id, nvmlGpuFabricInfo_v3_t, cliqueId);
CHECK_FIELD(FabricInfoV3, state, nvmlGpuFabricInfo_v3_t, state);
CHECK_FIELD(FabricInfoV3, health_mask, nvmlGpuFabricInfo_v3_t, healthMask);
CHECK_FIELD(FabricInfoV3, health_summary, nvmlGpuFabricInfo_v3_t, healthSummary);

CHECK_VALUE(StructVersion<MemoryV2>(2), nvmlMemory_v2);
CHECK_VALUE(StructVersion<PciInfoExt>(1), nvmlPciInfoExt_v1);
CHECK_VALUE(StructVersion<FabricInfoV2>(2), nvmlGpuFabricInfo_v2);
CHECK_VALUE(StructVersion<FabricInfoV3>(3), nvmlGpuFabricInfo_v3);
CHECK_VALUE(StructVersion<GpuInstanceProfileInfoV2>(2), nvmlGpuInstanceProfileInfo_v2);
CHECK_VALUE(StructVersion<GpuInstanceProfileInfoV3>(3), nvmlGpuInstanceProfileInfo_v3);
CHECK_VALUE(StructVersion<ProcessDetailList>(1), nvmlProcessDetailList_v1);
CHECK_VALUE(StructVersion<ProcessesUtilizationInfo>(1), nvmlProcessesUtilizationInfo_v1);
CHECK_VALUE(StructVersion<Temperature>(1), nvmlTemperature_v1);

}  // namespace
}  // namespace tranche::gpu::nvml

int main() { return 0; }  // all was checked by the compiler
