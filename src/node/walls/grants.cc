#include "node/walls/grants.h"

#include <iterator>
#include <utility>

#include "share/memory_limits.h"

namespace tranche::node::walls {

std::vector<PodName> Grants::Update(const Rules& rules, const std::vector<identity::Held>& held) {
  std::map<PodName, std::map<std::string, int>> now;
  for (const identity::Held& one : held) {
    now[{one.pod_namespace, one.pod}][one.device] += one.replicas;
  }
  for (auto at = pods_.begin(); at != pods_.end();) {
    at = now.contains(at->first) ? std::next(at) : pods_.erase(at);
  }
  std::vector<PodName> short_of;
  for (const auto& [pod, devices] : now) {
    for (const auto& [device, replicas] : devices) {
      const auto rule = rules.find(device);
      if (rule == rules.end() || (pods_.contains(pod) && pods_[pod].contains(device))) continue;
      const share::MemoryShare share{.device_bytes = rule->second.device_bytes,
                                     .reserve_bytes = rule->second.reserve_bytes,
                                     .limit_bytes = rule->second.limit_bytes,
                                     .replicas = rule->second.replicas,
                                     .held = replicas};
      const std::uint64_t limit = share::GrantedMemory(share, GrantedOn(device));
      if (limit < share::WantedMemory(share)) short_of.push_back(pod);
      pods_[pod][device] = {.limit_bytes = limit,
                            .device_bytes = rule->second.device_bytes,
                            .away_open = rule->second.away_open};
    }
  }
  return short_of;
}

const Grants::OfPod* Grants::Find(const PodName& pod) const {
  const auto at = pods_.find(pod);
  return at == pods_.end() ? nullptr : &at->second;
}

std::uint64_t Grants::GrantedOn(const std::string& device) const {
  std::uint64_t sum = 0;
  for (const auto& [pod, grants] : pods_) {
    if (const auto at = grants.find(device); at != grants.end()) sum += at->second.limit_bytes;
  }
  return sum;
}

}  // namespace tranche::node::walls
