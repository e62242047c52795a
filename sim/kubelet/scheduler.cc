#include "sim/kubelet/scheduler.h"

#include <cstdint>

namespace tranche::sim {
namespace {

using Amounts = std::map<std::string, std::int64_t>;

// What is missing, in the scheduler's words. Empty: it fits.
std::string Misfit(const PodSpec& spec, const Amounts& used,
                   const std::map<std::string, ResourceCount>& node) {
  std::string misfit;
  for (const auto& [resource, count] : spec.requests) {
    const auto have = node.find(resource);
    const auto taken = used.find(resource);
    const std::int64_t allocatable = have == node.end() ? 0 : have->second.allocatable;
    if ((taken == used.end() ? 0 : taken->second) + count <= allocatable) continue;
    misfit += (misfit.empty() ? "1 Insufficient " : ", 1 Insufficient ") + resource;
  }
  return misfit;
}

void Count(const PodSpec& spec, Amounts& used) {
  for (const auto& [resource, count] : spec.requests) used[resource] += count;
}

}  // namespace

std::vector<PodRecord*> PlacePods(PodTable& pods,
                                  const std::map<std::string, ResourceCount>& node) {
  Amounts used;
  for (const PodRecord* record : pods.InOrder()) {
    if (record->on_node()) Count(record->pod.spec, used);
  }
  std::vector<PodRecord*> placed;
  for (PodRecord* record : pods.InOrder()) {
    if (record->stage != PodStage::kUnscheduled) continue;
    Pod& pod = record->pod;
    if (const std::string misfit = Misfit(pod.spec, used, node); !misfit.empty()) {
      pod.reason = "Unschedulable";
      pod.message = "0/1 nodes are available: " + misfit + ".";
      continue;
    }
    pod.reason.clear();
    pod.message.clear();
    record->stage = PodStage::kQueued;
    Count(pod.spec, used);
    placed.push_back(record);
  }
  return placed;
}

}  // namespace tranche::sim
