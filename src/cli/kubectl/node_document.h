// A node's part of the document of `kubectl tranche status`, made of what was found out about the
// node.
//
// Threading: a plain function of its arguments, safe on any thread.
// Errors: none. What is not known is null, or not there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/kubectl/facts.h"

namespace tranche::cli::kubectl {

// What was found out about a node.
struct NodeFindings {
  std::string name;
  std::optional<base::Json> object;  // absent: may not be read
  std::optional<PluginPod> pod;
  std::optional<base::Json> agent;  // what it answered
  std::optional<Counts> in_use;
  std::vector<std::string> notes;
};

// `node_label` is the key of the label that names the node's profile.
base::Json NodeDocument(const NodeFindings& node, const std::string& node_label);

}  // namespace tranche::cli::kubectl
