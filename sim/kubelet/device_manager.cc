#include "sim/kubelet/device_manager.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace tranche::sim {
namespace {

constexpr std::int64_t kNoNuma = -1;

base::Status Error(std::string text) { return {base::Code::kUnknown, std::move(text)}; }

}  // namespace

DeviceManager::Ids DeviceManager::Given::All() const {
  Ids all;
  for (const auto& [node, devices] : ids) all.insert(devices.begin(), devices.end());
  return all;
}

DeviceManager::DeviceManager(base::EventLoop& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      registry_(std::make_unique<PluginRegistry>(loop, options_.directory,
                                                 static_cast<PluginEvents&>(*this))) {}

DeviceManager::~DeviceManager() = default;

base::Status DeviceManager::Start() {
  TRANCHE_TRY(base::MakeDirectories(options_.directory, 0750));
  ReadCheckpoint();
  TRANCHE_TRY(CleanDirectory());
  return registry_->Start();
}

std::string DeviceManager::CheckpointPath() const {
  return base::JoinPath(options_.directory, "kubelet_internal_checkpoint");
}

// Sockets only: folders and other files survive (CleanupPluginDirectory; it follows links).
base::Status DeviceManager::CleanDirectory() {
  const auto names = base::ListDirectory(options_.directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string path = base::JoinPath(options_.directory, name);
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) ::unlink(path.c_str());
  }
  return base::Status::Ok();
}

void DeviceManager::ReadCheckpoint() {
  const auto checkpoint = LoadCheckpoint(CheckpointPath());
  if (!checkpoint.ok()) {
    if (checkpoint.status().code() != base::Code::kNotFound) {
      base::LogError("continuing without the checkpoint",
                     {base::Kv("error", checkpoint.status().message())});
    }
    return;
  }
  for (const CheckpointEntry& entry : checkpoint->entries) {
    auto answer = ReadAnswer(entry.answer);
    if (!answer.ok()) continue;
    pods_[entry.pod_uid][entry.container][entry.resource] = {entry.ids, entry.answer,
                                                             std::move(answer).value()};
  }
  RecountAllocated();
  // Known but empty, with a plugin that counts as stopped just now, until it registers.
  for (const auto& [resource, ids] : checkpoint->registered) {
    healthy_[resource].clear();
    unhealthy_[resource].clear();
    endpoints_[resource] = std::make_shared<Endpoint>(Endpoint{nullptr, loop_.Now(), std::nullopt});
  }
}

void DeviceManager::WriteCheckpoint() {
  Checkpoint checkpoint;
  for (const auto& [uid, containers] : pods_) {
    for (const auto& [name, container] : containers) {
      for (const auto& [resource, given] : container) {
        checkpoint.entries.push_back({uid, name, resource, given.ids, given.serialized});
      }
    }
  }
  for (const auto& [resource, ids] : healthy_) {
    checkpoint.registered[resource].assign(ids.begin(), ids.end());
  }
  const base::Status status = SaveCheckpoint(CheckpointPath(), checkpoint);
  if (!status.ok()) {
    base::LogError("writing the checkpoint", {base::Kv("error", status.message())});
  }
}

base::Status DeviceManager::PluginConnected(const std::shared_ptr<PluginClient>& client,
                                            const PluginOptions& options) {
  auto& by_socket = store_[client->resource()];
  if (by_socket.count(client->socket_path()) != 0) {
    return Error("device plugin already connected: " + client->socket_path());
  }
  auto endpoint = std::make_shared<Endpoint>(Endpoint{client, std::nullopt, options});
  endpoints_[client->resource()] = endpoint;
  by_socket[client->socket_path()] = std::move(endpoint);
  options_.events.registered(client->resource(), base::BaseName(client->socket_path()));
  return base::Status::Ok();
}

void DeviceManager::PluginDisconnected(const std::string& resource,
                                       const std::string& socket_path) {
  const auto it = store_.find(resource);
  if (it == store_.end()) return;
  const auto endpoint = it->second.find(socket_path);
  if (endpoint == it->second.end()) return;
  endpoint->second->stopped = loop_.Now();
  it->second.erase(endpoint);
  if (it->second.empty()) {
    store_.erase(it);
    MarkUnhealthy(resource);
  } else {
    endpoints_[resource] = it->second.begin()->second;  // any that remains
  }
}

void DeviceManager::MarkUnhealthy(const std::string& resource) {
  const auto healthy = healthy_.find(resource);
  Ids& unhealthy = unhealthy_[resource];
  if (healthy == healthy_.end()) return;
  unhealthy.merge(healthy->second);
  healthy->second.clear();
}

