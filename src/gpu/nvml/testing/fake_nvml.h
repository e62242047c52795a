// A driver made of C functions, as NVML is; what it says is in one table for the running test,
// which sets `fake` to its own and back to nullptr. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gpu/nvml/abi.h"
#include "gpu/nvml/library.h"

namespace tranche::gpu::nvml::testing {

struct FakeGpu {
  std::string name = "NVIDIA A100-SXM4-80GB";
  std::string uuid;
  unsigned minor = 0;
  std::string bus_id;
  unsigned long long memory = 80ULL << 30U;
  bool mig_capable = true;
  bool mig_enabled = false;
  std::vector<int> mig;  // handles of MIG devices; -1: a hole
  std::map<std::string, gpu::nvml::Return> fails;
  std::map<unsigned, std::string> links;  // NVLink number to remote bus id
  unsigned char cluster = 0;              // each byte of the fabric's UUID
  unsigned char fabric_state = gpu::nvml::kFabricNotStarted;
};
struct FakeMig {
  std::string name;
  std::string uuid;
  unsigned gi = 0;
  unsigned ci = 0;
  gpu::nvml::DeviceAttributes attributes{};
};
struct FakeNvml {
  std::vector<FakeGpu> gpus;
  std::vector<FakeMig> migs;
  gpu::nvml::Return init = nvml::kSuccess;
  int inits = 0;
  int shutdowns = 0;
  std::map<std::string, int> calls;
  std::deque<std::pair<gpu::nvml::Return, gpu::nvml::EventData>> events;
  std::vector<std::pair<int, unsigned long long>> registered;
  int sets = 0;
  unsigned long long supported = gpu::nvml::kEventXidCritical;
};
inline FakeNvml* fake = nullptr;

// Handles: 1… are GPUs, 1001… MIG devices.
inline gpu::nvml::Device Handle(int number) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): opaque, never followed
  return reinterpret_cast<gpu::nvml::Device>(static_cast<std::uintptr_t>(number));
}
inline int Number(gpu::nvml::Device device) {
  return static_cast<int>(reinterpret_cast<std::uintptr_t>(device));
}
inline bool IsMig(gpu::nvml::Device device) { return Number(device) > 1000; }
inline FakeGpu& GpuOf(gpu::nvml::Device device) {
  return fake->gpus.at(static_cast<std::size_t>(Number(device) - 1));
}
inline FakeMig& MigOf(gpu::nvml::Device device) {
  return fake->migs.at(static_cast<std::size_t>(Number(device) - 1001));
}

inline gpu::nvml::Return Enter(const char* call, gpu::nvml::Device device = nullptr) {
  ++fake->calls[call];
  if (device == nullptr || IsMig(device)) return nvml::kSuccess;
  const auto fails = GpuOf(device).fails.find(call);
  return fails == GpuOf(device).fails.end() ? nvml::kSuccess : fails->second;
}
inline gpu::nvml::Return Copy(const std::string& text, char* out, unsigned length) {
  std::memset(out, 'X', length);  // no terminator where it does not fit: a hostile library
  std::memcpy(out, text.c_str(), std::min<std::size_t>(text.size() + 1, length));
  return nvml::kSuccess;
}

