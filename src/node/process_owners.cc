#include "node/process_owners.h"

#include <set>
#include <utility>

namespace tranche::node {

namespace {

using base::Status;
using sight::Holder;
using sight::Whose;

// Of a container's id, where its name is not known: as much as tools show of it.
constexpr std::size_t kShortId = 12;

}  // namespace

ProcessOwners::ProcessOwners(base::EventLoop& loop, std::unique_ptr<identity::Proc> proc,
                             std::string node_name, Owner owner)
    : node_name_(std::move(node_name)),
      owner_(std::move(owner)),
      status_(base::Code::kUnavailable,
              node_name_.empty() ? "no name of the node is given (--node-name)" : "not asked yet"),
      proc_(std::move(proc)),
      processes_(*proc_),
      pods_(loop) {}

void ProcessOwners::CannotConnect(const Status& why) {
  if (!node_name_.empty()) status_ = why;
}

void ProcessOwners::Connect(apiserver::ApiClient& api) {
  if (node_name_.empty()) return;
  watch_ = api.Watch({.path = "/api/v1/pods",
                      .field_selector = "spec.nodeName=" + node_name_,
                      .label_selector = "",
                      .form = apiserver::ReplyForm::kObject},
                     {.listed =
                          [this](const base::Json::Array& pods) {
                            pods_.Listed(pods);
                            owner_.pods_changed();
                          },
                      .changed =
                          [this](const base::Json& pod) {
                            pods_.Changed(pod);
                            owner_.pods_changed();
                          },
                      .removed = [this](const base::Json& pod) { pods_.Removed(pod); },
                      .state =
                          [this](const Status& status) {
                            status_ = status;
                            owner_.status_changed();
                          }});
}

Whose ProcessOwners::WhoseIs(unsigned pid) {
  const identity::Place place = processes_.Look(pid);
  switch (place.kind) {
    case identity::PlaceKind::kHost:
      return {.kind = Whose::Kind::kHost, .holder = {}};
    case identity::PlaceKind::kUnknown:
      return {};
    case identity::PlaceKind::kPod:
      break;
  }
  Whose whose{.kind = Whose::Kind::kPod, .holder = {}, .memory_only = place.renewed};
  if (auto named = Named(place.group)) {
    whose.holder = *std::move(named);
    return whose;
  }
  whose.holder = HolderOf(place.group);
  // Where nobody is asked for names, none will become known.
  if (!node_name_.empty()) whose.unnamed_id = place.group.container_id;
  return whose;
}

std::optional<Holder> ProcessOwners::Named(const identity::PodGroup& group) const {
  Holder holder = HolderOf(group);
  if (holder.pod_namespace.empty() || holder.container.empty()) return std::nullopt;
  return holder;
}

// As much of its name as is known.
Holder ProcessOwners::HolderOf(const identity::PodGroup& group) const {
  const identity::Owner owner = pods_.OwnerOf(group);
  if (owner.pod.empty()) {
    return {.pod_namespace = "",
            .pod = group.pod_uid,
            .container = group.container_id.substr(0, kShortId),
            .pod_uid = group.pod_uid};
  }
  return {.pod_namespace = owner.pod_namespace,
          .pod = owner.pod,
          .container = owner.container,
          .pod_uid = owner.pod_uid};
}

std::optional<bool> ProcessOwners::Alive(const Holder& holder) const {
  return pods_.Alive({.pod_namespace = holder.pod_namespace,
                      .pod = holder.pod,
                      .container = "",
                      .pod_uid = holder.pod_uid});
}

void ProcessOwners::UsageRead(const gpu::Usage& usage) {
  std::set<unsigned> pids;
  for (const gpu::DeviceUsage& device : usage.devices) {
    if (device.processes) {
      for (const gpu::RunningProcess& process : *device.processes) pids.insert(process.pid);
    }
    if (device.process_samples) {
      for (const gpu::ProcessSample& sample : *device.process_samples) pids.insert(sample.pid);
    }
  }
  processes_.Keep(pids);
}

identity::PodGroup ProcessOwners::GroupOf(unsigned pid) const {
  const identity::Place* place = processes_.Find(pid);
  return place == nullptr || place->kind != identity::PlaceKind::kPod ? identity::PodGroup{}
                                                                      : place->group;
}

}  // namespace tranche::node
