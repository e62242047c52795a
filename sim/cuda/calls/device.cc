// cuInit, the driver's version, and what a device is.
#include <cstdio>

#include "sim/cuda/attributes.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/devices.h"
#include "sim/cuda/library.h"
#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {

// ---- hooks of lookup.h

bool Initialised() {
  const Process& process = Process::Get();
  return process.phase() == Phase::kReady && !process.forked();
}

void CountMissing(const char* call) {
  Process& process = Process::Get();
  const std::scoped_lock lock(process.mutex());
  process.TellMissing(call);
}

Result SimClock(std::uint64_t* epoch_ns, unsigned* time_scale) {
  return InitCall("tranche_sim_clock", [&](Process& process) {
    if (const Result connected = process.Connect(); connected != kSuccess) return connected;
    *epoch_ns = process.connection().page().epoch_ns;
    *time_scale = process.connection().page().time_scale;
    return kSuccess;
  });
}

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuInit(unsigned flags) {
  return Call("cuInit",
              [&](Process& process) { return flags != 0 ? kInvalidValue : process.Init(); });
}

// Answers before cuInit and in the child of a fork, too.
Result cuDriverGetVersion(int* driver_version) {
  if (driver_version == nullptr) return kInvalidValue;
  Process& process = Process::Get();
  if (const Result trouble = process.TroubleOf("cuDriverGetVersion"); trouble != kSuccess) {
    return trouble;
  }
  const int version = process.DriverVersion();
  *driver_version = version != 0 ? version : static_cast<int>(kLibraryVersion);
  return kSuccess;
}

Result cuDeviceGetCount(int* count) {
  return InitCall("cuDeviceGetCount", [&](Process& process) {
    if (count == nullptr) return kInvalidValue;
    *count = static_cast<int>(process.devices().size());
    return kSuccess;
  });
}

Result cuDeviceGet(Device* device, int ordinal) {
  return InitCall("cuDeviceGet", [&](Process& process) {
    if (device == nullptr) return kInvalidValue;
    DeviceObject* found = nullptr;
    const Result result = process.FindDevice(ordinal, &found);
    if (result == kSuccess) *device = ordinal;
    return result;
  });
}

Result cuDeviceGetName(char* name, int len, Device device) {
  return DeviceCall("cuDeviceGetName", device, [&](const DeviceObject& found) {
    if (name == nullptr || len <= 0) return kInvalidValue;
    char text[160];
    std::snprintf(text, sizeof text, "%s", found.gpu.name);
    for (unsigned i = 0; i < found.gpu.gpu_instance_count; ++i) {
      const GpuInstanceState& instance = found.gpu.gpu_instances[i];
      if (instance.id != found.gpu_instance) continue;
      std::snprintf(text, sizeof text, "%s MIG %s", found.gpu.name,
                    found.gpu.mig_profiles[instance.profile_index].name);
    }
    std::snprintf(name, static_cast<std::size_t>(len), "%s", text);
    return kSuccess;
  });
}

// The first form gives a MIG device the UUID of its GPU, the second its own.
Result cuDeviceGetUuid(Uuid* uuid, Device device) {
  return DeviceCall("cuDeviceGetUuid", device, [&](const DeviceObject& found) {
    if (uuid == nullptr) return kInvalidValue;
    UuidBytes(found.gpu.uuid, uuid);
    return kSuccess;
  });
}
Result cuDeviceGetUuid_v2(Uuid* uuid, Device device) {
  return DeviceCall("cuDeviceGetUuid_v2", device, [&](const DeviceObject& found) {
    if (uuid == nullptr) return kInvalidValue;
    UuidBytes(found.uuid, uuid);
    return kSuccess;
  });
}

Result cuDeviceTotalMem_v2(std::size_t* bytes, Device device) {
  return DeviceCall("cuDeviceTotalMem_v2", device, [&](const DeviceObject& found) {
    if (bytes == nullptr) return kInvalidValue;
    *bytes = found.total_memory;
    return kSuccess;
  });
}

