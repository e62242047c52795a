// How an agent takes over a node on which another may serve, and how it leaves it to the next.
//
// It keeps to the rules of handover.h: it says that it serves once it does, leaves when a newer one
// does, and keeps its streams for a while when it is told to end, so that the node never shows 0.
//
// Threading: the loop's thread.
// Errors: as handover.h; status() says why an agent works without.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "daemon/event.h"
#include "daemon/handover/handover.h"

namespace tranche::daemon::handover {

class Succession {
 public:
  // How long an agent that is told to end keeps its streams for a successor. Where none comes (a
  // DaemonSet without surge) its pod is to end within 5 s, of which the kubelet takes one.
  static constexpr base::Duration kPatience = std::chrono::milliseconds(3500);

  struct Owner {
    std::function<bool()> serving;  // some stream is open, which a successor could take over
    std::function<void()> leave;    // end the streams and the program
    RaiseEvent event;
  };

  Succession(base::EventLoop& loop, const std::string& directory, AgentIdentity self, Owner owner);

  // Says to the log who is being taken over from, if anybody.
  void Begin();
  // As Handover::Announce: this agent serves every resource.
  void Announce() { handover_->Announce(); }
  // Told to end: leaves at once, or once a successor serves, or after kPatience.
  void Terminate();

  // Told to end; it may serve a little longer.
  [[nodiscard]] bool terminated() const { return terminated_; }
  // It left because a newer agent serves, not because it was told to end.
  [[nodiscard]] bool yielded() const { return yielded_; }
  // Whoever is being taken over from.
  [[nodiscard]] std::optional<AgentIdentity> predecessor() const;
  [[nodiscard]] bool successor_serving() const { return handover_->successor_serving(); }
  [[nodiscard]] const base::Status& status() const { return handover_->status(); }

 private:
  void Yield(const AgentIdentity& successor);

  Owner owner_;
  bool terminated_ = false;
  bool yielded_ = false;
  base::Timer patience_;
  std::unique_ptr<Handover> handover_;
};

}  // namespace tranche::daemon::handover
