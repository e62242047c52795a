#include "sim/driver/hardware.h"

#include <algorithm>
#include <utility>

#include "sim/driver/constants.h"

namespace tranche::sim::driver {
namespace {

// An owner that no client and no context is.
constexpr engine::OwnerId kOthers = 0;

Device Common(const GpuState& gpu, unsigned slot) {
  Device device;
  device.slot = slot;
  device.chip = {.compute_major = gpu.compute_major,
                 .compute_minor = gpu.compute_minor,
                 .multiprocessors = gpu.multiprocessors};
  device.link_rate = engine::LinkRate(gpu.pcie_generation, gpu.pcie_width);
  device.memory_rate = engine::MemoryRate(gpu.memory_bus_width, gpu.max_clock_mhz[2]);
  device.identity = gpu.uuid;
  return device;
}

// What a GPU of the state amounts to, without units and memory: `capacity` has that of each.
std::vector<Device> DevicesOf(const GpuState& gpu, unsigned slot,
                              std::vector<std::uint64_t>* capacities) {
  std::vector<Device> devices;
  if (gpu.present == 0 || gpu.lost != 0) return devices;
  if (gpu.mig_enabled == 0) {
    devices.push_back(Common(gpu, slot));
    capacities->push_back(gpu.memory_total - std::min(gpu.memory_total, gpu.memory_reserved));
    return devices;
  }
  for (unsigned i = 0; i < gpu.gpu_instance_count; ++i) {
    const GpuInstanceState& instance = gpu.gpu_instances[i];
    const MigProfileState& profile = gpu.mig_profiles[instance.profile_index];
    Device device = Common(gpu, slot);
    device.gpu_instance = instance.id;
    device.chip.multiprocessors = profile.multiprocessors;
    device.identity += "/" + std::string(profile.name) + "/" + std::to_string(instance.start);
    for (unsigned j = 0; j < instance.compute_instance_count; ++j) {
      device.identity += std::string("/") + instance.compute_instances[j].uuid;
    }
    devices.push_back(std::move(device));
    capacities->push_back(profile.memory_mib << 20U);
  }
  return devices;
}

// Memory that is taken though none of our clients has it: what `tranche sim set --memory-used` and
// `tranche sim process` say.
std::uint64_t TakenByOthers(const GpuState& gpu, std::uint32_t gpu_instance) {
  std::uint64_t bytes = gpu_instance == kWholeGpu ? gpu.memory_used : 0;
  for (unsigned i = 0; i < gpu.process_count; ++i) {
    const ProcessState& process = gpu.processes[i];
    if (process.by_driver == 0 && process.gpu_instance == gpu_instance) {
      bytes += process.memory_bytes;
    }
  }
  return bytes;
}

}  // namespace

std::uint64_t Device::ContextBytes() const { return engine::ContextBytes(chip); }

engine::Time Device::HostCopyTime(std::uint64_t bytes) const {
  return engine::CopyTime(bytes, link_rate);
}

engine::Time Device::DeviceCopyTime(std::uint64_t bytes) const {
  return engine::CopyTime(bytes, memory_rate / 2);
}

engine::Time Device::FillTime(std::uint64_t bytes) const {
  return engine::CopyTime(bytes, memory_rate);
}

void Devices::Follow(const NodeSnapshot& node, const std::function<void(Device&)>& on_gone) {
  std::vector<Device> wanted;
  std::vector<std::uint64_t> capacities;
  errors_.assign(kMaxGpus, kSuccess);
  for (unsigned slot = 0; slot < node.gpus.size(); ++slot) {
    const GpuState& gpu = node.gpus[slot];
    if (gpu.present == 0 || gpu.lost != 0) errors_[slot] = kDeviceUnavailable;
    for (Device& device : DevicesOf(gpu, slot, &capacities)) wanted.push_back(std::move(device));
  }
  const auto same = [](const Device& a, const Device& b) {
    return a.slot == b.slot && a.gpu_instance == b.gpu_instance && a.identity == b.identity;
  };
  for (const auto& device : devices_) {
    const bool there = std::any_of(wanted.begin(), wanted.end(),
                                   [&](const Device& other) { return same(*device, other); });
    if (device->usable && !there) {
      device->usable = false;
      on_gone(*device);
      engine_.RemoveUnit(device->unit);
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool there = std::any_of(devices_.begin(), devices_.end(), [&](const auto& device) {
      return device->usable && same(*device, wanted[i]);
    });
    if (there) continue;
    wanted[i].memory = std::make_unique<engine::DeviceMemory>(capacities[i]);
    Add(std::move(wanted[i]));
  }
  for (const auto& device : devices_) {
    if (!device->usable) continue;
    Occupy(*device, TakenByOthers(node.gpus[device->slot], device->gpu_instance));
  }
}

void Devices::Occupy(Device& device, std::uint64_t bytes) {
  if (bytes == device.others) return;
  device.others = bytes;
  device.memory->RemoveOwner(kOthers);
  // Clients may have taken it before: then there is nothing left for the others.
  const std::uint64_t fits = std::min(bytes, device.memory->Free());
  if (fits > 0) device.memory->ReservePieces(kOthers, fits);
}

void Devices::Add(Device device) {
  device.unit = engine_.AddUnit(hardware_);
  devices_.push_back(std::make_unique<Device>(std::move(device)));
}

Device* Devices::Find(std::uint32_t slot, std::uint32_t gpu_instance) {
  for (const auto& device : devices_) {
    if (device->usable && device->slot == slot && device->gpu_instance == gpu_instance) {
      return device.get();
    }
  }
  return nullptr;
}

Device* Devices::OfUnit(engine::UnitId unit) {
  for (const auto& device : devices_) {
    if (device->unit == unit) return device.get();
  }
  return nullptr;
}

std::uint32_t Devices::ErrorOf(unsigned slot) const {
  return slot < errors_.size() ? errors_[slot] : kSuccess;
}

}  // namespace tranche::sim::driver