inline gpu::nvml::Table MakeTable() {
  using namespace nvml;  // NOLINT(google-build-using-namespace): the types of a C interface
  Table t;
  t.nvmlInit_v2 = [] {
    ++fake->inits;
    return fake->init;
  };
  t.nvmlShutdown = [] {
    ++fake->shutdowns;
    return kSuccess;
  };
  t.nvmlSystemGetDriverVersion = [](char* out, unsigned n) { return Copy("570.172.08", out, n); };
  t.nvmlSystemGetCudaDriverVersion_v2 = [](int* version) {
    *version = 12080;
    return kSuccess;
  };
  t.nvmlDeviceGetCount_v2 = [](unsigned* count) {
    *count = static_cast<unsigned>(fake->gpus.size());
    return Enter("Count");
  };
  t.nvmlDeviceGetHandleByIndex_v2 = [](unsigned i, Device* device) {
    *device = Handle(static_cast<int>(i) + 1);
    return Enter("Handle", *device);
  };
  t.nvmlDeviceGetName = [](Device device, char* out, unsigned n) {
    const Return result = Enter("Name", device);
    Copy(IsMig(device) ? MigOf(device).name : GpuOf(device).name, out, n);
    return result;
  };
  t.nvmlDeviceGetUUID = [](Device device, char* out, unsigned n) {
    const Return result = Enter("UUID", device);
    Copy(IsMig(device) ? MigOf(device).uuid : GpuOf(device).uuid, out, n);
    return result;
  };
  t.nvmlDeviceGetMinorNumber = [](Device device, unsigned* minor) {
    *minor = GpuOf(device).minor;
    return Enter("Minor", device);
  };
  t.nvmlDeviceGetPciInfo_v3 = [](Device device, PciInfo* pci) {
    Copy(GpuOf(device).bus_id, pci->bus_id, sizeof pci->bus_id);
    return Enter("Pci", device);
  };
  t.nvmlDeviceGetMemoryInfo = [](Device device, Memory* memory) {
    memory->total = GpuOf(device).memory;
    return Enter("Memory", device);
  };
  t.nvmlDeviceGetCudaComputeCapability = [](Device device, int* major, int* minor) {
    *major = 8;
    *minor = 0;
    return Enter("Compute", device);
  };
  t.nvmlDeviceGetMigMode = [](Device device, unsigned* current, unsigned* pending) {
    *current = *pending = GpuOf(device).mig_enabled ? 1 : 0;
    return GpuOf(device).mig_capable ? Enter("MigMode", device) : kNotSupported;
  };
  t.nvmlDeviceGetMaxMigDeviceCount = [](Device /*device*/, unsigned* count) {
    *count = 4000000000U;  // not to be believed
    return kSuccess;
  };
  t.nvmlDeviceGetMigDeviceHandleByIndex = [](Device device, unsigned j, Device* mig) {
    const auto& migs = GpuOf(device).mig;
    if (j >= migs.size() || migs[j] < 0) return kNotFound;
    *mig = Handle(1001 + migs[j]);
    return kSuccess;
  };
  t.nvmlDeviceGetGpuFabricInfoV = [](Device device, FabricInfoV3* info) {
    if (info->version != StructVersion<FabricInfoV2>(2)) return kArgumentVersionMismatch;
    std::fill_n(info->cluster_uuid, sizeof info->cluster_uuid, GpuOf(device).cluster);
    info->status = kSuccess;
    info->clique_id = 5;
    info->state = GpuOf(device).fabric_state;
    return Enter("Fabric", device);
  };
  t.nvmlDeviceGetGpuInstanceId = [](Device mig, unsigned* id) {
    *id = MigOf(mig).gi;
    return kSuccess;
  };
  t.nvmlDeviceGetComputeInstanceId = [](Device mig, unsigned* id) {
    *id = MigOf(mig).ci;
    return kSuccess;
  };
  t.nvmlDeviceGetAttributes_v2 = [](Device mig, DeviceAttributes* attributes) {
    *attributes = MigOf(mig).attributes;
    return kSuccess;
  };
  t.nvmlDeviceGetTopologyCommonAncestor = [](Device a, Device b, TopologyLevel* level) {
    const Return result = Enter("Ancestor", a);
    *level = Number(a) / 2 == Number(b) / 2 ? kTopologySingle : kTopologySystem;
    return result;
  };
  t.nvmlDeviceGetNvLinkState = [](Device device, unsigned link, EnableState* active) {
    if (link >= 18) return kInvalidArgument;
    *active = GpuOf(device).links.contains(link) ? kEnabled : kDisabled;
    return Enter("Link", device);
  };
  t.nvmlDeviceGetNvLinkRemotePciInfo_v2 = [](Device device, unsigned link, PciInfo* pci) {
    return Copy(GpuOf(device).links.at(link), pci->bus_id, sizeof pci->bus_id);
  };
  t.nvmlEventSetCreate = [](EventSet* set) {
    ++fake->sets;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): opaque, never followed
    *set = reinterpret_cast<EventSet>(std::uintptr_t{7});
    return Enter("EventSetCreate");
  };
  t.nvmlEventSetFree = [](EventSet /*set*/) {
    --fake->sets;
    return kSuccess;
  };
  t.nvmlDeviceGetSupportedEventTypes = [](Device device, unsigned long long* types) {
    *types = fake->supported;
    return Enter("Supported", device);
  };
  t.nvmlDeviceRegisterEvents = [](Device device, unsigned long long types, EventSet /*set*/) {
    fake->registered.emplace_back(Number(device), types);
    return Enter("Register", device);
  };
  t.nvmlEventSetWait_v2 = [](EventSet /*set*/, EventData* data, unsigned /*timeout*/) {
    if (fake->events.empty()) return kTimeout;
    const auto [result, event] = fake->events.front();
    fake->events.pop_front();
    if (result == kSuccess) *data = event;
    return result;
  };
  return t;
}

inline gpu::nvml::EventData XidEvent(int gpu, unsigned long long xid,
                                     unsigned gi = gpu::nvml::kNoInstance,
                                     unsigned ci = gpu::nvml::kNoInstance) {
  return {Handle(gpu), gpu::nvml::kEventXidCritical, xid, gi, ci};
}

}  // namespace tranche::gpu::nvml::testing
