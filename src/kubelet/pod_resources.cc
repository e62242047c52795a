#include "kubelet/pod_resources.h"

#include <map>
#include <utility>

#include "kubelet/proto/podresources.pb.h"

namespace tranche::kubelet {
namespace {

constexpr std::chrono::seconds kListTimeout{5};
constexpr int kMaxListBytes = 16 << 20;

const base::Status kMalformed{base::Code::kInternal,
                              "malformed answer from the pod-resources socket"};

base::Result<std::vector<Offer>> DecodeOffers(const std::string& bytes) {
  v1::AllocatableResourcesResponse answer;
  if (!answer.ParseFromString(bytes)) return kMalformed;
  // As in List, each id may have an entry of its own.
  std::map<std::string, std::vector<std::string>> by_resource;
  for (const auto& devices : answer.devices()) {
    auto& ids = by_resource[devices.resource_name()];
    ids.insert(ids.end(), devices.device_ids().begin(), devices.device_ids().end());
  }
  std::vector<Offer> offers;
  offers.reserve(by_resource.size());
  for (auto& [resource, ids] : by_resource) offers.push_back({resource, std::move(ids)});
  return offers;
}

base::Result<std::vector<Holding>> Decode(const std::string& bytes) {
  v1::ListPodResourcesResponse list;
  if (!list.ParseFromString(bytes)) return kMalformed;
  std::vector<Holding> holdings;
  for (const auto& pod : list.pod_resources()) {
    for (const auto& container : pod.containers()) {
      // The kubelet names each id in an entry of its own; one holding per resource is handier.
      std::map<std::string, std::vector<std::string>> by_resource;
      for (const auto& devices : container.devices()) {
        auto& ids = by_resource[devices.resource_name()];
        ids.insert(ids.end(), devices.device_ids().begin(), devices.device_ids().end());
      }
      for (auto& [resource, ids] : by_resource) {
        holdings.push_back(
            {pod.namespace_(), pod.name(), container.name(), resource, std::move(ids)});
      }
    }
  }
  return holdings;
}

}  // namespace

void ListHoldings(RpcCaller& caller, const std::string& socket_path,
                  std::function<void(base::Result<std::vector<Holding>>)> done) {
  caller.Call({.socket_path = socket_path,
               .method = "/v1.PodResourcesLister/List",
               .request = "",
               .timeout = kListTimeout,
               .max_response_bytes = kMaxListBytes},
              [done = std::move(done)](base::Result<std::string> answer) {
                if (!answer.ok()) return done(answer.status());
                done(Decode(*answer));
              });
}

void ListOffers(RpcCaller& caller, const std::string& socket_path,
                std::function<void(base::Result<std::vector<Offer>>)> done) {
  caller.Call({.socket_path = socket_path,
               .method = "/v1.PodResourcesLister/GetAllocatableResources",
               .request = "",
               .timeout = kListTimeout,
               .max_response_bytes = kMaxListBytes},
              [done = std::move(done)](base::Result<std::string> answer) {
                if (!answer.ok()) return done(answer.status());
                done(DecodeOffers(*answer));
              });
}

}  // namespace tranche::kubelet
