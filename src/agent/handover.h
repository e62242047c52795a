// Two agents on one node: how the second takes over from the first without a gap.
//
// In `directory` (…/device-plugins/tranche, the one place both can see) the incumbent holds a lock.
// A newcomer that finds it held is a successor: it registers under endpoint names of its own, and
// when its ListAndWatch streams are there it calls Announce, which tells the incumbent; the
// incumbent yields (exits), and the lock passes on. Locks are the kernel's (flock), so that an
// agent which died holds nothing, and pids, which mean nothing across pid namespaces, are only
// shown to people. All methods and callbacks: the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/status.h"

namespace tranche::agent {

// Who an agent is, for the other's message.
struct AgentIdentity {
  std::string host;  // hostname: the pod's name in a pod
  int pid = 0;
  std::string started;                     // RFC 3339
  [[nodiscard]] std::string Text() const;  // "nvidia-device-plugin-x7k2p (pid 1, started …)"
};

class Handover {
 public:
  struct Listener {
    // A successor is serving: the owner ends its streams and leaves. Called once.
    std::function<void(const AgentIdentity& successor)> yield;
    // The predecessor is gone and the lock is ours.
    std::function<void()> became_incumbent;
  };

  // Never fails for want of a lock: where the directory cannot be written the agent works without
  // (status() says why) and is its own incumbent.
  static std::unique_ptr<Handover> New(base::EventLoop& loop, const std::string& directory,
                                       AgentIdentity self, Listener listener);
  virtual ~Handover() = default;

  [[nodiscard]] virtual bool incumbent() const = 0;
  // Who held the lock when we came; absent for an incumbent.
  [[nodiscard]] virtual std::optional<AgentIdentity> predecessor() const = 0;
  // Successor: "I serve every resource". Incumbent: no effect.
  virtual void Announce() = 0;
  // A successor has announced itself (an incumbent asks this at SIGTERM to know whether to wait).
  [[nodiscard]] virtual bool successor_serving() const = 0;
  [[nodiscard]] virtual const base::Status& status() const = 0;
};

}  // namespace tranche::agent
