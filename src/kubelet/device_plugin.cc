#include "kubelet/device_plugin.h"

#include <set>
#include <utility>

#include "base/log.h"
#include "kubelet/proto/deviceplugin.pb.h"
#include "rpc/server.h"

namespace tranche::kubelet {
namespace {

constexpr char kVersion[] = "v1beta1";
constexpr char kHealthy[] = "Healthy";
constexpr char kUnhealthy[] = "Unhealthy";
// The largest request is preferred allocation: every id twice at most. 60,000 ids of 50 bytes are
// 3 MB; the kubelet cannot know more ids than fit in the 4 MiB list it accepts.
constexpr int kMaxRequestBytes = 16 << 20;
constexpr std::chrono::seconds kRegisterTimeout{5};

// Fields of a message that repeat may be serialized apart and the bytes joined (protobuf encoding,
// "Last One Wins" and merging), so a list of any length costs its bytes and one reused message.
std::string SerializeList(const std::vector<PluginDevice>& devices) {
  v1beta1::ListAndWatchResponse one;
  v1beta1::Device* message = one.add_devices();
  std::string bytes;
  for (const PluginDevice& device : devices) {
    message->set_id(device.id);
    message->set_health(device.healthy ? kHealthy : kUnhealthy);
    message->clear_topology();
    if (device.numa_node) message->mutable_topology()->add_nodes()->set_id(*device.numa_node);
    one.AppendToString(&bytes);
  }
  return bytes;
}

std::vector<std::string> TakeStrings(google::protobuf::RepeatedPtrField<std::string>& field) {
  std::vector<std::string> strings;
  strings.reserve(static_cast<std::size_t>(field.size()));
  for (std::string& text : field) strings.push_back(std::move(text));
  return strings;
}

void Fill(v1beta1::ContainerAllocateResponse& message, ContainerAnswer answer) {
  message.mutable_envs()->insert(answer.env.begin(), answer.env.end());
  message.mutable_annotations()->insert(answer.annotations.begin(), answer.annotations.end());
  for (Mount& mount : answer.mounts) {
    v1beta1::Mount* to = message.add_mounts();
    to->set_container_path(std::move(mount.container_path));
    to->set_host_path(std::move(mount.host_path));
    to->set_read_only(mount.read_only);
  }
  for (DeviceSpec& device : answer.devices) {
    v1beta1::DeviceSpec* to = message.add_devices();
    to->set_container_path(std::move(device.container_path));
    to->set_host_path(std::move(device.host_path));
    to->set_permissions(std::move(device.permissions));
  }
  for (std::string& name : answer.cdi_devices) {
    message.add_cdi_devices()->set_name(std::move(name));
  }
}

class GrpcPluginServer final : public PluginServer {
 public:
  GrpcPluginServer(base::EventLoop& loop, PluginHandler& handler)
      : loop_(loop), handler_(handler) {}

  base::Status Listen(const std::string& socket_path) {
    auto server = rpc::Server::Start(
        loop_, {.socket_path = socket_path, .max_request_bytes = kMaxRequestBytes},
        [this](const std::shared_ptr<rpc::ServerCall>& call) { Serve(call); },
        [this](const std::string& why) { handler_.ServerFailed(why); });
    if (!server.ok()) return server.status();
    server_ = std::move(server).value();
    return base::Status::Ok();
  }

  void SetDevices(std::vector<PluginDevice> devices) override {
    list_ = std::make_shared<const std::string>(SerializeList(devices));
    for (const auto& stream : streams_) stream->Send(list_);
  }

  [[nodiscard]] int open_streams() const override { return static_cast<int>(streams_.size()); }
  [[nodiscard]] bool SocketInPlace() const override { return server_->SocketInPlace(); }

 private:
  void Serve(const std::shared_ptr<rpc::ServerCall>& call) {
    const std::string& method = call->method();
    if (method == "/v1beta1.DevicePlugin/ListAndWatch") return OpenStream(call);
    if (method == "/v1beta1.DevicePlugin/Allocate") return Allocate(*call);
    if (method == "/v1beta1.DevicePlugin/GetPreferredAllocation") return Prefer(*call);
    if (method == "/v1beta1.DevicePlugin/GetDevicePluginOptions") return SendOptions(*call);
    if (method == "/v1beta1.DevicePlugin/PreStartContainer") {
      return call->Finish(base::Status::Ok(), "");
    }
    call->Finish({base::Code::kUnimplemented, "unknown method " + base::Printable(method, 128)},
                 "");
  }

