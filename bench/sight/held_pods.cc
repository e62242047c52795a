// A kubelet that says who holds which share: on each GPU so many pods, one share each. It serves
// the pod-resources socket and nothing else, for bench/sight/run.py and tests of `tranche node`.
//
//   held_pods SOCKET PODS UUID[+UUID…]…
//
// Of GPUs that are joined by "+", each pod has a share of every one.
//
// Serves until SIGTERM or SIGINT.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "kubelet/proto/podresources.pb.h"
#include "rpc/server.h"

namespace tranche::bench {
namespace {

constexpr char kResource[] = "nvidia.com/gpu";

struct Answers {
  std::string held;
  std::string offered;
};

Answers MakeAnswers(int pods, const std::vector<std::string>& uuids) {
  v1::ListPodResourcesResponse held;
  v1::AllocatableResourcesResponse offered;
  for (const std::string& uuids_of : uuids) {
    for (int i = 0; i < pods; ++i) {
      auto* pod = held.add_pod_resources();
      pod->set_namespace_(fmt::format("team-{}", i % 8));
      pod->set_name(fmt::format("worker-{}-{}", uuids_of.substr(uuids_of.size() - 12), i));
      auto* container = pod->add_containers();
      container->set_name("main");
      auto* devices = container->add_devices();
      devices->set_resource_name(kResource);
      for (std::size_t at = 0; at < uuids_of.size();) {
        const std::size_t end = std::min(uuids_of.find('+', at), uuids_of.size());
        devices->add_device_ids(fmt::format("{}::{}", uuids_of.substr(at, end - at), i));
        at = end + 1;
      }
      *offered.add_devices() = *devices;
    }
  }
  return {.held = held.SerializeAsString(), .offered = offered.SerializeAsString()};
}

int Serve(const std::string& socket, const Answers& answers) {
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) return 1;
  const auto signals = base::WatchSignals(**loop, {SIGINT, SIGTERM}, [&](int) { (*loop)->Stop(); });
  const auto server = rpc::Server::Start(
      **loop, {.socket_path = socket},
      [&](const std::shared_ptr<rpc::ServerCall>& call) {
        const bool list = call->method() == "/v1.PodResourcesLister/List";
        call->Finish(base::Status::Ok(), list ? answers.held : answers.offered);
      },
      [](const std::string&) {});
  if (!signals.ok() || !server.ok()) return 1;
  (*loop)->Run();
  return 0;
}

}  // namespace
}  // namespace tranche::bench

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: held_pods SOCKET PODS UUID...\n");
    return 2;
  }
  return tranche::bench::Serve(
      argv[1], tranche::bench::MakeAnswers(std::atoi(argv[2]),
                                           std::vector<std::string>(argv + 3, argv + argc)));
}
