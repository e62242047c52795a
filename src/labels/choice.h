// Chooses the outlet of the labels by its name, for `gpu-feature-discovery` and `tranche agent
// --labels`.
//
// Threading: the loop's thread.
// Errors: CheckOutlet refuses a choice that is unknown or incomplete.
#pragma once

#include <memory>
#include <string>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "labels/outlet.h"

namespace tranche::labels {

struct OutletChoice {
  std::string kind = "none";  // or "nfd-file", "node-feature", "node"
  std::string file;           // of nfd-file; "": standard output
  NodeFeatureOptions node;
  [[nodiscard]] bool NeedsApi() const { return kind == "node-feature" || kind == "node"; }
};

// kInvalidArgument where it is none of the kinds, or a name that it needs is not given.
base::Status CheckOutlet(const OutletChoice& choice);

// The outlet of a choice that has been checked; nullptr for "none". `api` may be nullptr only
// where none is needed, and outlives the outlet.
std::unique_ptr<LabelOutlet> NewOutlet(base::EventLoop& loop, const OutletChoice& choice,
                                       apiserver::ApiClient* api,
                                       LabelOutlet::StateChanged state_changed);

}  // namespace tranche::labels
