// The labels of this node, kept in step with what the device plugin serves, and told to whom the
// choice names. They change in the same turn of the loop in which a plan is applied, so that labels
// and capacity differ for no longer than one update takes.
//
// Threading: the loop's thread.
// Errors: labels that cannot be published are an event, and tried again. An API server that is away
// or has too much to do is only logged: an Event of each node would not help it.
#pragma once

#include <string>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/status.h"
#include "config/config.h"
#include "daemon/event.h"
#include "gpu/device.h"
#include "labels/choice.h"
#include "labels/publisher.h"
#include "plan/plan.h"

namespace tranche::labels {

class NodeLabels {
 public:
  // `choice` names the outlet, its file comes from the config. `sys_root` is the prefix of /sys.
  NodeLabels(base::EventLoop& loop, OutletChoice choice, const std::string& sys_root,
             daemon::RaiseEvent event);

  // A choice that needs the API server publishes nothing before. The client outlives this object.
  void Connect(apiserver::ApiClient& api);
  void Update(const config::Config& config, const gpu::Inventory& inventory,
              const plan::Plan& plan);
  // Removes the labels that would otherwise go on describing a program that has ended.
  void Withdraw() { publisher_.Withdraw(); }

 private:
  void AttachOutlet();
  void Published(const base::Status& status);

  base::EventLoop& loop_;
  OutletChoice choice_;
  daemon::RaiseEvent event_;
  apiserver::ApiClient* api_ = nullptr;
  base::Status status_;
  base::OncePer rarely_;
  LabelPublisher publisher_;
};

}  // namespace tranche::labels
