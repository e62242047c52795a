// Whether NVIDIA's dcgm-exporter runs on this node, looked at now and then.
//
// Threading: the loop's thread.
// Errors: none; where processes cannot be listed, it does not run.
#pragma once

#include <chrono>

#include "base/event_loop.h"
#include "base/timer.h"
#include "node/identity/proc.h"

namespace tranche::node {

class ExporterWatch {
 public:
  static constexpr base::Duration kLook = std::chrono::seconds(60);

  ExporterWatch(base::EventLoop& loop, identity::Proc& proc) : proc_(proc), timer_(loop) {}

  // Looks now, and from now on.
  void Start();
  [[nodiscard]] bool runs() const { return runs_; }  // false before Start

 private:
  identity::Proc& proc_;
  bool runs_ = false;
  base::Timer timer_;
};

}  // namespace tranche::node
