// Node::State and Node::StatusJson: what the program knows, for reports.
#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "node/node.h"
#include "node/status/report.h"

namespace tranche::node {
bool Node::Fresh() const {
  return last_usage_.at.has_value() && loop_.Now() - *last_usage_.at < kFresh;
}

std::vector<std::string> Node::Degraded(const status::WallsState& walls) const {
  std::vector<std::string> reasons;
  const gpu::DriverState driver = gpus_.Driver();
  if (!driver.ready || !driver.error.empty()) {
    reasons.push_back("driver: " + (driver.error.empty() ? "not ready" : driver.error));
  } else if (!last_usage_.status.ok()) {
    reasons.push_back("driver: " + last_usage_.status.message());
  }
  if (!driver.stuck_call.empty()) {
    reasons.push_back(fmt::format("driver: {} has not returned for {:.0f} s", driver.stuck_call,
                                  driver.stuck_seconds));
  }
  for (const gpu::GpuState& gpu : gpus_.Gpus()) {
    const std::string& name = gpu.uuid.empty() ? gpu.index : gpu.uuid;
    if (!gpu.error.empty()) {
      reasons.push_back(fmt::format("gpu {}: {}", name, gpu.error));
    } else if (gpu.lost) {
      reasons.push_back(fmt::format("gpu {}: lost", name));
    }
  }
  for (const auto& [uuid, account] : sight_.accounts()) {
    const std::string& why = account.unmeasured;
    if (!why.empty() && why != "mig") {
      reasons.push_back(fmt::format("gpu {}: time of processes: {}", uuid, why));
    }
  }
  if (const auto config = config_.State()) {
    if (!config->error.empty()) {
      reasons.push_back("config: " + config->error);
    } else if (!config->usable) {
      reasons.emplace_back("config: none is in force yet");
    }
  }
  // What was told to do without lacks nothing.
  if (!owners_.status().ok() && !options_.node_name.empty()) {
    reasons.push_back("pods: UIDs stand for names: " + owners_.status().message());
  }
  if (!kubelet_.status().ok() && !options_.pod_resources_socket.empty()) {
    reasons.push_back("grants: not known who was given which GPU: " + kubelet_.status().message());
  }
  if (walls.asked_for && !walls.trouble.empty()) {
    reasons.push_back("walls: they do not stand: " + walls.trouble);
  }
  if (const delivery::State& shim = walls.shim; !shim.trouble.empty()) {
    reasons.push_back(fmt::format("walls: the shim is not published{}: {}",
                                  shim.published ? " everywhere" : "", shim.trouble));
  }
  for (std::string& reason : reasons) reason = base::Printable(reason);
  return reasons;
}

status::NodeState Node::State() const {
  const bool dcgm_names = options_.dcgm_names == DcgmNames::kOn ||
                          (options_.dcgm_names == DcgmNames::kAuto && !exporter_.runs());
  status::WallsState walls = walls_.State();
  std::vector<std::string> degraded = Degraded(walls);
  const auto& events = daemon_.events().events();
  return {.version = options_.version,
          .node_name = options_.node_name,
          .hostname = options_.hostname,
          .ready = gpus_.known(),
          .degraded = std::move(degraded),
          .driver = gpus_.Driver(),
          .gpus = gpus_.Gpus(),
          .pods = owners_.status(),
          .grants = kubelet_.status(),
          .fresh = Fresh(),
          .dcgm_names = dcgm_names,
          .xids = xids_,
          .shares = Shares(),
          .config = config_.State(),
          .events = {events.begin(), events.end()},
          .walls = std::move(walls)};
}

std::string Node::MetricsText() const {
  return status::NodeMetricsText(State(), gpus_.listed(), sight_);
}

base::Json Node::StatusJson() const {
  return status::NodeStatusJson(State(), gpus_.listed(), sight_);
}

}  // namespace tranche::node
