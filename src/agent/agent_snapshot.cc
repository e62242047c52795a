// Agent::Snapshot: what the agent knows, as the plain value that reports are made from.
#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "agent/agent.h"

namespace tranche::agent {

status::AgentState Agent::Snapshot() const {
  status::AgentState state;
  state.version = options_.version;
  state.started = identity_.started;
  state.node_name = options_.node_name;
  state.config = config_.state();
  state.config.warnings.insert(state.config.warnings.end(), options_.install_warnings.begin(),
                               options_.install_warnings.end());
  state.driver = gpus_.Driver();
  state.gpus = gpus_.Gpus();
  state.resources = serving_.served().States();
  const serve::Holders& holders = serving_.holders();
  state.holders_known = holders.known();
  state.holders_error = holders.known() ? "" : holders.status().message();
  if (const auto predecessor = succession_.predecessor()) state.predecessor = predecessor->Text();
  if (api_.wanted()) {
    state.kubernetes.used = true;
    state.kubernetes.api = api_.status().ok() ? profile::kInSync : api_.status().message();
    config_.source().Describe(state.kubernetes);
    state.kubernetes.events = events_.kubernetes_state();
  }
  state.warnings = plan_warnings_;
  for (std::string& warning : serving_.served().Warnings()) {
    state.warnings.push_back(std::move(warning));
  }
  if (!succession_.status().ok()) state.warnings.push_back(succession_.status().message());
  if (const auto stuck = disk_->StuckJob()) {
    state.warnings.push_back(
        fmt::format("disk: {} has not returned for {} s", stuck->what,
                    std::chrono::duration_cast<std::chrono::seconds>(stuck->age).count()));
  }
  state.events = events_.events();
  return state;
}

}  // namespace tranche::agent
