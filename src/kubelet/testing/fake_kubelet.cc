#include "kubelet/testing/fake_kubelet.h"

#include <utility>

#include "base/file.h"
#include "kubelet/proto/deviceplugin.pb.h"
#include "kubelet/proto/podresources.pb.h"

namespace tranche::kubelet::testing {

namespace {

template <class Message>
Message Parsed(const std::string& bytes) {
  Message message;
  TRANCHE_CHECK(message.ParseFromString(bytes));
  return message;
}

ContainerAnswer FromMessage(const v1beta1::ContainerAllocateResponse& message) {
  ContainerAnswer answer;
  answer.env.insert(message.envs().begin(), message.envs().end());
  answer.annotations.insert(message.annotations().begin(), message.annotations().end());
  for (const auto& mount : message.mounts()) {
    answer.mounts.push_back({mount.container_path(), mount.host_path(), mount.read_only()});
  }
  for (const auto& device : message.devices()) {
    answer.devices.push_back({device.container_path(), device.host_path(), device.permissions()});
  }
  for (const auto& device : message.cdi_devices()) answer.cdi_devices.push_back(device.name());
  return answer;
}

}  // namespace

FakeKubelet::FakeKubelet(base::EventLoop& loop, std::string directory)
    : loop_(loop), directory_(std::move(directory)) {}

FakeKubelet::~FakeKubelet() = default;

std::string FakeKubelet::socket() const { return base::JoinPath(directory_, "kubelet.sock"); }

void FakeKubelet::Start() {
  server_ =
      rpc::Server::Start(
          loop_, {.socket_path = socket()},
          [this](const std::shared_ptr<rpc::ServerCall>& call) { OnRegister(*call); }, nullptr)
          .value();
}

void FakeKubelet::Stop() {
  server_.reset();
  channels_.clear();
}

void FakeKubelet::ServePodResources(const std::string& path) {
  pod_resources_ =
      rpc::Server::Start(
          loop_, {.socket_path = path},
          [this](const std::shared_ptr<rpc::ServerCall>& call) { OnList(call); }, nullptr)
          .value();
}

void FakeKubelet::AnswerLists() {
  for (const auto& call : std::exchange(waiting_lists_, {})) AnswerList(*call);
}

std::size_t FakeKubelet::ListsOf(const std::string& resource) const {
  const auto it = lists.find(resource);
  return it == lists.end() ? 0 : it->second.size();
}

void FakeKubelet::Allocate(const std::string& resource, const std::vector<std::string>& ids,
                           std::function<void(base::Result<ContainerAnswer>)> done) {
  v1beta1::AllocateRequest request;
  auto* container = request.add_container_requests();
  for (const std::string& id : ids) container->add_devices_ids(id);
  channels_.at(resource)->Call(
      "/v1beta1.DevicePlugin/Allocate", request.SerializeAsString(), {},
      [done = std::move(done)](const base::Result<std::string>& bytes) {
        if (!bytes.ok()) return done(bytes.status());
        done(FromMessage(Parsed<v1beta1::AllocateResponse>(*bytes).container_responses(0)));
      });
}

void FakeKubelet::Prefer(const std::string& resource, const PreferredQuery& query,
                         std::function<void(base::Result<std::vector<std::string>>)> done) {
  v1beta1::PreferredAllocationRequest request;
  auto* container = request.add_container_requests();
  for (const std::string& id : query.available) container->add_available_deviceids(id);
  for (const std::string& id : query.must_include) container->add_must_include_deviceids(id);
  container->set_allocation_size(query.size);
  channels_.at(resource)->Call(
      "/v1beta1.DevicePlugin/GetPreferredAllocation", request.SerializeAsString(), {},
      [done = std::move(done)](const base::Result<std::string>& bytes) {
        if (!bytes.ok()) return done(bytes.status());
        const auto message = Parsed<v1beta1::PreferredAllocationResponse>(*bytes);
        const auto& ids = message.container_responses(0).deviceids();
        done(std::vector<std::string>(ids.begin(), ids.end()));
      });
}

void FakeKubelet::OnRegister(rpc::ServerCall& call) {
  const auto request = Parsed<v1beta1::RegisterRequest>(call.request());
  TRANCHE_CHECK(call.method() == "/v1beta1.Registration/Register");
  TRANCHE_CHECK(request.version() == "v1beta1");
  TRANCHE_CHECK(request.options().get_preferred_allocation_available());
  registrations.push_back({request.resource_name(), request.endpoint()});
  if (!refusal.empty()) return call.Finish({base::Code::kUnknown, refusal}, "");
  call.Finish(base::Status::Ok(), "");
  if (opens_streams) OpenStream(request.resource_name(), request.endpoint());
}

void FakeKubelet::OpenStream(const std::string& resource, const std::string& endpoint) {
  auto channel = rpc::Channel::Connect(loop_, base::JoinPath(directory_, endpoint), 16 << 20);
  if (!channel.ok()) return;  // the real one, too, only logs it
  lost.erase(resource);
  channels_[resource] = std::move(*channel);
  channels_[resource]->Stream(
      "/v1beta1.DevicePlugin/ListAndWatch", "",
      [this, resource](const std::string& bytes) {
        const auto message = Parsed<v1beta1::ListAndWatchResponse>(bytes);
        List list;
        last_ids[resource].clear();
        for (const auto& device : message.devices()) {
          list[device.id()] = device.health();
          last_ids[resource].push_back(device.id());
        }
        lists[resource].push_back(std::move(list));
      },
      [this, resource](const base::Status& /*status*/) { lost.insert(resource); });
}

void FakeKubelet::OnList(const std::shared_ptr<rpc::ServerCall>& call) {
  ++list_calls;
  if (holds_lists_back) {
    waiting_lists_.push_back(call);
  } else {
    AnswerList(*call);
  }
}

void FakeKubelet::AnswerList(rpc::ServerCall& call) const {
  v1::ListPodResourcesResponse response;
  auto* container = response.add_pod_resources()->add_containers();
  for (const auto& [resource, ids] : held) {
    auto* devices = container->add_devices();
    devices->set_resource_name(resource);
    for (const std::string& id : ids) devices->add_device_ids(id);
  }
  call.Finish(base::Status::Ok(), response.SerializeAsString());
}

}  // namespace tranche::kubelet::testing
