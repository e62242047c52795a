// Strangers tells of pods that use a GPU which the kubelet has not given them, once for each.
//
// Threading: the loop's thread.
// Errors: none.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>

#include "base/event_loop.h"
#include "daemon/event.h"
#include "node/sight/account.h"

namespace tranche::node {

class Strangers {
 public:
  // A pod is told of only after this long: what the kubelet says is a few seconds old.
  static constexpr base::Duration kPatience = std::chrono::seconds(15);

  Strangers(base::EventLoop& loop, daemon::RaiseEvent event)
      : loop_(loop), event_(std::move(event)) {}

  // After each look at the GPUs for which it is known who was given what; by the UUID of the GPU.
  void Look(const std::map<std::string, sight::Account>& accounts);
  // It is not known who was given what.
  void Forget() { known_.clear(); }

 private:
  struct Stranger {
    base::TimePoint since;
    bool told = false;
  };

  base::EventLoop& loop_;
  daemon::RaiseEvent event_;
  std::map<std::pair<std::string, std::string>, Stranger> known_;  // by GPU and pod
};

}  // namespace tranche::node
