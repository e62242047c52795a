#include "cli/node/demo_places.h"

#include <fmt/format.h>

#include <algorithm>

#include "share/replica.h"

namespace tranche::cli::node {

PodsByGpu FindPlaces(const gpu::Inventory& inventory, const std::vector<tranche::sim::Pod>& pods) {
  PodsByGpu places;
  for (const gpu::Gpu& gpu : inventory.gpus) places[gpu.uuid] = 0;
  for (const tranche::sim::Pod& pod : pods) {
    if (pod.phase != tranche::sim::PodPhase::kRunning) continue;
    for (const tranche::sim::AllocatedDevice& device : pod.devices) {
      ++places[std::string(share::ParseReplicaId(device.id).device)];
    }
  }
  return places;
}

std::string PlacesText(const gpu::Inventory& inventory, const PodsByGpu& places) {
  std::string text;
  for (const gpu::Gpu& gpu : inventory.gpus) {
    text +=
        fmt::format("{}GPU {}: {} pods", text.empty() ? "" : ", ", gpu.index, places.at(gpu.uuid));
  }
  return text;
}

bool AreEven(const PodsByGpu& places) {
  int least = 1 << 20;
  int most = 0;
  for (const auto& [uuid, count] : places) {
    least = std::min(least, count);
    most = std::max(most, count);
  }
  return most - least <= 1;
}

}  // namespace tranche::cli::node
