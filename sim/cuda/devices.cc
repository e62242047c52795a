#include "sim/cuda/devices.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <tuple>

#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

bool HasDeviceNode(const GpuState& gpu) {
  char path[32];
  std::snprintf(path, sizeof path, "/dev/nvidia%u", gpu.minor);
  return access(path, F_OK) == 0;
}

std::unique_ptr<DeviceObject> WholeGpu(const GpuState& gpu, unsigned slot) {
  auto device = std::make_unique<DeviceObject>();
  device->slot = slot;
  device->gpu = gpu;
  std::snprintf(device->uuid, sizeof device->uuid, "%s", gpu.uuid);
  device->multiprocessors = gpu.multiprocessors;
  device->total_memory = gpu.memory_total - gpu.memory_reserved;
  return device;
}

void AddMigDevices(const GpuState& gpu, unsigned slot,
                   std::vector<std::unique_ptr<DeviceObject>>* devices) {
  for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
    const GpuInstanceState& instance = gpu.gpu_instances[i];
    for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
      const ComputeInstanceState& compute = instance.compute_instances[j];
      auto device = WholeGpu(gpu, slot);
      device->gpu_instance = instance.id;
      device->compute_instance = compute.id;
      std::snprintf(device->uuid, sizeof device->uuid, "%s", compute.uuid);
      device->multiprocessors = compute.multiprocessors;
      device->total_memory = gpu.mig_profiles[instance.profile_index].memory_mib << 20U;
      devices->push_back(std::move(device));
    }
  }
}

// All that could be seen, whole GPUs first.
std::vector<std::unique_ptr<DeviceObject>> All(const NodeSnapshot& node, bool in_bus_order) {
  std::vector<unsigned> slots;
  for (unsigned slot = 0; slot < node.gpus.size(); ++slot) {
    const GpuState& gpu = node.gpus[slot];
    if (gpu.present == 0 || gpu.lost != 0) continue;
    if (node.header.only_device_nodes != 0 && !HasDeviceNode(gpu)) continue;
    slots.push_back(slot);
  }
  // CUDA_DEVICE_ORDER: the fastest GPU first, or all as they are on the bus.
  const auto place = [&](unsigned slot) {
    const GpuState& gpu = node.gpus[slot];
    const std::uint64_t speed =
        in_bus_order ? 0 : std::uint64_t{gpu.cores} * std::uint64_t{gpu.max_clock_mhz[1]};
    return std::tuple(~speed, gpu.pci_domain, gpu.pci_bus, gpu.pci_device);
  };
  std::sort(slots.begin(), slots.end(),
            [&](unsigned a, unsigned b) { return place(a) < place(b); });
  std::vector<std::unique_ptr<DeviceObject>> devices;
  for (const unsigned slot : slots) {
    if (node.gpus[slot].mig_enabled == 0) devices.push_back(WholeGpu(node.gpus[slot], slot));
  }
  for (const unsigned slot : slots) {
    if (node.gpus[slot].mig_enabled != 0) AddMigDevices(node.gpus[slot], slot, &devices);
  }
  return devices;
}

bool IsMig(const DeviceObject& device) { return device.compute_instance != kWholeGpu; }

bool IsCalled(const DeviceObject& device, const std::string& name) {
  if (name.rfind("MIG-GPU-", 0) == 0) {
    const std::string old = std::string("MIG-") + device.gpu.uuid + '/' +
                            std::to_string(device.gpu_instance) + '/' +
                            std::to_string(device.compute_instance);
    return IsMig(device) && old == name;
  }
  return name.size() > 4 && std::strncmp(device.uuid, name.c_str(), name.size()) == 0;
}

// Index of the device that a name means; -1: none, or more than one.
int Named(const std::vector<std::unique_ptr<DeviceObject>>& devices, const std::string& name) {
  if (!name.empty() && name.find_first_not_of("0123456789") == std::string::npos) {
    if (name.size() > 4) return -1;
    const int index = std::atoi(name.c_str());
    return index < static_cast<int>(devices.size()) ? index : -1;
  }
  int found = -1;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    if (devices[i] == nullptr || !IsCalled(*devices[i], name)) continue;
    if (found >= 0) return -1;
    found = static_cast<int>(i);
  }
  return found;
}

std::vector<std::unique_ptr<DeviceObject>> Choose(
    std::vector<std::unique_ptr<DeviceObject>> devices, const std::string& names) {
  std::vector<std::unique_ptr<DeviceObject>> chosen;
  for (std::size_t begin = 0; begin <= names.size();) {
    const std::size_t comma = std::min(names.find(',', begin), names.size());
    std::string name = names.substr(begin, comma - begin);
    name.erase(0, name.find_first_not_of(" \t"));
    name.erase(name.find_last_not_of(" \t") + 1);
    begin = comma + 1;
    const int index = Named(devices, name);
    if (index < 0) break;
    // Named twice: CUDA then shows no device at all.
    if (devices[static_cast<std::size_t>(index)] == nullptr) return {};
    chosen.push_back(std::move(devices[static_cast<std::size_t>(index)]));
  }
  return chosen;
}

}  // namespace

std::vector<std::unique_ptr<DeviceObject>> ChooseDevices(const NodeSnapshot& node,
                                                         const char* visible, bool in_bus_order) {
  auto devices = All(node, in_bus_order);
  if (visible != nullptr) devices = Choose(std::move(devices), visible);
  const auto mig = std::find_if(devices.begin(), devices.end(),
                                [](const auto& device) { return IsMig(*device); });
  if (mig != devices.end()) {
    std::vector<std::unique_ptr<DeviceObject>> only;
    only.push_back(std::move(*mig));
    devices = std::move(only);
  }
  for (std::size_t i = 0; i < devices.size(); ++i) devices[i]->ordinal = static_cast<Device>(i);
  return devices;
}

Result ListDevices(const StateReader& node, std::vector<std::unique_ptr<DeviceObject>>* devices) {
  NodeSnapshot snapshot;
  node.Read(&snapshot);
  if (snapshot.header.driver_loaded == 0) return kNoDevice;
  const char* order = std::getenv("CUDA_DEVICE_ORDER");
  *devices = ChooseDevices(snapshot, std::getenv("CUDA_VISIBLE_DEVICES"),
                           order != nullptr && std::strcmp(order, "PCI_BUS_ID") == 0);
  return devices->empty() ? kNoDevice : kSuccess;
}

void UuidBytes(const char* text, Uuid* uuid) {
  const char* at = text + std::strlen("GPU-");
  for (unsigned char& byte : uuid->bytes) {
    while (*at == '-') ++at;
    unsigned value = 0;
    if (std::sscanf(at, "%2x", &value) != 1) value = 0;
    byte = static_cast<unsigned char>(value);
    at += *at == '\0' ? 0 : 2;
  }
}

}  // namespace tranche::sim::cuda
