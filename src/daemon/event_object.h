// An Event object of Kubernetes about a node or a pod, as `kubectl describe` shows it.
//
// Threading: a plain function.
// Errors: none; a message that is too long for the API server (1024 bytes) is cut.
#pragma once

#include <string>

#include "base/json.h"
#include "daemon/event.h"

namespace tranche::daemon {

// Where it lies: beside the pod. Events about what has no namespace lie in "default", as the
// kubelet's do.
std::string EventsPath(const Event& event);

struct EventOrigin {
  std::string node;       // where it happened, and whom it is about where that is no pod
  std::string component;  // who says it: "tranche", "config-manager"
};

// `name` of the object; "": the server makes one. `first_time` is when it happened first, the
// event's own time is when it did last.
base::Json EventObject(const Event& event, const EventOrigin& origin, const std::string& name,
                       const std::string& first_time);

}  // namespace tranche::daemon
