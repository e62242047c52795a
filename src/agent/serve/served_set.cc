#include "agent/serve/served_set.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "share/placement.h"
#include "share/replica.h"

namespace tranche::agent::serve {

namespace {

using base::Code;
using base::Result;
using base::Status;

bool AnyReplica(const std::vector<std::string>& ids) {
  return std::any_of(ids.begin(), ids.end(),
                     [](const std::string& id) { return share::IsReplicaId(id); });
}

}  // namespace

ServedSet::ServedSet(base::EventLoop& loop, kubelet::PluginLink& link, std::string socket_directory,
                     std::string kubelet_socket, EndpointNames& names, const Holders& holders,
                     Owner owner)
    : loop_(loop),
      link_(link),
      socket_directory_(std::move(socket_directory)),
      kubelet_socket_(std::move(kubelet_socket)),
      names_(names),
      holders_(holders),
      owner_(std::move(owner)) {}

void ServedSet::Apply(std::shared_ptr<const Applied> applied) {
  // The old plan stays alive until no entry points into it.
  const std::shared_ptr<const Applied> previous = std::exchange(applied_, std::move(applied));
  std::set<std::string> wanted;
  for (const plan::PlannedResource& resource : applied_->plan.resources) {
    wanted.insert(resource.advertised.name);
    entries_[resource.advertised.name].planned = &resource;
  }
  std::erase_if(entries_, [&](const auto& entry) { return !wanted.contains(entry.first); });
  for (auto& [name, entry] : entries_) {
    if (entry.plugin == nullptr) entry.plugin = NewPlugin(name);
  }
  Refresh();
}

std::unique_ptr<ResourcePlugin> ServedSet::NewPlugin(const std::string& resource) {
  return std::make_unique<ResourcePlugin>(
      loop_, link_, resource, socket_directory_, kubelet_socket_, names_,
      ResourcePlugin::Owner{
          .allocate = [this](const std::string& name,
                             const std::vector<std::string>& ids) { return Allocate(name, ids); },
          .preferred = [this](
                           const std::string& name,
                           const kubelet::PreferredQuery& query) { return Preferred(name, query); },
          .changed = [this] { owner_.changed(); }});
}

void ServedSet::SetTopology(gpu::Topology topology) {
  topology_ = std::move(topology);
  for (auto& [name, entry] : entries_) RebuildPool(entry);
}

void ServedSet::Refresh() {
  if (applied_ == nullptr) return;
  FindOldHolders();
  withheld_.clear();
  for (auto& [name, entry] : entries_) {
    for (const auto& [uuid, device] : applied_->plan.devices) {
      if (device.resource == name && Withheld(*entry.planned, device)) withheld_.insert(uuid);
    }
    RebuildPool(entry);
    entry.plugin->SetDevices(ListOf(*entry.planned));
  }
  owner_.changed();
}

void ServedSet::FindOldHolders() {
  old_ids_.clear();
  for (const auto& [resource, ids] : holders_.held()) {
    for (const std::string& id : ids) {
      const std::string uuid(share::ParseReplicaId(id).device);
      const auto device = applied_->plan.devices.find(uuid);
      if (device == applied_->plan.devices.end()) continue;
      if (!plan::Knows(applied_->plan, resource, id)) {
        old_ids_[uuid].insert(std::string(resource).append(" ").append(id));
      }
    }
  }
}

void ServedSet::RebuildPool(Entry& entry) const {
  Pool pool;
  for (const share::AdvertisedDevice& device : entry.planned->advertised.devices) {
    pool.devices.push_back(
        {.uuid = device.uuid,
         .replicas = device.replicas,
         .usable = DeviceHealthy(device.uuid) && !old_ids_.contains(device.uuid)});
  }
  if (entry.planned->align_whole_gpus) {
    std::vector<std::size_t> rows;
    for (const share::PoolDevice& device : pool.devices) {
      const auto it = std::find(topology_.uuids.begin(), topology_.uuids.end(), device.uuid);
      rows.push_back(static_cast<std::size_t>(it - topology_.uuids.begin()));
    }
    const std::size_t known = topology_.uuids.size();
    pool.pair_score.assign(rows.size(), std::vector<int>(rows.size(), 0));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = 0; j < rows.size(); ++j) {
        if (rows[i] < known && rows[j] < known) {
          pool.pair_score[i][j] = topology_.pair_score[rows[i]][rows[j]];
        }
      }
    }
  }
  entry.pool = std::move(pool);
}

// gpu::HealthTracker reports a fault of a whole GPU for each of its MIG devices too, so the
// device's own entry is enough.
bool ServedSet::DeviceHealthy(const std::string& uuid) const { return owner_.healthy(uuid); }

// drainBeforeExclusive: a whole device is not offered while pods hold other ids of it, nor before
// it is known that none does.
bool ServedSet::Withheld(const plan::PlannedResource& resource,
                         const plan::PlannedDevice& device) const {
  return resource.drain_before_exclusive && device.replicas == 1 &&
         (!holders_.ever_known() || old_ids_.contains(device.uuid));
}

