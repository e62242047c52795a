#include "gpu/inventory_memory.h"

#include <algorithm>
#include <set>
#include <utility>

namespace tranche::gpu {
namespace {

void SortByIndex(std::vector<Gpu>& gpus) { std::ranges::stable_sort(gpus, {}, &Gpu::index); }

void CopyDetail(Detail detail, const Gpu& from, Gpu& to) {
  switch (detail) {
    case Detail::kName:
      to.name = from.name;
      return;
    case Detail::kPci:
      to.pci_bus_id = from.pci_bus_id;
      to.numa_node = from.numa_node;
      to.pci_class = from.pci_class;
      return;
    case Detail::kMemory:
      to.memory_bytes = from.memory_bytes;
      return;
    case Detail::kCompute:
      to.compute_major = from.compute_major;
      to.compute_minor = from.compute_minor;
      return;
    case Detail::kFabric:
      to.fabric = from.fabric;
      return;
    case Detail::kMig:
      to.mig_capable = from.mig_capable;
      to.mig_enabled = from.mig_enabled;
      to.mig_devices = from.mig_devices;
      return;
    default:
      return;  // those of the driver, and of MIG devices
  }
}

MigDevice* FindMig(Gpu& gpu, const std::string& uuid) {
  const auto found = std::ranges::find(gpu.mig_devices, uuid, &MigDevice::uuid);
  return found == gpu.mig_devices.end() ? nullptr : &*found;
}

bool Mentions(const Inventory& inventory, const std::string& uuid) {
  return std::ranges::find(inventory.unread, uuid, &Unread::uuid) != inventory.unread.end();
}

}  // namespace

InventoryMemory::Merged InventoryMemory::Merge(Inventory seen, Time now) {
  Complete(seen);
  std::set<std::string> there;
  for (const Gpu& gpu : seen.gpus) there.insert(gpu.uuid);
  Merged merged{.listed = std::move(seen), .inventory = {}, .missing = {}, .unanswered = {}};
  KeepUnanswered(merged);
  for (const Gpu& gpu : merged.listed.gpus) {
    if (there.contains(gpu.uuid)) known_[gpu.uuid] = {.gpu = gpu, .last_seen = now};
  }
  std::erase_if(known_,
                [&](const auto& entry) { return now - entry.second.last_seen > kMissingGrace; });
  driver_version_ = merged.listed.driver_version;
  cuda_major_ = merged.listed.cuda_major;
  cuda_minor_ = merged.listed.cuda_minor;
  merged.inventory = merged.listed;
  for (const auto& [uuid, remembered] : known_) {
    if (there.contains(uuid) || merged.unanswered.contains(uuid)) continue;
    merged.missing.push_back(uuid);
    merged.inventory.gpus.push_back(remembered.gpu);
  }
  SortByIndex(merged.inventory.gpus);
  return merged;
}

// What has been read once stays known while it cannot be read.
void InventoryMemory::Complete(Inventory& seen) const {
  for (const Unread& unread : seen.unread) {
    if (unread.detail == Detail::kDriverVersion) seen.driver_version = driver_version_;
    if (unread.detail != Detail::kCudaVersion) continue;
    seen.cuda_major = cuda_major_;
    seen.cuda_minor = cuda_minor_;
  }
  for (Gpu& gpu : seen.gpus) {
    const auto known = known_.find(gpu.uuid);
    if (known == known_.end()) continue;
    Gpu before = known->second.gpu;
    for (const Unread& unread : seen.unread) {
      if (unread.uuid == gpu.uuid) CopyDetail(unread.detail, before, gpu);
    }
    for (MigDevice& mig : gpu.mig_devices) {
      const MigDevice* earlier = FindMig(before, mig.uuid);
      if (earlier != nullptr && Mentions(seen, mig.uuid)) mig = *earlier;
    }
  }
}

// A call that fails says nothing about the device: it is there as it was.
void InventoryMemory::KeepUnanswered(Merged& merged) const {
  std::vector<BrokenGpu> broken = std::exchange(merged.listed.broken, {});
  for (BrokenGpu& one : broken) {
    const Gpu* known = one.call_failed ? Find(one) : nullptr;
    auto listed = merged.listed.gpus.end();
    if (known != nullptr) listed = std::ranges::find(merged.listed.gpus, known->uuid, &Gpu::uuid);
    const bool gpu_is_listed = listed != merged.listed.gpus.end();
    if (known != nullptr && !one.mig && !gpu_is_listed) {
      merged.unanswered[known->uuid] = one.error;
      merged.listed.gpus.push_back(*known);
      continue;
    }
    if (known != nullptr && one.mig && gpu_is_listed) {
      const auto mig = std::ranges::find_if(known->mig_devices, [&](const MigDevice& device) {
        return one.uuid.empty() ? device.index == *one.mig : device.uuid == one.uuid;
      });
      if (mig != known->mig_devices.end() && FindMig(*listed, mig->uuid) == nullptr) {
        merged.unanswered[mig->uuid] = one.error;
        listed->mig_devices.push_back(*mig);
        std::ranges::stable_sort(listed->mig_devices, {}, &MigDevice::index);
        continue;
      }
    }
    merged.listed.broken.push_back(std::move(one));
  }
  SortByIndex(merged.listed.gpus);
}

// The GPU that it was, by its UUID, or by its index where that is all that is known. (The UUID of a
// MIG device is not that of its GPU.)
const Gpu* InventoryMemory::Find(const BrokenGpu& broken) const {
  const bool by_index = broken.mig || broken.uuid.empty();
  for (const auto& [uuid, remembered] : known_) {
    if (by_index ? remembered.gpu.index == broken.index : uuid == broken.uuid) {
      return &remembered.gpu;
    }
  }
  return nullptr;
}

}  // namespace tranche::gpu
