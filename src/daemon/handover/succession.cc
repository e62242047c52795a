#include "daemon/handover/succession.h"

#include <utility>

#include "base/log.h"

namespace tranche::daemon::handover {

Succession::Succession(base::EventLoop& loop, const std::string& directory, AgentIdentity self,
                       Owner owner)
    : owner_(std::move(owner)),
      patience_(loop),
      handover_(Handover::New(
          loop, directory, std::move(self),
          {.yield = [this](const AgentIdentity& successor) { Yield(successor); },
           .became_incumbent =
               [this] {
                 owner_.event(EventType::kNormal, "TookOver", "this agent is now the only one");
               }})) {}

void Succession::Begin() {
  if (const auto older = handover_->predecessor()) {
    owner_.event(EventType::kNormal, "TakingOver",
                 "another agent serves this node: " + older->Text());
  }
}

void Succession::Terminate() {
  if (std::exchange(terminated_, true)) return;
  // The predecessor may have left this very moment: then it is ours to hand over.
  handover_->TakeLockIfFree();
  const bool wait = handover_->incumbent() && owner_.serving() && !handover_->successor_serving();
  base::LogInfo("received SIGTERM, shutting down", {base::Kv("waiting_for_successor", wait)});
  if (!wait) return owner_.leave();
  handover_->Leave();
  patience_.Start(kPatience, [this] { owner_.leave(); });
}

void Succession::Yield(const AgentIdentity& successor) {
  owner_.event(EventType::kNormal, "Yielded",
               "another agent serves this node now: " + successor.Text());
  yielded_ = !terminated_;
  owner_.leave();
}

std::optional<AgentIdentity> Succession::predecessor() const {
  return handover_->incumbent() ? std::nullopt : handover_->predecessor();
}

}  // namespace tranche::daemon::handover
