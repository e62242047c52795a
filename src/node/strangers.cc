#include "node/strangers.h"

#include <fmt/format.h>

namespace tranche::node {

void Strangers::Look(const std::map<std::string, sight::Account>& accounts) {
  std::map<std::pair<std::string, std::string>, Stranger> now;
  for (const auto& [uuid, account] : accounts) {
    for (const auto& [holder, use] : account.pods) {
      if (use.granted || use.processes == 0 || holder.pod_namespace.empty()) continue;
      const std::pair key(uuid, holder.pod_namespace + "/" + holder.pod);
      const auto before = known_.find(key);
      Stranger stranger{.since = loop_.Now()};
      if (before != known_.end()) stranger = before->second;
      if (!stranger.told && loop_.Now() - stranger.since >= kPatience) {
        stranger.told = true;
        event_(daemon::EventType::kWarning, "GpuNotGiven",
               fmt::format("pod {} uses {}, which the kubelet has not given it", key.second,
                           key.first));
      }
      now[key] = stranger;
    }
  }
  known_ = std::move(now);
}

}  // namespace tranche::node
