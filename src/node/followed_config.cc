#include "node/followed_config.h"

#include <utility>

#include "base/log.h"

namespace tranche::node {

using base::Kv;

FollowedConfig::FollowedConfig(base::EventLoop& loop, const Options& options,
                               std::function<void()> changed)
    : changed_(std::move(changed)) {
  if (!options.Any()) return;
  const auto new_source = [&loop, options](std::function<void()> source_changed) {
    return profile::NewConfigSource(loop, options.files, options.cluster,
                                    std::move(source_changed));
  };
  in_force_.emplace(loop, new_source, profile::Overrides{}, profile::LastGoodPlace{},
                    profile::InForce::Owner{
                        .apply =
                            [this](const config::Loaded& loaded, const std::string& /*source*/) {
                              config_ = loaded.config;
                              Tell();
                              return base::Status::Ok();
                            },
                        // The agent tells of its config in Events; here it is a line in the log.
                        .event =
                            [this](daemon::EventType /*type*/, daemon::Reason reason,
                                   const std::string& message) {
                              base::LogInfo(message, {Kv("reason", std::string(reason.name()))});
                              Tell();
                            },
                        .source_changed = [this] { SourceChanged(); }});
}

void FollowedConfig::Tell() {
  told_ = State();
  changed_();
}

// A file is read again now and then, and mostly says what it has said before.
void FollowedConfig::SourceChanged() {
  if (State() != told_) Tell();
}

void FollowedConfig::Start() {
  if (in_force_) in_force_->Refresh();
}

void FollowedConfig::Connect(apiserver::ApiClient& api, const std::string& default_namespace) {
  if (in_force_) in_force_->source().Connect(api, default_namespace);
}

void FollowedConfig::CannotConnect(const base::Status& why) {
  if (in_force_) in_force_->source().CannotConnect(why);
}

std::optional<status::NodeConfig> FollowedConfig::State() const {
  if (!in_force_) return std::nullopt;
  const profile::ConfigState& state = in_force_->state();
  return status::NodeConfig{.usable = state.usable,
                            .generation = state.applied,
                            .rejected = state.rejected,
                            .profile = state.profile,
                            .error = state.error.empty() ? state.awaiting : state.error,
                            .warnings = state.warnings};
}

}  // namespace tranche::node