void DeviceManager::DevicesReceived(const std::string& resource, const std::string& socket_path,
                                    std::vector<kubelet::PluginDevice> devices) {
  Ids& healthy = healthy_[resource];
  Ids& unhealthy = unhealthy_[resource];
  auto& all = all_[resource];
  healthy.clear();
  unhealthy.clear();
  all.clear();
  const std::size_t total = devices.size();
  for (kubelet::PluginDevice& device : devices) {
    (device.healthy ? healthy : unhealthy).insert(device.id);
    all.insert_or_assign(device.id, std::move(device));
  }
  const std::size_t healthy_count = healthy.size();
  options_.events.devices(resource, base::BaseName(socket_path), total, healthy_count);
  WriteCheckpoint();
}

void DeviceManager::RegistrationRefused(const std::string& resource, const std::string& why) {
  options_.events.refused(resource, why);
}

void DeviceManager::StreamEnded(const std::string& resource, const std::string& socket_path,
                                const base::Status& why) {
  options_.events.stream_lost(resource, base::BaseName(socket_path), GoErrorText(why));
}

std::map<std::string, ResourceCount> DeviceManager::Capacity() {
  std::map<std::string, ResourceCount> counts;
  Ids gone;
  const auto add = [&](const std::map<std::string, Ids>& devices, bool healthy) {
    for (const auto& [resource, ids] : devices) {
      const auto it = endpoints_.find(resource);
      if (it == endpoints_.end() ||
          (it->second->stopped && loop_.Now() - *it->second->stopped > options_.stop_grace)) {
        gone.insert(resource);
        continue;
      }
      const auto count = static_cast<std::int64_t>(ids.size());
      counts[resource].capacity += count;
      if (healthy) counts[resource].allocatable += count;
    }
  };
  add(healthy_, true);
  add(unhealthy_, false);
  for (const std::string& resource : gone) {
    endpoints_.erase(resource);
    healthy_.erase(resource);
    unhealthy_.erase(resource);
  }
  if (!gone.empty()) WriteCheckpoint();
  return counts;
}

bool DeviceManager::Knows(const std::string& resource) const {
  return healthy_.count(resource) != 0 || allocated_.count(resource) != 0;
}

std::vector<AllocatedDevice> DeviceManager::DevicesOf(const std::string& pod,
                                                      const std::string& container) const {
  std::vector<AllocatedDevice> devices;
  const auto containers = pods_.find(pod);
  if (containers == pods_.end()) return devices;
  const auto found = containers->second.find(container);
  if (found == containers->second.end()) return devices;
  for (const auto& [resource, given] : found->second) {
    for (const auto& [node, ids] : given.ids) {
      for (const std::string& id : ids) {
        devices.push_back(
            {resource, id, node == kNoNuma ? std::nullopt : std::optional<std::int64_t>(node)});
      }
    }
  }
  return devices;
}

std::vector<AllocatedDevice> DeviceManager::AllocatableDevices() const {
  std::vector<AllocatedDevice> devices;
  for (const auto& [resource, ids] : healthy_) {
    const auto all = all_.find(resource);
    if (all == all_.end()) continue;
    for (const std::string& id : ids) {
      const auto device = all->second.find(id);
      if (device == all->second.end()) continue;
      devices.push_back({resource, id, device->second.numa_node});
    }
  }
  return devices;
}

std::map<std::string, bool> DeviceManager::HealthOf(const std::string& resource) const {
  std::map<std::string, bool> health;
  if (const auto it = healthy_.find(resource); it != healthy_.end()) {
    for (const std::string& id : it->second) health[id] = true;
  }
  if (const auto it = unhealthy_.find(resource); it != unhealthy_.end()) {
    for (const std::string& id : it->second) health[id] = false;
  }
  return health;
}

void DeviceManager::UpdateAllocatedDevices() {
  const std::set<std::string> active = options_.active_pods();
  if (std::erase_if(pods_, [&](const auto& pod) { return active.count(pod.first) == 0; }) > 0) {
    RecountAllocated();
  }
}

void DeviceManager::RecountAllocated() {
  allocated_.clear();
  for (const auto& [uid, containers] : pods_) {
    for (const auto& [name, container] : containers) {
      for (const auto& [resource, given] : container) allocated_[resource].merge(given.All());
    }
  }
}

const DeviceManager::Given* DeviceManager::Find(const std::string& pod,
                                                const std::string& container,
                                                const std::string& resource) const {
  const auto containers = pods_.find(pod);
  if (containers == pods_.end()) return nullptr;
  const auto resources = containers->second.find(container);
  if (resources == containers->second.end()) return nullptr;
  const auto given = resources->second.find(resource);
  return given == resources->second.end() ? nullptr : &given->second;
}

std::vector<std::string> DeviceManager::Unsorted(const Ids& ids) {
  std::vector<std::string> unsorted(ids.begin(), ids.end());
  std::shuffle(unsorted.begin(), unsorted.end(), random_);
  return unsorted;
}

}  // namespace tranche::sim
