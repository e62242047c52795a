// Agent, as far as it judges which devices can be given to a container: a device that is gone, or
// that is no longer what it was advertised as, is told as unhealthy with the reason.
#include <memory>
#include <utility>

#include "agent/agent.h"
#include "base/disk/look.h"
#include "base/file.h"
#include "plan/memory_rules.h"

namespace tranche::agent {

namespace {

using base::Result;
using base::Status;

}  // namespace

ContainerParts::Node Agent::NodeNow() const {
  return {.driver_ready = gpus_.ready(),
          .inventory = gpus_.inventory(),
          .driver_root = gpus_.driver_root(),
          .device_folder = gpus_.device_folder()};
}

void Agent::DevicesScanned(const gpu::GpuWatch::News& news) {
  if (news.devices_changed) {
    const auto before = serving_.served().applied();
    config_.NodeChanged();
    if (serving_.served().applied() == before) KeepPlan();
  } else if (parts_.device_folder() != gpus_.device_folder()) {
    RemakeParts();  // the driver root has got nodes of its own
  }
}

// The node has changed, and no plan can be made of it. So the plan in force stays, without the
// devices that are gone.
void Agent::KeepPlan() {
  const auto applied = serving_.served().applied();
  if (applied == nullptr) return;
  RemakeParts();
  const plan::Unfit unfit =
      plan::NoLongerAsAdvertised(applied->config, applied->plan, gpus_.inventory());
  labels_.Update(applied->config, plan::OnlyServed(applied->plan, unfit, gpus_.inventory()),
                 applied->plan);
}

void Agent::RemakeParts() {
  const auto applied = serving_.served().applied();
  if (applied == nullptr) return;
  parts_.Remake(applied->config, NodeNow());
  if (UpdateUnfit(*applied)) serving_.HealthChanged();
  daemon_.StatusChanged();
}

// An answer has come that could not be waited for. A config that was refused for want of it is
// tried again.
void Agent::TryAgainWithAnswer() {
  if (config_.state().usable && config_.state().error.empty()) return RemakeParts();
  config_.Refresh();
}

// A driver root that does not answer counts as one that exists.
std::string Agent::DriverRoot() {
  base::disk::Look look(loop_, *workers_.driver_root, "looking for the driver root");
  return config_.DriverRoot([&look](const std::string& path) {
    const auto exists = std::make_shared<bool>(true);
    const Status answered =
        look.Run([exists, path] { *exists = base::Exists(path); }, /*late=*/nullptr);
    return !answered.ok() || *exists;
  });
}

// Looks which advertised devices cannot be given to a container; whether they are others than
// before. The kubelet is not told here.
bool Agent::UpdateUnfit(const serve::Applied& applied) {
  plan::Unfit unfit = plan::NoLongerAsAdvertised(applied.config, applied.plan, gpus_.inventory());
  unfit.merge(parts_.WhyUnfit(applied.plan));
  return shortfall_.SetUnfit(applied.plan, std::move(unfit));
}

Result<plan::NodeFacts> Agent::FactsFor(const std::vector<std::string>& uuids) {
  parts_.CatchUp();
  if (UpdateUnfit(*serving_.served().applied())) serving_.HealthChanged();
  TRANCHE_TRY(shortfall_.Check(uuids));
  plan::NodeFacts facts = parts_.facts();
  facts.shim = parts_.shim().name();
  if (facts.shim.empty()) TellOfUnwalled(uuids);
  return facts;
}

void Agent::TellOfUnwalled(const std::vector<std::string>& uuids) {
  const auto applied = serving_.served().applied();
  for (const std::string& uuid : uuids) {
    const auto planned = applied->plan.devices.find(uuid);
    if (planned == applied->plan.devices.end()) continue;
    if (plan::EnforcedMemory(applied->config, planned->second) != nullptr) {
      parts_.shim().GivenWithout(uuid);
    }
  }
}

}  // namespace tranche::agent
