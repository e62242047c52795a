#include "cli/kubectl/node_document.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "base/json_read.h"
#include "base/log.h"

namespace tranche::cli::kubectl {
namespace {

using base::Json;

constexpr std::size_t kMaxNameInNote = 253;

std::optional<bool> NodeReady(const Json& node) {
  for (const Json& condition : base::ItemsAt(node, {"status", "conditions"})) {
    if (base::TextAt(condition, "type") != "Ready") continue;
    return base::TextAt(condition, "status") == "True";
  }
  return std::nullopt;
}

Json ProfileJson(const NodeFindings& node, const std::string& node_label) {
  Json out = Json::MakeObject({{"label", Json()}, {"inForce", Json()}});
  if (node.object) {
    const Json& label = base::ValueAt(*node.object, {"metadata", "labels", node_label});
    if (label.is_string()) out.Set("label", label);
  }
  if (!node.agent) return out;
  const Json& config = base::ValueAt(*node.agent, "config");
  if (!config.is_object()) return out;
  if (base::BoolAt(config, "usable")) out.Set("inForce", base::TextAt(config, "profile"));
  out.Set("source", base::TextAt(config, "source"));
  out.Set("lastGood", base::BoolAt(config, "fromLastGood"));
  out.Set("error", base::TextAt(config, "error"));
  return out;
}

Json ResourcesJson(const NodeFindings& node) {
  const Counts capacity = node.object ? NodeCounts(*node.object, "capacity") : Counts();
  const Counts allocatable = node.object ? NodeCounts(*node.object, "allocatable") : Counts();
  std::set<std::string> names;
  for (const auto& [name, count] : capacity) names.insert(name);
  if (node.in_use) {
    for (const auto& [name, count] : *node.in_use) names.insert(name);
  }
  if (node.agent) {
    for (const Json& resource : base::ItemsAt(*node.agent, "resources")) {
      if (const std::string name = base::TextAt(resource, "name"); !name.empty()) {
        names.insert(name);
      }
    }
  }
  const auto count_of = [](const Counts& counts, const std::string& name, bool known) {
    const auto it = counts.find(name);
    if (it != counts.end()) return Json(it->second);
    return known ? Json(0) : Json();
  };
  Json out = Json::MakeArray();
  for (const std::string& name : names) {
    out.Append(Json::MakeObject(
        {{"name", name},
         {"capacity", count_of(capacity, name, node.object.has_value())},
         {"allocatable", count_of(allocatable, name, node.object.has_value())},
         {"inUse", count_of(node.in_use.value_or(Counts()), name, node.in_use.has_value())}}));
  }
  return out;
}

Json AgentJson(const NodeFindings& node) {
  Json agent = Json::MakeObject({{"namespace", node.pod->space}, {"pod", node.pod->name}});
  if (node.agent) {
    agent.Set("version", base::TextAt(*node.agent, "version"));
    agent.Set("ready", base::BoolAt(*node.agent, "ready"));
  }
  return agent;
}

std::vector<std::string> Warnings(const NodeFindings& node) {
  std::vector<std::string> warnings;
  if (node.object && NodeReady(*node.object) == false) {
    warnings.emplace_back("the node is not Ready");
  }
  if (!node.agent) return warnings;
  for (const char* key : {"degraded", "reasons"}) {
    for (std::string& line : base::TextsAt(*node.agent, key)) warnings.push_back(std::move(line));
  }
  return warnings;
}

std::vector<std::string> Notes(const NodeFindings& node) {
  std::vector<std::string> notes = node.notes;
  if (node.pod && node.pod->ending) notes.push_back(node.pod->name + " is ending");
  // Two agents on one node. During a rolling update this is over in a moment; two releases would
  // take the node from each other for ever.
  if (node.pod && !node.pod->beside.empty()) {
    notes.push_back(fmt::format("more than one plugin pod on this node: {} beside {}",
                                fmt::join(node.pod->beside, ", "), node.pod->name));
  }
  if (!node.agent) return notes;
  for (std::string& line : base::TextsAt(*node.agent, {"config", "warnings"})) {
    notes.push_back(std::move(line));
  }
  return notes;
}

}  // namespace

Json NodeDocument(const NodeFindings& node, const std::string& node_label) {
  Json out = Json::MakeObject({{"name", base::Printable(node.name, kMaxNameInNote)},
                               {"profile", ProfileJson(node, node_label)},
                               {"resources", ResourcesJson(node)}});
  if (node.pod) out.Set("agent", AgentJson(node));
  if (node.agent) {
    const Json& driver = base::ValueAt(*node.agent, "driver");
    if (driver.is_object()) out.Set("driver", driver);
    // Null, not none: /readyz does not tell them.
    out.Set("gpus", base::ValueAt(*node.agent, "gpus"));
  }
  out.Set("warnings", Json::MakeTexts(Warnings(node)));
  out.Set("notes", Json::MakeTexts(Notes(node)));
  return out;
}

}  // namespace tranche::cli::kubectl
