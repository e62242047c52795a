#include "agent/serve/resource_plugin.h"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "rpc/unix_socket.h"

namespace tranche::agent::serve {

namespace {

using base::Code;
using base::Kv;
using base::Status;

// The kubelet binds its socket a moment before it listens on it, so the first retries are quick.
constexpr base::Duration kFirstRetry = std::chrono::milliseconds(10);
constexpr base::Duration kLongestRetry = std::chrono::seconds(5);
// How long after an accepted registration the kubelet's stream may take. The real one needs
// milliseconds; it dials with a limit of 10 s.
constexpr base::Duration kStreamTimeout = std::chrono::seconds(12);
// Far more restarts than a kubelet sees in its life; then its wipe has to do.
constexpr int kMaxEndpointNumber = 10'000;

bool Same(const std::vector<kubelet::PluginDevice>& a,
          const std::vector<kubelet::PluginDevice>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.id == y.id && x.healthy == y.healthy && x.numa_node == y.numa_node;
  });
}

// Sockets of agents that were killed, which nobody else removes while the kubelet runs: those named
// before `endpoint` on which nobody listens. (Or whose queue is full, which costs a live agent only
// its name: its streams stay.)
void RemoveDeadSockets(const std::string& directory, const std::string& resource,
                       const std::string& endpoint) {
  const auto names = base::ListDirectory(directory);
  if (!names.ok()) return;
  int number = 0;
  std::set<std::string> earlier;
  for (std::string name; (name = EndpointName(resource, number)) != endpoint; ++number) {
    if (number > kMaxEndpointNumber) return;
    earlier.insert(std::move(name));
  }
  for (const std::string& name : *names) {
    if (!earlier.contains(name)) continue;
    const std::string path = base::JoinPath(directory, name);
    if (rpc::ConnectToUnixSocket(path).status().code() == Code::kUnavailable) unlink(path.c_str());
  }
}

}  // namespace

std::string_view PhaseName(ResourcePlugin::Phase phase) {
  switch (phase) {
    case ResourcePlugin::Phase::kStarting:
      return "starting";
    case ResourcePlugin::Phase::kRegistering:
      return "registering";
    case ResourcePlugin::Phase::kWaiting:
      return "waiting for the kubelet";
    case ResourcePlugin::Phase::kServing:
      return "serving";
  }
  return "unknown";
}

ResourcePlugin::ResourcePlugin(base::EventLoop& loop, kubelet::PluginLink& link,
                               std::string resource, std::string socket_directory,
                               std::string kubelet_socket, EndpointNames& names, Owner owner)
    : loop_(loop),
      link_(link),
      resource_(std::move(resource)),
      socket_directory_(std::move(socket_directory)),
      kubelet_socket_(std::move(kubelet_socket)),
      names_(names),
      owner_(std::move(owner)),
      back_off_({.first = kFirstRetry, .longest = kLongestRetry}) {}

void ResourcePlugin::SetDevices(std::vector<kubelet::PluginDevice> devices) {
  const bool first = server_ == nullptr && !timer_.running();
  if (!first && Same(devices, devices_)) return;
  devices_ = std::move(devices);
  if (server_ != nullptr) server_->SetDevices(devices_);
  if (first) ServeAndRegister();
}

void ResourcePlugin::KubeletSocketChanged() {
  // An open stream is the proof that the kubelet is the one we know, whatever its file says.
  if (phase_ == Phase::kServing || phase_ == Phase::kRegistering) return;
  const bool another_kubelet = !(base::IdentityOf(kubelet_socket_) == kubelet_);
  if (phase_ == Phase::kWaiting && !another_kubelet) return;
  back_off_.Reset();
  ServeAndRegister();
}

