// Reads which device ids there are and which containers hold them, from the kubelet's pod-resources
// socket (k8s.io/kubelet podresources v1, GetAllocatableResources and List).
//
// The kubelet answers at most 100 times in a burst, so call it seldom.
//
// Threading: the loop's thread.
// Errors: a Status in the callback; kNotFound where there is no such socket.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "kubelet/rpc_client.h"

namespace tranche::kubelet {

struct Holding {
  std::string pod_namespace;
  std::string pod;
  std::string container;
  std::string resource;
  std::vector<std::string> ids;
  friend bool operator==(const Holding&, const Holding&) = default;
};

// One List call, bounded to 5 s and 16 MiB; `done` runs on the loop. kNotFound: no such socket.
void ListHoldings(RpcCaller& caller, const std::string& socket_path,
                  std::function<void(base::Result<std::vector<Holding>>)> done);

// The ids of one resource that the kubelet can give: those that are healthy, held or not.
struct Offer {
  std::string resource;
  std::vector<std::string> ids;
  friend bool operator==(const Offer&, const Offer&) = default;
};

// One GetAllocatableResources call, bounded as above. kUnimplemented: the kubelet lacks it.
void ListOffers(RpcCaller& caller, const std::string& socket_path,
                std::function<void(base::Result<std::vector<Offer>>)> done);

}  // namespace tranche::kubelet
