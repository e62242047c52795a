// The sharing config that the agent on this node has in force, as this program follows it: the same
// file or ConfigMap and the same label, read by the same rules. No last good one is kept.
//
// Threading: the loop's thread.
// Errors: State() says why what is wanted cannot be read.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "config/config.h"
#include "node/status/metrics.h"
#include "profile/cluster_source.h"
#include "profile/file_source.h"
#include "profile/in_force.h"

namespace tranche::node {

class FollowedConfig {
 public:
  struct Options {
    profile::FileSourceOptions files;
    profile::ClusterSourceOptions cluster;
    // Whether any config is to be read.
    [[nodiscard]] bool Any() const { return !files.config_file.empty() || cluster.Any(); }
  };

  // `changed`: State() or config() is another.
  FollowedConfig(base::EventLoop& loop, const Options& options, std::function<void()> changed);

  void Start();
  void Connect(apiserver::ApiClient& api, const std::string& default_namespace);
  void CannotConnect(const base::Status& why);

  // nullopt where none is read.
  [[nodiscard]] std::optional<status::NodeConfig> State() const;
  // The one in force; nullopt where none is.
  [[nodiscard]] const std::optional<config::Config>& config() const { return config_; }

 private:
  void Tell();
  void SourceChanged();

  std::function<void()> changed_;
  std::optional<config::Config> config_;
  std::optional<status::NodeConfig> told_;
  std::optional<profile::InForce> in_force_;
};

}  // namespace tranche::node