void ResourcePlugin::ServeAndRegister() {
  timer_.Stop();
  const base::FileIdentity kubelet = base::IdentityOf(kubelet_socket_);
  const bool registers = !kubelet_socket_.empty();
  const bool reusable =
      server_ != nullptr && !endpoint_spent_ && kubelet_ == kubelet && server_->SocketInPlace();
  if (!reusable) {
    if (registers && !kubelet.exists()) {
      return RetryAfterFailure({Code::kUnavailable, "no kubelet at " + kubelet_socket_});
    }
    kubelet_ = kubelet;
    if (const Status status = StartServer(); !status.ok()) return RetryAfterFailure(status);
  }
  if (!registers) return SetPhase(Phase::kWaiting);
  endpoint_spent_ = true;
  SetPhase(Phase::kRegistering);
  const std::uint64_t attempt = ++attempt_;
  link_.Register({.kubelet_socket = kubelet_socket_, .endpoint = endpoint_, .resource = resource_},
                 runner_.Wrap([this, attempt](const Status& status) {
                   if (attempt == attempt_) Registered(status);
                 }));
}

Status ResourcePlugin::StartServer() {
  server_.reset();
  endpoint_ = kubelet_socket_.empty() ? EndpointName(resource_, 0) : names_.Next(resource_);
  auto server = link_.StartServer(base::JoinPath(socket_directory_, endpoint_), *this);
  if (!server.ok()) return server.status();
  server_ = std::move(*server);
  server_->SetDevices(devices_);
  endpoint_spent_ = false;
  return Status::Ok();
}

void ResourcePlugin::Registered(const Status& status) {
  if (phase_ == Phase::kServing) return;  // the stream came before the answer
  if (status.ok()) {
    SetPhase(Phase::kWaiting);
    timer_.Start(kStreamTimeout, [this] {
      RetryAfterFailure(
          {Code::kDeadlineExceeded, "the kubelet accepted the registration but opened no stream"});
    });
    return;
  }
  // Nobody listened: the kubelet has not heard the name and it can be offered again.
  if (status.code() == Code::kUnavailable) endpoint_spent_ = false;
  RetryAfterFailure(status);
}

void ResourcePlugin::RetryAfterFailure(const Status& status) {
  if (status.message() != error_) {
    base::LogWarning("not registered with the kubelet",
                     {Kv("resource", resource_), Kv("error", status.message())});
  }
  error_ = status.message();
  SetPhase(Phase::kStarting);
  RetryAfter(back_off_.Next());
}

void ResourcePlugin::RetryAfter(base::Duration delay) {
  timer_.Start(delay, [this] { ServeAndRegister(); });
}

void ResourcePlugin::SetPhase(Phase phase) {
  phase_ = phase;
  owner_.changed();
}

void ResourcePlugin::StreamChanged(Stream change) {
  if (change == Stream::kOpened && phase_ != Phase::kServing) {
    timer_.Stop();
    error_.clear();
    back_off_.Reset();
    ++counters_.registrations;
    base::LogInfo("registered with the kubelet",
                  {Kv("resource", resource_), Kv("endpoint", endpoint_),
                   Kv("devices", static_cast<std::uint64_t>(devices_.size()))});
    RemoveDeadSockets(socket_directory_, resource_, endpoint_);
    SetPhase(Phase::kServing);
  } else if (change == Stream::kLost && server_ != nullptr && server_->open_streams() == 0) {
    base::LogInfo("the kubelet closed its stream", {Kv("resource", resource_)});
    ++attempt_;
    SetPhase(Phase::kStarting);
    if (!kubelet_socket_.empty()) RetryAfter(kFirstRetry);
  }
}

void ResourcePlugin::ServerFailed(const std::string& why) {
  ++attempt_;
  endpoint_spent_ = true;
  // Not from inside the server's own call.
  runner_.Post([this, why] {
    RetryAfterFailure({Code::kInternal, "the gRPC server ended: " + why});
  });
}

base::Result<kubelet::ContainerAnswer> ResourcePlugin::Allocate(
    const std::vector<std::string>& ids) {
  auto answer = owner_.allocate(resource_, ids);
  ++(answer.ok() ? counters_.allocations : counters_.refusals);
  owner_.changed();
  return answer;
}

base::Result<std::vector<std::string>> ResourcePlugin::Preferred(
    const kubelet::PreferredQuery& query) {
  return owner_.preferred(resource_, query);
}

}  // namespace tranche::agent::serve
