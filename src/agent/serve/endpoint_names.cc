#include "agent/serve/endpoint_names.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "rpc/unix_socket.h"

namespace tranche::agent::serve {

namespace {

constexpr std::size_t kMaxFileBytes = 64U << 10U;

std::string IdentityText(const base::FileIdentity& identity) {
  return std::to_string(identity.device) + ":" + std::to_string(identity.inode) + ":" +
         std::to_string(identity.birth_time_ns);
}

}  // namespace

std::string EndpointName(const std::string& resource, int number) {
  const std::string suffix = number == 0 ? "" : "." + std::to_string(number);
  return "nvidia-" + resource.substr(resource.find('/') + 1) + suffix + ".sock";
}

EndpointNames::EndpointNames(const std::string& directory, std::string kubelet_socket)
    : path_(base::JoinPath(directory, "endpoints.json")),
      kubelet_socket_(std::move(kubelet_socket)) {}

std::string EndpointNames::Next(const std::string& resource) {
  const base::FileIdentity now = base::IdentityOf(kubelet_socket_);
  // Another agent may have used names since: the file is read each time (registrations are rare).
  Load();
  if (!(kubelet_ == now)) {
    kubelet_ = now;
    used_.clear();
  }
  int& number = used_[resource];
  std::string name = EndpointName(resource, number++);
  while (Served(name)) name = EndpointName(resource, number++);
  if (const base::Status status = Save(); !status.ok()) {
    base::LogWarning("cannot remember endpoint names", {base::Kv("error", status.message())});
  }
  return name;
}

bool EndpointNames::Served(const std::string& name) const {
  return rpc::ConnectToUnixSocket(base::JoinPath(base::ParentDirectory(kubelet_socket_), name))
      .ok();
}

void EndpointNames::Load() {
  const auto text = base::ReadFile(path_, kMaxFileBytes);
  if (!text.ok()) return;
  const auto json = base::Json::Parse(*text);
  if (!json.ok()) return;
  const base::Json* kubelet = json->Find("kubelet");
  const base::Json* used = json->Find("used");
  if (kubelet == nullptr || !kubelet->is_string() || used == nullptr || !used->is_object()) return;
  const base::FileIdentity now = base::IdentityOf(kubelet_socket_);
  if (kubelet->as_string() != IdentityText(now)) return;  // about an earlier kubelet
  if (!(kubelet_ == now)) {
    kubelet_ = now;
    used_.clear();
  }
  for (const auto& [resource, count] : used->as_object()) {
    if (!count.is_int() || count.as_int() < 0 || count.as_int() > 1'000'000) continue;
    int& known = used_[resource];
    known = std::max(known, static_cast<int>(count.as_int()));
  }
}

base::Status EndpointNames::Save() const {
  base::Json used = base::Json::MakeObject();
  for (const auto& [resource, count] : used_) used.Set(resource, count);
  base::Json json = base::Json::MakeObject();
  json.Set("kubelet", IdentityText(kubelet_));
  json.Set("used", std::move(used));
  return base::WriteFileAtomic(path_, json.Dump() + "\n", 0600);
}

}  // namespace tranche::agent::serve
