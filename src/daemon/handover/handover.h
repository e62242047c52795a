// Two agents on one node: how the second takes over from the first without a gap.
//
// In `directory` (…/device-plugins/tranche, the one place that both can see) the incumbent holds a
// lock on agent.lock. A newcomer that finds it held is a successor: it registers under endpoint
// names of its own, and when its ListAndWatch streams are there it calls Announce, which puts up
// successor.json. Every older agent that sees it yields (stand_by.h), and the lock passes on. Of
// any number of agents the newest that serves stays.
//
// An announcement counts only while its writer lives, which holds locks on the very file. Locks are
// the kernel's, so that an agent which died holds nothing. A lock that something else holds, which
// is no agent, is not waited for: the agent works without, as where it cannot take a lock at all,
// and takes the lock once it is free. Pids mean nothing across pid
// namespaces and are only shown to people; which agent is newer follows from the time since boot,
// which containers share.
//
// Threading: methods and callbacks on the loop's thread.
// Errors: an agent that cannot take a lock works without; status() says why.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"
#include "daemon/handover/note.h"

namespace tranche::daemon::handover {

class Handover {
 public:
  // How long a lock may be held by no agent before an agent works without it.
  static constexpr base::Duration kForeignPatience = std::chrono::seconds(3);

  struct Owner {
    // A newer agent is serving: the owner ends its streams and leaves. Called once, incumbent or
    // not; what this object holds is let go when it is destroyed.
    std::function<void(const AgentIdentity& successor)> yield;
    // The predecessor is gone and the lock is ours.
    std::function<void()> became_incumbent;
  };

  // Never fails for want of a lock: where the directory cannot be written the agent works without
  // (status() says why) and is its own incumbent. `became_incumbent` is for a successor only.
  static std::unique_ptr<Handover> New(base::EventLoop& loop, const std::string& directory,
                                       AgentIdentity self, Owner owner);
  virtual ~Handover() = default;

  [[nodiscard]] virtual bool incumbent() const = 0;
  // Takes the lock now if it has come free, instead of within the moment in which that is noticed.
  virtual void TakeLockIfFree() = 0;
  // Who held the lock when we came; absent for an incumbent.
  [[nodiscard]] virtual std::optional<AgentIdentity> predecessor() const = 0;
  // Tells others that this agent serves every resource, whether it is the incumbent or not. An
  // older agent yields then; without one nothing changes. A second call has no effect.
  virtual void Announce() = 0;
  // Tells others that this agent serves only until one of them takes over.
  virtual void Leave() = 0;
  // A newer agent has announced itself and lives (an incumbent asks this at SIGTERM to know whether
  // to wait). Looks afresh.
  [[nodiscard]] virtual bool successor_serving() const = 0;
  [[nodiscard]] virtual const base::Status& status() const = 0;
};

}  // namespace tranche::daemon::handover
