// A simulated node as text or JSON, for `tranche sim node show`. Pure.
#pragma once

#include <string>

#include "base/json.h"
#include "sim/node/node.h"

namespace tranche::cli {

base::Json SimNodeJson(const sim::NodeSnapshot& node);
std::string SimNodeText(const sim::NodeSnapshot& node, bool color);

}  // namespace tranche::cli
