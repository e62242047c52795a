#include "sim/stage/pod_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/json_read.h"

namespace tranche::sim {

namespace {

using base::Json;
using base::Status;

constexpr std::string_view kPods = "/api/v1/pods";

// Of "…?a=b&c=d"; "" where there is none.
std::string_view QueryValue(std::string_view target, std::string_view key) {
  std::string_view rest = target.substr(std::min(target.find('?'), target.size()));
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view part = rest.substr(0, rest.find('&'));
    if (part.starts_with(key) && part.substr(key.size()).starts_with('=')) {
      return part.substr(key.size() + 1);
    }
    rest.remove_prefix(part.size());
  }
  return {};
}

// What a watch says of a change.
std::string LineOf(const char* kind, const Json& object) {
  return Json::MakeObject({{"type", kind}, {"object", object}}).Dump() + "\n";
}

}  // namespace

base::Result<std::unique_ptr<PodNames>> PodNames::Start(base::EventLoop& loop, std::string node) {
  auto listener = http::ListenOnTcp("127.0.0.1:0");
  if (!listener.ok()) return listener.status();
  return std::unique_ptr<PodNames>(new PodNames(loop, std::move(*listener), std::move(node)));
}

std::string PodNames::Kubeconfig() const {
  return fmt::format(R"(apiVersion: v1
kind: Config
current-context: stage
contexts: [{{name: stage, context: {{cluster: stage, user: stage}}}}]
clusters: [{{name: stage, cluster: {{server: "{}"}}}}]
users: [{{name: stage, user: {{}}}}]
)",
                     server_.url());
}

void PodNames::Add(const NamedPod& pod) {
  Json object = Json::MakeObject();
  object.Set(
      "metadata",
      Json::MakeObject({{"uid", pod.uid}, {"namespace", pod.pod_namespace}, {"name", pod.name}}));
  object.Set("spec",
             Json::MakeObject(
                 {{"nodeName", node_},
                  {"containers", Json::MakeArray({Json::MakeObject({{"name", pod.container}})})}}));
  object.Set("status",
             Json::MakeObject({{"containerStatuses",
                                Json::MakeArray({Json::MakeObject(
                                    {{"name", pod.container},
                                     {"containerID", "containerd://" + pod.container_id}})})}}));
  SendChange("ADDED", std::move(object));
}

Status PodNames::Annotate(const std::string& name, const std::string& key,
                          const std::string& value) {
  const auto pod = pods_.find(name);
  if (pod == pods_.end()) return {base::Code::kNotFound, "there is no pod " + name};
  Json object = pod->second;
  Json metadata = *object.Find("metadata");
  const Json* const known = metadata.Find("annotations");
  Json annotations = known == nullptr ? Json::MakeObject() : *known;
  annotations.Set(key, value);
  metadata.Set("annotations", std::move(annotations));
  object.Set("metadata", std::move(metadata));
  SendChange("MODIFIED", std::move(object));
  return Status::Ok();
}

void PodNames::SendChange(const char* kind, Json object) {
  changes_.push_back({kind, Json()});
  Json metadata = *object.Find("metadata");
  metadata.Set("resourceVersion", Version());
  object.Set("metadata", std::move(metadata));
  pods_[base::TextAt(object, {"metadata", "name"})] = object;
  changes_.back().object = std::move(object);
  std::erase_if(watches_, [this](const Server::Request& watch) { return !server_.IsOpen(watch); });
  const std::string line = LineOf(changes_.back().kind, changes_.back().object);
  for (const Server::Request& watch : watches_) server_.Stream(watch, line);
}

std::string PodNames::List() const {
  Json items = Json::MakeArray();
  for (const auto& [name, pod] : pods_) items.Append(pod);
  return Json::MakeObject({{"kind", "PodList"},
                           {"apiVersion", "v1"},
                           {"metadata", Json::MakeObject({{"resourceVersion", Version()}})},
                           {"items", std::move(items)}})
      .Dump();
}

void PodNames::Answer(const Server::Request& request) {
  const std::string& target = request.target;
  if (request.method != "GET" || target.substr(0, target.find('?')) != kPods) {
    server_.Reply(request, 404, "");
    return server_.HangUp(request);
  }
  if (QueryValue(target, "watch").empty()) {
    server_.Reply(request, 200, List(), "Content-Type: application/json\r\n");
    return server_.HangUp(request);
  }
  const std::string_view asked = QueryValue(target, "resourceVersion");
  std::size_t version = 1;
  std::from_chars(asked.data(), asked.data() + asked.size(), version);
  server_.StartStream(request);
  for (std::size_t i = std::max<std::size_t>(version, 1) - 1; i < changes_.size(); ++i) {
    server_.Stream(request, LineOf(changes_[i].kind, changes_[i].object));
  }
  watches_.push_back(request);
}

}  // namespace tranche::sim
