// The demo's chapter on what plain time-slicing lets pods do to each other: one takes the memory of
// a GPU, another one its time. The figures are those of the simulated driver's own accounts.
//
// Threading: the stage's thread.
// Errors: a Status that says what did not happen as told.
#pragma once

#include <functional>
#include <string>

#include "base/status.h"
#include "gpu/device.h"

namespace tranche::sim {
class Stage;
}

namespace tranche::cli::node {

// On the first GPU that is not cut by MIG, of which pods are given replicas as `resource`: a
// program cannot use a GPU that is cut, only what it was cut into. Where each is cut, says so. Pods
// that hold some of that GPU are ended to make room.
base::Status ShowHarm(tranche::sim::Stage& stage, const std::string& resource,
                      const gpu::Inventory& inventory,
                      const std::function<void(const std::string&)>& say);

}  // namespace tranche::cli::node
