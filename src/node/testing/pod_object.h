// Pods as an API server tells of them, for tests of the parts that ask it.
//
// A static pod's group has the hash of its manifest for a name: the API server of tests gives each
// object a UID of its own making, which is the name of no group.
//
// Threading: plain functions, for any thread.
// Errors: none.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace tranche::node::testing {

struct StaticPod {
  std::string hash;              // 32 digits: the UID in the name of its group
  std::vector<std::string> ids;  // of its containers, "main" and "side", once they are known
  std::string memory;            // what its annotation asks for; "": nothing
  std::string node = "n";        // on which it runs
};

inline base::Json PodObject(const StaticPod& pod) {
  using base::Json;
  Json annotations = Json::MakeObject(
      {{"kubernetes.io/config.hash", pod.hash}, {"kubernetes.io/config.mirror", "m"}});
  if (!pod.memory.empty()) annotations.Set("tranche.dev/gpu-memory", pod.memory);
  Json::Array statuses;
  for (const std::string& id : pod.ids) {
    statuses.push_back(Json::MakeObject(
        {{"name", statuses.empty() ? "main" : "side"}, {"containerID", "containerd://" + id}}));
  }
  const auto with = [](const char* key, Json value) {
    Json::Object members;
    members.emplace_back(key, std::move(value));
    return Json::MakeObject(std::move(members));
  };
  Json object = with("metadata", with("annotations", std::move(annotations)));
  object.Set("spec", with("nodeName", pod.node));
  object.Set("status", with("containerStatuses", Json::MakeArray(std::move(statuses))));
  return object;
}

}  // namespace tranche::node::testing
