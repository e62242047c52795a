// The primary context of each device, and access between devices.
#include <algorithm>

#include "sim/cuda/contexts.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

// It keeps its handle for life, so that who still holds one after a release is answered 709.
void MakePrimary(DeviceObject& device) {
  if (device.primary != nullptr) return;
  device.primary = std::make_shared<ContextObject>();
  device.primary->primary = true;
  device.primary->device = &device;
  device.primary->handle = Process::Get().contexts().Add(device.primary);
}

Result Release(const char* name, Device device) {
  return DeviceCall(name, device, [](DeviceObject& found) {
    if (found.retained == 0) return kInvalidContext;
    if (--found.retained == 0 && found.primary->alive) EndContext(*found.primary);
    return kSuccess;
  });
}

Result Reset(const char* name, Device device) {
  return DeviceCall(name, device, [](DeviceObject& found) {
    if (found.primary != nullptr && found.primary->alive) EndContext(*found.primary);
    return kSuccess;
  });
}

Result SetFlags(const char* name, Device device, unsigned flags) {
  return DeviceCall(name, device, [&](DeviceObject& found) {
    if (!ValidContextFlags(flags)) return kInvalidValue;
    found.primary_flags = flags;
    if (found.primary != nullptr) found.primary->flags = flags;
    return kSuccess;
  });
}

// A GPU instance is walled off; among GeForces NVIDIA's driver allows it no longer.
bool CanReach(const DeviceObject& from, const DeviceObject& to) {
  const auto whole = [](const DeviceObject& device) { return device.gpu_instance == kWholeGpu; };
  const auto geforce = [](const DeviceObject& device) { return device.gpu.brand == 5; };
  return from.slot != to.slot && whole(from) && whole(to) && !geforce(from) && !geforce(to);
}

bool Linked(const GpuState& from, const GpuState& to) {
  for (unsigned i = 0; i < from.nvlink_count; ++i) {
    const NvLinkState& link = from.nvlinks[i];
    if (link.kind == LinkKind::kSwitch) return to.nvlink_count > 0;
    if (link.kind == LinkKind::kGpu && link.remote_domain == to.pci_domain &&
        link.remote_bus == to.pci_bus && link.remote_device == to.pci_device) {
      return true;
    }
  }
  return false;
}

template <typename Body>
Result PairCall(const char* name, Device first, Device second, Body body) {
  return InitCall(name, [&](Process& process) -> Result {
    DeviceObject* from = nullptr;
    DeviceObject* to = nullptr;
    Result found = process.FindDevice(first, &from);
    if (found == kSuccess) found = process.FindDevice(second, &to);
    return found == kSuccess ? body(*from, *to) : found;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuDevicePrimaryCtxRetain(Context* context, Device device) {
  return DeviceCall("cuDevicePrimaryCtxRetain", device, [&](DeviceObject& found) -> Result {
    if (context == nullptr) return kInvalidValue;
    MakePrimary(found);
    if (!found.primary->alive) {
      found.primary->flags = found.primary_flags;
      const Result begun = BeginContext(found.primary);
      if (begun != kSuccess) return begun;
    }
    ++found.retained;
    *context = found.primary->handle;
    return kSuccess;
  });
}

Result cuDevicePrimaryCtxRelease(Device device) {
  return Release("cuDevicePrimaryCtxRelease", device);
}
Result cuDevicePrimaryCtxRelease_v2(Device device) {
  return Release("cuDevicePrimaryCtxRelease_v2", device);
}
Result cuDevicePrimaryCtxReset(Device device) { return Reset("cuDevicePrimaryCtxReset", device); }
Result cuDevicePrimaryCtxReset_v2(Device device) {
  return Reset("cuDevicePrimaryCtxReset_v2", device);
}
Result cuDevicePrimaryCtxSetFlags(Device device, unsigned flags) {
  return SetFlags("cuDevicePrimaryCtxSetFlags", device, flags);
}
Result cuDevicePrimaryCtxSetFlags_v2(Device device, unsigned flags) {
  return SetFlags("cuDevicePrimaryCtxSetFlags_v2", device, flags);
}
Result cuDevicePrimaryCtxGetState(Device device, unsigned* flags, int* active) {
  if (flags == nullptr || active == nullptr) return kInvalidValue;
  return DeviceCall("cuDevicePrimaryCtxGetState", device, [&](const DeviceObject& found) {
    *flags = found.primary_flags;
    *active = found.primary != nullptr && found.primary->alive ? 1 : 0;
    return kSuccess;
  });
}

// ---- access between devices

Result cuDeviceCanAccessPeer(int* can_access_peer, Device device, Device peer_dev) {
  return PairCall("cuDeviceCanAccessPeer", device, peer_dev,
                  [&](const DeviceObject& from, const DeviceObject& to) {
                    if (can_access_peer == nullptr) return kInvalidValue;
                    *can_access_peer = CanReach(from, to) ? 1 : 0;
                    return kSuccess;
                  });
}

Result cuDeviceGetP2PAttribute(int* value, P2pAttribute attrib, Device src_device,
                               Device dst_device) {
  return PairCall("cuDeviceGetP2PAttribute", src_device, dst_device,
                  [&](const DeviceObject& from, const DeviceObject& to) {
                    if (value == nullptr) return kInvalidValue;
                    if (from.slot == to.slot) return kInvalidDevice;
                    const bool linked = Linked(from.gpu, to.gpu);
                    switch (attrib) {
                      case kP2pPerformanceRank:
                        *value = linked ? 0 : 1;
                        return kSuccess;
                      case kP2pAccessSupported:
                      case kP2pArrayAccessSupported:
                        *value = CanReach(from, to) ? 1 : 0;
                        return kSuccess;
                      case kP2pNativeAtomicSupported:
                        *value = linked ? 1 : 0;
                        return kSuccess;
                    }
                    return kInvalidValue;
                  });
}

Result cuCtxEnablePeerAccess(Context peer_context, unsigned flags) {
  return ContextCall("cuCtxEnablePeerAccess", [&](ContextObject& context) {
    if (flags != 0) return kInvalidValue;
    ContextObject* peer = Process::Get().contexts().Find(peer_context);
    if (peer == nullptr || !peer->alive || peer == &context) return kInvalidContext;
    if (!CanReach(*context.device, *peer->device)) return kPeerAccessUnsupported;
    auto& peers = context.peers;
    if (std::find(peers.begin(), peers.end(), peer) != peers.end()) {
      return kPeerAccessAlreadyEnabled;
    }
    peers.push_back(peer);
    return kSuccess;
  });
}

Result cuCtxDisablePeerAccess(Context peer_context) {
  return ContextCall("cuCtxDisablePeerAccess", [&](ContextObject& context) {
    ContextObject* peer = Process::Get().contexts().Find(peer_context);
    if (peer == nullptr) return kInvalidContext;
    return std::erase(context.peers, peer) > 0 ? kSuccess : kPeerAccessNotEnabled;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
