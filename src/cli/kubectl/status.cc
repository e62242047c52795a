#include "cli/kubectl/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "apiserver/client.h"
#include "base/json_read.h"
#include "base/log.h"

namespace tranche::cli::kubectl {

namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

constexpr char kApiVersion[] = "tranche.dev/v1";
// Up to so many named nodes each is asked for its own pods, which are fewer than everybody's.
constexpr std::size_t kFewNodes = 8;
constexpr std::size_t kMaxNameInNote = 253;

std::string Why(const Status& status) {
  return status.code() == Code::kPermissionDenied ? "forbidden" : status.message();
}

std::optional<bool> NodeReady(const Json& node) {
  for (const Json& condition : base::ItemsAt(node, {"status", "conditions"})) {
    if (base::TextAt(condition, "type") != "Ready") continue;
    return base::TextAt(condition, "status") == "True";
  }
  return std::nullopt;
}

// A node of the document, under way.
struct Row {
  std::string name;
  std::optional<Json> object;  // absent: may not be read
  std::optional<PluginPod> pod;
  std::optional<Json> agent;  // what it answered
  std::optional<Counts> in_use;
  std::vector<std::string> warnings;
  std::vector<std::string> notes;
};

class Collector {
 public:
  Collector(Cluster& cluster, const ClusterView& view) : cluster_(cluster), view_(view) {}

  Result<Json> Run(const std::vector<std::string>& names) {
    auto pods = FindPlugins(cluster_, view_, names.size() == 1 ? names[0] : "");
    if (pods.ok()) {
      pods_ = std::move(*pods);
    } else {
      notes_.push_back("the plugin's pods cannot be listed: " + Why(pods.status()));
    }
    TRANCHE_TRY(names.empty() ? ReadAllNodes(pods.status()) : ReadNodes(names));
    AskAgents();
    CountUse(names);
    if (cluster_.interrupted()) return Status(Code::kCancelled, "interrupted");
    Json nodes = Json::MakeArray();
    for (Row& row : rows_) nodes.Append(Finish(row));
    return Json::MakeObject({{"apiVersion", kApiVersion},
                             {"kind", "ClusterStatus"},
                             {"nodes", std::move(nodes)},
                             {"notes", Json::MakeTexts(notes_)}});
  }

 private:
  Status ReadAllNodes(const Status& pods) {
    const auto nodes = cluster_.List("/api/v1/nodes", "");
    if (!nodes.ok()) {
      // Where the pods are is where the nodes are.
      if (nodes.status().code() != Code::kPermissionDenied || !pods.ok()) return nodes.status();
      notes_.push_back("nodes cannot be listed: forbidden");
      for (const auto& [node, pod] : pods_) rows_.push_back({.name = node, .pod = pod});
      return Status::Ok();
    }
    for (const Json& node : *nodes) {
      const std::string name = base::TextAt(node, {"metadata", "name"});
      const bool labelled = base::FindAt(node, {"metadata", "labels", view_.node_label}) != nullptr;
      if (!labelled && !pods_.contains(name) && NodeCounts(node, "capacity").empty()) continue;
      AddRow(name, node);
    }
    return Status::Ok();
  }

  Status ReadNodes(const std::vector<std::string>& names) {
    std::vector<apiserver::ApiRequest> requests;
    requests.reserve(names.size());
    for (const std::string& name : names) {
      requests.push_back({.path = "/api/v1/nodes/" + apiserver::EscapeSegment(name)});
    }
    const auto answers = cluster_.AskAll(std::move(requests));
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (answers[i].ok()) {
        AddRow(names[i], *answers[i]);
      } else if (answers[i].status().code() == Code::kPermissionDenied) {
        AddRow(names[i], std::nullopt);
        rows_.back().notes.emplace_back("the node cannot be read: forbidden");
      } else {
        return answers[i].status().Wrap("node " + names[i]);
      }
    }
    return Status::Ok();
  }

  void AddRow(const std::string& name, std::optional<Json> object) {
    Row row;
    row.name = name;
    row.object = std::move(object);
    if (const auto pod = pods_.find(name); pod != pods_.end()) row.pod = pod->second;
    rows_.push_back(std::move(row));
  }

