#include "agent/serve/serving.h"

#include <utility>

#include "base/log.h"

namespace tranche::agent::serve {

using base::Status;

Serving::Serving(base::EventLoop& loop, std::unique_ptr<kubelet::PluginLink> link, Options options,
                 Owner owner)
    : loop_(loop),
      options_(std::move(options)),
      link_(std::move(link)),
      names_(options_.state_directory, options_.kubelet_socket),
      holders_(loop, *link_, options_.pod_resources_socket, [this] { HoldersChanged(); }),
      served_(loop, *link_, options_.socket_directory, options_.kubelet_socket, names_, holders_,
              ServedSet::Owner{.healthy = std::move(owner.healthy),
                               .facts = std::move(owner.facts),
                               .changed = std::move(owner.changed),
                               .allocated = [this] { holders_.Refresh(); },
                               .event = std::move(owner.event)}),
      kubelet_restarted_(std::move(owner.kubelet_restarted)) {}

void Serving::Start() {
  kubelet_identity_ = base::IdentityOf(options_.kubelet_socket);
  if (options_.kubelet_socket.empty()) return;
  kubelet_watch_ =
      base::WatchDirectory(loop_, options_.socket_directory, [this] { KubeletDirectoryChanged(); });
}

Status Serving::Check(const config::Config& config) const {
  for (const config::TrancheResource& resource : config.tranche.resources) {
    if (!resource.drain_before_exclusive || holders_.Possible()) continue;
    return {base::Code::kFailedPrecondition,
            "drainBeforeExclusive for " + resource.name +
                " needs to know which ids pods hold, and there is no pod-resources socket at " +
                options_.pod_resources_socket};
  }
  return Status::Ok();
}

void Serving::Apply(std::shared_ptr<const Applied> applied) {
  served_.Apply(std::move(applied));
  // What pods hold decides what is avoided and withheld under the new ids.
  holders_.SetUrgent(served_.WaitsForHolders());
  holders_.Refresh();
}

void Serving::KubeletDirectoryChanged() {
  const base::FileIdentity now = base::IdentityOf(options_.kubelet_socket);
  if (now == kubelet_identity_) return;
  kubelet_identity_ = now;
  if (!now.exists()) return;
  base::LogInfo("the kubelet's socket is new", {base::Kv("socket", options_.kubelet_socket)});
  served_.KubeletSocketChanged();
  kubelet_restarted_();
}

void Serving::HoldersChanged() {
  served_.Refresh();
  holders_.SetUrgent(served_.WaitsForHolders());
}

}  // namespace tranche::agent::serve
