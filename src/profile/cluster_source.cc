#include "profile/cluster_source.h"

#include <algorithm>
#include <utility>

#include "base/json_read.h"
#include "base/log.h"
#include "config/load.h"

namespace tranche::profile {

namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

constexpr char kNodes[] = "/api/v1/nodes";
constexpr char kPolicies[] = "/apis/nvidia.com/v1/clusterpolicies";

// DNS subdomain names, as the API server checks them; here so that what an object says can never
// become another path. Upper case is not worth a message of its own.
bool IsObjectName(std::string_view name) {
  constexpr std::size_t kMaxName = 253;
  if (name.empty() || name.size() > kMaxName || name == "." || name == "..") return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  });
}

std::pair<std::string, std::string> SplitName(const std::string& space_and_name) {
  const std::size_t slash = space_and_name.find('/');
  if (slash == std::string::npos) return {"", space_and_name};
  return {space_and_name.substr(0, slash), space_and_name.substr(slash + 1)};
}

bool IsSpacedName(const std::string& text) {
  const auto [space, name] = SplitName(text);
  return IsObjectName(space) && IsObjectName(name);
}

WantedConfig Refused(std::string source, Status status) {
  WantedConfig wanted;
  wanted.source = std::move(source);
  wanted.named = true;
  wanted.status = std::move(status);
  return wanted;
}

}  // namespace

Status ClusterSourceOptions::Check(const FileSourceOptions& files) const {
  const auto wrong = [](std::string why) { return Status(Code::kInvalidArgument, std::move(why)); };
  if (!Any()) return Status::Ok();
  if (WatchesNode()) {
    const std::string flag = watch_node ? "--watch-node" : "--cluster-policy";
    if (node_name.empty()) return wrong(flag + " needs --node-name (NODE_NAME)");
    if (!IsObjectName(node_name)) return wrong("--node-name is no node's name: " + node_name);
    if (!files.profile.empty() || !files.profile_file.empty()) {
      return wrong(flag +
                   " takes the profile from the node's label: leave out --profile and "
                   "--profile-file");
    }
  } else if (!files.profile_file.empty()) {
    return wrong("--profiles-configmap goes with --watch-node or --profile, not --profile-file");
  }
  if (!config_map.empty() && !IsSpacedName(config_map)) {
    return wrong("--profiles-configmap is NAMESPACE/NAME, not '" + config_map + "'");
  }
  if (!cluster_policy.empty() && !IsObjectName(cluster_policy)) {
    return wrong("--cluster-policy is the name of a ClusterPolicy, not '" + cluster_policy + "'");
  }
  if (!policy_namespace.empty() && !IsObjectName(policy_namespace)) {
    return wrong("--policy-namespace is no namespace's name: " + policy_namespace);
  }
  return Status::Ok();
}

ClusterSource::ClusterSource(base::EventLoop& loop, FileSourceOptions files,
                             ClusterSourceOptions options, std::function<void()> changed)
    : files_options_(std::move(files)),
      options_(std::move(options)),
      changed_(std::move(changed)),
      files_(NewFileSource(loop, files_options_, [this] { NotifyChanged(); })),
      patience_timer_(loop),
      absence_timer_(loop) {
  patience_timer_.Start(kPatience, [this] { OutOfPatience(); });
}

void ClusterSource::OutOfPatience() {
  patient_ = false;
  NotifyChanged();
}

void ClusterSource::Connect(apiserver::ApiClient& api, const std::string& default_namespace) {
  api_ = &api;
  connect_status_ = Status::Ok();
  if (options_.policy_namespace.empty()) options_.policy_namespace = default_namespace;
  if (options_.WatchesNode()) {
    node_ = std::make_unique<apiserver::WatchedObject>("node " + options_.node_name,
                                                       [this] { NodeChanged(); });
    node_->Begin(api, kNodes, options_.node_name, apiserver::ReplyForm::kMetadata);
  }
  if (!options_.cluster_policy.empty()) {
    policy_ = std::make_unique<apiserver::WatchedObject>("clusterpolicy " + options_.cluster_policy,
                                                         [this] { PolicyChanged(); });
    policy_->Begin(api, kPolicies, options_.cluster_policy, apiserver::ReplyForm::kObject);
  }
  FollowConfigMap();
}

void ClusterSource::CannotConnect(const Status& why) {
  connect_status_ = why;
  NotifyChanged();
}

void ClusterSource::NotifyChanged() { changed_(); }

// ---- the node's label ----

