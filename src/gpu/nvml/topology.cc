#include "gpu/nvml/topology.h"

#include <algorithm>
#include <map>

#include "gpu/nvml/strings.h"

namespace tranche::gpu::nvml {
namespace {

// Upstream's scores: 10 to 60 by the closest common part of the PCIe tree, 100 for each NVLink of
// up to 18 (go-gpuallocator, best-effort policy).
constexpr int kPerNvLink = 100;
constexpr int kMostNvLinks = 18;

int PcieScore(TopologyLevel level) {
  switch (level) {
    case nvml::kTopologyInternal:
      return 60;
    case nvml::kTopologySingle:
      return 50;
    case nvml::kTopologyMultiple:
      return 40;
    case nvml::kTopologyHostBridge:
      return 30;
    case nvml::kTopologyNode:
      return 20;
    case nvml::kTopologySystem:
      return 10;
  }
  return 0;
}

// How many active NVLinks end at each PCI address. Links to a switch end at the switch.
std::map<std::string, int> LinksOf(const Table& table, Device device) {
  std::map<std::string, int> links;
  for (unsigned link = 0; link < kMaxNvLinks; ++link) {
    EnableState active = nvml::kDisabled;
    const Return result = Call(table.nvmlDeviceGetNvLinkState, device, link, &active);
    // No NVLink at all, no link of that number, or nothing to be had from this GPU.
    if (result != nvml::kSuccess) break;
    if (active != nvml::kEnabled) continue;
    PciInfo pci{};
    if (CallNewest(table.nvmlDeviceGetNvLinkRemotePciInfo_v2,
                   table.nvmlDeviceGetNvLinkRemotePciInfo, device, link, &pci) != nvml::kSuccess) {
      continue;
    }
    auto bus_id = ParseBusId(BufferText(pci.bus_id, sizeof pci.bus_id));
    if (!bus_id) bus_id = ParseBusId(BufferText(pci.bus_id_legacy, sizeof pci.bus_id_legacy));
    if (bus_id) ++links[*bus_id];
  }
  return links;
}

int CountAt(const std::map<std::string, int>& links, const std::string& bus_id) {
  const auto found = links.find(bus_id);
  return found == links.end() ? 0 : found->second;
}

}  // namespace

Topology ReadNvmlTopology(const Table& table, const std::vector<ConnectedGpu>& gpus) {
  Topology topology;
  std::vector<std::map<std::string, int>> links;
  for (const ConnectedGpu& gpu : gpus) {
    topology.uuids.push_back(gpu.uuid);
    links.push_back(LinksOf(table, gpu.device));
  }
  topology.pair_score.assign(gpus.size(), std::vector<int>(gpus.size(), 0));
  for (std::size_t a = 0; a < gpus.size(); ++a) {
    for (std::size_t b = a + 1; b < gpus.size(); ++b) {
      TopologyLevel level = nvml::kTopologySystem;
      const Return result =
          Call(table.nvmlDeviceGetTopologyCommonAncestor, gpus[a].device, gpus[b].device, &level);
      int score = result == nvml::kSuccess ? PcieScore(level) : 0;
      // A link has two ends; one of the GPUs may not report its own.
      const int count =
          std::max(CountAt(links[a], gpus[b].pci_bus_id), CountAt(links[b], gpus[a].pci_bus_id));
      score += kPerNvLink * std::min(count, kMostNvLinks);
      topology.pair_score[a][b] = topology.pair_score[b][a] = score;
    }
  }
  return topology;
}

}  // namespace tranche::gpu::nvml
