// Given is what the kubelet has given to whom, its answers made into shares of this node's devices.
//
// The kubelet is asked every few seconds, and what it has given is looked at every second: so all
// of it is made anew only where an answer or the devices are others than before. The kubelet
// answers in no order, so answers that differ in that alone are the same.
//
// Threading: one thread; pure.
// Errors: none; what is no GPU of this node is left out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gpu/device.h"
#include "kubelet/pod_resources.h"
#include "node/identity/held.h"

namespace tranche::node::identity {

class Given {
 public:
  // What the kubelet has answered. `offers` is absent where it does not tell.
  void SetAnswer(std::vector<kubelet::Holding> holdings,
                 std::optional<std::vector<kubelet::Offer>> offers);
  void SetInventory(const gpu::Inventory& inventory);

  [[nodiscard]] const std::vector<Held>& held() const { return held_; }
  // By the device's UUID; none where the kubelet does not tell.
  [[nodiscard]] const std::map<std::string, Shares>& shares() const { return shares_; }
  // Another one whenever either of the two was made anew.
  [[nodiscard]] std::uint64_t version() const { return version_; }

 private:
  void MakeAnew();

  std::vector<kubelet::Holding> holdings_;
  std::optional<std::vector<kubelet::Offer>> offers_;
  gpu::Inventory inventory_;
  std::vector<Held> held_;
  std::map<std::string, Shares> shares_;
  std::uint64_t version_ = 0;
};

}  // namespace tranche::node::identity
