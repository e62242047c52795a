// The sharing configuration as the cluster gives it. A label of this node names the profile; the
// profiles are in a ConfigMap that is watched by name, or in files; a ClusterPolicy may name both.
// Each of the three is used only where the options ask for it.
//
// What was seen last counts while the API server is away. Until it has answered for the first time
// nothing is known (Certainty::kUnknown). After kPatience that is overdue (kOverdue); where only
// the label is missing, the default profile is guessed (kGuess). A ConfigMap is never guessed.
//
// Threading: the loop's thread.
// Errors: WantedConfig says why there is no answer, or why what was named cannot be had.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/client.h"
#include "apiserver/watched_object.h"
#include "base/event_loop.h"
#include "base/status.h"
#include "base/timer.h"
#include "profile/choose.h"
#include "profile/file_source.h"
#include "profile/source.h"

namespace tranche::profile {

struct ClusterSourceOptions {
  std::string node_name;
  bool watch_node = false;
  std::string node_label;        // key of the label that names the profile
  std::string config_map;        // NAMESPACE/NAME; "": none
  std::string cluster_policy;    // name; "": none. One that names a ConfigMap implies watch_node.
  std::string policy_namespace;  // of the ConfigMap that it names

  [[nodiscard]] bool Any() const {
    return watch_node || !config_map.empty() || !cluster_policy.empty();
  }
  [[nodiscard]] bool WatchesNode() const { return watch_node || !cluster_policy.empty(); }
  // kInvalidArgument: what is asked for does not go together, or is no name.
  [[nodiscard]] base::Status Check(const FileSourceOptions& files) const;
};

class ClusterSource : public ConfigSource {
 public:
  // How long a first answer may take before a node without any configuration gets a guessed one.
  static constexpr base::Duration kPatience = std::chrono::seconds(5);
  // A starting API server answers 404 for CRDs that it has not loaded yet. Only after this long is
  // 404 taken to mean that there is no ClusterPolicy CRD.
  static constexpr base::Duration kAbsenceProven = std::chrono::seconds(10);

  ClusterSource(base::EventLoop& loop, FileSourceOptions files, ClusterSourceOptions options,
                std::function<void()> changed);
  ClusterSource(const ClusterSource&) = delete;
  ClusterSource& operator=(const ClusterSource&) = delete;

  // The namespace is for a policy's ConfigMap where no other was given.
  void Connect(apiserver::ApiClient& api, const std::string& default_namespace) override;
  void CannotConnect(const base::Status& why) override;

  [[nodiscard]] WantedConfig Read() const override;
  [[nodiscard]] std::vector<std::string> AvailableProfiles() const override;
  [[nodiscard]] bool MayBeLate() const override { return true; }

  void Describe(KubernetesState& state) const override;

 private:
  // Where profiles come from at this moment, with the policy taken into account.
  struct Place {
    Certainty certainty = Certainty::kSure;
    std::string why;
    base::Status status;
    bool in_cluster = false;  // a ConfigMap; else files
    std::string config_map;   // NAMESPACE/NAME
    std::string default_profile;
    std::vector<Fallback> fallbacks;
  };
  [[nodiscard]] Place FindPlace() const;
  [[nodiscard]] WantedConfig ReadConfigMap(const Place& place, const std::string& selected) const;
  [[nodiscard]] WantedConfig Unknown(const std::string& why) const;
  [[nodiscard]] bool NeedsLabel(const Place& place) const;
  [[nodiscard]] std::string ApiState() const;
  static std::vector<std::string> KeysOf(const base::Json& config_map);

  void NodeChanged();
  void PolicyChanged();
  void PolicySays(const std::string& config_map, const std::string& default_profile);
  void FollowConfigMap();  // watches the ConfigMap that is wanted now
  void OutOfPatience();
  void NotifyChanged();

  const FileSourceOptions files_options_;
  ClusterSourceOptions options_;
  std::function<void()> changed_;
  std::unique_ptr<ConfigSource> files_;

  apiserver::ApiClient* api_ = nullptr;
  base::Status connect_status_{base::Code::kUnavailable, "not asked yet"};
  std::unique_ptr<apiserver::WatchedObject> node_;
  std::unique_ptr<apiserver::WatchedObject> policy_;
  std::unique_ptr<apiserver::WatchedObject> map_;
  std::string map_name_;  // NAMESPACE/NAME that map_ watches

  std::optional<std::string> label_;  // "" without one; nullopt until the node was seen
  std::string policy_map_;            // .spec.devicePlugin.config.name, as last seen
  std::string policy_default_;
  bool policy_seen_ = false;  // it, or its absence for sure
  base::Status node_reported_;
  bool patient_ = true;
  base::Timer patience_timer_;
  base::Timer absence_timer_;
};

// The source that the options ask for: files alone, or what the cluster says of them.
std::unique_ptr<ConfigSource> NewConfigSource(base::EventLoop& loop, FileSourceOptions files,
                                              ClusterSourceOptions cluster,
                                              std::function<void()> changed);

}  // namespace tranche::profile
