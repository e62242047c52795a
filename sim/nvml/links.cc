// How GPUs are connected: PCIe levels, NVLink, fabric.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "sim/nvml/library.h"

namespace tranche::gpu::nvml {
namespace {

using sim::GpuState;
using sim::LinkKind;
using sim::NvLinkState;
using sim::nvml::DeviceCall;
using sim::nvml::GpuCall;
using sim::nvml::Library;
using sim::nvml::Target;

TopologyLevel Level(const GpuState& a, const GpuState& b) {
  if (&a == &b) return kTopologyInternal;
  if (a.pcie_switch == b.pcie_switch) return kTopologySingle;
  if (a.host_bridge == b.host_bridge) return kTopologyHostBridge;
  return a.numa_node == b.numa_node ? kTopologyNode : kTopologySystem;
}

// body(gpu a, gpu b)
template <typename Body>
Return PairCall(const char* name, Device a, Device b, Body body) {
  return DeviceCall(name, a, [&](const Target& first) {
    Target second;
    const Return found = Library::Get().Resolve(b, &second);
    if (found != kSuccess) return found;
    return body(*first.gpu, *second.gpu);
  });
}

// body(link) for a link that is there; the real library knows numbers up to 17 and refuses those
// beyond, and says "not supported" for a number that this GPU does not have.
template <typename Body>
Return LinkCall(const char* name, Device device, unsigned link, Body body) {
  return GpuCall(name, device, [&](const GpuState& gpu) {
    if (link >= sim::kMaxNvLinksPerGpu) return kInvalidArgument;
    if (link >= gpu.nvlink_count) return kNotSupported;
    return body(gpu.nvlinks[link]);
  });
}

Return RemotePci(const char* name, Device device, unsigned link, PciInfo* pci) {
  return LinkCall(name, device, link, [&](const NvLinkState& remote) {
    if (pci == nullptr) return kInvalidArgument;
    if (remote.kind == LinkKind::kNone) return kNotSupported;
    *pci = {};
    pci->domain = remote.remote_domain;
    pci->bus = remote.remote_bus;
    pci->device = remote.remote_device;
    pci->pci_device_id = remote.remote_pci_device_id;
    std::snprintf(pci->bus_id, sizeof pci->bus_id, "%08X:%02X:%02X.0", pci->domain, pci->bus,
                  pci->device);
    std::snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "%04X:%02X:%02X.0",
                  pci->domain & 0xFFFF, pci->bus, pci->device);
    return kSuccess;
  });
}

bool NvLinked(const GpuState& a, const GpuState& b) {
  const auto* end = a.nvlinks + a.nvlink_count;
  return std::any_of(a.nvlinks, end, [&](const NvLinkState& link) {
    if (link.kind == LinkKind::kSwitch) return true;
    return link.kind == LinkKind::kGpu && link.remote_domain == b.pci_domain &&
           link.remote_bus == b.pci_bus && link.remote_device == b.pci_device;
  });
}

// The part that all versions of the struct have.
template <typename Info>
void FillFabric(const GpuState& gpu, Info* info) {
  std::memcpy(info->cluster_uuid, gpu.fabric_uuid, sizeof info->cluster_uuid);
  info->status = kSuccess;
  info->clique_id = gpu.fabric_clique;
  info->state = static_cast<unsigned char>(gpu.fabric_state);
}

}  // namespace