  void AskAgents() {
    std::vector<apiserver::ApiRequest> requests;
    std::vector<Row*> asked;
    for (Row& row : rows_) {
      if (!row.pod) continue;
      requests.push_back({.path = AgentPath(*row.pod, "/status"), .text = true});
      asked.push_back(&row);
    }
    const auto answers = cluster_.AskAll(std::move(requests));
    for (std::size_t i = 0; i < asked.size(); ++i) {
      Row& row = *asked[i];
      auto status = answers[i].ok() ? Json::Parse(answers[i]->is_string() ? answers[i]->as_string()
                                                                          : answers[i]->Dump())
                                    : Result<Json>(answers[i].status());
      // An agent that does not serve its status: older than that, or NVIDIA's.
      if (status.status().code() == Code::kNotFound) status = AskAgent(cluster_, *row.pod);
      if (status.ok()) {
        row.agent = std::move(*status);
      } else {
        row.notes.push_back("the plugin's pod " + row.pod->name +
                            " does not tell its state: " + Why(status.status()));
      }
    }
  }

  void CountUse(const std::vector<std::string>& names) {
    if (rows_.empty()) return;
    if (!names.empty() && names.size() <= kFewNodes) {
      for (Row& row : rows_) CountPods("spec.nodeName=" + row.name);
    } else {
      CountPods("");
    }
  }

  void CountPods(const std::string& selector) {
    std::string query;
    if (!selector.empty()) query = "fieldSelector=" + apiserver::EscapeSegment(selector);
    const auto pods = cluster_.List("/api/v1/pods", query);
    if (!pods.ok()) {
      const std::string note = "what pods use is not known: " + Why(pods.status());
      if (std::ranges::find(notes_, note) == notes_.end()) notes_.push_back(note);
      return;
    }
    std::map<std::string, Counts> by_node;
    for (const Json& pod : *pods) {
      Counts& counts = by_node[base::TextAt(pod, {"spec", "nodeName"})];
      for (const auto& [name, count] : PodRequests(pod)) counts[name] += count;
    }
    for (Row& row : rows_) {
      if (selector.empty() || selector == "spec.nodeName=" + row.name) {
        row.in_use = by_node[row.name];
      }
    }
  }

  [[nodiscard]] Json ProfileJson(const Row& row) const {
    Json out = Json::MakeObject({{"label", Json()}, {"inForce", Json()}});
    if (row.object) {
      const Json& label = base::ValueAt(*row.object, {"metadata", "labels", view_.node_label});
      if (label.is_string()) out.Set("label", label);
    }
    if (!row.agent) return out;
    const Json& config = base::ValueAt(*row.agent, "config");
    if (!config.is_object()) return out;
    if (base::BoolAt(config, "usable")) out.Set("inForce", base::TextAt(config, "profile"));
    out.Set("source", base::TextAt(config, "source"));
    out.Set("lastGood", base::BoolAt(config, "fromLastGood"));
    out.Set("error", base::TextAt(config, "error"));
    return out;
  }

  [[nodiscard]] static Json ResourcesJson(const Row& row) {
    const Counts capacity = row.object ? NodeCounts(*row.object, "capacity") : Counts();
    const Counts allocatable = row.object ? NodeCounts(*row.object, "allocatable") : Counts();
    std::set<std::string> names;
    for (const auto& [name, count] : capacity) names.insert(name);
    if (row.in_use) {
      for (const auto& [name, count] : *row.in_use) names.insert(name);
    }
    if (row.agent) {
      for (const Json& resource : base::ItemsAt(*row.agent, "resources")) {
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
           {"capacity", count_of(capacity, name, row.object.has_value())},
           {"allocatable", count_of(allocatable, name, row.object.has_value())},
           {"inUse", count_of(row.in_use.value_or(Counts()), name, row.in_use.has_value())}}));
    }
    return out;
  }

  Json Finish(Row& row) {
    if (row.object && NodeReady(*row.object) == false) {
      row.warnings.emplace_back("the node is not Ready");
    }
    if (row.pod && row.pod->ending) row.notes.push_back(row.pod->name + " is ending");
    // As in a roll, where it is over in a moment; two releases take the node from each other for
    // ever.
    if (row.pod && !row.pod->beside.empty()) {
      row.notes.push_back(fmt::format("more than one plugin pod on this node: {} beside {}",
                                      fmt::join(row.pod->beside, ", "), row.pod->name));
    }
    if (!row.pod && notes_.empty()) row.notes.emplace_back("no plugin pod on this node");
    Json out = Json::MakeObject({{"name", base::Printable(row.name, kMaxNameInNote)},
                                 {"profile", ProfileJson(row)},
                                 {"resources", ResourcesJson(row)}});
    if (row.pod) {
      Json agent = Json::MakeObject({{"namespace", row.pod->space}, {"pod", row.pod->name}});
      if (row.agent) {
        agent.Set("version", base::TextAt(*row.agent, "version"));
        agent.Set("ready", base::BoolAt(*row.agent, "ready"));
      }
      out.Set("agent", std::move(agent));
    }
    if (row.agent) {
      const Json& driver = base::ValueAt(*row.agent, "driver");
      if (driver.is_object()) out.Set("driver", driver);
      // Null, not none: /readyz does not tell them.
      out.Set("gpus", base::ValueAt(*row.agent, "gpus"));
      for (const char* key : {"degraded", "reasons"}) {
        for (std::string& line : base::TextsAt(*row.agent, key)) row.warnings.push_back(line);
      }
      for (std::string& line : base::TextsAt(*row.agent, {"config", "warnings"})) {
        row.notes.push_back(std::move(line));
      }
    }
    out.Set("warnings", Json::MakeTexts(row.warnings));
    out.Set("notes", Json::MakeTexts(row.notes));
    return out;
  }

  Cluster& cluster_;
  const ClusterView& view_;
  std::map<std::string, PluginPod> pods_;
  std::vector<Row> rows_;
  std::vector<std::string> notes_;
};

}  // namespace

