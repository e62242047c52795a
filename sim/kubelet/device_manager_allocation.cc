// The part of the device manager that gives devices to containers.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "sim/kubelet/device_manager.h"

namespace tranche::sim {
namespace {

constexpr std::int64_t kNoNuma = -1;

base::Status Error(std::string text) { return {base::Code::kUnknown, std::move(text)}; }

std::string Number(std::size_t number) { return std::to_string(number); }

}  // namespace

// One container's allocation (or pre-start), resource after resource.
struct DeviceManager::Request {
  std::string pod;
  std::string container;
  std::vector<std::pair<std::string, int>> left;  // back first
  Done done;
  bool changed = false;

  [[nodiscard]] const std::string& resource() const { return left.back().first; }
  [[nodiscard]] int required() const { return left.back().second; }
};

void DeviceManager::Allocate(const std::string& pod, const std::string& container,
                             const Requests& requests, Done done) {
  auto request = std::make_shared<Request>();
  request->pod = pod;
  request->container = container;
  request->done = std::move(done);
  for (const auto& [resource, count] : requests) {
    if (Knows(resource)) request->left.emplace_back(resource, count);
  }
  if (!request->left.empty()) UpdateAllocatedDevices();
  AllocateNext(std::move(request));
}

void DeviceManager::AllocateNext(std::shared_ptr<Request> request) {
  while (!request->left.empty()) {
    int needed = 0;
    const base::Status status = CheckDevices(*request, needed);
    if (!status.ok()) return Finish(*request, status);
    if (needed > 0) return ChooseDevices(std::move(request), needed);
    request->left.pop_back();
  }
  if (request->changed) WriteCheckpoint();
  Finish(*request, base::Status::Ok());
}

void DeviceManager::Finish(Request& request, const base::Status& status) {
  if (!status.ok()) RecountAllocated();
  std::exchange(request.done, nullptr)(status);
}

base::Status DeviceManager::CheckDevices(const Request& request, int& needed) const {
  const std::string& resource = request.resource();
  const Given* given = Find(request.pod, request.container, resource);
  needed = request.required();
  if (given != nullptr) {
    const std::size_t held = given->All().size();
    needed -= static_cast<int>(held);
    if (needed != 0) {
      return Error("pod \"" + request.pod + "\" container \"" + request.container +
                   "\" changed request for resource \"" + resource + "\" from " + Number(held) +
                   " to " + std::to_string(request.required()));
    }
  }
  const auto healthy = healthy_.find(resource);
  if (healthy == healthy_.end()) return Error("cannot allocate unregistered device " + resource);
  if (healthy->second.empty()) {
    return Error("no healthy devices present; cannot allocate unhealthy devices " + resource);
  }
  if (given != nullptr) {
    for (const std::string& id : given->All()) {
      if (healthy->second.count(id) != 0) continue;
      return Error(
          "previously allocated devices are no longer healthy; cannot allocate unhealthy devices " +
          resource);
    }
  }
  return base::Status::Ok();
}

// With no NUMA hint every free healthy device is a candidate, and the plugin is asked whenever it
// said that it answers, even where there is no choice.
void DeviceManager::ChooseDevices(std::shared_ptr<Request> request, int needed) {
  const std::string resource = request->resource();
  Ids available;
  const Ids& in_use = allocated_[resource];
  std::set_difference(healthy_[resource].begin(), healthy_[resource].end(), in_use.begin(),
                      in_use.end(), std::inserter(available, available.end()));
  if (available.size() < static_cast<std::size_t>(needed)) {
    return Finish(*request, Error("requested number of devices unavailable for " + resource +
                                  ". Requested: " + std::to_string(needed) +
                                  ", Available: " + Number(available.size())));
  }
  const auto endpoint = endpoints_.find(resource);
  if (endpoint == endpoints_.end()) {
    return Finish(*request,
                  Error("endpoint not found in cache for a registered resource: " + resource));
  }
  const Endpoint& plugin = *endpoint->second;
  if (!plugin.options || !plugin.options->preferred_available) {
    return Preferred(std::move(request), needed, available, std::vector<std::string>());
  }
  if (plugin.stopped) {
    return Finish(*request, Error("device plugin GetPreferredAllocation rpc failed with err: "
                                  "endpoint " +
                                  resource + " has been stopped"));
  }
  plugin.client->Preferred(Unsorted(available), {}, request->required(),
                           runner_.Wrap([this, request, needed, available](
                                            const base::Result<std::vector<std::string>>& answer) {
                             Preferred(request, needed, available, answer);
                           }));
}

void DeviceManager::Preferred(std::shared_ptr<Request> request, int needed, const Ids& available,
                              const base::Result<std::vector<std::string>>& answer) {
  if (!answer.ok()) {
    return Finish(*request, Error("device plugin GetPreferredAllocation rpc failed with err: " +
                                  GoErrorText(answer.status())));
  }
  Ids chosen;
  const auto take = [&](const std::vector<std::string>& from) {
    for (const std::string& id : from) {
      if (chosen.size() == static_cast<std::size_t>(needed)) return;
      if (available.count(id) != 0) chosen.insert(id);
    }
  };
  take(*answer);
  take(Unsorted(available));
  allocated_[request->resource()].insert(chosen.begin(), chosen.end());
  CallAllocate(std::move(request), chosen);
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): holds the request while callbacks end it
void DeviceManager::CallAllocate(std::shared_ptr<Request> request, const Ids& ids) {
  const std::string resource = request->resource();
  const auto endpoint = endpoints_.find(resource);
  if (endpoint == endpoints_.end()) {
    return Finish(*request, Error("unknown Device Plugin " + resource));
  }
  if (endpoint->second->stopped) {
    return Finish(*request, Error("endpoint " + resource + " has been stopped"));
  }
  endpoint->second->client->Allocate(
      Unsorted(ids), runner_.Wrap([this, request, ids](base::Result<AllocateAnswer> answer) {
        if (!answer.ok()) {
          const bool empty = answer.status().code() == base::Code::kNotFound;
          return Finish(*request,
                        Error(empty ? answer.status().message() : GoErrorText(answer.status())));
        }
        Store(*request, ids, std::move(answer).value());
        request->changed = true;
        request->left.pop_back();
        AllocateNext(request);
      }));
}

void DeviceManager::Store(const Request& request, const Ids& ids, AllocateAnswer answer) {
  const auto& all = all_[request.resource()];
  DevicesByNuma by_numa;
  for (const std::string& id : ids) {
    const auto device = all.find(id);
    const bool has_node = device != all.end() && device->second.numa_node.has_value();
    by_numa[has_node ? *device->second.numa_node : kNoNuma].push_back(id);
  }
  // A recount meanwhile (pod-resources) may have dropped what was set aside.
  allocated_[request.resource()].insert(ids.begin(), ids.end());
  pods_[request.pod][request.container][request.resource()] = {
      std::move(by_numa), std::move(answer.serialized), std::move(answer.read)};
}

void DeviceManager::RunOptions(const std::string& pod, const std::string& container,
                               const Requests& requests,
                               std::function<void(base::Result<kubelet::ContainerAnswer>)> done) {
  auto request = std::make_shared<Request>();
  request->pod = pod;
  request->container = container;
  request->done = [this, pod, container, done = std::move(done)](const base::Status& status) {
    if (!status.ok()) return done(status);
    done(StoredAnswer(pod, container));
  };
  for (const auto& [resource, count] : requests) {
    if (count > 0 && Knows(resource)) request->left.emplace_back(resource, count);
  }
  PreStartNext(std::move(request));
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): holds the request while callbacks end it
void DeviceManager::PreStartNext(std::shared_ptr<Request> request) {
  while (!request->left.empty()) {
    const std::string resource = request->resource();
    request->left.pop_back();
    const auto endpoint = endpoints_.find(resource);
    if (endpoint == endpoints_.end()) {
      return std::exchange(request->done, nullptr)(
          Error("endpoint not found in cache for a registered resource: " + resource));
    }
    const Endpoint& plugin = *endpoint->second;
    if (!plugin.options || !plugin.options->pre_start_required) continue;
    const std::string failed = "device plugin PreStartContainer rpc failed with err: ";
    if (plugin.stopped) {
      return std::exchange(request->done, nullptr)(Error(
          std::string(failed).append("endpoint ").append(resource).append(" has been stopped")));
    }
    const Given* given = Find(request->pod, request->container, resource);
    if (given == nullptr) {
      return std::exchange(request->done, nullptr)(
          Error("no devices found allocated in local cache for pod " + request->pod +
                ", container " + request->container + ", resource " + resource));
    }
    return plugin.client->PreStart(
        Unsorted(given->All()), runner_.Wrap([this, request, failed](const base::Status& status) {
          if (status.ok()) return PreStartNext(request);
          std::exchange(request->done, nullptr)(Error(failed + GoErrorText(status)));
        }));
  }
  std::exchange(request->done, nullptr)(base::Status::Ok());
}

// The stored answers of all resources together; the first to name a thing wins.
kubelet::ContainerAnswer DeviceManager::StoredAnswer(const std::string& pod,
                                                     const std::string& container) const {
  kubelet::ContainerAnswer combined;
  const auto containers = pods_.find(pod);
  if (containers == pods_.end()) return combined;
  const auto found = containers->second.find(container);
  if (found == containers->second.end()) return combined;
  const auto add = [](auto& to, const auto& from, auto key) {
    for (const auto& item : from) {
      if (std::none_of(to.begin(), to.end(),
                       [&](const auto& other) { return key(other) == key(item); })) {
        to.push_back(item);
      }
    }
  };
  const auto path = [](const auto& item) { return item.container_path; };
  for (const auto& [resource, given] : found->second) {
    combined.env.insert(given.answer.env.begin(), given.answer.env.end());
    combined.annotations.insert(given.answer.annotations.begin(), given.answer.annotations.end());
    add(combined.mounts, given.answer.mounts, path);
    add(combined.devices, given.answer.devices, path);
    add(combined.cdi_devices, given.answer.cdi_devices,
        [](const std::string& name) { return name; });
  }
  return combined;
}

}  // namespace tranche::sim
