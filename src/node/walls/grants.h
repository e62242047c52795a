// Grants are the limits that pods have been given, by pod and device.
//
// A limit is fixed when the pod is first seen to hold the device, and stays through every change of
// the profile until the pod has gone. What is granted on one device never sums above its memory
// less the reserve.
//
// Threading: one thread; pure.
// Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "node/identity/held.h"
#include "node/walls/rules.h"

namespace tranche::node::walls {

// As the kubelet names a pod.
struct PodName {
  std::string pod_namespace;
  std::string pod;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy takes the compiler's own code for the user's
  auto operator<=>(const PodName&) const = default;
};

struct Grant {
  std::uint64_t limit_bytes = 0;
  std::uint64_t device_bytes = 0;
  bool away_open = true;
  friend bool operator==(const Grant&, const Grant&) = default;
};

class Grants {
 public:
  using OfPod = std::map<std::string, Grant>;  // by the device's UUID

  // What pods hold now. Gives limits to those that are new and takes back those of pods that are
  // gone; the pods that got less than the rule says.
  std::vector<PodName> Update(const Rules& rules, const std::vector<identity::Held>& held);
  // What was granted before this program began.
  void Restore(const PodName& pod, const OfPod& grants) { pods_[pod] = grants; }

  [[nodiscard]] const std::map<PodName, OfPod>& pods() const { return pods_; }
  [[nodiscard]] const OfPod* Find(const PodName& pod) const;
  [[nodiscard]] std::uint64_t GrantedOn(const std::string& device) const;

 private:
  std::map<PodName, OfPod> pods_;
};

}  // namespace tranche::node::walls