Result cuDeviceTotalMem(unsigned* bytes, Device device) {
  return DeviceCall("cuDeviceTotalMem", device, [&](const DeviceObject& found) {
    if (bytes == nullptr) return kInvalidValue;
    *bytes = static_cast<unsigned>(std::min<std::uint64_t>(found.total_memory, 0xFFFFFFFF));
    return kSuccess;
  });
}

Result cuDeviceGetAttribute(int* pi, DeviceAttribute attrib, Device device) {
  if (pi == nullptr) return kInvalidValue;
  return DeviceCall("cuDeviceGetAttribute", device, [&](const DeviceObject& found) {
    return AttributeOf(found, attrib, pi) ? kSuccess : kInvalidValue;
  });
}

Result cuDeviceComputeCapability(int* major, int* minor, Device device) {
  return DeviceCall("cuDeviceComputeCapability", device, [&](const DeviceObject& found) {
    if (major == nullptr || minor == nullptr) return kInvalidValue;
    *major = found.gpu.compute_major;
    *minor = found.gpu.compute_minor;
    return kSuccess;
  });
}

Result cuDeviceGetProperties(DeviceProperties* prop, Device device) {
  return DeviceCall("cuDeviceGetProperties", device, [&](const DeviceObject& found) {
    if (prop == nullptr) return kInvalidValue;
    const auto value = [&](DeviceAttribute attribute) {
      int number = 0;
      AttributeOf(found, attribute, &number);
      return number;
    };
    *prop = {.max_threads_per_block = value(kAttributeMaxThreadsPerBlock),
             .max_threads_dim = {value(kAttributeMaxBlockDimX), value(kAttributeMaxBlockDimY),
                                 value(kAttributeMaxBlockDimZ)},
             .max_grid_size = {value(kAttributeMaxGridDimX), value(kAttributeMaxGridDimY),
                               value(kAttributeMaxGridDimZ)},
             .shared_memory_per_block = value(kAttributeMaxSharedMemoryPerBlock),
             .total_constant_memory = value(kAttributeTotalConstantMemory),
             .warp_size = value(kAttributeWarpSize),
             .pitch = value(kAttributeMaxPitch),
             .registers_per_block = value(kAttributeMaxRegistersPerBlock),
             .clock_rate = value(kAttributeClockRate),
             .texture_align = value(kAttributeTextureAlignment)};
    return kSuccess;
  });
}

Result cuDeviceGetPCIBusId(char* pci_bus_id, int len, Device device) {
  return DeviceCall("cuDeviceGetPCIBusId", device, [&](const DeviceObject& found) {
    if (pci_bus_id == nullptr || len < 13) return kInvalidValue;
    std::snprintf(pci_bus_id, static_cast<std::size_t>(len), "%04X:%02X:%02X.0",
                  found.gpu.pci_domain, found.gpu.pci_bus, found.gpu.pci_device);
    return kSuccess;
  });
}

Result cuDeviceGetByPCIBusId(Device* device, const char* pci_bus_id) {
  return InitCall("cuDeviceGetByPCIBusId", [&](Process& process) {
    if (device == nullptr || pci_bus_id == nullptr) return kInvalidValue;
    unsigned domain = 0;
    unsigned bus = 0;
    unsigned number = 0;
    if (std::sscanf(pci_bus_id, "%x:%x:%x", &domain, &bus, &number) != 3) {
      domain = 0;
      if (std::sscanf(pci_bus_id, "%x:%x", &bus, &number) != 2) return kInvalidValue;
    }
    for (const auto& found : process.devices()) {
      const GpuState& gpu = found->gpu;
      if (gpu.pci_domain != domain || gpu.pci_bus != bus || gpu.pci_device != number) continue;
      *device = found->ordinal;
      return kSuccess;
    }
    return kInvalidDevice;
  });
}

Result cuDeviceGetExecAffinitySupport(int* pi, AffinityType type, Device device) {
  return DeviceCall("cuDeviceGetExecAffinitySupport", device, [&](const DeviceObject& /*found*/) {
    if (pi == nullptr || type != kAffinitySmCount) return kInvalidValue;
    *pi = 0;  // under MPS alone
    return kSuccess;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
