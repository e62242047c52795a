#include "node/identity/pods.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/json_read.h"

namespace tranche::node::identity {
namespace {

// "containerd://0123…" without the runtime's name.
std::string BareId(const std::string& id) {
  const auto scheme = id.find("://");
  return scheme == std::string::npos ? id : id.substr(scheme + 3);
}

// The UID in the name of the pod's group. The kubelet makes the groups of a static pod before the
// API server has given its mirror a UID, and names them after a hash of 32 digits. Anybody who may
// make pods can write the annotation: no UID has that form, so nobody becomes another pod by it.
std::string GroupUid(const base::Json& object, const std::string& uid) {
  const std::string& hash =
      base::TextAt(object, {"metadata", "annotations", "kubernetes.io/config.hash"});
  const bool is_hash =
      hash.size() == 32 && hash.find_first_not_of("0123456789abcdef") == std::string::npos;
  const std::string* mirror =
      base::FindText(object, {"metadata", "annotations", "kubernetes.io/config.mirror"});
  return is_hash && mirror != nullptr ? hash : uid;
}

// What its one container is called; "" where it may have several.
std::string OnlyContainer(const base::Json& object) {
  const base::Json::Array& containers = base::ItemsAt(object, {"spec", "containers"});
  for (const char* kind : {"initContainers", "ephemeralContainers"}) {
    if (!base::ItemsAt(object, {"spec", kind}).empty()) return "";
  }
  return containers.size() == 1 ? base::TextAt(containers.front(), {"name"}) : "";
}

// Whoever may write a pod may write anything here, so no more is kept than can be meant.
MemoryAsk AskIn(const base::Json& object) {
  MemoryAsk ask;
  for (const auto& [key, value] : base::MembersAt(object, {"metadata", "annotations"})) {
    if (!value.is_string()) continue;
    if (key == kMemoryAnnotation) ask.text = value.as_string().substr(0, kMaxAskBytes + 1);
    ask.for_container =
        ask.for_container || key.ends_with(std::string(".container.") + kMemoryAnnotation);
  }
  return ask;
}

}  // namespace

void Pods::Listed(const base::Json::Array& objects) {
  std::set<std::string> listed;
  for (const base::Json& object : objects) {
    listed.insert(base::TextAt(object, {"metadata", "uid"}));
    Put(object);
  }
  std::vector<std::string> gone;
  for (const auto& [uid, pod] : pods_) {
    if (!listed.contains(uid)) gone.push_back(uid);
  }
  for (const std::string& uid : gone) Go(uid);
}

void Pods::Changed(const base::Json& object) { Put(object); }

void Pods::Removed(const base::Json& object) {
  Put(object);  // its last container may have been told of nowhere else
  Go(base::TextAt(object, {"metadata", "uid"}));
}

void Pods::Put(const base::Json& object) {
  const std::string& uid = base::TextAt(object, {"metadata", "uid"});
  const std::string& name = base::TextAt(object, {"metadata", "name"});
  if (uid.empty() || name.empty()) return;
  Forget();
  if (!pods_.contains(uid) && pods_.size() >= kMaxPods) return;
  Pod pod{.pod_namespace = base::TextAt(object, {"metadata", "namespace"}), .name = name};
  pod.group_uid = GroupUid(object, uid);
  pod.only = OnlyContainer(object);
  pod.ask = AskIn(object);
  for (const char* kind :
       {"containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"}) {
    for (const base::Json& status : base::ItemsAt(object, {"status", kind})) {
      const std::string id = BareId(base::TextAt(status, "containerID"));
      if (!id.empty()) pod.containers.push_back({id, base::TextAt(status, "name")});
    }
  }
  if (const auto taken = group_uid_.find(pod.group_uid);
      taken != group_uid_.end() && taken->second != uid) {
    // Only one mirror of a static pod is the kubelet's, and that one was here first.
    if (const auto other = pods_.find(taken->second); other != pods_.end() && !other->second.gone) {
      return;
    }
  }
  group_uid_[pod.group_uid] = uid;
  const auto [entry, fresh] = pods_.try_emplace(uid);
  Pod& known = entry->second;
  pod.since = fresh ? loop_.Now() : known.since;
  if (fresh) newest_ = pod.since;
  // A container that has been restarted has another id; its processes of before may still be asked
  // about.
  for (Container& old : known.containers) {
    const bool told = std::any_of(pod.containers.begin(), pod.containers.end(),
                                  [&](const Container& now) { return now.id == old.id; });
    constexpr std::size_t kMaxContainers = 64;
    if (!told && pod.containers.size() < kMaxContainers) pod.containers.push_back(std::move(old));
  }
  if (!fresh) CountName(known, -1);
  known = std::move(pod);
  CountName(known, 1);
}

// Names are asked about every second: they are counted, not looked for.
void Pods::CountName(const Pod& pod, int by) {
  auto& names = names_[pod.pod_namespace];
  Named& named = names[pod.name];
  named.known += by;
  if (!pod.gone) named.there += by;
  if (named.known == 0) names.erase(pod.name);
  if (names.empty()) names_.erase(pod.pod_namespace);
}

void Pods::Go(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end() || found->second.gone) return;
  CountName(found->second, -1);
  found->second.gone = true;
  CountName(found->second, 1);
  found->second.gone_since = loop_.Now();
}

