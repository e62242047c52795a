// What a GPU is: names, numbers, place, memory.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "sim/nvml/library.h"
#include "sim/nvml/memory.h"

namespace tranche::gpu::nvml {
namespace {

using sim::GpuState;
using sim::nvml::Call;
using sim::nvml::CopyText;
using sim::nvml::DeviceCall;
using sim::nvml::GpuCall;
using sim::nvml::GpuValue;
using sim::nvml::Library;
using sim::nvml::MemoryOf;
using sim::nvml::MemoryShare;
using sim::nvml::Target;

Return Text(const char* name, Device device, char* buffer, unsigned length,
            const char* (*text)(const GpuState&)) {
  return GpuCall(name, device, [&](const GpuState& gpu) {
    const char* value = text(gpu);
    return *value == '\0' ? kNotSupported : CopyText(value, buffer, length);
  });
}

void FillPci(const GpuState& gpu, PciInfo* pci) {
  *pci = {};
  pci->domain = gpu.pci_domain;
  pci->bus = gpu.pci_bus;
  pci->device = gpu.pci_device;
  pci->pci_device_id = gpu.pci_device_id;
  pci->pci_subsystem_id = gpu.pci_subsystem_id;
  std::snprintf(pci->bus_id, sizeof pci->bus_id, "%08X:%02X:%02X.0", gpu.pci_domain, gpu.pci_bus,
                gpu.pci_device);
  std::snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "%04X:%02X:%02X.0",
                gpu.pci_domain & 0xFFFF, gpu.pci_bus, gpu.pci_device);
}

Return Pci(const char* name, Device device, PciInfo* pci) {
  return DeviceCall(name, device, [&](const Target& target) {
    if (pci == nullptr) return kInvalidArgument;
    FillPci(*target.gpu, pci);
    return kSuccess;
  });
}

enum class Near { kCpus, kNodes };

// One word set, the bits of which are all CPUs or nodes of the GPU's NUMA node: this machine's own
// CPUs are not known here, so a node stands for 64 of them.
Return Affinity(const char* name, Device device, unsigned words, unsigned long* set, Near near) {
  return GpuCall(name, device, [&](const GpuState& gpu) {
    if (set == nullptr || words == 0) return kInvalidArgument;
    std::fill(set, set + words, 0UL);
    const auto node = static_cast<unsigned>(std::max(gpu.numa_node, 0));
    if (near == Near::kNodes) {
      if (node / 64 < words) set[node / 64] = 1UL << (node % 64);
    } else if (node < words) {
      set[node] = ~0UL;
    }
    return kSuccess;
  });
}

}  // namespace

extern "C" {

Return nvmlDeviceGetName(Device device, char* name, unsigned length) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    std::string text = target.gpu->name;
    if (target.is_mig()) {
      text += " MIG ";
      if (target.compute_instance->slices != target.profile().gpu_slices) {
        text += std::to_string(target.compute_instance->slices) + "c.";
      }
      text += target.profile().name;
    }
    return CopyText(text.c_str(), name, length);
  });
}

Return nvmlDeviceGetUUID(Device device, char* uuid, unsigned length) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    return CopyText(target.is_mig() ? target.compute_instance->uuid : target.gpu->uuid, uuid,
                    length);
  });
}

Return nvmlDeviceGetIndex(Device device, unsigned* index) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (index == nullptr) return kInvalidArgument;
    if (target.is_mig()) {
      *index = 0;
      for (const auto* i = target.gpu->gpu_instances; i != target.gpu_instance; ++i) {
        *index += i->compute_instance_count;
      }
      *index +=
          static_cast<unsigned>(target.compute_instance - target.gpu_instance->compute_instances);
      return kSuccess;
    }
    const auto& listed = Library::Get().listed();
    *index = static_cast<unsigned>(std::find(listed.begin(), listed.end(), target.slot) -
                                   listed.begin());
    return kSuccess;
  });
}

Return nvmlDeviceGetMinorNumber(Device device, unsigned* minor) {
  return GpuValue(__func__, device, minor, [](const GpuState& gpu) { return gpu.minor; });
}

Return nvmlDeviceGetSerial(Device device, char* serial, unsigned length) {
  // Boards without a part number (GeForce) have no serial number either.
  return Text(__func__, device, serial, length, [](const GpuState& gpu) {
    return *gpu.part_number == '\0' ? "" : static_cast<const char*>(gpu.serial);
  });
}

Return nvmlDeviceGetBoardPartNumber(Device device, char* number, unsigned length) {
  return Text(__func__, device, number, length,
              [](const GpuState& gpu) { return static_cast<const char*>(gpu.part_number); });
}

Return nvmlDeviceGetVbiosVersion(Device device, char* version, unsigned length) {
  return Text(__func__, device, version, length,
              [](const GpuState& gpu) { return static_cast<const char*>(gpu.vbios); });
}

Return nvmlDeviceGetBrand(Device device, Brand* brand) {
  return GpuValue(__func__, device, brand, [](const GpuState& gpu) { return gpu.brand; });
}

Return nvmlDeviceGetArchitecture(Device device, unsigned* architecture) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (architecture == nullptr) return kInvalidArgument;
    *architecture = target.gpu->architecture;
    return kSuccess;
  });
}

