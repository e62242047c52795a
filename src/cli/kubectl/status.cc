#include "cli/kubectl/status.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "apiserver/client.h"
#include "base/document/api_version.h"
#include "base/json_read.h"
#include "cli/kubectl/node_document.h"

namespace tranche::cli::kubectl {
namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

// Up to so many named nodes each is asked for its own pods, which are fewer than everybody's.
constexpr std::size_t kFewNodes = 8;

std::string Why(const Status& status) {
  return status.code() == Code::kPermissionDenied ? "forbidden" : status.message();
}

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
    for (NodeFindings& node : nodes_) {
      if (!node.pod && notes_.empty()) node.notes.emplace_back("no plugin pod on this node");
      nodes.Append(NodeDocument(node, view_.node_label));
    }
    return Json::MakeObject({{"apiVersion", base::document::kApiVersion},
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
      for (const auto& [node, pod] : pods_) nodes_.push_back({.name = node, .pod = pod});
      return Status::Ok();
    }
    for (const Json& node : *nodes) {
      const std::string name = base::TextAt(node, {"metadata", "name"});
      const bool labelled = base::FindAt(node, {"metadata", "labels", view_.node_label}) != nullptr;
      if (!labelled && !pods_.contains(name) && NodeCounts(node, "capacity").empty()) continue;
      AddNode(name, node);
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
        AddNode(names[i], *answers[i]);
      } else if (answers[i].status().code() == Code::kPermissionDenied) {
        AddNode(names[i], std::nullopt);
        nodes_.back().notes.emplace_back("the node cannot be read: forbidden");
      } else {
        return answers[i].status().Wrap("node " + names[i]);
      }
    }
    return Status::Ok();
  }

  void AddNode(const std::string& name, std::optional<Json> object) {
    NodeFindings node;
    node.name = name;
    node.object = std::move(object);
    if (const auto pod = pods_.find(name); pod != pods_.end()) node.pod = pod->second;
    nodes_.push_back(std::move(node));
  }

  void AskAgents() {
    std::vector<apiserver::ApiRequest> requests;
    std::vector<NodeFindings*> asked;
    for (NodeFindings& node : nodes_) {
      if (!node.pod) continue;
      requests.push_back(
          {.path = AgentPath(*node.pod, "/status"), .form = apiserver::ReplyForm::kText});
      asked.push_back(&node);
    }
    const auto answers = cluster_.AskAll(std::move(requests));
    for (std::size_t i = 0; i < asked.size(); ++i) {
      NodeFindings& node = *asked[i];
      auto status = answers[i].ok() ? Json::Parse(answers[i]->is_string() ? answers[i]->as_string()
                                                                          : answers[i]->Dump())
                                    : Result<Json>(answers[i].status());
      // An agent that does not serve its status: older than that, or NVIDIA's.
      if (status.status().code() == Code::kNotFound) status = AskAgent(cluster_, *node.pod);
      if (status.ok()) {
        node.agent = std::move(*status);
      } else {
        node.notes.push_back("the plugin's pod " + node.pod->name +
                             " does not tell its state: " + Why(status.status()));
      }
    }
  }

  void CountUse(const std::vector<std::string>& names) {
    if (nodes_.empty()) return;
    if (!names.empty() && names.size() <= kFewNodes) {
      for (NodeFindings& node : nodes_) CountPods("spec.nodeName=" + node.name);
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
    for (NodeFindings& node : nodes_) {
      if (selector.empty() || selector == "spec.nodeName=" + node.name) {
        node.in_use = by_node[node.name];
      }
    }
  }

  Cluster& cluster_;
  const ClusterView& view_;
  std::map<std::string, PluginPod> pods_;
  std::vector<NodeFindings> nodes_;
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
    const auto answer =
        cluster.Ask({.path = AgentPath(pod, path), .form = apiserver::ReplyForm::kText});
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
