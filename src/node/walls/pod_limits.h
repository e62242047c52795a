// PodLimits are the limits in force of the pods on this node: given by the profile's rules when the
// kubelet gives a pod its device, and changed by what the pod's annotations ask for since.
//
// What is asked for is granted within the bounds of the profile that is in force now, as far as
// other pods leave room. What could not be had is tried again whenever there may be room. Of one
// pod so many changes are taken at once, and so many in the long run; what is asked for in between
// is looked at later, the newest alone.
//
// Threading: the loop's thread.
// Errors: what cannot be read changes nothing, and is told.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/timer.h"
#include "base/token_bucket.h"
#include "config/config.h"
#include "node/identity/held.h"
#include "node/identity/pods.h"
#include "node/walls/grants.h"
#include "node/walls/news.h"
#include "plan/memory_rules.h"

namespace tranche::node::walls {

class PodLimits {
 public:
  static constexpr double kAsksAtOnce = 5;
  static constexpr double kAsksPerSecond = 0.1;

  struct Sources {
    // What the pod's annotations say; nullopt: the pod is not known (yet).
    std::function<std::optional<identity::MemoryAsk>(const std::string& uid)> ask;
    // Whether programs of the pod are attached, and how much they have on a device.
    std::function<bool(const std::string& uid)> runs;
    std::function<std::uint64_t(const std::string& uid, const std::string& device)> used;
    // The limits of these pods may be others, or the pods are new or gone.
    std::function<void(const std::set<std::string>& uids)> changed;
    TellNews tell;
  };

  PodLimits(base::EventLoop& loop, Sources sources);
  PodLimits(const PodLimits&) = delete;
  PodLimits& operator=(const PodLimits&) = delete;

  void SetRules(plan::MemoryRules rules);
  void SetHeld(const std::vector<identity::Held>& held);
  // Annotations of any pod may be others.
  void Reconsider();
  // What was granted before this program began, and what was asked for; "": nothing.
  void Restore(const std::string& uid, GrantedPod pod, const std::string& asked);

  [[nodiscard]] const plan::MemoryRules& rules() const { return rules_; }
  [[nodiscard]] const Grants& grants() const { return grants_; }
  // Whether the kubelet says that the pod holds a device; so does a pod that has no limit.
  [[nodiscard]] bool Holds(const std::string& uid) const { return holders_.contains(uid); }
  // Whether it may hold one under this name, where it is not known who does.
  [[nodiscard]] bool MayHold(const PodName& name) const { return unknown_.contains(name); }
  // The last ask of the pod that could be read; "": none.
  [[nodiscard]] std::string AskedBy(const std::string& uid) const;

 private:
  struct Asked {
    identity::MemoryAsk seen;                    // and looked at
    std::optional<config::MemoryAmount> amount;  // the last that could be read
    std::string text;                            // that it was
    base::TokenBucket bucket{kAsksAtOnce, kAsksPerSecond};
  };

  void Give();
  void Consider(const std::string& uid);
  void Read(const std::string& uid, Asked& asked, const std::optional<std::string>& text);
  void Apply(const std::string& uid, const Asked& asked);
  void RaiseWhatWaits();
  void Report();
  void TellOfChange(const std::string& uid, const std::string& ask, const Grants::Change& change);
  void Report(News news, const std::string& uid, const std::string& message);

  base::EventLoop& loop_;
  const Sources sources_;
  plan::MemoryRules rules_;
  std::vector<identity::Held> held_;
  std::set<std::string> holders_;
  std::set<PodName> unknown_;
  Grants grants_;
  std::map<std::string, Asked> asked_;  // by UID
  std::set<std::string> changed_;       // and not reported yet
  base::Timer later_;
};

}  // namespace tranche::node::walls