  void OpenStream(const std::shared_ptr<rpc::ServerCall>& call) {
    streams_.insert(call);
    call->OnClosed([this, weak = std::weak_ptr<rpc::ServerCall>(call)] {
      streams_.erase(weak.lock());
      handler_.StreamChanged(PluginHandler::Stream::kLost);
    });
    if (list_ != nullptr) call->Send(list_);
    handler_.StreamChanged(PluginHandler::Stream::kOpened);
  }

  void Allocate(rpc::ServerCall& call) {
    v1beta1::AllocateRequest request;
    if (!request.ParseFromString(call.request())) return Malformed(call);
    v1beta1::AllocateResponse response;
    for (auto& container : *request.mutable_container_requests()) {
      auto answer = handler_.Allocate(TakeStrings(*container.mutable_devices_ids()));
      if (!answer.ok()) return Refuse(call, answer.status());
      Fill(*response.add_container_responses(), std::move(answer).value());
    }
    call.Finish(base::Status::Ok(), response.SerializeAsString());
  }

  void Prefer(rpc::ServerCall& call) {
    v1beta1::PreferredAllocationRequest request;
    if (!request.ParseFromString(call.request())) return Malformed(call);
    v1beta1::PreferredAllocationResponse response;
    for (auto& container : *request.mutable_container_requests()) {
      PreferredQuery query;
      query.available = TakeStrings(*container.mutable_available_deviceids());
      query.must_include = TakeStrings(*container.mutable_must_include_deviceids());
      query.size = container.allocation_size();
      auto answer = handler_.Preferred(query);
      if (!answer.ok()) return Refuse(call, answer.status());
      auto* to = response.add_container_responses();
      for (std::string& id : answer.value()) to->add_deviceids(std::move(id));
    }
    call.Finish(base::Status::Ok(), response.SerializeAsString());
  }

  static void SendOptions(rpc::ServerCall& call) {
    v1beta1::DevicePluginOptions options;
    options.set_get_preferred_allocation_available(true);
    call.Finish(base::Status::Ok(), options.SerializeAsString());
  }

  static void Malformed(rpc::ServerCall& call) {
    call.Finish({base::Code::kInternal, "malformed request message"}, "");
  }

  // Upstream returns plain errors, which reach the kubelet as code Unknown.
  static void Refuse(rpc::ServerCall& call, const base::Status& why) {
    call.Finish({base::Code::kUnknown, why.message()}, "");
  }

  base::EventLoop& loop_;
  PluginHandler& handler_;
  std::shared_ptr<const std::string> list_;  // the list as it goes over the wire; null: none yet
  std::set<std::shared_ptr<rpc::ServerCall>> streams_;
  std::unique_ptr<rpc::Server> server_;  // last: its end comes before what its callbacks use
};

}  // namespace

base::Result<std::unique_ptr<PluginServer>> PluginServer::Start(base::EventLoop& loop,
                                                                const std::string& socket_path,
                                                                PluginHandler& handler) {
  auto server = std::make_unique<GrpcPluginServer>(loop, handler);
  TRANCHE_TRY(server->Listen(socket_path));
  return std::unique_ptr<PluginServer>(std::move(server));
}

void RegisterWithKubelet(rpc::Caller& caller, const Registration& registration,
                         std::function<void(base::Status)> done) {
  v1beta1::RegisterRequest request;
  request.set_version(kVersion);
  request.set_endpoint(registration.endpoint);
  request.set_resource_name(registration.resource);
  request.mutable_options()->set_get_preferred_allocation_available(true);
  caller.Call(
      {.socket_path = registration.kubelet_socket,
       .method = "/v1beta1.Registration/Register",
       .request = request.SerializeAsString(),
       .timeout = kRegisterTimeout},
      [done = std::move(done)](const base::Result<std::string>& answer) { done(answer.status()); });
}

namespace {

class GrpcPluginLink : public PluginLink {
 public:
  explicit GrpcPluginLink(base::EventLoop& loop) : loop_(loop), caller_(rpc::Caller::New(loop)) {}
  base::Result<std::unique_ptr<PluginServer>> StartServer(const std::string& socket_path,
                                                          PluginHandler& handler) override {
    return PluginServer::Start(loop_, socket_path, handler);
  }
  void Register(const Registration& registration, std::function<void(base::Status)> done) override {
    RegisterWithKubelet(*caller_, registration, std::move(done));
  }
  void List(const std::string& pod_resources_socket,
            std::function<void(base::Result<std::vector<Holding>>)> done) override {
    ListHoldings(*caller_, pod_resources_socket, std::move(done));
  }

 private:
  base::EventLoop& loop_;
  std::unique_ptr<rpc::Caller> caller_;
};

}  // namespace

std::unique_ptr<PluginLink> NewPluginLink(base::EventLoop& loop) {
  return std::make_unique<GrpcPluginLink>(loop);
}

}  // namespace tranche::kubelet
