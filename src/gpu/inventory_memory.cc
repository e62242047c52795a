#include "gpu/inventory_memory.h"

#include <algorithm>
#include <set>

namespace tranche::gpu {

InventoryMemory::Merged InventoryMemory::Merge(const gpu::Inventory& seen, Time now) {
  std::set<std::string> there;
  for (const gpu::Gpu& gpu : seen.gpus) {
    known_[gpu.uuid] = {.gpu = gpu, .last_seen = now};
    there.insert(gpu.uuid);
  }
  std::erase_if(known_,
                [&](const auto& entry) { return now - entry.second.last_seen > kMissingGrace; });
  Merged merged{.inventory = seen, .missing = {}};
  for (const auto& [uuid, remembered] : known_) {
    if (there.contains(uuid)) continue;
    merged.missing.push_back(uuid);
    merged.inventory.gpus.push_back(remembered.gpu);
  }
  std::stable_sort(merged.inventory.gpus.begin(), merged.inventory.gpus.end(),
                   [](const gpu::Gpu& a, const gpu::Gpu& b) { return a.index < b.index; });
  return merged;
}

}  // namespace tranche::gpu
