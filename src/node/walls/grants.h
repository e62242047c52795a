// Grants are the limits that pods have been given, by the pod's UID and the device.
//
// A limit is fixed when the pod is first seen to hold the device, and stays through every change of
// the profile until the pod has gone; only who asks for another one of that pod changes it. What is
// granted on one device never sums above its memory less the reserve.
//
// Threading: one thread; pure.
// Errors: none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "node/identity/held.h"
#include "plan/memory_rules.h"

namespace tranche::node::walls {

// As the kubelet names a pod.
struct PodName {
  std::string pod_namespace;
  std::string pod;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy takes the compiler's own code for the user's
  auto operator<=>(const PodName&) const = default;
};

struct Grant {
  std::uint64_t limit_bytes = 0;    // in force
  std::uint64_t fixed_bytes = 0;    // what was given with the device, whatever was asked for since
  std::uint64_t device_bytes = 0;   // of the whole device
  std::uint64_t reserve_bytes = 0;  // that no pod gets
  int held = 1;                     // replicas of the device that the pod has
  bool away_open = true;
  friend bool operator==(const Grant&, const Grant&) = default;
};

// One pod, and by device's UUID what it was given.
struct GrantedPod {
  PodName name;
  std::map<std::string, Grant> devices;
  friend bool operator==(const GrantedPod&, const GrantedPod&) = default;
};

class Grants {
 public:
  // Takes back what pods had that hold nothing any more and of which `runs` says that nothing of
  // them runs; whether there were any. Where the UID of a holder is not known, a pod of its name
  // keeps what it has.
  bool Keep(const std::vector<identity::Held>& held,
            const std::function<bool(const std::string& uid)>& runs);
  // What of the rules' devices pods hold that they have no limit on yet, in an order that stays.
  struct Holding {
    std::string uid;
    std::string device;
    PodName name;
    int replicas = 1;
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy takes the compiler's own code
    auto operator<=>(const Holding&) const = default;
  };
  [[nodiscard]] std::set<Holding> Missing(const plan::MemoryRules& rules,
                                          const std::vector<identity::Held>& held) const;
  // Gives a pod its limit on the device; false: less than the rule says.
  bool Give(const Holding& holding, const plan::MemoryRule& rule);
  // What was granted before this program began.
  void Restore(const std::string& uid, GrantedPod pod) { pods_[uid] = std::move(pod); }

  // Another limit is asked for, on all of the pod's devices; none: what was given at first.
  struct Change {
    std::string device;
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    std::uint64_t asked = 0;
    bool above_most = false;
    bool no_room = false;
  };
  // Whether a limit may become less by it, or only grow.
  enum class Lowering { kAllowed, kForbidden };
  std::vector<Change> Ask(const std::string& uid, const plan::MemoryRules& rules,
                          const std::optional<config::MemoryAmount>& amount, Lowering lowering);

  [[nodiscard]] const std::map<std::string, GrantedPod>& pods() const { return pods_; }
  [[nodiscard]] const GrantedPod* Find(const std::string& uid) const;
  [[nodiscard]] std::uint64_t GrantedOn(const std::string& device) const;

 private:
  std::map<std::string, GrantedPod> pods_;  // by UID
};

}  // namespace tranche::node::walls
