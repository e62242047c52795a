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

// On the GPU with this UUID, of which pods are given replicas as `resource`. Pods that hold some of
// that GPU are ended to make room.
base::Status ShowHarm(tranche::sim::Stage& stage, const std::string& resource,
                      const std::string& uuid, const std::function<void(const std::string&)>& say);

// The UUID of a GPU on which that can be shown; "" where each is cut by MIG: a program cannot use a
// GPU that is cut, only what it was cut into.
std::string FirstWholeGpu(const gpu::Inventory& inventory);

// A bar of `part` of `whole`, for a terminal.
std::string Bar(double part, double whole);

}  // namespace tranche::cli::node
