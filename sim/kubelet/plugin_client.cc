#include "sim/kubelet/plugin_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kubelet/proto/deviceplugin.pb.h"

namespace tranche::sim {
namespace {

// google.golang.org/grpc's default, which the kubelet leaves alone.
constexpr int kMaxMessageBytes = 4 << 20;
constexpr std::chrono::seconds kDialTimeout{10};
constexpr std::chrono::milliseconds kFirstPause{20};
constexpr std::chrono::seconds kLongestPause{1};
// KubeletPreStartContainerRPCTimeoutInSecs
constexpr std::chrono::seconds kPreStartTimeout{30};
constexpr base::Duration kNoTimeout = base::Duration::zero();

std::string GoCodeName(base::Code code) {
  // google.golang.org/grpc/codes, String()
  static constexpr std::array<const char*, 16> kNames = {
      "OK",       "Canceled",      "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",    "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss"};
  return kNames.at(static_cast<std::size_t>(code));
}

std::vector<std::string> ToVector(const google::protobuf::RepeatedPtrField<std::string>& field) {
  return {field.begin(), field.end()};
}

kubelet::ContainerAnswer Read(const v1beta1::ContainerAllocateResponse& message) {
  kubelet::ContainerAnswer answer;
  answer.env.insert(message.envs().begin(), message.envs().end());
  answer.annotations.insert(message.annotations().begin(), message.annotations().end());
  for (const auto& mount : message.mounts()) {
    answer.mounts.push_back({mount.container_path(), mount.host_path(), mount.read_only()});
  }
  for (const auto& device : message.devices()) {
    answer.devices.push_back({device.container_path(), device.host_path(), device.permissions()});
  }
  for (const auto& cdi : message.cdi_devices()) answer.cdi_devices.push_back(cdi.name());
  return answer;
}

base::Status Malformed(const std::string& what) {
  return {base::Code::kInternal, "grpc: failed to unmarshal the received message: " + what};
}

}  // namespace

base::Result<kubelet::ContainerAnswer> ReadAnswer(const std::string& serialized) {
  v1beta1::ContainerAllocateResponse message;
  if (!message.ParseFromString(serialized)) {
    return base::Status(base::Code::kDataLoss, "not an allocation answer");
  }
  return Read(message);
}

std::string GoErrorText(const base::Status& status) {
  return "rpc error: code = " + GoCodeName(status.code()) + " desc = " + status.message();
}

PluginClient::PluginClient(base::EventLoop& loop, std::string resource, std::string socket_path)
    : loop_(loop),
      resource_(std::move(resource)),
      socket_path_(std::move(socket_path)),
      retry_(loop),
      back_off_({.first = kFirstPause, .longest = kLongestPause}) {}

void PluginClient::Close() {
  retry_.Stop();
  channel_.reset();
  broken_ = true;
  for (auto& [id, done] : std::exchange(calls_, {})) {
    loop_.Post([done = std::move(done)] {
      done(base::Status(base::Code::kCancelled, "grpc: the client connection is closing"));
    });
  }
}

base::Status PluginClient::Connect() {
  auto channel = rpc::Channel::Connect(loop_, socket_path_, kMaxMessageBytes);
  if (!channel.ok()) {
    return {base::Code::kUnavailable,
            "connection error: desc = \"transport: error while dialing: " +
                channel.status().message() + "\""};
  }
  channel_ = std::move(channel).value();
  broken_ = false;
  return base::Status::Ok();
}

void PluginClient::Dial(std::function<void(base::Status)> done) {
  back_off_.Reset();
  TryDial(loop_.Now() + kDialTimeout, std::move(done));
}

void PluginClient::TryDial(base::TimePoint give_up, std::function<void(base::Status)> done) {
  const base::Status status = Connect();
  if (status.ok()) return done(status);
  if (loop_.Now() >= give_up) {
    return done({base::Code::kDeadlineExceeded, "context deadline exceeded"});
  }
  retry_.Start(back_off_.Next(),
               [this, give_up, done = std::move(done)] { TryDial(give_up, done); });
}

void PluginClient::Call(const std::string& method, const std::string& request,
                        base::Duration timeout, Done<std::string> done) {
  if (channel_ == nullptr || broken_) {
    if (const base::Status status = Connect(); !status.ok()) {
      loop_.Post([status, done = std::move(done)] { done(status); });
      return;
    }
  }
  const std::uint64_t id = ++last_call_;
  calls_.emplace(id, std::move(done));
  channel_->Call("/v1beta1.DevicePlugin/" + method, request, timeout,
                 [this, id](base::Result<std::string> result) {
                   if (result.status().code() == base::Code::kUnavailable) broken_ = true;
                   auto call = calls_.extract(id);
                   if (!call.empty()) call.mapped()(std::move(result));
                 });
}

void PluginClient::GetOptions(Done<PluginOptions> done) {
  Call("GetDevicePluginOptions", "", kNoTimeout,
       [done = std::move(done)](base::Result<std::string> result) {
         if (!result.ok()) return done(result.status());
         v1beta1::DevicePluginOptions options;
         if (!options.ParseFromString(*result)) return done(Malformed("options"));
         done(PluginOptions{options.pre_start_required(),
                            options.get_preferred_allocation_available()});
       });
}

void PluginClient::Watch(std::function<void(std::vector<kubelet::PluginDevice>)> on_list,
                         std::function<void(base::Status)> on_end) {
  // Ending twice (garbage, then the end itself) must reach the caller once.
  auto end = std::make_shared<std::function<void(base::Status)>>(std::move(on_end));
  const auto end_once = [this, end](const base::Status& status) {
    broken_ = true;
    if (*end) std::exchange(*end, nullptr)(status);
  };
  if (channel_ == nullptr) return end_once({base::Code::kCancelled, "closed"});
  channel_->Stream(
      "/v1beta1.DevicePlugin/ListAndWatch", "",
      [on_list = std::move(on_list), end, end_once](const std::string& bytes) {
        if (!*end) return;
        v1beta1::ListAndWatchResponse list;
        if (!list.ParseFromString(bytes)) return end_once(Malformed("device list"));
        std::vector<kubelet::PluginDevice> devices;
        devices.reserve(static_cast<std::size_t>(list.devices_size()));
        for (auto& device : *list.mutable_devices()) {
          kubelet::PluginDevice to{std::move(*device.mutable_id()), device.health() == "Healthy"};
          if (device.topology().nodes_size() > 0) {
            to.numa_node = static_cast<int>(device.topology().nodes(0).id());
          }
          devices.push_back(std::move(to));
        }
        on_list(std::move(devices));
      },
      end_once);
}

void PluginClient::Preferred(const std::vector<std::string>& available,
                             const std::vector<std::string>& must_include, int size,
                             Done<std::vector<std::string>> done) {
  v1beta1::PreferredAllocationRequest request;
  auto* container = request.add_container_requests();
  for (const std::string& id : available) container->add_available_deviceids(id);
  for (const std::string& id : must_include) container->add_must_include_deviceids(id);
  container->set_allocation_size(size);
  Call("GetPreferredAllocation", request.SerializeAsString(), kNoTimeout,
       [done = std::move(done)](base::Result<std::string> result) {
         if (!result.ok()) return done(result.status());
         v1beta1::PreferredAllocationResponse response;
         if (!response.ParseFromString(*result)) return done(Malformed("preferred allocation"));
         if (response.container_responses_size() == 0) return done(std::vector<std::string>());
         done(ToVector(response.container_responses(0).deviceids()));
       });
}

void PluginClient::Allocate(const std::vector<std::string>& ids, Done<AllocateAnswer> done) {
  v1beta1::AllocateRequest request;
  auto* container = request.add_container_requests();
  for (const std::string& id : ids) container->add_devices_ids(id);
  Call("Allocate", request.SerializeAsString(), kNoTimeout,
       [done = std::move(done)](base::Result<std::string> result) {
         if (!result.ok()) return done(result.status());
         v1beta1::AllocateResponse response;
         if (!response.ParseFromString(*result)) return done(Malformed("allocation"));
         if (response.container_responses_size() == 0) {
           return done(
               base::Status(base::Code::kNotFound, "no containers return in allocation response"));
         }
         const auto& answer = response.container_responses(0);
         done(AllocateAnswer{answer.SerializeAsString(), Read(answer)});
       });
}

void PluginClient::PreStart(const std::vector<std::string>& ids,
                            std::function<void(base::Status)> done) {
  v1beta1::PreStartContainerRequest request;
  for (const std::string& id : ids) request.add_devices_ids(id);
  Call(
      "PreStartContainer", request.SerializeAsString(), kPreStartTimeout,
      [done = std::move(done)](const base::Result<std::string>& result) { done(result.status()); });
}

}  // namespace tranche::sim
