// The structs of the part of libnvidia-ml.so.1's binary interface that we call and that the
// simulated library exports; abi_values.h has its numbers. The declarations are our own, so that
// building needs no NVIDIA header; tests/nvml/nvml_abi_check.cc compares every one of them with the
// real nvml.h. Values and layouts are those of NVIDIA's "NVML API Reference Guide"
// (docs.nvidia.com/deploy/nvml-api) and of the nvml.h of CUDA 12.8 to 13.5.
//
// This header has no code; gpu/nvml/functions.h lists the functions and their types. Handles stay
// valid until Shutdown.
//
// Threading: plain data. The library itself is thread-safe.
// Errors: every function returns a Return.
#pragma once

#include "gpu/nvml/abi_values.h"

namespace tranche::gpu::nvml {

// Handles: opaque, compared by value.
using Device = struct DeviceOpaque*;
using GpuInstance = struct GpuInstanceOpaque*;
using ComputeInstance = struct ComputeInstanceOpaque*;
using EventSet = struct EventSetOpaque*;

// Versioned structs begin with their size and, in the top byte, their version.
template <typename Struct>
constexpr unsigned StructVersion(unsigned version) {
  return static_cast<unsigned>(sizeof(Struct)) | (version << 24);
}

struct PciInfo {                                  // nvmlPciInfo_t
  char bus_id_legacy[kPciBusIdLegacyBufferSize];  // "0000:07:00.0"
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned pci_device_id;  // device << 16 | vendor
  unsigned pci_subsystem_id;
  char bus_id[kPciBusIdBufferSize];  // "00000000:07:00.0", upper case
};

struct PciInfoExt {  // nvmlPciInfoExt_v1_t
  unsigned version;
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned pci_device_id;
  unsigned pci_subsystem_id;
  unsigned base_class;
  unsigned sub_class;
  char bus_id[kPciBusIdBufferSize];
};

struct Memory {  // nvmlMemory_t, bytes; `used` includes what the driver keeps
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

struct MemoryV2 {  // nvmlMemory_v2_t, bytes
  unsigned version;
  unsigned long long total;
  unsigned long long reserved;
  unsigned long long free;
  unsigned long long used;
};

struct Bar1Memory {  // nvmlBAR1Memory_t, bytes
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

struct Utilization {  // nvmlUtilization_t, percent
  unsigned gpu;
  unsigned memory;
};

struct ProcessInfoV1 {  // nvmlProcessInfo_v1_t
  unsigned pid;
  unsigned long long used_gpu_memory;
};

struct ProcessInfo {  // nvmlProcessInfo_v2_t; the _v2 and _v3 calls
  unsigned pid;
  unsigned long long used_gpu_memory;
  unsigned gpu_instance_id;
  unsigned compute_instance_id;
};

struct ProcessDetail {  // nvmlProcessDetail_v1_t
  unsigned pid;
  unsigned long long used_gpu_memory;
  unsigned gpu_instance_id;
  unsigned compute_instance_id;
  unsigned long long used_gpu_cc_protected_memory;
};

struct ProcessDetailList {  // nvmlProcessDetailList_v1_t
  unsigned version;
  unsigned mode;  // 0 compute, 1 graphics, 2 MPS, 3 all
  unsigned count;
  ProcessDetail* processes;
};

struct ProcessUtilizationSample {  // nvmlProcessUtilizationSample_t
  unsigned pid;
  unsigned long long time_stamp_us;
  unsigned sm_util;
  unsigned mem_util;
  unsigned enc_util;
  unsigned dec_util;
};

struct ProcessUtilizationInfo {  // nvmlProcessUtilizationInfo_v1_t
  unsigned long long time_stamp_us;
  unsigned pid;
  unsigned sm_util;
  unsigned mem_util;
  unsigned enc_util;
  unsigned dec_util;
  unsigned jpg_util;
  unsigned ofa_util;
};

struct ProcessesUtilizationInfo {  // nvmlProcessesUtilizationInfo_v1_t
  unsigned version;
  unsigned count;
  unsigned long long last_seen_time_stamp_us;
  ProcessUtilizationInfo* samples;
};

struct AccountingStats {  // nvmlAccountingStats_t
  unsigned gpu_utilization;
  unsigned memory_utilization;
  unsigned long long max_memory_usage;
  unsigned long long time_ms;
  unsigned long long start_time_us;
  unsigned is_running;
  unsigned reserved[5];
};

struct EccErrorCounts {  // nvmlEccErrorCounts_t
  unsigned long long l1_cache;
  unsigned long long l2_cache;
  unsigned long long device_memory;
  unsigned long long register_file;
};

struct DeviceAttributes {  // nvmlDeviceAttributes_t, of a MIG device
  unsigned multiprocessor_count;
  unsigned shared_copy_engine_count;
  unsigned shared_decoder_count;
  unsigned shared_encoder_count;
  unsigned shared_jpeg_count;
  unsigned shared_ofa_count;
  unsigned gpu_instance_slice_count;
  unsigned compute_instance_slice_count;
  unsigned long long memory_size_mb;
};

struct Placement {  // nvmlGpuInstancePlacement_t, nvmlComputeInstancePlacement_t
  unsigned start;
  unsigned size;
};

struct GpuInstanceProfileInfo {  // nvmlGpuInstanceProfileInfo_t
  unsigned id;
  unsigned is_p2p_supported;
  unsigned slice_count;
  unsigned instance_count;
  unsigned multiprocessor_count;
  unsigned copy_engine_count;
  unsigned decoder_count;
  unsigned encoder_count;
  unsigned jpeg_count;
  unsigned ofa_count;
  unsigned long long memory_size_mb;
};

struct GpuInstanceProfileInfoV2 {  // nvmlGpuInstanceProfileInfo_v2_t
  unsigned version;
  unsigned id;
  unsigned is_p2p_supported;
  unsigned slice_count;
  unsigned instance_count;
  unsigned multiprocessor_count;
  unsigned copy_engine_count;
  unsigned decoder_count;
  unsigned encoder_count;
  unsigned jpeg_count;
  unsigned ofa_count;
  unsigned long long memory_size_mb;
  char name[kNameBufferSize];
};

struct GpuInstanceProfileInfoV3 {  // nvmlGpuInstanceProfileInfo_v3_t
  unsigned version;
  unsigned id;
  unsigned slice_count;
  unsigned instance_count;
  unsigned multiprocessor_count;
  unsigned copy_engine_count;
  unsigned decoder_count;
  unsigned encoder_count;
  unsigned jpeg_count;
  unsigned ofa_count;
  unsigned long long memory_size_mb;
  char name[kNameBufferSize];
  unsigned capabilities;
};

struct GpuInstanceInfo {  // nvmlGpuInstanceInfo_t
  Device device;
  unsigned id;
  unsigned profile_id;
  Placement placement;
};

struct ComputeInstanceProfileInfo {  // nvmlComputeInstanceProfileInfo_t
  unsigned id;
  unsigned slice_count;
  unsigned instance_count;
  unsigned multiprocessor_count;
  unsigned shared_copy_engine_count;
  unsigned shared_decoder_count;
  unsigned shared_encoder_count;
  unsigned shared_jpeg_count;
  unsigned shared_ofa_count;
};

struct ComputeInstanceInfo {  // nvmlComputeInstanceInfo_t
  Device device;
  GpuInstance gpu_instance;
  unsigned id;
  unsigned profile_id;
  Placement placement;
};

struct EventData {  // nvmlEventData_t
  Device device;
  unsigned long long type;
  unsigned long long data;   // the XID where type is kEventXidCritical
  unsigned gpu_instance_id;  // kNoInstance: the whole GPU
  unsigned compute_instance_id;
};

struct Temperature {  // nvmlTemperature_v1_t, °C
  unsigned version;
  TemperatureSensor sensor;
  int temperature;
};

union Value {  // nvmlValue_t
  double d;
  int si;
  unsigned ui;
  unsigned long ul;
  unsigned long long ull;
  long long sll;
  unsigned short us;
};

struct FieldValue {  // nvmlFieldValue_t
  unsigned field_id;
  unsigned scope_id;
  long long time_stamp_us;
  long long latency_us;
  ValueType value_type;
  Return status;
  Value value;
};

struct Sample {  // nvmlSample_t
  unsigned long long time_stamp_us;
  Value value;
};

struct FabricInfo {  // nvmlGpuFabricInfo_t
  unsigned char cluster_uuid[kFabricUuidSize];
  Return status;
  unsigned clique_id;
  unsigned char state;
};

struct FabricInfoV2 {  // nvmlGpuFabricInfo_v2_t
  unsigned version;
  unsigned char cluster_uuid[kFabricUuidSize];
  Return status;
  unsigned clique_id;
  unsigned char state;
  unsigned health_mask;
};

struct FabricInfoV3 {  // nvmlGpuFabricInfo_v3_t
  unsigned version;
  unsigned char cluster_uuid[kFabricUuidSize];
  Return status;
  unsigned clique_id;
  unsigned char state;
  unsigned health_mask;
  unsigned char health_summary;
};

}  // namespace tranche::gpu::nvml
