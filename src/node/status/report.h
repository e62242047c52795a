// NodeStatus: the one document of what `tranche node` knows, which it answers on /status and writes
// to status.json. Whoever shows something of it (`tranche top`, kubectl, the page) reads nothing
// else.
//
// Every text is printable, and a value that is not known is null, never 0.
//
// Threading: pure.
// Errors: none.
#pragma once

#include <span>

#include "base/json.h"
#include "daemon/status_field.h"
#include "node/status/metrics.h"

namespace tranche::node::status {

base::Json NodeStatusJson(const NodeState& state, const gpu::Inventory& inventory,
                          const sight::Sight& sight);

// The document's fields: the contract of `apiVersion: tranche.dev/v1`, to which fields may be
// added, but none removed or given another meaning. Each object or list comes before what is in it.
std::span<const daemon::StatusField> NodeStatusFields();

}  // namespace tranche::node::status
