#include "node/walls/grants.h"

#include <set>

#include "config/memory_amount.h"
#include "share/memory_limits.h"

namespace tranche::node::walls {
namespace {

// What the profile says of the device now. Where it enforces nothing on it any more, nobody may
// have more than what was given with it.
share::MemoryShare ShareOf(const plan::MemoryRules& rules, const std::string& device,
                           const Grant& grant) {
  const auto rule = rules.find(device);
  share::MemoryShare share{.device_bytes = grant.device_bytes,
                           .reserve_bytes = grant.reserve_bytes,
                           .limit_bytes = 0,
                           .max_bytes = std::nullopt};
  if (rule != rules.end()) share = rule->second.share;
  share.held = grant.held;
  return share;
}

}  // namespace

bool Grants::Keep(const std::vector<identity::Held>& held,
                  const std::function<bool(const std::string& uid)>& runs) {
  std::set<std::string> uids;
  std::set<PodName> unknown;
  for (const identity::Held& one : held) {
    if (one.pod_uid.empty()) {
      unknown.insert({one.pod_namespace, one.pod});
    } else {
      uids.insert(one.pod_uid);
    }
  }
  const auto gone = std::erase_if(pods_, [&](const auto& entry) {
    return !uids.contains(entry.first) && !unknown.contains(entry.second.name) &&
           !runs(entry.first);
  });
  return gone > 0;
}

std::set<Grants::Holding> Grants::Missing(const plan::MemoryRules& rules,
                                          const std::vector<identity::Held>& held) const {
  std::set<Holding> missing;
  for (const identity::Held& one : held) {
    if (one.pod_uid.empty() || !rules.contains(one.device)) continue;
    const GrantedPod* pod = Find(one.pod_uid);
    if (pod != nullptr && pod->devices.contains(one.device)) continue;
    missing.insert({.uid = one.pod_uid,
                    .device = one.device,
                    .name = {one.pod_namespace, one.pod},
                    .replicas = one.of_pod});
  }
  return missing;
}

bool Grants::Give(const Holding& holding, const plan::MemoryRule& rule) {
  share::MemoryShare share = rule.share;
  share.held = holding.replicas;
  const std::uint64_t limit = share::GrantedMemory(share, GrantedOn(holding.device));
  GrantedPod& pod = pods_[holding.uid];
  pod.name = holding.name;
  pod.devices[holding.device] = {.limit_bytes = limit,
                                 .fixed_bytes = limit,
                                 .device_bytes = share.device_bytes,
                                 .reserve_bytes = share.reserve_bytes,
                                 .held = holding.replicas,
                                 .away_open = rule.away_open};
  return limit == share::WantedMemory(share);
}

std::vector<Grants::Change> Grants::Ask(const std::string& uid, const plan::MemoryRules& rules,
                                        const std::optional<config::MemoryAmount>& amount,
                                        Lowering lowering) {
  std::vector<Change> changes;
  const auto pod = pods_.find(uid);
  if (pod == pods_.end()) return changes;
  for (auto& [device, grant] : pod->second.devices) {
    const std::uint64_t asked =
        amount ? config::BytesOf(*amount, grant.device_bytes) : grant.fixed_bytes;
    const share::MemoryAnswer answer = share::AnswerMemoryAsk(
        ShareOf(rules, device, grant), {.asked_bytes = asked,
                                        .limit_bytes = grant.limit_bytes,
                                        .fixed_bytes = grant.fixed_bytes,
                                        .others_bytes = GrantedOn(device) - grant.limit_bytes});
    Change change{.device = device,
                  .before = grant.limit_bytes,
                  .after = answer.limit_bytes,
                  .asked = asked,
                  .above_most = answer.above_most,
                  .no_room = answer.no_room};
    if (lowering == Lowering::kForbidden && change.after < change.before)
      change.after = change.before;
    grant.limit_bytes = change.after;
    changes.push_back(std::move(change));
  }
  return changes;
}

const GrantedPod* Grants::Find(const std::string& uid) const {
  const auto at = pods_.find(uid);
  return at == pods_.end() ? nullptr : &at->second;
}

std::uint64_t Grants::GrantedOn(const std::string& device) const {
  std::uint64_t sum = 0;
  for (const auto& [uid, pod] : pods_) {
    if (const auto at = pod.devices.find(device); at != pod.devices.end()) {
      sum += at->second.limit_bytes;
    }
  }
  return sum;
}

}  // namespace tranche::node::walls