// Here, where the kubelet is told, the counts become ids.
std::vector<kubelet::PluginDevice> ServedSet::ListOf(const plan::PlannedResource& resource) const {
  std::vector<kubelet::PluginDevice> list;
  list.reserve(share::CountIds(resource.advertised));
  for (const share::AdvertisedDevice& device : resource.advertised.devices) {
    const bool healthy = DeviceHealthy(device.uuid) && !withheld_.contains(device.uuid);
    for (int k = 0; k < device.replicas; ++k) {
      list.push_back({.id = share::IdOf(device.uuid, device.replicas, k),
                      .healthy = healthy,
                      .numa_node = device.numa_node});
    }
  }
  return list;
}

void ServedSet::KubeletSocketChanged() {
  for (auto& [name, entry] : entries_) entry.plugin->KubeletSocketChanged();
}

void ServedSet::StopServing() { entries_.clear(); }

Result<kubelet::ContainerAnswer> ServedSet::AnswerFor(const plan::PlannedResource& resource,
                                                      const std::vector<std::string>& ids) {
  const auto facts = owner_.facts(share::DevicesOf(ids));
  if (!facts.ok()) return facts.status();
  return plan::Answer(
      {.config = applied_->config, .plan = applied_->plan, .resource = resource, .facts = *facts},
      ids);
}

Result<kubelet::ContainerAnswer> ServedSet::Allocate(const std::string& resource,
                                                     const std::vector<std::string>& ids) {
  const auto entry = entries_.find(resource);
  if (entry == entries_.end()) return Status(Code::kUnavailable, resource + " is no longer served");
  auto answer = AnswerFor(*entry->second.planned, ids);
  if (!answer.ok()) {
    owner_.event(daemon::EventType::kWarning, "AllocationRefused",
                 base::Printable(answer.status().message()));
    return answer;
  }
  for (const std::string& uuid : share::DevicesOf(ids)) {
    if (!old_ids_.contains(uuid)) continue;
    owner_.event(
        daemon::EventType::kWarning, "SharedWithEarlierPods",
        "a pod was admitted to " + uuid + " where pods still hold ids of an earlier profile");
  }
  base::LogDebug("allocated",
                 {base::Kv("resource", resource), base::Kv("first", ids.empty() ? "" : ids[0])});
  owner_.allocated();
  return answer;
}

Result<std::vector<std::string>> ServedSet::Preferred(const std::string& resource,
                                                      const kubelet::PreferredQuery& query) {
  const auto entry = entries_.find(resource);
  if (entry == entries_.end()) return Status(Code::kUnavailable, resource + " is no longer served");
  const share::PreferredRequest request{
      .available = query.available, .must_include = query.must_include, .size = query.size};
  const Pool& pool = entry->second.pool;
  const bool align = entry->second.planned->align_whole_gpus && !AnyReplica(query.available);
  auto preferred =
      align ? share::PreferWhole(pool.devices, pool.pair_score, request)
            : share::PreferReplicas(entry->second.planned->policy, pool.devices, request);
  if (preferred.ok()) return preferred;
  return Status(
      Code::kUnknown,
      preferred.status().Wrap("error getting list of preferred allocation devices").message());
}

bool ServedSet::AllServing() const {
  return std::all_of(entries_.begin(), entries_.end(), [](const auto& entry) {
    return entry.second.plugin->phase() == ResourcePlugin::Phase::kServing;
  });
}

bool ServedSet::AnyServing() const {
  return std::any_of(entries_.begin(), entries_.end(), [](const auto& entry) {
    return entry.second.plugin->phase() == ResourcePlugin::Phase::kServing;
  });
}

bool ServedSet::WaitsForHolders() const { return !withheld_.empty(); }

std::vector<ResourceState> ServedSet::States() const {
  std::vector<ResourceState> states;
  for (const auto& [name, entry] : entries_) {
    const ResourcePlugin& plugin = *entry.plugin;
    ResourceState state{.name = name,
                        .original = entry.planned->advertised.original,
                        .endpoint = plugin.endpoint(),
                        .phase = std::string(PhaseName(plugin.phase())),
                        .shared = entry.planned->advertised.shared,
                        .devices = static_cast<int>(plugin.devices().size()),
                        .healthy = 0,
                        .held = {},
                        .registrations = plugin.counters().registrations,
                        .allocations = plugin.counters().allocations,
                        .refusals = plugin.counters().refusals,
                        .error = plugin.error()};
    state.healthy =
        static_cast<int>(std::count_if(plugin.devices().begin(), plugin.devices().end(),
                                       [](const auto& device) { return device.healthy; }));
    if (holders_.known()) state.held = holders_.HeldOf(name);
    states.push_back(std::move(state));
  }
  return states;
}

std::vector<std::string> ServedSet::Warnings() const {
  std::vector<std::string> warnings;
  for (const auto& [uuid, ids] : old_ids_) {
    std::string text = uuid + ": pods still hold ids of an earlier profile:";
    int shown = 0;
    for (const std::string& id : ids) {
      if (++shown > 4) break;
      text += " " + id;
    }
    if (ids.size() > 4) text += " … (" + std::to_string(ids.size()) + " in all)";
    if (withheld_.contains(uuid)) text += "; withheld until they end";
    warnings.push_back(std::move(text));
  }
  return warnings;
}

}  // namespace tranche::agent::serve
