// What happens to the walls of a pod and is worth an Event.
//
// Threading: plain data.
// Errors: none.
#pragma once

#include <functional>
#include <string>

#include "node/identity/pods.h"

namespace tranche::node::walls {

enum class News {
  kLedgerMismatch,  // a pod has more memory than its counters say
  kUnwalled,        // a program of a pod is on a device with a wall and does not keep to it
  kLimitReduced,    // a pod gets less than the profile says
  kLimitChanged,    // as its annotation asks
  kAskRefused,      // it asks for more than it can have
  kAskInvalid,      // what it asks for cannot be read, or is not there yet
  kLimitBelowUse,   // it was lowered below what the pod's programs have
};

// The pod's UID is that of its group. Once for each case.
using TellNews =
    std::function<void(News news, const identity::PodRef& pod, const std::string& message)>;

}  // namespace tranche::node::walls
