#include "sim/kubelet/pod_resources_server.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "kubelet/proto/podresources.pb.h"
#include "rpc/server.h"

namespace tranche::sim {
namespace {

// DefaultQPS and DefaultBurstTokens of pkg/kubelet/apis/podresources.
constexpr double kCallsPerSecond = 100;
constexpr double kBurst = 10;

void Fill(google::protobuf::RepeatedPtrField<v1::ContainerDevices>& to,
          const std::vector<AllocatedDevice>& devices) {
  for (const AllocatedDevice& device : devices) {  // an entry for each id, as the real one does
    v1::ContainerDevices* entry = to.Add();
    entry->set_resource_name(device.resource);
    entry->add_device_ids(device.id);
    if (device.numa_node) entry->mutable_topology()->add_nodes()->set_id(*device.numa_node);
  }
}

void Fill(v1::PodResources& to, const PodDevices& pod) {
  to.set_name(pod.pod);
  to.set_namespace_(pod.pod_namespace);
  v1::ContainerResources* container = to.add_containers();
  container->set_name(pod.container);
  Fill(*container->mutable_devices(), pod.devices);
}

class RpcPodResourcesServer final : public PodResourcesServer {
 public:
  RpcPodResourcesServer(base::EventLoop& loop, Source source)
      : loop_(loop), source_(std::move(source)), refilled_(loop.Now()) {}

  base::Status Listen(const std::string& socket_path) {
    TRANCHE_TRY(base::MakeDirectories(base::ParentDirectory(socket_path)));
    auto server = rpc::Server::Start(
        loop_, {.socket_path = socket_path},
        [this](const std::shared_ptr<rpc::ServerCall>& call) { Serve(*call); },
        [](const std::string& why) {
          base::LogError("pod-resources socket failed", {base::Kv("error", why)});
        });
    if (!server.ok()) return server.status();
    server_ = std::move(server).value();
    return base::Status::Ok();
  }

 private:
  bool TakeToken() {
    const base::TimePoint now = loop_.Now();
    tokens_ = std::min(
        kBurst, tokens_ + kCallsPerSecond * std::chrono::duration<double>(now - refilled_).count());
    refilled_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

  void Serve(rpc::ServerCall& call) {
    if (!TakeToken()) {
      return call.Finish({base::Code::kResourceExhausted, "rejected by rate limit"}, "");
    }
    if (call.method() == "/v1.PodResourcesLister/List") return List(call);
    if (call.method() == "/v1.PodResourcesLister/Get") return Get(call);
    if (call.method() == "/v1.PodResourcesLister/GetAllocatableResources") {
      v1::AllocatableResourcesResponse response;
      Fill(*response.mutable_devices(), source_.allocatable());
      return call.Finish(base::Status::Ok(), response.SerializeAsString());
    }
    call.Finish(
        {base::Code::kUnimplemented, "unknown method " + base::Printable(call.method(), 128)}, "");
  }

  void List(rpc::ServerCall& call) {
    v1::ListPodResourcesResponse response;
    for (const PodDevices& pod : source_.pods()) Fill(*response.add_pod_resources(), pod);
    call.Finish(base::Status::Ok(), response.SerializeAsString());
  }

  void Get(rpc::ServerCall& call) {
    v1::GetPodResourcesRequest request;
    if (!request.ParseFromString(call.request())) {
      return call.Finish({base::Code::kInternal, "malformed request message"}, "");
    }
    for (const PodDevices& pod : source_.pods()) {
      if (pod.pod != request.pod_name() || pod.pod_namespace != request.pod_namespace()) continue;
      v1::GetPodResourcesResponse response;
      Fill(*response.mutable_pod_resources(), pod);
      return call.Finish(base::Status::Ok(), response.SerializeAsString());
    }
    call.Finish({base::Code::kUnknown, "pod " + request.pod_name() + " in namespace " +
                                           request.pod_namespace() + " not found"},
                "");
  }

  base::EventLoop& loop_;
  Source source_;
  double tokens_ = kBurst;
  base::TimePoint refilled_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace

base::Result<std::unique_ptr<PodResourcesServer>> PodResourcesServer::Start(
    base::EventLoop& loop, const std::string& socket_path, Source source) {
  auto server = std::make_unique<RpcPodResourcesServer>(loop, std::move(source));
  TRANCHE_TRY(server->Listen(socket_path));
  return std::unique_ptr<PodResourcesServer>(std::move(server));
}

}  // namespace tranche::sim