void Pods::Forget() {
  std::erase_if(pods_, [this](const auto& entry) {
    const Pod& pod = entry.second;
    if (!pod.gone || loop_.Now() - pod.gone_since < kRememberGone) return false;
    if (const auto group = group_uid_.find(pod.group_uid);
        group != group_uid_.end() && group->second == entry.first) {
      group_uid_.erase(group);
    }
    CountName(pod, -1);
    return true;
  });
}

const Pods::Pod* Pods::Find(const std::string& group_uid) const {
  const auto uid = group_uid_.find(group_uid);
  return uid == group_uid_.end() ? nullptr : &pods_.at(uid->second);
}

std::optional<PodRef> Pods::ObjectOf(const std::string& group_uid) const {
  const Pod* pod = Find(group_uid);
  if (pod == nullptr) return std::nullopt;
  return PodRef{
      .pod_namespace = pod->pod_namespace, .name = pod->name, .uid = group_uid_.at(group_uid)};
}

std::optional<MemoryAsk> Pods::AskOf(const std::string& group_uid) const {
  const Pod* pod = Find(group_uid);
  return pod == nullptr ? std::nullopt : std::optional(pod->ask);
}

void Pods::WithUids(std::vector<Held>& held, base::TimePoint asked) const {
  std::map<std::pair<std::string, std::string>, const Pod*> in_force;
  for (const auto& [uid, pod] : pods_) {
    if (pod.gone) continue;
    const Pod*& one = in_force[{pod.pod_namespace, pod.name}];
    if (one == nullptr || one->since < pod.since) one = &pod;
  }
  for (Held& one : held) {
    const auto pod = in_force.find({one.pod_namespace, one.pod});
    const bool known = pod != in_force.end() && pod->second->since < asked;
    one.pod_uid = known ? pod->second->group_uid : "";
  }
}

Owner Pods::OwnerOf(const PodGroup& group) const {
  const Pod* found = Find(group.pod_uid);
  if (found == nullptr) return {.pod_uid = group.pod_uid};
  const Pod& pod = *found;
  Owner owner{.pod_namespace = pod.pod_namespace, .pod = pod.name, .pod_uid = group.pod_uid};
  if (group.container_id.empty()) return owner;
  owner.container = pod.only;
  for (const Container& container : pod.containers) {
    if (container.id == group.container_id) owner.container = container.name;
  }
  return owner;
}

std::optional<bool> Pods::Alive(const Owner& owner) const {
  if (!owner.pod_uid.empty()) {
    const Pod* pod = Find(owner.pod_uid);
    return pod == nullptr ? std::nullopt : std::optional(!pod->gone);
  }
  const auto name_space = names_.find(owner.pod_namespace);
  if (name_space == names_.end()) return std::nullopt;
  const auto name = name_space->second.find(owner.pod);
  if (name == name_space->second.end()) return std::nullopt;
  return name->second.there > 0;
}

std::set<std::string> Pods::ContainerIds() const {
  std::set<std::string> ids;
  for (const auto& [uid, pod] : pods_) {
    for (const Container& container : pod.containers) ids.insert(container.id);
  }
  return ids;
}

}  // namespace tranche::node::identity
