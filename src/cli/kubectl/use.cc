#include "cli/kubectl/use.h"

#include <algorithm>
#include <map>
#include <utility>

#include "apiserver/client.h"
#include "base/json_read.h"
#include "base/log.h"
#include "cli/common/defaults.h"

namespace tranche::cli::kubectl {

namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

Result<std::map<std::string, PluginPod>> FindPrograms(Cluster& cluster, const UseOptions& options) {
  const std::string& space = options.tranche_namespace;
  const std::string path = space.empty()
                               ? "/api/v1/pods"
                               : "/api/v1/namespaces/" + apiserver::EscapeSegment(space) + "/pods";
  std::string query = "labelSelector=" + apiserver::EscapeSegment(kNodeProgramSelector);
  if (options.nodes.size() == 1) {
    query += "&fieldSelector=" + apiserver::EscapeSegment("spec.nodeName=" + options.nodes[0]);
  }
  const auto pods = cluster.List(path, query);
  if (pods.status().code() == Code::kPermissionDenied) {
    const std::string where = space.empty()
                                  ? "in all namespaces; in one alone, name it: --tranche-namespace"
                                  : "in namespace " + space;
    return Status(Code::kPermissionDenied,
                  "the pods of tranche node cannot be found: this takes the right to list pods " +
                      where + " (" + pods.status().message() + ")");
  }
  if (!pods.ok()) return pods.status();
  return PluginPods(*pods, common::kNodePort);
}

std::string Why(const Status& status, const PluginPod& program) {
  if (status.code() == Code::kPermissionDenied) {
    return "this takes the right to get pods/proxy in namespace " + program.space + " (" +
           status.message() + ")";
  }
  return status.message();
}

Result<ClusterUse::Node> ReadAnswer(const PluginPod& program, const Result<Json>& answer) {
  if (!answer.ok()) return answer.status();
  auto status = Json::Parse(answer->is_string() ? answer->as_string() : answer->Dump());
  if (!status.ok()) return status.status();
  auto use = top::ReadNodeUse(*status);
  if (!use.ok()) return use.status();
  use->node = base::Printable(program.node, 256);  // the API server's word
  return ClusterUse::Node{.program = program, .use = std::move(*use), .status = std::move(*status)};
}

Status NobodyAnswers(const UseOptions& options, const std::vector<std::string>& warnings) {
  if (!warnings.empty()) return {Code::kUnavailable, warnings.front()};
  const std::string where =
      options.tranche_namespace.empty() ? "" : " in namespace " + options.tranche_namespace;
  return {Code::kNotFound, std::string("no pod of tranche node runs") + where + " (" +
                               kNodeProgramSelector +
                               "): the chart installs it with --set node.enabled=true"};
}

}  // namespace

Result<ClusterUse> CollectUse(Cluster& cluster, const UseOptions& options) {
  auto programs = FindPrograms(cluster, options);
  if (!programs.ok()) return programs.status();
  ClusterUse found;
  if (!options.nodes.empty()) {
    for (const std::string& name : options.nodes) {
      if (!programs->contains(name)) {
        found.warnings.push_back("node " + name + ": no pod of tranche node runs there");
      }
    }
    std::erase_if(*programs, [&](const auto& program) {
      return std::ranges::find(options.nodes, program.first) == options.nodes.end();
    });
  }
  std::vector<apiserver::ApiRequest> requests;
  for (const auto& [node, program] : *programs) {
    requests.push_back(
        {.path = AgentPath(program, "/status"), .form = apiserver::ReplyForm::kText});
  }
  const auto answers = cluster.AskAll(std::move(requests));
  if (cluster.interrupted()) return Status(Code::kCancelled, "interrupted");
  std::size_t i = 0;
  for (const auto& [node, program] : *programs) {
    auto answer = ReadAnswer(program, answers[i++]);
    if (answer.ok()) {
      found.nodes.push_back(std::move(*answer));
    } else {
      found.warnings.push_back("node " + node + ": pod " + program.space + "/" + program.name +
                               " does not answer: " + Why(answer.status(), program));
    }
  }
  if (found.nodes.empty()) return NobodyAnswers(options, found.warnings);
  return found;
}

int ClusterUseExitCode(const ClusterUse& use) {
  const bool well = std::ranges::all_of(use.nodes, [](const ClusterUse::Node& node) {
    return node.use.ready && node.use.fresh && node.use.degraded.empty();
  });
  return well && use.warnings.empty() ? 0 : 1;
}

}  // namespace tranche::cli::kubectl