void ClusterSource::NodeChanged() {
  const bool news = !(node_->status() == node_reported_);
  node_reported_ = node_->status();
  // A node that was deleted will be made again by its kubelet: until then it is what it was.
  if (node_->known() == apiserver::WatchedObject::Known::kPresent) {
    const std::string& label =
        base::TextAt(node_->object(), {"metadata", "labels", options_.node_label});
    if (label_ != label) {
      base::LogInfo("the node's label names the profile",
                    {base::Kv("label", options_.node_label), base::Kv("value", label)});
      label_ = label;
      files_->Select(label);
      return NotifyChanged();
    }
  }
  if (news) NotifyChanged();
}

bool ClusterSource::NeedsLabel(const Place& place) const {
  return options_.WatchesNode() && (place.in_cluster || !files_options_.profiles_directory.empty());
}

// ---- the ClusterPolicy ----

void ClusterSource::PolicyChanged() {
  const Status& status = policy_->status();
  if (status.code() == Code::kNotFound) {
    if (!absence_timer_.running() && (!policy_seen_ || !policy_map_.empty())) {
      absence_timer_.Start(kAbsenceProven, [this] { PolicySays("", ""); });
    }
    return NotifyChanged();
  }
  absence_timer_.Stop();
  switch (policy_->known()) {
    case apiserver::WatchedObject::Known::kNothing:
      return NotifyChanged();
    case apiserver::WatchedObject::Known::kAbsent:
      return PolicySays("", "");
    case apiserver::WatchedObject::Known::kPresent:
      const Json& object = policy_->object();
      PolicySays(base::TextAt(object, {"spec", "devicePlugin", "config", "name"}),
                 base::TextAt(object, {"spec", "devicePlugin", "config", "default"}));
  }
}

void ClusterSource::PolicySays(const std::string& config_map, const std::string& default_profile) {
  if (!policy_seen_ || config_map != policy_map_ || default_profile != policy_default_) {
    base::LogInfo("the ClusterPolicy names the config",
                  {base::Kv("policy", options_.cluster_policy), base::Kv("configmap", config_map),
                   base::Kv("default", default_profile)});
  }
  policy_seen_ = true;
  policy_map_ = config_map;
  policy_default_ = default_profile;
  FollowConfigMap();
  NotifyChanged();
}

ClusterSource::Place ClusterSource::FindPlace() const {
  Place place{.in_cluster = !options_.config_map.empty(),
              .config_map = options_.config_map,
              .default_profile = files_options_.default_profile,
              .fallbacks = files_options_.fallbacks};
  if (options_.cluster_policy.empty() || (policy_seen_ && policy_map_.empty())) return place;
  if (!policy_seen_) {
    if (policy_ == nullptr || policy_->status().code() != Code::kNotFound) {
      place.certainty = Certainty::kUnknown;
      place.why = policy_ == nullptr ? connect_status_.message() : policy_->WhyNothing();
    } else {
      place.certainty = Certainty::kGuess;
      place.why = "the API server knows no ClusterPolicies";
    }
    return place;
  }
  place.in_cluster = true;
  place.config_map = options_.policy_namespace + "/" + policy_map_;
  place.default_profile = policy_default_;
  // What the operator always asks for.
  if (place.fallbacks.empty()) place.fallbacks = {Fallback::kEmpty};
  if (!IsSpacedName(place.config_map)) {
    place.status = {Code::kInvalidArgument, "clusterpolicy " + options_.cluster_policy +
                                                " names what can be no ConfigMap: " +
                                                base::Printable(place.config_map, 253)};
  }
  return place;
}

// ---- the ConfigMap ----

// Not called from the ConfigMap's own watch, which it may end.
void ClusterSource::FollowConfigMap() {
  const Place place = FindPlace();
  const std::string wanted = place.in_cluster && place.status.ok() ? place.config_map : "";
  if (wanted == map_name_ || api_ == nullptr) return;
  map_name_ = wanted;
  map_.reset();
  if (wanted.empty()) return;
  const auto [space, name] = SplitName(wanted);
  map_ = std::make_unique<apiserver::WatchedObject>("configmap " + wanted,
                                                    [this] { NotifyChanged(); });
  map_->Begin(*api_, "/api/v1/namespaces/" + space + "/configmaps", name,
              apiserver::ReplyForm::kObject);
  // Another ConfigMap is another first answer.
  patient_ = true;
  patience_timer_.Start(kPatience, [this] { OutOfPatience(); });
}

