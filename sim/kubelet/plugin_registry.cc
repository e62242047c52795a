#include "sim/kubelet/plugin_registry.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "kubelet/proto/deviceplugin.pb.h"
#include "rpc/server.h"

namespace tranche::sim {
namespace {

constexpr char kVersion[] = "v1beta1";

bool IsLowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsAlnum(char c) { return IsLowerAlnum(c) || (c >= 'A' && c <= 'Z'); }

// k8s.io/apimachinery validation: at most 63 bytes, alphanumeric at both ends, -_. between.
bool IsNamePart(std::string_view name) {
  if (name.empty() || name.size() > 63 || !IsAlnum(name.front()) || !IsAlnum(name.back())) {
    return false;
  }
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return IsAlnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool IsDnsSubdomain(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  while (true) {
    const auto dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || !IsLowerAlnum(label.front()) || !IsLowerAlnum(label.back()) ||
        !std::all_of(label.begin(), label.end(),
                     [](char c) { return IsLowerAlnum(c) || c == '-'; })) {
      return false;
    }
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

// As Go's %q for what can stand in a name.
std::string Quoted(const std::string& text) { return '"' + base::Printable(text, 256) + '"'; }

}  // namespace

bool IsExtendedResourceName(const std::string& name) {
  constexpr std::string_view kQuotaPrefix = "requests.";
  const auto slash = name.find('/');
  if (slash == std::string::npos || name.find("kubernetes.io/") != std::string::npos) return false;
  if (name.starts_with(kQuotaPrefix)) return false;
  const std::string for_quota = std::string(kQuotaPrefix) + name.substr(0, slash);
  return IsDnsSubdomain(for_quota) && IsNamePart(std::string_view(name).substr(slash + 1));
}

PluginRegistry::PluginRegistry(base::EventLoop& loop, std::string directory, PluginEvents& events)
    : loop_(loop), directory_(std::move(directory)), events_(events) {}

PluginRegistry::~PluginRegistry() = default;

base::Status PluginRegistry::Start() {
  auto server = rpc::Server::Start(
      loop_, {.socket_path = base::JoinPath(directory_, "kubelet.sock"), .socket_mode = 0755},
      [this](const std::shared_ptr<rpc::ServerCall>& call) {
        if (call->method() == "/v1beta1.Registration/Register") return Register(call);
        call->Finish(
            {base::Code::kUnimplemented, "unknown method " + base::Printable(call->method(), 128)},
            "");
      },
      [](const std::string& why) {
        base::LogError("kubelet.sock failed", {base::Kv("error", why)});
      });
  if (!server.ok()) return server.status();
  server_ = std::move(server).value();
  return base::Status::Ok();
}

void PluginRegistry::Register(const Call& call) {
  v1beta1::RegisterRequest request;
  if (!request.ParseFromString(call->request())) {
    return call->Finish({base::Code::kInternal, "malformed registration"}, "");
  }
  const std::string& resource = request.resource_name();
  if (request.version() != kVersion) {
    return Refuse(
        call, resource,
        {base::Code::kUnknown, "requested API version " + Quoted(request.version()) +
                                   " is not supported by kubelet. Supported version is [" +
                                   Quoted(kVersion) + "]"});
  }
  if (!IsExtendedResourceName(resource)) {
    return Refuse(call, resource,
                  {base::Code::kUnknown, "the ResourceName " + Quoted(resource) + " is invalid"});
  }
  Connect(call, resource, base::JoinPath(directory_, request.endpoint()));
}

void PluginRegistry::Connect(const Call& call, const std::string& resource,
                             const std::string& socket_path) {
  auto client = std::make_shared<PluginClient>(loop_, resource, socket_path);
  clients_[resource].push_back(client);
  dialing_.insert(client);
  // The plugin's patience is the kubelet's: its deadline cancels the dialing.
  call->OnClosed([this, weak = std::weak_ptr<PluginClient>(client)] {
    const Client closed = weak.lock();
    if (closed == nullptr || dialing_.erase(closed) == 0) return;
    Forget(closed->resource(), closed->socket_path());
    events_.RegistrationRefused(closed->resource(), "the plugin gave up waiting");
  });
  client->Dial(
      [this, call, weak = std::weak_ptr<PluginClient>(client)](const base::Status& status) {
        if (const Client dialed = weak.lock()) Dialed(call, dialed, status);
      });
}

void PluginRegistry::Dialed(const Call& call, const Client& client, const base::Status& status) {
  if (!status.ok()) {
    dialing_.erase(client);
    Forget(client->resource(), client->socket_path());
    return Refuse(call, client->resource(),
                  {base::Code::kUnknown, "failed to dial device plugin: " + status.message()});
  }
  client->GetOptions([this, call, weak = std::weak_ptr<PluginClient>(client)](
                         const base::Result<PluginOptions>& options) {
    if (const Client connected = weak.lock()) Connected(call, connected, options);
  });
}

void PluginRegistry::Connected(const Call& call, const Client& client,
                               const base::Result<PluginOptions>& options) {
  if (dialing_.erase(client) == 0) return;
  base::Status status;
  if (!options.ok()) {
    status = {base::Code::kUnknown,
              "failed to get device plugin options: " + GoErrorText(options.status())};
  } else {
    status = events_.PluginConnected(client, *options);
  }
  if (!status.ok()) {
    // By resource and path, as the real one does: this also loses the client that is connected.
    Forget(client->resource(), client->socket_path());
    return Refuse(call, client->resource(), status);
  }
  call->Finish(base::Status::Ok(), "");
  Run(client);
}

void PluginRegistry::Refuse(const Call& call, const std::string& resource,
                            const base::Status& why) {
  call->Finish(why, "");
  events_.RegistrationRefused(resource, why.message());
}

void PluginRegistry::Run(const Client& client) {
  running_.insert(client);
  const std::weak_ptr<PluginClient> weak = client;
  client->Watch(
      [this, weak](std::vector<kubelet::PluginDevice> devices) {
        const Client from = weak.lock();
        if (from == nullptr || running_.count(from) == 0) return;
        events_.DevicesReceived(from->resource(), from->socket_path(), std::move(devices));
      },
      [this, weak](const base::Status& why) {
        if (const Client ended = weak.lock()) Ended(ended, why);
      });
}

void PluginRegistry::Ended(const Client& client, const base::Status& why) {
  if (running_.erase(client) == 0) return;
  events_.StreamEnded(client->resource(), client->socket_path(), why);
  const Client known = Find(client->resource(), client->socket_path());
  if (known == nullptr) return;
  Forget(known->resource(), known->socket_path());
  known->Close();
  events_.PluginDisconnected(known->resource(), known->socket_path());
}

void PluginRegistry::Forget(const std::string& resource, const std::string& socket_path) {
  const auto it = clients_.find(resource);
  if (it == clients_.end()) return;
  std::erase_if(it->second,
                [&](const Client& client) { return client->socket_path() == socket_path; });
  if (it->second.empty()) clients_.erase(it);
}

PluginRegistry::Client PluginRegistry::Find(const std::string& resource,
                                            const std::string& socket_path) {
  const auto it = clients_.find(resource);
  if (it == clients_.end()) return nullptr;
  for (const Client& client : it->second) {
    if (client->socket_path() == socket_path) return client;
  }
  return nullptr;
}

}  // namespace tranche::sim