Return nvmlDeviceGetBoardId(Device device, unsigned* id) {
  return GpuValue(__func__, device, id, [](const GpuState& gpu) { return gpu.pci_bus << 8; });
}

Return nvmlDeviceGetMultiGpuBoard(Device device, unsigned* multi_gpu) {
  return GpuValue(__func__, device, multi_gpu, [](const GpuState&) { return 0; });
}

Return nvmlDeviceGetModuleId(Device device, unsigned* id) {
  return GpuValue(__func__, device, id, [](const GpuState& gpu) { return gpu.module_id; });
}

Return nvmlDeviceGetPciInfo(Device device, PciInfo* pci) { return Pci(__func__, device, pci); }
Return nvmlDeviceGetPciInfo_v2(Device device, PciInfo* pci) { return Pci(__func__, device, pci); }
Return nvmlDeviceGetPciInfo_v3(Device device, PciInfo* pci) { return Pci(__func__, device, pci); }

Return nvmlDeviceGetPciInfoExt(Device device, PciInfoExt* pci) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (pci == nullptr) return kInvalidArgument;
    if (pci->version != StructVersion<PciInfoExt>(1)) return kArgumentVersionMismatch;
    PciInfo info;
    FillPci(*target.gpu, &info);
    *pci = {.version = pci->version,
            .domain = info.domain,
            .bus = info.bus,
            .device = info.device,
            .pci_device_id = info.pci_device_id,
            .pci_subsystem_id = info.pci_subsystem_id,
            .base_class = 3,  // display controller
            .sub_class = target.gpu->fans > 0 ? 0U : 2U,
            .bus_id = {}};
    std::memcpy(pci->bus_id, info.bus_id, sizeof pci->bus_id);
    return kSuccess;
  });
}

Return nvmlDeviceGetCudaComputeCapability(Device device, int* major, int* minor) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (major == nullptr || minor == nullptr) return kInvalidArgument;
    *major = target.gpu->compute_major;
    *minor = target.gpu->compute_minor;
    return kSuccess;
  });
}

Return nvmlDeviceGetNumGpuCores(Device device, unsigned* cores) {
  return GpuValue(__func__, device, cores, [](const GpuState& gpu) { return gpu.cores; });
}

Return nvmlDeviceGetMemoryBusWidth(Device device, unsigned* bits) {
  return GpuValue(__func__, device, bits, [](const GpuState& gpu) { return gpu.memory_bus_width; });
}

Return nvmlDeviceGetMemoryInfo(Device device, Memory* memory) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (memory == nullptr) return kInvalidArgument;
    const MemoryShare share = MemoryOf(target);
    const unsigned long long used = share.used + share.reserved;
    *memory = {.total = share.total, .free = share.total - used, .used = used};
    return kSuccess;
  });
}

Return nvmlDeviceGetMemoryInfo_v2(Device device, MemoryV2* memory) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (memory == nullptr) return kInvalidArgument;
    if (memory->version != StructVersion<MemoryV2>(2)) return kArgumentVersionMismatch;
    const MemoryShare share = MemoryOf(target);
    *memory = {.version = memory->version,
               .total = share.total,
               .reserved = share.reserved,
               .free = share.total - share.used - share.reserved,
               .used = share.used};
    return kSuccess;
  });
}

Return nvmlDeviceGetBAR1MemoryInfo(Device device, Bar1Memory* memory) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (memory == nullptr) return kInvalidArgument;
    constexpr unsigned long long kDriverOwn = 1 << 20;
    const unsigned long long total = target.gpu->bar1_total;
    *memory = {.total = total, .free = total - kDriverOwn, .used = kDriverOwn};
    return kSuccess;
  });
}

Return nvmlDeviceGetNumaNodeId(Device device, unsigned* node) {
  // Only where GPU memory is a NUMA node of its own (Grace): not on any node simulated here.
  return GpuCall(__func__, device, [&](const GpuState&) {
    return node == nullptr ? kInvalidArgument : kNotSupported;
  });
}

Return nvmlDeviceGetCpuAffinity(Device device, unsigned words, unsigned long* set) {
  return Affinity(__func__, device, words, set, Near::kCpus);
}
Return nvmlDeviceGetCpuAffinityWithinScope(Device device, unsigned words, unsigned long* set,
                                           AffinityScope) {
  return Affinity(__func__, device, words, set, Near::kCpus);
}
Return nvmlDeviceGetMemoryAffinity(Device device, unsigned words, unsigned long* set,
                                   AffinityScope) {
  return Affinity(__func__, device, words, set, Near::kNodes);
}

Return nvmlDeviceGetVirtualizationMode(Device device, VirtualizationMode* mode) {
  return GpuValue(__func__, device, mode, [](const GpuState&) { return kVirtualizationNone; });
}

// Windows only.
Return nvmlDeviceGetDriverModel(Device device, DriverModel*, DriverModel*) {
  return GpuCall(__func__, device, [](const GpuState&) { return kNotSupported; });
}
Return nvmlDeviceGetDriverModel_v2(Device device, DriverModel*, DriverModel*) {
  return GpuCall(__func__, device, [](const GpuState&) { return kNotSupported; });
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