WantedConfig ClusterSource::Unknown(const std::string& why) const {
  WantedConfig wanted;
  wanted.named = true;
  wanted.certainty = patient_ ? Certainty::kUnknown : Certainty::kOverdue;
  wanted.why = why;
  return wanted;
}

WantedConfig ClusterSource::ReadConfigMap(const Place& place, const std::string& selected) const {
  if (map_ == nullptr) return Unknown(connect_status_.message());
  if (map_->known() == apiserver::WatchedObject::Known::kNothing)
    return Unknown(map_->WhyNothing());
  const std::string source = "configmap:" + place.config_map;
  if (map_->known() == apiserver::WatchedObject::Known::kAbsent) {
    return Refused(source, {Code::kNotFound, map_->what() + " does not exist"});
  }
  const Result<std::string> profile =
      ChooseProfile(KeysOf(map_->object()), selected, place.default_profile, place.fallbacks);
  if (!profile.ok()) return Refused(source, profile.status());
  WantedConfig wanted;
  if (profile->empty()) return wanted;
  wanted.named = true;
  wanted.profile = *profile;
  wanted.source = source + "/" + *profile;
  wanted.text = base::TextAt(map_->object(), {"data", *profile});
  if (wanted.text.size() > config::kMaxConfigBytes) {
    wanted.text.clear();
    wanted.status = {Code::kOutOfRange, wanted.source + " is longer than " +
                                            std::to_string(config::kMaxConfigBytes) + " bytes"};
  }
  return wanted;
}

std::vector<std::string> ClusterSource::KeysOf(const Json& config_map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : base::MembersAt(config_map, "data")) {
    if (value.is_string()) keys.push_back(key);
  }
  std::ranges::sort(keys);
  return keys;
}

// ---- together ----

WantedConfig ClusterSource::Read() const {
  const Place place = FindPlace();
  if (!place.status.ok()) return Refused(place.config_map, place.status);
  if (place.certainty == Certainty::kUnknown) return Unknown(place.why);
  Certainty certainty = place.certainty;
  std::string why = place.why;
  std::string selected = files_options_.profile;
  if (NeedsLabel(place)) {
    if (!label_) {
      why = node_ == nullptr ? connect_status_.message() : node_->WhyNothing();
      if (patient_) return Unknown(why);
      certainty = Certainty::kGuess;
    }
    selected = label_.value_or("");
  }
  WantedConfig wanted = place.in_cluster ? ReadConfigMap(place, selected) : files_->Read();
  if (wanted.certainty == Certainty::kSure) {
    wanted.certainty = certainty;
    wanted.why = std::move(why);
  }
  return wanted;
}

std::vector<std::string> ClusterSource::AvailableProfiles() const {
  const Place place = FindPlace();
  if (!place.in_cluster) return files_->AvailableProfiles();
  if (map_ == nullptr || map_->known() != apiserver::WatchedObject::Known::kPresent) return {};
  return KeysOf(map_->object());
}

std::string ClusterSource::ApiState() const {
  if (!connect_status_.ok()) return connect_status_.message();
  for (const auto* object : {node_.get(), policy_.get(), map_.get()}) {
    if (object == nullptr || object->status().ok()) continue;
    // A cluster without ClusterPolicies is one that is left alone.
    if (object == policy_.get() && object->status().code() == Code::kNotFound) continue;
    return object->what() + ": " + object->status().message();
  }
  return kInSync;
}

void ClusterSource::Describe(KubernetesState& state) const {
  state.used = true;
  state.api = ApiState();
  if (options_.WatchesNode()) {
    state.node_label = options_.node_label;
    state.label_value = label_;
  }
  const Place place = FindPlace();
  if (place.in_cluster && place.certainty != Certainty::kUnknown) {
    state.config_map = place.config_map;
    if (map_ != nullptr && map_->known() == apiserver::WatchedObject::Known::kPresent) {
      state.config_map_version = base::TextAt(map_->object(), {"metadata", "resourceVersion"});
    }
  }
  state.cluster_policy = options_.cluster_policy;
}

std::unique_ptr<ConfigSource> NewConfigSource(base::EventLoop& loop, FileSourceOptions files,
                                              ClusterSourceOptions cluster,
                                              std::function<void()> changed) {
  if (!cluster.Any()) return NewFileSource(loop, std::move(files), std::move(changed));
  return std::make_unique<ClusterSource>(loop, std::move(files), std::move(cluster),
                                         std::move(changed));
}

}  // namespace tranche::profile