extern "C" {

Return nvmlDeviceGetTopologyCommonAncestor(Device a, Device b, TopologyLevel* level) {
  return PairCall(__func__, a, b, [&](const GpuState& first, const GpuState& second) {
    if (level == nullptr) return kInvalidArgument;
    *level = Level(first, second);
    return kSuccess;
  });
}

Return nvmlDeviceGetTopologyNearestGpus(Device device, TopologyLevel level, unsigned* count,
                                        Device* devices) {
  return DeviceCall(__func__, device, [&](const Target& target) {
    if (count == nullptr) return kInvalidArgument;
    Library& library = Library::Get();
    const unsigned room = devices == nullptr ? 0 : *count;
    unsigned found = 0;
    for (const unsigned slot : library.listed()) {
      const GpuState& other = library.node().gpus[slot];
      if (slot == target.slot || other.present == 0 || Level(*target.gpu, other) > level) continue;
      if (found < room) devices[found] = library.DeviceHandle(slot);
      ++found;
    }
    *count = found;
    return devices != nullptr && found > room ? kInsufficientSize : kSuccess;
  });
}

Return nvmlDeviceOnSameBoard(Device a, Device b, int* same) {
  return PairCall(__func__, a, b, [&](const GpuState& first, const GpuState& second) {
    if (same == nullptr) return kInvalidArgument;
    *same = &first == &second ? 1 : 0;
    return kSuccess;
  });
}

Return nvmlDeviceGetP2PStatus(Device a, Device b, P2pCapsIndex index, P2pStatus* status) {
  return PairCall(__func__, a, b, [&](const GpuState& first, const GpuState& second) {
    if (status == nullptr || index > kP2pPci) return kInvalidArgument;
    const bool linked = NvLinked(first, second);
    const bool atomics_or_nvlink = index == kP2pNvLink || index == kP2pAtomics;
    *status = linked || (!atomics_or_nvlink && Level(first, second) < kTopologySystem)
                  ? kP2pOk
                  : kP2pNotSupported;
    return kSuccess;
  });
}

Return nvmlDeviceGetNvLinkState(Device device, unsigned link, EnableState* active) {
  return LinkCall(__func__, device, link, [&](const NvLinkState& remote) {
    if (active == nullptr) return kInvalidArgument;
    *active = remote.kind == LinkKind::kNone ? kDisabled : kEnabled;
    return kSuccess;
  });
}

Return nvmlDeviceGetNvLinkVersion(Device device, unsigned link, unsigned* version) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (version == nullptr || link >= sim::kMaxNvLinksPerGpu) return kInvalidArgument;
    if (link >= gpu.nvlink_count) return kNotSupported;
    *version = gpu.architecture >= kArchHopper ? 4 : gpu.architecture >= kArchAmpere ? 3 : 2;
    return kSuccess;
  });
}

Return nvmlDeviceGetNvLinkRemotePciInfo(Device device, unsigned link, PciInfo* pci) {
  return RemotePci(__func__, device, link, pci);
}
Return nvmlDeviceGetNvLinkRemotePciInfo_v2(Device device, unsigned link, PciInfo* pci) {
  return RemotePci(__func__, device, link, pci);
}

Return nvmlDeviceGetNvLinkRemoteDeviceType(Device device, unsigned link, NvLinkDeviceType* type) {
  return LinkCall(__func__, device, link, [&](const NvLinkState& remote) {
    if (type == nullptr) return kInvalidArgument;
    *type = remote.kind == LinkKind::kGpu      ? kNvLinkGpu
            : remote.kind == LinkKind::kSwitch ? kNvLinkSwitch
                                               : kNvLinkUnknown;
    return kSuccess;
  });
}

Return nvmlDeviceGetGpuFabricInfo(Device device, FabricInfo* info) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (info == nullptr) return kInvalidArgument;
    FillFabric(gpu, info);
    return kSuccess;
  });
}

Return nvmlDeviceGetGpuFabricInfoV(Device device, FabricInfoV3* info) {
  return GpuCall(__func__, device, [&](const GpuState& gpu) {
    if (info == nullptr) return kInvalidArgument;
    // Version 3 came after the 570 drivers; callers of version 2 have a shorter struct.
    if (info->version != StructVersion<FabricInfoV2>(2)) return kArgumentVersionMismatch;
    auto* v2 = reinterpret_cast<FabricInfoV2*>(info);
    FillFabric(gpu, v2);
    v2->health_mask = 0;
    return kSuccess;
  });
}

}  // extern "C"
}  // namespace tranche::gpu::nvml
