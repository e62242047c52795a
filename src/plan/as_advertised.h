// Tells which devices of a plan are no longer what they were advertised as, for the time in which a
// plan stays in force that cannot be made of the node any more.
//
// A MIG device's UUID follows from its GPU and the numbers of its instances. So a GPU that is cut
// anew may list the same UUID for a device of another size.
//
// Threading: plain functions, safe on any thread.
// Errors: none.
#pragma once

#include <map>
#include <string>

#include "config/config.h"
#include "gpu/device.h"
#include "plan/plan.h"

namespace tranche::plan {

// Why a device cannot be used, by its UUID.
using Unfit = std::map<std::string, std::string>;

// Of the devices that `plan` advertises, those that `now` does not list as they were planned.
[[nodiscard]] Unfit NoLongerAsAdvertised(const config::Config& config, const Plan& plan,
                                         const gpu::Inventory& now);

// `now` without what is not served: devices that `plan` does not have or that are unfit, and GPUs
// of which nothing else is left.
[[nodiscard]] gpu::Inventory OnlyServed(const Plan& plan, const Unfit& unfit, gpu::Inventory now);

}  // namespace tranche::plan
