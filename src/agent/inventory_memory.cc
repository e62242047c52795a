#include "agent/inventory_memory.h"

#include <algorithm>

namespace tranche::agent {

InventoryMemory::Merged InventoryMemory::Merge(const gpu::Inventory& seen, Time now) {
  for (const gpu::Gpu& gpu : seen.gpus) known_[gpu.uuid] = {.gpu = gpu, .last_seen = now};
  std::erase_if(known_,
                [&](const auto& entry) { return now - entry.second.last_seen > kMissingGrace; });
  Merged merged{.inventory = seen, .missing = {}};
  for (const auto& [uuid, remembered] : known_) {
    if (remembered.last_seen == now) continue;
    merged.missing.push_back(uuid);
    merged.inventory.gpus.push_back(remembered.gpu);
  }
  std::stable_sort(merged.inventory.gpus.begin(), merged.inventory.gpus.end(),
                   [](const gpu::Gpu& a, const gpu::Gpu& b) { return a.index < b.index; });
  return merged;
}

}  // namespace tranche::agent