Result<std::map<std::string, PluginPod>> FindPlugins(Cluster& cluster, const ClusterView& view,
                                                     const std::string& node) {
  const std::string path =
      view.plugin_namespace.empty()
          ? "/api/v1/pods"
          : "/api/v1/namespaces/" + apiserver::EscapeSegment(view.plugin_namespace) + "/pods";
  std::string query = "labelSelector=" + apiserver::EscapeSegment(kPluginSelector);
  if (!node.empty()) {
    query.append("&fieldSelector=").append(apiserver::EscapeSegment("spec.nodeName=" + node));
  }
  auto pods = cluster.List(path, query);
  if (!pods.ok()) return pods.status();
  return PluginPods(*pods);
}

Result<Json> AskAgent(Cluster& cluster, const PluginPod& pod) {
  Status status;
  for (const char* path : {"/status", "/readyz"}) {
    const auto answer = cluster.Ask({.path = AgentPath(pod, path), .text = true});
    if (answer.ok()) {
      return Json::Parse(answer->is_string() ? answer->as_string() : answer->Dump());
    }
    status = answer.status();
    if (status.code() != Code::kNotFound) break;
  }
  return status;
}

std::vector<std::string> ProfilesOf(Cluster& cluster, const PluginPod& pod) {
  std::set<std::pair<std::string, std::string>> config_maps;
  for (const std::string& name : pod.config_maps) config_maps.emplace(pod.space, name);
  if (const auto agent = AskAgent(cluster, pod); agent.ok()) {
    const std::string watched = base::TextAt(*agent, {"kubernetes", "configMap"});
    const std::size_t slash = watched.find('/');
    if (slash != std::string::npos) {
      config_maps.emplace(watched.substr(0, slash), watched.substr(slash + 1));
    }
  }
  std::set<std::string> names;
  for (const auto& [space, name] : config_maps) {
    const auto object = cluster.Get("/api/v1/namespaces/" + apiserver::EscapeSegment(space) +
                                    "/configmaps/" + apiserver::EscapeSegment(name));
    if (!object.ok()) continue;
    for (const auto& [key, value] : base::MembersAt(*object, "data")) {
      // The operator mounts its entrypoint script in the same way, Kubernetes the cluster's CA.
      if (!key.ends_with(".sh") && key != "ca.crt") names.insert(key);
    }
  }
  return {names.begin(), names.end()};
}

Result<Json> CollectStatus(Cluster& cluster, const ClusterView& view,
                           const std::vector<std::string>& names) {
  return Collector(cluster, view).Run(names);
}

int ClusterStatusExitCode(const Json& status) {
  return std::ranges::all_of(
             base::ItemsAt(status, "nodes"),
             [](const Json& node) { return base::ItemsAt(node, "warnings").empty(); })
             ? 0
             : 1;
}

}  // namespace tranche::cli::kubectl
