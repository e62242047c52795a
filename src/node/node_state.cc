// Node::State and Node::StatusJson: what the program knows, for reports.
#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "node/node.h"
#include "node/report.h"

namespace tranche::node {
bool Node::Fresh() const {
  return known_.usage_at.has_value() && loop_.Now() - *known_.usage_at < kFresh;
}

std::vector<std::string> Node::Degraded() const {
  std::vector<std::string> reasons;
  const gpu::DriverState driver = gpus_.Driver();
  if (!driver.ready || !driver.error.empty()) {
    reasons.push_back("driver: " + (driver.error.empty() ? "not ready" : driver.error));
  } else if (!known_.usage.ok()) {
    reasons.push_back("driver: " + known_.usage.message());
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
  if (const auto config = rules_.config.State()) {
    if (!config->error.empty()) {
      reasons.push_back("config: " + config->error);
    } else if (!config->usable) {
      reasons.emplace_back("config: none is in force yet");
    }
  }
  // What was told to do without lacks nothing.
  if (!known_.pods.ok() && !options_.node_name.empty()) {
    reasons.push_back("pods: UIDs stand for names: " + known_.pods.message());
  }
  if (!known_.grants.ok() && !options_.pod_resources_socket.empty()) {
    reasons.push_back("grants: not known who was given which GPU: " + known_.grants.message());
  }
  if (rules_.walls->asked_for() && !rules_.walls->Trouble().ok()) {
    reasons.push_back("walls: they do not stand: " + rules_.walls->Trouble().message());
  }
  if (const delivery::State& shim = disk_.delivery->state(); !shim.trouble.empty()) {
    reasons.push_back(fmt::format("walls: the shim is not published{}: {}",
                                  shim.published ? " everywhere" : "", shim.trouble));
  }
  for (std::string& reason : reasons) reason = base::Printable(reason);
  return reasons;
}

NodeState Node::State() const {
  const bool dcgm_names = options_.dcgm_names == DcgmNames::kOn ||
                          (options_.dcgm_names == DcgmNames::kAuto && !known_.exporter);
  const auto& events = events_.events();
  return {.version = options_.version,
          .node_name = options_.node_name,
          .hostname = options_.hostname,
          .ready = gpus_.known(),
          .degraded = Degraded(),
          .driver = gpus_.Driver(),
          .gpus = gpus_.Gpus(),
          .pods = known_.pods,
          .grants = known_.grants,
          .fresh = Fresh(),
          .dcgm_names = dcgm_names,
          .xids = known_.xids,
          .shares = Shares(),
          .config = rules_.config.State(),
          .events = {events.begin(), events.end()},
          .walls = Walls()};
}

std::string Node::MetricsText() const { return NodeMetricsText(State(), gpus_.listed(), sight_); }

base::Json Node::StatusJson() const { return NodeStatusJson(State(), gpus_.listed(), sight_); }

}  // namespace tranche::node
